// The engine again, in the plainest way: it tries every set of nodes. Slow, and meant to be obviously right;
// it shares no code with the engine but what the demand makes of prices and the orders that are tried, so that what both
// say is said twice.
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
  const turns = turnsIn(world)
  while (left.length > 0 && decisions.length < limit) {
    const now = { ...world, bookings: [...world.bookings, ...decisions] }
    const order = inLine(now, averages)
    const [job] = firstIn(left.toSorted(order), turns).toSorted(order)
    left = left.filter((each) => each !== job)
    const decision = job && placeNaively(job, now)
    if (decision) decisions.push(decision)
  }
  return decisions
}

/** Where few wait: of those that were sent in the same second, with which order most GPUs are placed. */
function turnsIn(world: EngineSnapshot): ReadonlyMap<JobFact, number> {
  const turns = new Map<JobFact, number>()
  if (world.waiting.length > 64 || isRoomy(world)) return turns
  const batches = [...Map.groupBy(world.waiting, batchOf).values()].map((batch) => batch.toSorted(asUsual))
  if (batches.every(({ length }) => length < 2)) return turns
  const inOrder = batches.toSorted(([a], [b]) => (a && b ? asUsual(a, b) : 0))
  const orders = Math.floor(20_000 / sum(world.waiting.map((job) => looksFor(job, world)))) - 2
  let now = world
  for (const batch of inOrder) {
    const best = orders < 1 ? [] : bestOrder(now, { batch, orders })
    for (const job of best) turns.set(job, turns.size)
    now = tryIn(now, best.length > 0 ? best : batch).after
  }
  return turns
}

/** Splits, for each way in which they may lie together all nodes, else their own and all stocks. */
function looksFor({ workers, topology }: JobFact, { nodes, bookings }: EngineSnapshot): number {
  const splits = Array.from({ length: workers }, (_, i) => i + 1).filter((each) => workers % each === 0)
  const offered = nodes.filter(({ withheld }) => withheld === undefined)
  const stocks = new Set(offered.map(({ provider, model, gpuMemoryMiB }) => `${provider}/${model}/${gpuMemoryMiB}`))
  const spoken = bookings.flatMap(({ provider, nodes: on }) => on.map(({ name }) => `${provider}/${name}`))
  const known = new Set([...nodes.map(({ provider, name }) => `${provider}/${name}`), ...spoken])
  const asked = topology && workers > 1 ? ['Zone', 'Rack', 'Node'].indexOf(topology.within) + 1 : 0
  const levels = topology?.rule === 'Required' ? Math.min(1, asked) : asked
  return levels * splits.length * known.size + sum(splits) + splits.length * stocks.size
}

function isRoomy({ nodes, bookings, waiting, providers }: EngineSnapshot): boolean {
  const isThere = (at: string) => providers.some(({ name, state }) => name === at && state === 'Connected')
  const offered = nodes.filter(({ withheld, provider }) => withheld === undefined && isThere(provider))
  const free = sum(offered.map((node) => Math.ceil(Math.max(0, leftOn(node, bookings).gpus))))
  return free >= 2 * sum(waiting.map(({ workers, perWorker }) => workers * perWorker.gpus))
}

function batchOf({ queue = 'default', priority, createdMs }: JobFact): string {
  return JSON.stringify([queue, priority, createdMs])
}

function asUsual(a: JobFact, b: JobFact): number {
  const order = ({ priority, createdMs, workers, perWorker, key, uid }: JobFact) => [
    -priority,
    createdMs,
    -workers * perWorker.gpus,
    -perWorker.gpus,
    key,
    uid,
  ]
  return byOrder({ order: order(a) }, { order: order(b) })
}

function bestOrder(
  world: EngineSnapshot,
  { batch, orders }: { readonly batch: readonly JobFact[]; readonly orders: number },
): readonly JobFact[] {
  const first = tryIn(world, batch)
  if (first.placed === 0 || first.placed === batch.length) return []
  let best: { gpus: number; order: readonly JobFact[] } = { gpus: first.gpus, order: [] }
  for (const order of [...ordersOf(batch)].slice(0, orders)) {
    const { gpus, placed } = tryIn(world, order)
    if (gpus > best.gpus + 1e-9) best = { gpus, order }
    if (placed === batch.length) break
  }
  return amongAlike(best.order)
}

/** Of jobs that need the same the first in line has the first of their turns. */
function amongAlike(order: readonly JobFact[]): readonly JobFact[] {
  const alike = Map.groupBy(order, needs)
  for (const [need, jobs] of alike) alike.set(need, jobs.toSorted(asUsual))
  return order.flatMap((job) => alike.get(needs(job))?.shift() ?? [])
}

function needs({ uid, key, run, ...rest }: JobFact): string {
  const { models, excludedProviders, avoidNodes = [], tolerations } = rest
  const [named, shunned, avoided] = [models, excludedProviders, avoidNodes].map((names) => names.toSorted())
  const tolerated = tolerations.map((one) => JSON.stringify(one)).toSorted()
  return JSON.stringify([
    { ...rest, models: [], excludedProviders: [], avoidNodes: [], tolerations: [] },
    named,
    shunned,
    avoided,
    tolerated,
  ])
}

function tryIn(world: EngineSnapshot, order: readonly JobFact[]) {
  const placed: Choice[] = []
  const withPlaced = () => ({ ...world, bookings: [...world.bookings, ...placed] })
  for (const job of order) {
    const choice = mayStand(world, job) ? placeNaively(job, withPlaced()) : undefined
    if (choice) placed.push(choice)
  }
  const gpus = placed.map(({ nodes, perWorker }) => perWorker.gpus * sum(nodes.map(({ workers }) => workers)))
  return { gpus: sum(gpus), placed: placed.length, after: withPlaced() }
}

/** In each queue the one comes first that has the first turn of its batch; then the queues are compared by those. */
function firstIn(line: readonly JobFact[], turns: ReadonlyMap<JobFact, number>): readonly JobFact[] {
  const firsts = Map.groupBy(line, ({ queue = 'default' }) => queue)
    .values()
    .map(([first, ...others]) => {
      const batch = [first, ...others].filter(
        (job) => job && first && turns.has(first) && batchOf(job) === batchOf(first),
      )
      return batch.toSorted((a, b) => (a && b ? (turns.get(a) ?? 0) - (turns.get(b) ?? 0) : 0))[0] ?? first
    })
  return firsts.filter((job) => job !== undefined).toArray()
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
