// What an agent claims of a node of its cluster: the spec of the GpuNode.
import type { GpuDevice, GpuNodeSpec, Taint } from '../../api/gpunode.ts'
import { wholeNumber } from '../../api/quantity.ts'
import { identifyGpu } from './gpu-models.ts'
import { isGpuResource, nothing, type PodResources, podRequests, type Requests, sum } from './pod-requests.ts'

type Labels = Readonly<Record<string, string>>
type Quantities = Readonly<Record<string, string>>

/** The part of a Node that the claim is made of. */
export interface ProviderNode {
  readonly metadata: { readonly name: string; readonly labels?: Labels | undefined }
  readonly spec?:
    | {
        readonly unschedulable?: boolean | undefined
        readonly taints?: readonly {
          readonly key: string
          readonly value?: string | undefined
          readonly effect: string
        }[]
      }
    | undefined
  readonly status?:
    | {
        readonly capacity?: Quantities | undefined
        readonly allocatable?: Quantities | undefined
        readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined
      }
    | undefined
}

/** The part of a Pod that tells how much of its node it takes. */
export interface ProviderPod {
  readonly metadata: { readonly labels?: Labels | undefined }
  readonly spec: PodResources & { readonly nodeName?: string | undefined }
  readonly status?: { readonly phase?: string | undefined } | undefined
}

export interface SeenNode {
  readonly node: ProviderNode
  /** Those bound to other nodes do not count. */
  readonly pods: readonly ProviderPod[]
  readonly isOurs: (pod: ProviderPod) => boolean
  /** GPUs that the owner keeps of each node. */
  readonly keptGpus: number
  /** The key of the label that says in which rack a node is. */
  readonly rackLabel: string
}

type Withheld = NonNullable<GpuNodeSpec['withheldBecause']>

const maxLabels = 64
const maxTaints = 32
const maxDevices = 32
/** Keys and values: half of what a claim may have in all. */
const maxLabelCharacters = 8192
const maxCount = 1024
/** What the schema of GpuNode takes at most; a pod that asks for more takes all of the node anyway. */
const maxCpuMilli = 100_000 * 1000
const maxMemoryMiB = 2 ** 30
const zoneLabel = 'topology.kubernetes.io/zone'
const productLabel = 'nvidia.com/gpu.product'

/**
 * Undefined for a node that has no GPU and never said that it had one.
 * @throws RangeError where a pod or the node has a quantity that is none.
 */
export function nodeClaim(seen: SeenNode): GpuNodeSpec | undefined {
  const { node, keptGpus, rackLabel } = seen
  const labels = node.metadata.labels ?? {}
  const sharing = sharingOf(node)
  const devices = devicesOf(node, sharing?.replicas)
  if (devices.length === 0 && labels[productLabel] === undefined) return undefined

  const allocatable = node.status?.allocatable ?? {}
  const used = usedByOthers(seen)
  const because = reasonsToWithhold.find(({ holds }) => holds(node, { devices, keptGpus }))
  return {
    node: node.metadata.name,
    allocatable: {
      cpu: allocatable['cpu'] ?? '0',
      memory: allocatable['memory'] ?? '0',
      ephemeralStorage: allocatable['ephemeral-storage'] ?? '0',
    },
    usedByOthers: {
      cpu: `${Math.min(used.cpuMilli, maxCpuMilli)}m`,
      memory: `${Math.min(used.memoryMiB, maxMemoryMiB)}Mi`,
      ephemeralStorage: `${Math.min(used.storageMiB, maxMemoryMiB)}Mi`,
      gpus: Math.min(used.gpus, maxCount),
    },
    devices,
    keptGpus,
    ...(sharing ? { sharing } : {}),
    ...topologyOf(labels, rackLabel),
    labels: usefulLabels(labels),
    taints: taintsOf(node),
    ...(because
      ? { offer: 'Withheld', withheldBecause: because.reason, message: because.message }
      : { offer: 'Offered' }),
  }
}

