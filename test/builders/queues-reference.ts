// Quota and order of the queues, in the plainest way: all is added up anew for each question.
import type { Booking, EngineSnapshot, JobFact, QueueFact } from '../../operator/src/domain/scheduling/facts.ts'

const halfLife = 7 * 24 * 3600 * 1000

type Queues = Pick<EngineSnapshot, 'queues' | 'bookings'>

/** From the queue of that name up to its root; undefined where that does not end well. */
export function pathOf({ queues }: Pick<EngineSnapshot, 'queues'>, name: string): readonly QueueFact[] | undefined {
  const path: QueueFact[] = []
  for (let at: string | undefined = name; at !== undefined; at = path.at(-1)?.parent) {
    const queue = queues.find((each) => each.name === at) ?? (at === 'default' ? openToAll : undefined)
    if (!queue || path.includes(queue)) return undefined
    path.push(queue)
  }
  return path
}

const openToAll: QueueFact = {
  name: 'default',
  weight: 1,
  quota: {},
  preemption: { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 },
}

function isBelow(world: Queues, name: string | undefined, above: string): boolean {
  return pathOf(world, name ?? 'default')?.some((queue) => queue.name === above) ?? false
}

export function mayStand(world: Queues, { queue = 'default' }: JobFact): boolean {
  return world.queues.length === 0 || pathOf(world, queue) !== undefined
}

/** Whether the queues let the job have all its GPUs of this model. */
export function lets(world: Queues, { queue = 'default', workers, perWorker }: JobFact, model: string): boolean {
  if (world.queues.length === 0) return true
  const path = pathOf(world, queue) ?? []
  const isFull = ({ name, maxRunning = Infinity }: QueueFact) =>
    world.bookings.filter((booking) => isBelow(world, booking.queue, name)).length >= maxRunning
  const gpus = workers * perWorker.gpus
  return !path.some(isFull) && ['*', model].every((each) => roomFor(world, path, each) >= gpus)
}

function roomFor(world: Queues, [queue, ...above]: readonly QueueFact[], model: string): number {
  if (!queue) return Infinity
  const { pool, kept, used } = account(world, queue, model)
  if (above.length === 0) return isBounded(queue, model) ? pool - used : Infinity
  const own = Math.max(0, kept - used)
  const more = pool - kept - Math.max(0, used - kept) + (queue.quota[model]?.borrowLimit ?? Infinity)
  const lent = Math.min(more, roomFor(world, above, model))
  return own > 0 ? own + Math.max(0, lent) : lent
}

/** Where a root names no quota of a model, its tree has all that there is. */
function isBounded(root: QueueFact, model: string): boolean {
  return root.quota[model] !== undefined
}

interface Account {
  readonly pool: number
  readonly kept: number
  readonly used: number
}

function account(world: Queues, queue: QueueFact, model: string): Account {
  const children = world.queues.filter(({ parent }) => parent === queue.name).map((each) => account(world, each, model))
  const { guaranteed = 0, lendLimit = Infinity } = queue.quota[model] ?? {}
  const pool = guaranteed + sum(children.map((child) => child.pool - child.kept))
  const own = world.bookings.filter((booking) => (booking.queue ?? 'default') === queue.name && counts(booking, model))
  const used = sum(own.map(gpusOf)) + sum(children.map((child) => Math.max(0, child.used - child.kept)))
  return { pool, kept: Math.max(0, pool - lendLimit), used }
}

/** Queues that have more than they may, as `name model`. */
export function overQuota(world: Queues): readonly string[] {
  const models = ['*', ...new Set(world.queues.flatMap(({ quota }) => Object.keys(quota)))]
  return world.queues.flatMap((queue) => {
    if (!pathOf(world, queue.name)) return []
    const over = models.filter((model) => {
      const { pool, kept, used } = account(world, queue, model)
      if (queue.parent === undefined) return isBounded(queue, model) && used > pool
      return Math.max(0, used - kept) > pool - kept + (queue.quota[model]?.borrowLimit ?? Infinity)
    })
    return over.map((model) => `${queue.name} ${model}`)
  })
}

function counts({ model }: Booking, of: string): boolean {
  return of === '*' || of === model
}

function gpusOf({ nodes, perWorker }: Booking): number {
  return sum(nodes.map(({ workers }) => workers)) * perWorker.gpus
}

interface Place {
  readonly job: JobFact
  readonly averages: ReadonlyMap<string, number>
}

/** Compared from the left; the lowest is next. */
export function orderOf(world: EngineSnapshot, { job, averages }: Place): readonly (number | string)[] {
  const path = world.queues.length === 0 ? [] : (pathOf(world, job.queue ?? 'default') ?? [])
  const ranks = path.map(({ name, weight }) => {
    const had = shareOf(world, (booking) => isBelow(world, booking.queue, name)) + (averages.get(name) ?? 0)
    return weight > 0 ? had / weight : 1e18 + had * 1e18
  })
  const [queue] = path
  const hasChildren = world.queues.some(({ parent }) => parent === queue?.name)
  const own = hasChildren ? shareOf(world, (booking) => (booking.queue ?? 'default') === queue?.name) : 0
  const levels = [...ranks.toReversed(), own]
  const all = Array.from({ length: 12 }, (_, i) => levels[i] ?? 0)
  return [
    -job.priority,
    ...all,
    job.createdMs,
    -job.workers * job.perWorker.gpus,
    -job.perWorker.gpus,
    job.key,
    job.uid,
  ]
}

/** Of all GPUs, CPU and memory, the largest part that these bookings have. */
function shareOf({ nodes, bookings }: EngineSnapshot, which: (booking: Booking) => boolean): number {
  const offered = nodes.filter(({ withheld }) => withheld === undefined)
  const those = bookings.filter(which)
  const parts = (['gpus', 'cpuMilli', 'memoryMiB'] as const).map((what) => {
    const all = sum(offered.map((node) => node[what]))
    const taken = sum(those.map(({ perWorker, nodes: on }) => perWorker[what] * sum(on.map(({ workers }) => workers))))
    return all > 0 ? taken / all : 0
  })
  return Math.max(...parts)
}

/** What the queues have had on average, if since the last time all was as it is. */
export function averagesAt(world: EngineSnapshot, atMs: number): ReadonlyMap<string, number> {
  return new Map(
    world.usages.map(({ name, share, atMs: since }) => {
      const now = shareOf(world, (booking) => isBelow(world, booking.queue, name))
      return [name, atMs > since ? now + (share - now) * 2 ** (-(atMs - since) / halfLife) : share]
    }),
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
