// Why a job cannot go somewhere. Each list runs in order, and the lists run in the order of this file:
// the cheapest and most lasting reasons first, because the first one is what the user reads.
import type { JobFact, NodeFact, ProviderFact, Room, Taint, Toleration } from './facts.ts'
import type { Reason } from './reasons.ts'
import { sharingReason } from './sharing.ts'

type Filter<Place> = (job: JobFact, place: Place) => Reason | undefined

/** GPUs of one model and size at one provider. */
export interface GpusAt {
  readonly provider: ProviderFact
  readonly model: string
  readonly gpuMemoryMiB: number
}

export interface NodeAt {
  readonly provider: ProviderFact
  readonly node: NodeFact
}

export interface RoomOnNode {
  readonly free: Room
}

/** Lasting: what the provider is and what its GPUs are. */
export const gpuFilters: readonly Filter<GpusAt>[] = [
  (job, { provider }) => (hasLabels(provider.labels, job.providerSelector) ? undefined : 'ProviderSelector'),
  ({ refusedBy = {} }, { provider: { name } }) => (Object.hasOwn(refusedBy, name) ? refusedBy[name] : undefined),
  (job, { provider }) => (job.excludedProviders.includes(provider.name) ? 'ProviderExcluded' : undefined),
  (job, { provider: { trust } }) => (job.trust === 'Verified' && trust !== 'Verified' ? 'NotVerified' : undefined),
  (job, { model }) => (job.models.length === 0 || job.models.includes(model) ? undefined : 'WrongModel'),
  (job, { model }) => (isSlice(model) && job.models.length === 0 ? 'SlicesUnnamed' : undefined),
  (job, { gpuMemoryMiB }) => (gpuMemoryMiB >= (job.gpuMemoryMiB ?? 0) ? undefined : 'TooLittleGpuMemory'),
  ({ maxPrice = Infinity }, { provider, model }) => (priceAt(provider, model) <= maxPrice ? undefined : 'TooExpensive'),
]

/** Of a GPU that is cut by MIG: much less than who names no model means by a GPU. */
function isSlice(model: string): boolean {
  return model.includes('-MIG-')
}

/** A model that has no price costs nothing. */
export function priceAt({ pricesPerGpuHour = {} }: ProviderFact, model: string): number {
  return (Object.hasOwn(pricesPerGpuHour, model) ? pricesPerGpuHour[model] : undefined) ?? 0
}

/** Lasting: what the node is. */
export const nodeFilters: readonly Filter<NodeAt>[] = [
  (job, { node }) => (hasLabels(node.labels, job.nodeSelector) ? undefined : 'NodeSelector'),
  (job, { node }) => (job.avoidNodes?.includes(`${node.provider}/${node.name}`) ? 'NodeAvoided' : undefined),
  // Before its taints: a cordoned node gets one of its control plane, a moment later. Before its size: a machine whose
  // GPUs are all broken has none to be measured by.
  (_, { node }) => (node.withheld === undefined ? undefined : `Withheld:${node.withheld}`),
  (job, { node }) => sharingReason(job.perWorker, node),
  (job, { node, provider }) => (toleratesAll(job, { taints: node.taints, provider }) ? undefined : 'Taint'),
  (job, { node }) => (lacks(job.perWorker, capacityOf(node)) ? 'NodeTooSmall' : undefined),
]

/** Passing: how the provider does. */
export const stateFilters: readonly Filter<{ readonly provider: ProviderFact }>[] = [
  (_, { provider }) => (provider.state === 'Disconnected' ? 'NotConnected' : undefined),
  (_, { provider }) => (provider.state === 'NotReady' ? 'ProviderNotReady' : undefined),
  (_, { provider }) => (provider.state === 'Cordoned' ? 'ProviderCordoned' : undefined),
  (_, { provider }) => (provider.state === 'OutsideHours' ? 'OutsideHours' : undefined),
]

/** Passing: what others leave of the node. */
export const roomFilters: readonly Filter<RoomOnNode>[] = [
  (job, { free }) => {
    const lacking = lacks(job.perWorker, free)
    return lacking && notEnough[lacking]
  },
]

const notEnough = {
  gpus: 'NotEnoughFreeGpus',
  cpuMilli: 'NotEnoughFreeCpu',
  memoryMiB: 'NotEnoughFreeMemory',
  storageMiB: 'NotEnoughFreeStorage',
} as const satisfies Record<keyof Room, Reason>

export function firstReason<Place>(filters: readonly Filter<Place>[], job: JobFact, place: Place): Reason | undefined {
  for (const filter of filters) {
    const reason = filter(job, place)
    if (reason) return reason
  }
  return undefined
}

/** Whether the job may go to nodes with these taints. An owner's list of keys limits what a job may tolerate. */
export function toleratesAll(
  job: JobFact,
  { taints, provider }: { readonly taints: readonly Taint[]; readonly provider: ProviderFact },
): boolean {
  return blocking(taints).every(
    (taint) =>
      provider.tolerates?.includes(taint.key) !== false &&
      job.tolerations.some((toleration) => tolerates(toleration, taint)),
  )
}

/** The taints that keep jobs out: every job of ours wants GPUs, so the taint of GPU nodes is not meant for it. */
export function blocking(taints: readonly Taint[]): readonly Taint[] {
  return taints.filter(({ key, effect }) => key !== 'nvidia.com/gpu' && effect !== 'PreferNoSchedule')
}

function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  const ofKey = key ? key === taint.key : operator === 'Exists'
  const ofEffect = !effect || effect === taint.effect
  return ofKey && ofEffect && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''))
}

export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false
  return true
}

/** More GPUs in one node are believed by nobody, and would make the search for them slow. */
export const mostGpus = 128

/** What an empty node has room for. */
export function capacityOf({ gpus, cpuMilli, memoryMiB, storageMiB }: NodeFact): Room {
  return { gpus: Math.max(0, Math.min(Math.floor(gpus), mostGpus)), cpuMilli, memoryMiB, storageMiB }
}

/** The first thing that a worker needs more of than there is. */
function lacks(worker: Room, room: Room): keyof Room | undefined {
  if (worker.gpus > room.gpus) return 'gpus'
  if (worker.cpuMilli > room.cpuMilli) return 'cpuMilli'
  if (worker.memoryMiB > room.memoryMiB) return 'memoryMiB'
  return worker.storageMiB > room.storageMiB ? 'storageMiB' : undefined
}