interface GpusOfNode {
  readonly devices: readonly GpuDevice[]
  readonly keptGpus: number
}

interface ReasonToWithhold {
  readonly reason: Withheld
  readonly message: string
  readonly holds: (node: ProviderNode, gpus: GpusOfNode) => boolean
}

/** Most lasting first: the first that holds is what the owner and the tenants read. */
export const reasonsToWithhold: readonly ReasonToWithhold[] = [
  {
    reason: 'NoGpu',
    message: 'The node advertises no nvidia.com/gpu, see the device plugin on it',
    holds: (_, { devices }) => devices.every(({ count }) => count === 0),
  },
  {
    reason: 'Mig',
    message: 'The node has several kinds of MIG slices, or slices beside whole GPUs, and nodes of one kind are offered',
    holds: (_, { devices }) => devices.filter(({ count }) => count > 0).length > 1,
  },
  {
    reason: 'TimeSlicing',
    message: 'Pods share the GPUs in a way that the labels of GPU feature discovery do not say, or share MIG slices',
    holds: (node) => isSharedUnclearly(node),
  },
  {
    reason: 'Cordoned',
    message: 'The node is cordoned',
    holds: (node) => node.spec?.unschedulable === true,
  },
  {
    reason: 'NotReady',
    message: 'The node is not ready, see its conditions',
    holds: (node) => !node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  },
  {
    reason: 'Unhealthy',
    message: 'None of the GPUs is healthy, see the device plugin on the node',
    holds: (_, { devices }) => devices.every(({ healthy }) => healthy === 0),
  },
  {
    reason: 'KeptByOwner',
    message: 'The owner keeps all of the GPUs, see rules.keptGpusPerNode of the agent',
    holds: (_, { devices, keptGpus }) => devices.every(({ healthy }) => healthy <= keptGpus),
  },
]

/** The labels of NVIDIA's GPU feature discovery, by its source: internal/lm/resource.go and mig-strategy.go of k8s-device-plugin. */
function sharingOf({ metadata: { labels = {} }, status }: ProviderNode): GpuNodeSpec['sharing'] {
  const isCut = Object.entries(status?.capacity ?? {}).some(([resource, count]) => isMig(resource) && count !== '0')
  if (isCut || isMigProduct(labels)) return { strategy: 'Mig' }
  const replicas = Number(labels['nvidia.com/gpu.replicas'] ?? 1)
  if (!Number.isInteger(replicas) || replicas < 2 || replicas > maxCount) return undefined
  return { strategy: labels[strategyLabel] === 'mps' ? 'Mps' : 'TimeSlicing', replicas }
}

/** A pod that asks for one of them would get less than anybody has reckoned with. */
function isSharedUnclearly(node: ProviderNode): boolean {
  const { labels = {} } = node.metadata
  const sharing = sharingOf(node)
  const isShared =
    (labels[productLabel] ?? '').endsWith('-SHARED') ||
    (labels[strategyLabel] ?? 'none') !== 'none' ||
    Object.entries(node.status?.capacity ?? {}).some(
      ([resource, count]) => isGpuResource(resource) && resource.endsWith('.shared') && count !== '0',
    ) ||
    Object.entries(labels).some(([key, value]) => replicasLabel.test(key) && Number(value) > 1)
  return isShared && sharing?.replicas === undefined
}

const strategyLabel = 'nvidia.com/gpu.sharing-strategy'
const replicasLabel = /^nvidia\.com\/(?:gpu|mig-[^/]+)\.replicas$/

function isMig(resource: string): boolean {
  return resource.startsWith('nvidia.com/mig-')
}

/** With the single MIG strategy slices go by the name of GPUs. */
function isMigProduct(labels: Labels): boolean {
  return identifyGpu(labels[productLabel] ?? '').cut === 'Mig'
}

/**
 * One entry for each resource of the device plugin: `nvidia.com/gpu`, and one for each MIG profile. Where each GPU is
 * advertised several times, it counts once.
 */
