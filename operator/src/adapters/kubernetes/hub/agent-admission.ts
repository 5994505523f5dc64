// What an agent may write on its hub beside what schemas hold: policies that its roles cannot say.
import { GROUP, VERSION } from '../../../api/group.ts'
import { PROVIDER_LABEL } from '../../../api/labels.ts'
import { mayHoldAll, type Policy } from '../admission-policy.ts'
import { AGENT_NAME } from './rights.ts'

/** In namespaces of providers alone: there is nobody else's object in them. */
export const byAgentOrInvite = {
  inNamespacesWith: PROVIDER_LABEL,
  when: {
    'by-an-agent-or-an-invite': "request.userInfo.username.matches('^system:serviceaccount:provider-[^:]+:')",
  },
} as const satisfies Partial<Policy>

type Rule = Policy['rules'][number]

/** Characters of a map, keys and values together. A schema bounds no metadata, and the API server takes 256 KiB of it. */
function fewIn(map: 'labels' | 'annotations'): Rule {
  const all = `object.metadata.${map}`
  return {
    expression: `!has(${all}) || ${all}.map(key, key.size() + ${all}[key].size()).sum() <= 4096`,
    message: `metadata.${map} must not have more than 4096 characters in all`,
  }
}

/**
 * Who writes may say himself which fields are whose, also fields that do not exist; and each name under which somebody applies
 * server-side gets an entry of its own, without end.
 * @param entries CEL, of those that count
 */
function fewManagedFields(entries = 'object.metadata.managedFields'): Rule {
  const at = (...keys: readonly string[]) => `dyn(one.fieldsV1)${keys.map((key) => `[${key}]`).join('')}`
  const isFlat = `${at()}.all(a, ${at('a')}.all(b, ${at('a', 'b')}.all(c, ${at('a', 'b', 'c')}.size() == 0)))`
  const inner = `${at('a')}.map(b, b.size() + ${at('a', 'b')}.map(c, c.size()).sum()).sum()`
  const size = `one.manager.size() + one.apiVersion.size() + ${at()}.map(a, a.size() + ${inner}).sum()`
  return {
    expression: `!has(object.metadata.managedFields) || (object.metadata.managedFields.size() <= 16 && ${entries}.all(one, ${isFlat}) && ${entries}.map(one, ${size}).sum() <= 8192)`,
    message:
      'metadata.managedFields must not have more than 16 entries and 8192 characters: write as one field manager',
  }
}

/** They would be collected, or stay, by the will of the one who made them. */
export const ownsNothing: Rule = {
  expression: '!has(object.metadata.ownerReferences) && !has(object.metadata.finalizers)',
  message: 'metadata.ownerReferences and metadata.finalizers must be absent',
}

export const smallMetadata: readonly Rule[] = [fewIn('labels'), fewIn('annotations'), fewManagedFields()]

/** Claims and reports: all of it is the agent's. */
export function objectsOfAgents(): Policy {
  return {
    name: 'gpc-agent-objects',
    on: { group: GROUP, version: VERSION, resources: ['gpunodes', 'providerreports'] },
    operations: ['CREATE', 'UPDATE'],
    ...byAgentOrInvite,
    rules: [ownsNothing, ...smallMetadata],
  }
}

/** Its Lease has labels by which the hub says of whom it is, and room for questions and answers. */
export function leasesOfAgents(): Policy {
  return {
    name: 'gpc-agent-leases',
    on: { group: 'coordination.k8s.io', version: 'v1', resources: ['leases'] },
    operations: ['UPDATE'],
    ...byAgentOrInvite,
    rules: [
      ownsNothing,
      {
        expression: 'object.metadata.?labels.orValue({}) == oldObject.metadata.?labels.orValue({})',
        message: 'metadata.labels must stay as they are: the hub writes them',
      },
      fewIn('annotations'),
      fewManagedFields(),
      {
        expression:
          "object.spec.?holderIdentity.orValue('').size() <= 253 && !has(object.spec.preferredHolder) && !has(object.spec.strategy)",
        message:
          'spec.holderIdentity must have at most 253 characters, and spec.preferredHolder and spec.strategy must be absent',
      },
    ],
  }
}

/** What became of a run is the word of the agent to whom it was ordered. The API server itself lets a status change no metadata but this. */
export function runsOfAgents(): Policy {
  const ofStatus = "object.metadata.managedFields.filter(one, has(one.subresource) && one.subresource == 'status')"
  return {
    name: 'gpc-run-status',
    on: { group: GROUP, version: VERSION, resources: ['gpuruns/status'] },
    operations: ['UPDATE'],
    rules: [
      {
        expression: `request.userInfo.username == 'system:serviceaccount:' + request.namespace + ':${AGENT_NAME}' || ${mayHoldAll}`,
        message: 'only the agent of this provider writes this status',
      },
      {
        expression: '!has(object.status.workers) || object.status.workers.size() <= object.spec.workers',
        message: 'status.workers must not have more workers than were ordered',
      },
      fewManagedFields(ofStatus),
    ],
  }
}
