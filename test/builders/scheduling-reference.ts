// The engine again, in the plainest way: it tries every set of nodes. Slow, and meant to be obviously right;
// it shares no code with the engine but what the demand makes of prices and the orders that are tried, so that what both say is said twice.
import { ordersOf } from '../../operator/src/domain/scheduling/batch-orders.ts'
import type {
  Choice,
  EngineSnapshot,
  JobFact,
  NodeFact,
  ProviderFact,
  Room,
  Taint,
} from '../../operator/src/domain/scheduling/facts.ts'
import { averagesAt, lets, mayStand, orderOf } from './queues-reference.ts'
import { leftOn, parts, type Share, shareOf, toGrain } from './scheduling-costs.ts'

interface NaivePass {
  readonly nowMs: number
  readonly limit?: number
}

export function decideNaively(world: EngineSnapshot, { nowMs, limit = Infinity }: NaivePass): readonly Choice[] {
  const decisions: Choice[] = []
  const averages = averagesAt(world, Math.floor(nowMs / 60_000) * 60_000)
  let left = world.waiting.filter((job) => mayStand(world, job))
  const turns = turnsIn(world, left)
  while (left.length > 0 && decisions.length < limit) {
    const now = { ...world, bookings: [...world.bookings, ...decisions] }
    const [job, ...others] = withTurns(left.toSorted(inLine(now, averages)), turns)
    left = others
    const decision = job && placeNaively(job, now)
    if (decision) decisions.push(decision)
  }
  return decisions
}

/** Where few wait: of those that were sent in the same second, with which order most GPUs are placed. */
function turnsIn(world: EngineSnapshot, jobs: readonly JobFact[]): ReadonlyMap<JobFact, number> {
  if (world.waiting.length > 64 || isRoomy(world)) return new Map()
  const batches = Map.groupBy(jobs, batchOf)
    .values()
    .map((batch) => batch.toSorted(bySize))
  return new Map(batches.flatMap((batch) => bestOrder(world, batch).map((job, turn) => [job, turn] as const)))
}

function isRoomy({ nodes, bookings, waiting }: EngineSnapshot): boolean {
  const offered = nodes.filter(({ withheld }) => withheld === undefined)
  const free = sum(offered.map((node) => Math.ceil(Math.max(0, leftOn(node, bookings).gpus))))
  return free >= 2 * sum(waiting.map(({ workers, perWorker }) => workers * perWorker.gpus))
}

function batchOf({ queue = 'default', priority, createdMs }: JobFact): string {
  return JSON.stringify([queue, priority, createdMs])
}

function bySize(a: JobFact, b: JobFact): number {
  const order = ({ workers, perWorker, key, uid }: JobFact) => [-workers * perWorker.gpus, -perWorker.gpus, key, uid]
  return byOrder({ order: order(a) }, { order: order(b) })
}

function bestOrder(world: EngineSnapshot, batch: readonly JobFact[]): readonly JobFact[] {
  const first = tryIn(world, batch)
  if (first.placed === 0 || first.placed === batch.length) return []
  let best = { gpus: first.gpus, order: batch }
  for (const order of ordersOf(batch)) {
    const { gpus, placed } = tryIn(world, order)
    if (gpus > best.gpus + 1e-9) best = { gpus, order }
    if (placed === batch.length) break
  }
  return best.order
}

function tryIn(world: EngineSnapshot, order: readonly JobFact[]): { readonly gpus: number; readonly placed: number } {
  const placed: Choice[] = []
  for (const job of order) {
    const choice = placeNaively(job, { ...world, bookings: [...world.bookings, ...placed] })
    if (choice) placed.push(choice)
  }
  const gpus = placed.map(({ nodes, perWorker }) => perWorker.gpus * sum(nodes.map(({ workers }) => workers)))
  return { gpus: sum(gpus), placed: placed.length }
}

/** Where the first of the line has a turn, the one of its batch that comes first by its turn stands there. */
function withTurns(line: readonly JobFact[], turns: ReadonlyMap<JobFact, number>): readonly JobFact[] {
  const [first] = line
  if (!first || !turns.has(first)) return line
  const batch = line.filter((job) => batchOf(job) === batchOf(first))
  const [best] = batch.toSorted((a, b) => (turns.get(a) ?? 0) - (turns.get(b) ?? 0))
  return best ? [best, ...line.filter((job) => job !== best)] : line
}

