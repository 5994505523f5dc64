// All that the hub's program may do on the hub, and what it gives to the agents. Whoever installs makes roles of these.
import { GROUP } from '../../../api/group.ts'
import { SNAPSHOT_PATH } from '../../http/snapshot-path.ts'
import type { PolicyRule } from '../resources.ts'

/** ClusterRole of the hub itself. */
export const HUB_ROLE = 'gpc-hub'
/** ClusterRole of the hub in the namespaces of tenants. */
export const HUB_TENANT_ROLE = 'gpc-hub-tenants'
/** ClusterRole that the hub binds to itself in each provider's namespace. */
export const PROVIDER_NAMESPACE_ROLE = 'gpc-provider-namespace'
/** ClusterRole that the hub binds to a provider's agent, in that provider's namespace alone. */
export const PROVIDER_AGENT_ROLE = 'gpc-provider-agent'

/** The lease of the leading hub. */
export const HUB_LEASE = 'gpu-commons-hub'
/** ServiceAccount and Lease of an agent, in its namespace on the hub. */
export const AGENT_NAME = 'agent'
/** Beside it: the Secret to which the tokens of the agent are bound. It is empty, and without it they are good for nothing. */
export const AGENT_TOKEN_SECRET = 'agent-token'

/** ResourceQuota beside it: how many objects an agent may make there. */
export const PROVIDER_QUOTA = 'gpc-provider'

/** ConfigMap in the hub's own namespace: the audiences of a token for this API server, which admission compares with. */
export const HUB_AUDIENCES = 'gpc-hub-audiences'

/** ServiceAccount in the hub's own namespace, and its ClusterRole: for which a snapshot of the engine is taken. */
export const SNAPSHOT_READER = 'gpc-snapshot-reader'
/** A token for this audience opens nothing but the hub: it may travel where others could read it. */
export const SNAPSHOT_AUDIENCE = 'gpu-commons-hub'

/** The ServiceAccount of an invite, in the namespace of its provider. */
export function inviteAccount(id: string): string {
  return `invite-${id}`
}

/** In all namespaces: our own kinds, and the means to make a provider's namespace. */
export const hubRules: readonly PolicyRule[] = [
  { apiGroups: [GROUP], resources: ['gpujobs'], verbs: ['get', 'list', 'watch', 'delete'] },
  { apiGroups: [GROUP], resources: ['gpuruns'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'] },
  {
    apiGroups: [GROUP],
    resources: ['gpuqueues', 'providers', 'gpunodes', 'providerreports'],
    verbs: ['list', 'watch'],
  },
  { apiGroups: [GROUP], resources: ['joinrequests'], verbs: ['get', 'list', 'watch', 'delete'] },
  {
    apiGroups: [GROUP],
    resources: ['gpujobs/status', 'gpuqueues/status', 'providers/status'],
    verbs: ['update', 'patch'],
  },
  { apiGroups: [GROUP], resources: ['joinrequests/status'], verbs: ['patch'] },
  {
    apiGroups: ['apiextensions.k8s.io'],
    resources: ['customresourcedefinitions'],
    resourceNames: [`gpujobs.${GROUP}`, `gpuruns.${GROUP}`],
    verbs: ['get'],
  },
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'create'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  // Who wants a snapshot of the engine, and whether he may.
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['rolebindings'], verbs: ['get', 'create'] },
  {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['clusterroles'],
    resourceNames: [PROVIDER_NAMESPACE_ROLE, PROVIDER_AGENT_ROLE],
    verbs: ['bind'],
  },
]

/**
 * In the tenants' namespaces, which by default are all: what their jobs name. Without list and watch it cannot come upon
 * anything by itself.
 */
export const tenantRules: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
]

/** In the hub's own namespace. */
export const hubNamespaceRules: readonly PolicyRule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: [HUB_LEASE], verbs: ['get', 'update'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
  { apiGroups: [''], resources: ['configmaps'], resourceNames: [HUB_AUDIENCES], verbs: ['patch'] },
]

/** In the providers' namespaces: what the hub keeps there beside our own kinds. */
export const providerNamespaceRules: readonly PolicyRule[] = [
  // The agent's, and those of the invites, which are used up once.
  { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get', 'list', 'create', 'delete'] },
  { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [AGENT_NAME], verbs: ['create'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [AGENT_NAME],
    verbs: ['get', 'list', 'watch', 'patch'],
  },
  { apiGroups: [''], resources: ['resourcequotas'], verbs: ['create'] },
  { apiGroups: [''], resources: ['resourcequotas'], resourceNames: [PROVIDER_QUOTA], verbs: ['get'] },
  // Counted by the hub once, when it is new.
  { apiGroups: [''], resources: ['resourcequotas/status'], resourceNames: [PROVIDER_QUOTA], verbs: ['patch'] },
  // When its provider is shut out.
  {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['rolebindings'],
    resourceNames: [PROVIDER_AGENT_ROLE],
    verbs: ['delete'],
  },
  // The payloads of runs, and the one to which the agent's tokens are bound.
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'delete'] },
]

/** ClusterRoles that Kubernetes adds to its own `view`, `edit` and `admin`, with which namespaces are given to teams. */
export const TENANT_VIEW_ROLE = 'gpc-tenant-view'
export const TENANT_EDIT_ROLE = 'gpc-tenant-edit'

/** Of those who may look into a namespace. */
export const tenantViewRules: readonly PolicyRule[] = [
  { apiGroups: [GROUP], resources: ['gpujobs', 'gpujobs/status'], verbs: ['get', 'list', 'watch'] },
  // They are in no namespace: who has a role in one namespace alone does not see them.
  { apiGroups: [GROUP], resources: ['gpuqueues', 'gpuqueues/status'], verbs: ['get', 'list', 'watch'] },
]

/** Of those who may work in it. What the status says is the hub's alone. */
export const tenantEditRules: readonly PolicyRule[] = [
  {
    apiGroups: [GROUP],
    resources: ['gpujobs'],
    verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
  },
]

/** Of those who may see all that the engine knows: every tenant's jobs among it. */
export const snapshotRules: readonly PolicyRule[] = [{ nonResourceURLs: [SNAPSHOT_PATH], verbs: ['get'] }]

/** All that an agent may do on the hub, and only in its own namespace. */
export const agentRules: readonly PolicyRule[] = [
  { apiGroups: [GROUP], resources: ['gpuruns'], verbs: ['list', 'watch'] },
  { apiGroups: [GROUP], resources: ['gpuruns/status'], verbs: ['update', 'patch'] },
  { apiGroups: [GROUP], resources: ['gpunodes'], verbs: ['list', 'watch', 'create', 'update', 'delete'] },
  { apiGroups: [GROUP], resources: ['providerreports'], verbs: ['get', 'create', 'update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: [AGENT_NAME], verbs: ['get', 'patch'] },
  { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [AGENT_NAME], verbs: ['create'] },
  // The payloads of its runs: no other Secret that it could read lies there, and without list it must know the name.
  { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
]
