// The kinds of Kubernetes itself that this code uses, with the fields that it uses: JSON as the API server sends it.
import type { KubeObject, OwnerReference, Resource } from './client.ts'

/** Metadata as read: what the API server sets is there. */
export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

export interface Namespace extends KubeObject {
  readonly metadata: Metadata
  readonly status?: { readonly phase?: 'Active' | 'Terminating' }
}

export interface ServiceAccount extends KubeObject {
  readonly metadata: Metadata
  readonly automountServiceAccountToken?: boolean
}

export interface Service extends KubeObject {
  readonly metadata: Metadata
  readonly spec: {
    readonly clusterIP?: string
    readonly selector?: Readonly<Record<string, string>>
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly targetPort?: number | string }[]
    readonly publishNotReadyAddresses?: boolean
  }
}

export interface Secret extends KubeObject {
  readonly metadata: Metadata
  readonly type?: string
  readonly immutable?: boolean
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
}

export interface ConfigMap extends KubeObject {
  readonly metadata: Metadata
  readonly data?: Readonly<Record<string, string>>
  /** Values in base64. */
  readonly binaryData?: Readonly<Record<string, string>>
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly running?: { readonly startedAt?: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly reason?: string
    /** Of the container's own, from its termination log, or of the runtime that could not start it. */
    readonly message?: string
    readonly startedAt?: string
    readonly finishedAt?: string
  }
}

export interface ContainerStatus {
  readonly name: string
  readonly state?: ContainerState
  readonly lastState?: ContainerState
  readonly ready?: boolean
  readonly restartCount?: number
  readonly started?: boolean
}

/** A container as far as the code looks into one; what it writes is richer and its own business. */
export interface Container {
  readonly name: string
  readonly image?: string
  readonly restartPolicy?: string
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>
    readonly limits?: Readonly<Record<string, string | number>>
  }
}

export interface Pod extends KubeObject {
  readonly metadata: Metadata
  readonly spec: {
    readonly nodeName?: string
    readonly containers: readonly Container[]
    readonly initContainers?: readonly Container[]
    readonly overhead?: Readonly<Record<string, string | number>>
    /** For the pod as a whole; then those of the containers do not count. */
    readonly resources?: Container['resources']
    readonly priority?: number
  }
  readonly status?: {
    readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
    readonly reason?: string
    readonly message?: string
    readonly conditions?: readonly Condition[]
    readonly startTime?: string
    readonly containerStatuses?: readonly ContainerStatus[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
  }
}

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

export interface Node extends KubeObject {
  readonly metadata: Metadata
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly Taint[] }
  readonly status?: {
    readonly capacity?: Readonly<Record<string, string>>
    readonly allocatable?: Readonly<Record<string, string>>
    readonly conditions?: readonly Condition[]
  }
}

export interface Deployment extends KubeObject {
  readonly metadata: Metadata
  readonly spec: {
    readonly replicas?: number
    readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> }
  }
}

export interface Job extends KubeObject {
  readonly metadata: Metadata
  readonly spec: {
    readonly completionMode?: 'Indexed' | 'NonIndexed'
    readonly parallelism?: number
    readonly completions?: number
    readonly backoffLimit?: number
    readonly podReplacementPolicy?: 'Failed' | 'TerminatingOrFailed'
    readonly podFailurePolicy?: object
    readonly activeDeadlineSeconds?: number
    readonly ttlSecondsAfterFinished?: number
    readonly suspend?: boolean
    readonly template: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>
        readonly annotations?: Readonly<Record<string, string>>
      }
      readonly spec: object
    }
  }
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly active?: number
    readonly ready?: number
    readonly succeeded?: number
    readonly failed?: number
    readonly terminating?: number
    readonly startTime?: string
    readonly completionTime?: string
  }
}

export interface PolicyRule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly verbs: readonly string[]
}

export interface Role extends KubeObject {
  readonly metadata: Metadata
  readonly rules: readonly PolicyRule[]
}