function devicesOf({ metadata: { labels = {} }, status }: ProviderNode, replicas = 1): GpuDevice[] {
  const product = labels[productLabel] ?? 'unknown'
  const reported = Number(labels['nvidia.com/gpu.memory'] ?? Number.NaN)
  return Object.entries(status?.capacity ?? {})
    .filter(([resource]) => isGpuResource(resource))
    .map(([resource, capacity]) => {
      const slice = isMig(resource) ? `-MIG-${resource.slice('nvidia.com/mig-'.length)}` : ''
      const { model, memoryMiB = 0 } = identifyGpu(`${product}${slice}`, reported > 0 ? reported : undefined)
      const count = Math.min(Math.floor(wholeNumber(capacity) / replicas), maxCount)
      const healthy = Math.min(Math.floor(wholeNumber(status?.allocatable?.[resource] ?? 0) / replicas), count)
      return { source: 'DevicePlugin' as const, resource, model, product, memoryMiB, count, healthy }
    })
    .toSorted((a, b) => Number(b.count > 0) - Number(a.count > 0) || (a.resource < b.resource ? -1 : 1))
    .slice(0, maxDevices)
}

function topologyOf(labels: Labels, rackLabel: string): Pick<GpuNodeSpec, 'topology'> {
  const { [zoneLabel]: zone, [rackLabel]: rack } = labels
  return zone || rack ? { topology: { ...(zone ? { zone } : {}), ...(rack ? { rack } : {}) } } : {}
}

function usedByOthers({ node, pods, isOurs }: SeenNode): Requests {
  return pods
    .filter((pod) => pod.spec.nodeName === node.metadata.name && !isOver(pod) && !isOurs(pod))
    .map((pod) => podRequests(pod.spec))
    .reduce(sum, nothing)
}

function isOver({ status }: ProviderPod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** PreferNoSchedule keeps nobody out, but it is the owner's word: the claim carries it. */
function taintsOf({ spec }: ProviderNode): Taint[] {
  return (spec?.taints ?? [])
    .flatMap(({ key, value, effect }): Taint[] =>
      effect === 'NoSchedule' || effect === 'PreferNoSchedule' || effect === 'NoExecute'
        ? [{ key, ...(value ? { value } : {}), effect }]
        : [],
    )
    .toSorted((a, b) => compare(`${a.key} ${a.effect}`, `${b.key} ${b.effect}`))
    .slice(0, maxTaints)
}

/** Where the list is full the first classes win: the place of the node, its GPUs, then what the owner wrote. */
const labelClasses: readonly RegExp[] = [
  /^(?:topology\.kubernetes\.io\/|network\.topology\.nvidia\.com\/|node\.kubernetes\.io\/instance-type$|kubernetes\.io\/(?:arch|os)$)/,
  /^nvidia\.com\/(?:gpu\.(?:product|memory|count|family|machine|replicas|sharing-strategy|compute\.(?:major|minor))|mig\.(?:capable|strategy)|cuda\.(?:driver|runtime).*)$/,
  // Not the hundreds of node feature discovery, nor the switches of the GPU operator, nor the name once more.
  /^(?!feature\.node\.kubernetes\.io\/|nvidia\.com\/|beta\.kubernetes\.io\/|kubernetes\.io\/hostname$)/,
]

function usefulLabels(labels: Labels): Record<string, string> {
  const sorted = Object.keys(labels).toSorted()
  let left = maxLabelCharacters
  const fits = (key: string) => {
    const length = key.length + (labels[key] ?? '').length
    if (length > left) return false
    left -= length
    return true
  }
  const wanted = labelClasses.flatMap((named) => sorted.filter((key) => named.test(key)))
  const chosen = new Set(wanted.slice(0, maxLabels).filter(fits))
  return Object.fromEntries(sorted.filter((key) => chosen.has(key)).map((key) => [key, labels[key] ?? '']))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