/** Whether the job would have a place if nobody else had one, and all providers were connected. */
export function everFits(job: JobFact, world: EngineSnapshot): boolean {
  const named = new Map(world.nodes.map(({ provider }) => [provider, { name: provider, labels: {} }]))
  for (const provider of world.providers) named.set(provider.name, provider)
  const providers = [...named.values()].map((provider): ProviderFact => ({ ...provider, state: 'Connected' }))
  const nodes = world.nodes.map((node) => ({ ...node, usedByOthers: nothing }))
  return placeNaively(job, { ...world, providers, nodes, bookings: [], queues: [] }) !== undefined
}

const nothing: Room = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }

function inLine(world: EngineSnapshot, averages: ReadonlyMap<string, number>) {
  const orders = new Map(world.waiting.map((job) => [job, orderOf(world, { job, averages })]))
  return (a: JobFact, b: JobFact): number => {
    const [one = [], other = []] = [orders.get(a), orders.get(b)]
    const at = one.findIndex((part, i) => part !== other[i])
    return at < 0 ? 0 : (one[at] ?? 0) < (other[at] ?? 0) ? -1 : 1
  }
}

interface Option {
  readonly provider: string
  readonly model: string
  readonly shares: readonly Share[]
  /** Compared from the left; the lowest wins. */
  readonly order: readonly (number | string)[]
}

function placeNaively(job: JobFact, world: EngineSnapshot): Choice | undefined {
  const usable = world.nodes.filter((node) => mayUse(job, node, world.providers) && lets(world, job, node.model))
  const groups = Object.values(Object.groupBy(usable, (node) => `${node.provider} ${node.model} ${node.gpuMemoryMiB}`))
  const [best] = groups.flatMap((group = []) => choices(job, group, world)).toSorted(byOrder)
  if (!best) return undefined
  const { uid, key, run, perWorker } = job
  const nodes = best.shares.map(({ node }) => node)
  const { provider, model } = best
  return { uid, key, run, provider, model, nodes, perWorker, ...(job.queue === undefined ? {} : { queue: job.queue }) }
}

