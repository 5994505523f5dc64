// What roles cannot say of the agent on its own cluster, as ValidatingAdmissionPolicies that its owner installs with it.
import { HUB_UID_LABEL, JOB_NAMESPACE_LABEL } from '../../../api/labels.ts'
import { POD_SECURITY_LABEL, TENANT_NAMESPACE_PREFIX } from '../../../domain/workload/tenant-namespace.ts'
import { byAccount, manifestsOf, type Policy } from '../admission-policy.ts'
import type { Account, Manifest } from '../manifest.ts'
import { LEAVE_ROLE, TENANT_NAMESPACE_ROLE } from './rights.ts'

export function agentAdmission(agent: Account): readonly Manifest[] {
  return [
    namespacesOfTenants(agent),
    levelsOfNamespaces(agent),
    namespacesThatGo(agent),
    bindingsOfAgent(agent),
  ].flatMap(manifestsOf)
}

const namespaces = { group: '', version: 'v1', resources: ['namespaces'] }

/** By the labels that the agent gives it; a hub's own namespaces carry one of them. */
function isTenants(namespace: string): string {
  return [HUB_UID_LABEL, JOB_NAMESPACE_LABEL].map((key) => `'${key}' in ${namespace}.metadata.labels`).join(' && ')
}

const hasLevel = `'${POD_SECURITY_LABEL}' in object.metadata.labels && object.metadata.labels['${POD_SECURITY_LABEL}'] in ['baseline', 'restricted']`

/** Its own is for an agent outside of a pod, whose namespace nobody has made. */
function namespacesOfTenants(agent: Account): Policy {
  const isOwn = `object.metadata.name == '${agent.namespace}'`
  return {
    name: 'gpc-agent-namespaces',
    on: namespaces,
    operations: ['CREATE'],
    when: { 'by-the-agent': byAccount(agent) },
    rules: [
      {
        expression: `${isOwn} || object.metadata.name.startsWith('${TENANT_NAMESPACE_PREFIX}')`,
        message: `the agent makes namespaces of tenants only, whose names begin with ${TENANT_NAMESPACE_PREFIX}`,
      },
      {
        expression: `${isOwn} || (has(object.metadata.labels) && ${isTenants('object')} && ${hasLevel})`,
        message: `a tenant's namespace must carry ${HUB_UID_LABEL}, ${JOB_NAMESPACE_LABEL} and the Pod Security level baseline or restricted`,
      },
      {
        expression: '!has(object.metadata.ownerReferences) && !has(object.metadata.finalizers)',
        message: 'metadata.ownerReferences and metadata.finalizers must be absent',
      },
    ],
  }
}

/** The owner may want another Pod Security level than before; nothing else of a namespace is the agent's to change. */
function levelsOfNamespaces(agent: Account): Policy {
  const kept = (field: string) =>
    `has(object.metadata.${field}) == has(oldObject.metadata.${field}) && (!has(object.metadata.${field}) || object.metadata.${field} == oldObject.metadata.${field})`
  return {
    name: 'gpc-agent-namespace-levels',
    on: namespaces,
    operations: ['UPDATE'],
    when: { 'by-the-agent': byAccount(agent) },
    rules: [
      {
        expression: `oldObject.metadata.name.startsWith('${TENANT_NAMESPACE_PREFIX}') && has(oldObject.metadata.labels) && ${isTenants('oldObject')}`,
        message: 'the agent changes namespaces of tenants only',
      },
      {
        expression: `has(object.metadata.labels) && ${hasLevel} && (oldObject.metadata.labels.all(key, key in object.metadata.labels)) && object.metadata.labels.all(key, key == '${POD_SECURITY_LABEL}' || (key in oldObject.metadata.labels && object.metadata.labels[key] == oldObject.metadata.labels[key]))`,
        message: `only the label ${POD_SECURITY_LABEL} may change, to baseline or restricted`,
      },
      {
        expression: [
          ...['annotations', 'ownerReferences', 'finalizers'].map(kept),
          'object.spec == oldObject.spec',
        ].join(' && '),
        message: 'annotations, ownerReferences, finalizers and spec must stay as they are',
      },
    ],
  }
}

/** RBAC can hold no DELETE to a label. */
function namespacesThatGo({ namespace }: Account): Policy {
  return {
    name: 'gpc-leave-namespaces',
    on: namespaces,
    operations: ['DELETE'],
    when: { 'by-who-leaves': byAccount({ namespace, name: LEAVE_ROLE }) },
    rules: [
      {
        expression: `oldObject.metadata.name.startsWith('${TENANT_NAMESPACE_PREFIX}') && has(oldObject.metadata.labels) && ${isTenants('oldObject')}`,
        message: 'only namespaces that the agent has made may be removed',
      },
    ],
  }
}

/** The right to bind one role holds in every namespace, and says nothing of to whom. */
function bindingsOfAgent(agent: Account): Policy {
  return {
    name: 'gpc-agent-rolebindings',
    on: { group: 'rbac.authorization.k8s.io', version: 'v1', resources: ['rolebindings'] },
    operations: ['CREATE'],
    when: { 'by-the-agent': byAccount(agent) },
    rules: [
      {
        expression: `object.roleRef.kind == 'ClusterRole' && object.roleRef.name == '${TENANT_NAMESPACE_ROLE}'`,
        message: `the agent binds ClusterRole ${TENANT_NAMESPACE_ROLE} only`,
      },
      {
        expression: `has(object.subjects) && object.subjects.size() == 1 && object.subjects[0].kind == 'ServiceAccount' && object.subjects[0].name == '${agent.name}' && object.subjects[0].namespace == '${agent.namespace}'`,
        message: 'the agent binds it to itself only',
      },
      {
        expression: `request.namespace.startsWith('${TENANT_NAMESPACE_PREFIX}') && has(namespaceObject.metadata.labels) && ${isTenants('namespaceObject')}`,
        message: 'and in namespaces of tenants only',
      },
    ],
  }
}
