// What roles cannot say, as ValidatingAdmissionPolicies of the hub's API server. CEL: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import { GROUP, VERSION } from '../../../api/group.ts'
import { COMPLAINT_SUFFIX } from '../../../api/joinrequest.ts'
import { PROVIDER_LABEL } from '../../../api/labels.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import { byAccount, manifestsOf, mayHoldAll, type Policy } from '../admission-policy.ts'
import type { Account, Manifest } from '../manifest.ts'
import {
  byAgentOrInvite,
  leasesOfAgents,
  objectsOfAgents,
  ownsNothing,
  runsOfAgents,
  smallMetadata,
} from './agent-admission.ts'
import {
  AGENT_NAME,
  AGENT_TOKEN_SECRET,
  HUB_AUDIENCES,
  PROVIDER_AGENT_ROLE,
  PROVIDER_NAMESPACE_ROLE,
} from './rights.ts'

/** Longer tokens of an agent are refused; an API server may grant less. */
export const CREDENTIAL_SECONDS = 7 * 24 * 3600

export function hubAdmission(hub: Account): readonly Manifest[] {
  return [
    joinRequestsOfInvites(),
    tokensOfAgents(),
    audiencesOfAgents(hub),
    verdictsOfHub(hub),
    objectsOfAgents(),
    leasesOfAgents(),
    runsOfAgents(),
    namespacesOfHub(hub),
    bindingsOfHub(hub),
  ].flatMap(manifestsOf)
}

/** RBAC can hold no CREATE to a name. */
function namespacesOfHub(hub: Account): Policy {
  return {
    name: 'gpc-hub-namespaces',
    on: { group: '', version: 'v1', resources: ['namespaces'] },
    operations: ['CREATE'],
    when: { 'by-the-hub': byAccount(hub) },
    rules: [
      {
        expression: `object.metadata.name.startsWith('${providerNamespace('')}') && has(object.metadata.labels) && '${PROVIDER_LABEL}' in object.metadata.labels && object.metadata.name == '${providerNamespace('')}' + object.metadata.labels['${PROVIDER_LABEL}']`,
        message: `the hub makes namespaces of providers only, with their name in ${PROVIDER_LABEL}`,
      },
    ],
  }
}

/** The right to bind holds in every namespace: without this the hub could take Secrets of any to itself. */
function bindingsOfHub(hub: Account): Policy {
  const toHub = `object.subjects[0].name == '${hub.name}' && object.subjects[0].namespace == '${hub.namespace}'`
  const toAgent = `object.subjects[0].name == '${AGENT_NAME}' && object.subjects[0].namespace == request.namespace`
  return {
    name: 'gpc-hub-rolebindings',
    on: { group: 'rbac.authorization.k8s.io', version: 'v1', resources: ['rolebindings'] },
    operations: ['CREATE'],
    when: { 'by-the-hub': byAccount(hub) },
    rules: [
      {
        expression: `has(namespaceObject.metadata.labels) && '${PROVIDER_LABEL}' in namespaceObject.metadata.labels && request.namespace == '${providerNamespace('')}' + namespaceObject.metadata.labels['${PROVIDER_LABEL}']`,
        message: 'the hub binds roles in the namespaces of providers only',
      },
      {
        expression: `has(object.subjects) && object.subjects.size() == 1 && object.subjects[0].kind == 'ServiceAccount' && (object.roleRef.name == '${PROVIDER_NAMESPACE_ROLE}' ? (${toHub}) : (object.roleRef.name == '${PROVIDER_AGENT_ROLE}' && ${toAgent}))`,
        message: `the hub binds ${PROVIDER_NAMESPACE_ROLE} to itself and ${PROVIDER_AGENT_ROLE} to the agent of that namespace, and nothing else`,
      },
    ],
  }
}

/** RBAC cannot hold a CREATE to a name, and compares names whole: no invite makes the request of another one. */
function joinRequestsOfInvites(): Policy {
  return {
    name: 'gpc-join-requests',
    on: { group: GROUP, version: VERSION, resources: ['joinrequests'] },
    operations: ['CREATE'],
    rules: [
      {
        expression: `[request.userInfo.username, request.userInfo.username + '${COMPLAINT_SUFFIX}'].exists(one, one == 'system:serviceaccount:' + request.namespace + ':invite-' + object.metadata.name)`,
        message: `only the invite of that name may make this JoinRequest: metadata.name must be its id, or that and ${COMPLAINT_SUFFIX}`,
      },
      ownsNothing,
      ...smallMetadata,
    ],
  }
}

const onTokens = {
  on: { group: '', version: 'v1', resources: ['serviceaccounts/token'] },
  operations: ['CREATE'],
  ...byAgentOrInvite,
} as const satisfies Partial<Policy>

/** Without it an agent could have a token for a hundred years that outlives everything. */
function tokensOfAgents(): Policy {
  return {
    name: 'gpc-agent-tokens',
    ...onTokens,
    rules: [
      {
        expression: `request.name == '${AGENT_NAME}' && request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':${AGENT_NAME}'`,
        message: `an agent may ask for a token of its own ServiceAccount ${AGENT_NAME} only`,
      },
      {
        expression: `has(object.spec.boundObjectRef) && object.spec.boundObjectRef != null && object.spec.boundObjectRef.kind == 'Secret' && object.spec.boundObjectRef.name == '${AGENT_TOKEN_SECRET}'`,
        message: `spec.boundObjectRef must be Secret ${AGENT_TOKEN_SECRET}`,
      },
      {
        expression: `has(object.spec.expirationSeconds) && object.spec.expirationSeconds <= ${CREDENTIAL_SECONDS}`,
        message: `spec.expirationSeconds must be at most ${CREDENTIAL_SECONDS}, which is 7 days`,
      },
    ],
  }
}

/**
 * No token for another service. The API server has filled in its own audiences before this is asked, and only the hub, which
 * writes the ConfigMap with the first credential, knows them; before that no agent has a token to ask with.
 */
function audiencesOfAgents({ namespace }: Account): Policy {
  return {
    name: 'gpc-agent-audiences',
    ...onTokens,
    rules: [
      {
        expression:
          "!has(object.spec.audiences) || object.spec.audiences == null || object.spec.audiences.all(one, one in params.data['audiences'].split(' '))",
        message: 'spec.audiences must be left out: the token is for this API server alone',
      },
    ],
    params: { namespace, name: HUB_AUDIENCES },
  }
}

/** Whatever rights a tenant or an agent has. */
function verdictsOfHub({ namespace, name }: Account): Policy {
  const resources = ['gpujobs', 'gpuqueues', 'providers', 'gpunodes', 'joinrequests'].map((one) => `${one}/status`)
  return {
    name: 'gpc-verdicts',
    on: { group: GROUP, version: VERSION, resources },
    operations: ['UPDATE'],
    when: { 'not-the-hub': `request.userInfo.username != 'system:serviceaccount:${namespace}:${name}'` },
    rules: [
      {
        expression: mayHoldAll,
        message: 'only the hub writes this status',
      },
    ],
  }
}