export interface RoleBinding extends KubeObject {
  readonly metadata: Metadata
  readonly roleRef: { readonly apiGroup: string; readonly kind: 'Role' | 'ClusterRole'; readonly name: string }
  readonly subjects?: readonly {
    readonly kind: string
    readonly name: string
    readonly namespace?: string
    readonly apiGroup?: string
  }[]
}

export interface Lease extends KubeObject {
  readonly metadata: Metadata
  readonly spec?: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    /** With exactly six fraction digits. */
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

export interface EndpointSlice extends KubeObject {
  readonly metadata: Metadata
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[]
}

/** A kind whose objects are written once and not looked into. */
export interface Written extends KubeObject {
  readonly metadata: Metadata
  readonly spec: object
}

export interface ResourceQuota extends KubeObject {
  readonly metadata: Metadata
  readonly spec: { readonly hard: Readonly<Record<string, string>> }
  readonly status?: {
    readonly hard?: Readonly<Record<string, string>>
    readonly used?: Readonly<Record<string, string>>
  }
}

export interface KubeEvent extends KubeObject {
  readonly metadata: Metadata
  readonly involvedObject: {
    readonly apiVersion: string
    readonly kind: string
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
  }
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly source?: { readonly component?: string; readonly host?: string }
  readonly reportingComponent?: string
  readonly reportingInstance?: string
  readonly count?: number
  readonly firstTimestamp?: string
  readonly lastTimestamp?: string
}

export const namespaces: Resource<Namespace> = kindOf('v1', 'Namespace', { plural: 'namespaces', namespaced: false })
export const serviceAccounts: Resource<ServiceAccount> = core('ServiceAccount', 'serviceaccounts')
export const services: Resource<Service> = core('Service', 'services')
export const secrets: Resource<Secret> = core('Secret', 'secrets')
export const configMaps: Resource<ConfigMap> = core('ConfigMap', 'configmaps')
export const resourceQuotas: Resource<ResourceQuota> = core('ResourceQuota', 'resourcequotas')
export const pods: Resource<Pod> = core('Pod', 'pods')
export const nodes: Resource<Node> = kindOf('v1', 'Node', { plural: 'nodes', namespaced: false })
export const events: Resource<KubeEvent> = core('Event', 'events')
export const deployments: Resource<Deployment> = kindOf('apps/v1', 'Deployment', {
  plural: 'deployments',
  namespaced: true,
})
export const jobs: Resource<Job> = kindOf('batch/v1', 'Job', { plural: 'jobs', namespaced: true })
export const roleBindings: Resource<RoleBinding> = kindOf('rbac.authorization.k8s.io/v1', 'RoleBinding', {
  plural: 'rolebindings',
  namespaced: true,
})
export const roles: Resource<Role> = kindOf('rbac.authorization.k8s.io/v1', 'Role', {
  plural: 'roles',
  namespaced: true,
})
export const leases: Resource<Lease> = kindOf('coordination.k8s.io/v1', 'Lease', { plural: 'leases', namespaced: true })
export const endpointSlices: Resource<EndpointSlice> = kindOf('discovery.k8s.io/v1', 'EndpointSlice', {
  plural: 'endpointslices',
  namespaced: true,
})
export const networkPolicies: Resource<Written> = kindOf('networking.k8s.io/v1', 'NetworkPolicy', {
  plural: 'networkpolicies',
  namespaced: true,
})
export const limitRanges: Resource<Written> = core('LimitRange', 'limitranges')

/** A kind of our own. */
export function gpu<T extends KubeObject>(
  kind: string,
  names: { readonly plural: string; readonly namespaced: boolean },
): Resource<T> {
  return kindOf('gpucommons.io/v1alpha1', kind, names)
}

function core<T extends KubeObject>(kind: string, plural: string): Resource<T> {
  return kindOf('v1', kind, { plural, namespaced: true })
}

function kindOf<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  { plural, namespaced }: { readonly plural: string; readonly namespaced: boolean },
): Resource<T> {
  return { apiVersion, kind, plural, namespaced }
}