function choices(job: JobFact, group: readonly NodeFact[], world: EngineSnapshot): readonly Option[] {
  const { nodes: all, bookings } = world
  const [any] = group
  if (!any) return []
  const { provider, model, gpuMemoryMiB } = any
  const drawback = drawbacks(job, any, world)
  const offered = all.filter(
    (node) =>
      node.provider === provider &&
      node.model === model &&
      node.gpuMemoryMiB === gpuMemoryMiB &&
      node.withheld === undefined,
  )
  const free = sum(offered.map((node) => Math.ceil(Math.max(0, leftOn(node, bookings).gpus))))
  return subsets(group.toSorted((a, b) => (a.name < b.name ? -1 : 1))).flatMap((nodes): Option[] => {
    const workersPerNode = job.workers / nodes.length
    if (!Number.isInteger(workersPerNode)) return []
    const apart = howFarApart(job, nodes)
    if (apart === undefined) return []
    const left = nodes.map((node) => leftOn(node, bookings))
    if (!left.every((room, i) => holds(room, workerOn(job, nodes[i]), workersPerNode))) return []

    const shares = nodes.map((node, i) => shareOf(job, { node, left: left[i] ?? nothing, workersPerNode, world }))
    if (!shares.every((share) => share !== undefined)) return []
    const best = shares.toSorted(byOrder)
    const cost = sum(shares.map(({ order }) => Number(order[0]))) + toGrain(drawback)
    const fill = sum(shares.map(({ order }) => Number(order[1])))
    const order = [
      apart,
      nodes.length,
      cost,
      fill,
      -free,
      provider,
      model,
      gpuMemoryMiB,
      ...best.flatMap((each) => each.order),
    ]
    return [{ provider, model, shares, order }]
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}

function workerOn({ perWorker }: JobFact, { slices = 1 }: Partial<NodeFact> = {}): Room {
  return { ...perWorker, gpus: parts(perWorker, slices) / slices }
}

/** Preferred: how many steps wider than asked; `undefined`: they are too far apart. */
function howFarApart({ topology, workers }: JobFact, nodes: readonly NodeFact[]): number | undefined {
  if (!topology || workers === 1) return 0
  const levels = ['Node', 'Rack', 'Zone']
  const places = nodes.map(({ name, topology: { rack, zone } = {} }): (string | undefined)[] => [
    name,
    rack === undefined ? undefined : `${zone ?? '?'} ${rack}`,
    zone,
  ])
  const asked = levels.indexOf(topology.within)
  const steps = levels.slice(asked).findIndex((_, step) => {
    const named = places.map((place) => place[asked + step])
    return nodes.length === 1 || (named[0] !== undefined && named.every((each) => each === named[0]))
  })
  if (topology.rule === 'Required') return steps === 0 ? 0 : undefined
  return steps === -1 ? levels.length : steps
}

function subsets(nodes: readonly NodeFact[]): readonly (readonly NodeFact[])[] {
  return Array.from({ length: 2 ** nodes.length - 1 }, (_, i) => nodes.filter((__, bit) => ((i + 1) >> bit) & 1))
}

function holds(room: Room, worker: Room, workers: number): boolean {
  return (['gpus', 'cpuMilli', 'memoryMiB', 'storageMiB'] as const).every(
    (what) => Math.max(0, room[what]) >= worker[what] * workers,
  )
}

function byOrder(a: Pick<Option, 'order'>, b: Pick<Option, 'order'>): number {
  const at = a.order.findIndex((part, i) => part !== b.order[i])
  return (a.order[at] ?? 0) < (b.order[at] ?? 0) ? -1 : 1
}

function mayUse(job: JobFact, node: NodeFact, providers: readonly ProviderFact[]): boolean {
  return (
    mayUseGpus(job, node, providers) &&
    Object.entries(job.nodeSelector).every(([key, value]) => node.labels[key] === value) &&
    mayShare(job, node) &&
    !(job.avoidNodes ?? []).includes(`${node.provider}/${node.name}`) &&
    toleratesNode(job, node, providers)
  )
}

function toleratesNode(
  job: JobFact,
  { provider: name, taints }: NodeFact,
  providers: readonly ProviderFact[],
): boolean {
  const provider = providers.find((each) => each.name === name)
  return provider !== undefined && taints.every((taint) => isTolerated(job, taint, provider))
}

/** Such GPUs of that provider, on whatever node. */
function mayUseGpus(job: JobFact, node: NodeFact, providers: readonly ProviderFact[]): boolean {
  const provider = providers.find(({ name }) => name === node.provider)
  return (
    provider?.state === 'Connected' &&
    node.withheld === undefined &&
    Object.entries(job.providerSelector).every(([key, value]) => provider.labels[key] === value) &&
    (job.trust !== 'Verified' || provider.trust === 'Verified') &&
    !job.excludedProviders.includes(provider.name) &&
    job.refusedBy?.[provider.name] === undefined &&
    (job.models.length === 0 || job.models.includes(node.model)) &&
    !(node.model.includes('MIG') && job.models.length === 0) &&
    node.gpuMemoryMiB >= (job.gpuMemoryMiB ?? 0) &&
    priceOf(node, providers) <= (job.maxPrice ?? Infinity)
  )
}

function priceOf({ provider, model }: NodeFact, providers: readonly ProviderFact[]): number {
  return providers.find(({ name }) => name === provider)?.pricesPerGpuHour?.[model] ?? 0
}

/** Half of what is paid in vain, half of what is lost, and a tenth for a move; for all its GPUs. */
function drawbacks(job: JobFact, node: NodeFact, { nodes, providers }: EngineSnapshot): number {
  const may = (each: NodeFact) => mayUseGpus(job, each, providers) && toleratesNode(job, each, providers)
  const prices = nodes.filter(may).map((each) => priceOf(each, providers))
  const [price, least] = [priceOf(node, providers), Math.min(...prices)]
  const lost = providers.find(({ name }) => name === node.provider)?.lostShare ?? 0
  const moves = job.ranAt !== undefined && job.ranAt !== node.provider
  const perGpu = 0.5 * (price > least ? (price - least) / price : 0) + 0.5 * lost + (moves ? 0.1 : 0)
  return perGpu * job.perWorker.gpus * job.workers
}

function mayShare({ perWorker }: JobFact, { slices, slicesPerWorker = Infinity }: NodeFact): boolean {
  if (slices === undefined) return perWorker.gpus >= 1
  return Math.min(slices, parts(perWorker, slices)) <= slicesPerWorker
}

function isTolerated({ tolerations }: JobFact, taint: Taint, { tolerates }: ProviderFact): boolean {
  if (taint.effect === 'PreferNoSchedule' || taint.key === 'nvidia.com/gpu') return true
  if (tolerates && !tolerates.includes(taint.key)) return false
  return tolerations.some(({ key, operator = 'Equal', value = '', effect }) => {
    const sameValue = operator === 'Exists' || value === (taint.value ?? '')
    const sameKey = key === undefined ? operator === 'Exists' : key === taint.key
    return sameKey && sameValue && (effect === undefined || effect === taint.effect)
  })
}
