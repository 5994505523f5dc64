// All that an agent may do on its own cluster. Whoever installs makes roles of these.
import { priorityClassName } from '../../../domain/workload/pod-manifest.ts'
import type { PolicyRule } from '../resources.ts'

/** ClusterRole of the agent itself. */
export const AGENT_ROLE = 'gpc-agent'
/** ClusterRole that the agent binds to itself in each tenant's namespace. */
export const TENANT_NAMESPACE_ROLE = 'gpc-tenant-namespace'

/** The EndpointSlice in namespace `default` that says where the API server is. RBAC takes the name, and no namespace. */
const API_SERVERS = 'kubernetes'

/**
 * In all namespaces: what there is and who uses it, and the means to make a tenant's namespace. A Job tells nothing
 * that its pods do not tell, so one watch of all our Jobs costs the owner no secret.
 */
export const agentClusterRules: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list', 'watch'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch'] },
  // Patch: where its owner has another Pod Security level than before.
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'create', 'patch'] },
  // Tenants are kept away from it.
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], resourceNames: [API_SERVERS], verbs: ['get'] },
  { apiGroups: ['scheduling.k8s.io'], resources: ['priorityclasses'], verbs: ['create'] },
  {
    apiGroups: ['scheduling.k8s.io'],
    resources: ['priorityclasses'],
    resourceNames: [priorityClassName],
    verbs: ['get'],
  },
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['rolebindings'], verbs: ['create'] },
  {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['clusterroles'],
    resourceNames: [TENANT_NAMESPACE_ROLE],
    verbs: ['bind'],
  },
]

/** In the tenants' namespaces. */
export const tenantNamespaceRules: readonly PolicyRule[] = [
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'create', 'patch', 'delete'] },
  // It never reads one, neither the tenant's nor one that its owner keeps there.
  { apiGroups: [''], resources: ['secrets'], verbs: ['create', 'delete'] },
  { apiGroups: [''], resources: ['services'], verbs: ['get', 'create'] },
  // The walls: made once, and its owner may change them.
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['create'] },
  { apiGroups: [''], resources: ['resourcequotas', 'limitranges'], verbs: ['create'] },
]

/** The Secret in the agent's own namespace with its credential on the hub. */
export const CREDENTIAL_SECRET = 'gpu-commons-hub'

/** In the agent's own namespace: what it remembers of its hub, and who it is there. */
export const agentNamespaceRules: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [''], resources: ['secrets'], resourceNames: [CREDENTIAL_SECRET], verbs: ['get', 'patch'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'patch'] },
]

/** ClusterRole, Role and ServiceAccount of the program that takes the agent off its cluster. */
export const LEAVE_ROLE = 'gpc-leave'

/** In all namespaces: to remove what the agent has made. Nothing here can look into a namespace. */
export const leaveClusterRules: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'delete'] },
  {
    apiGroups: ['scheduling.k8s.io'],
    resources: ['priorityclasses'],
    resourceNames: [priorityClassName],
    verbs: ['delete'],
  },
]

/** In the agent's own namespace: to speak to the agent, to end it, and to remove what it remembers. */
export const leaveNamespaceRules: readonly PolicyRule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['secrets'], resourceNames: [CREDENTIAL_SECRET], verbs: ['delete'] },
  { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['patch'] },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
]
