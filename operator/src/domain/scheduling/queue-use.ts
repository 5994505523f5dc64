// What queues use, as preemption asks for it: of each run, for each job that waits. So it is remembered.
import { bookingKey } from './bookings.ts'
import type { Booking, QueueFact, RunId } from './facts.ts'
import { gpusOf } from './ground.ts'
import { unnamed } from './queue-tree.ts'
import { anyModel, milli } from './quota.ts'

interface QueuePaths {
  /** A queue and those above it; a ring is left where it closes. */
  readonly pathOf: (queue: string) => readonly string[]
  /** No queue is below it. */
  readonly isLeaf: (queue: string) => boolean
}

/** As the queues are now: they may change, and then it is to be made anew. */
export function queuePaths(facts: ReadonlyMap<string, QueueFact>): QueuePaths {
  const paths = new Map<string, readonly string[]>()
  const parents = new Set(facts.values().map(({ parent }) => parent))
  function pathOf(queue: string): readonly string[] {
    const known = paths.get(queue)
    if (known) return known
    const path = new Set([queue])
    for (let parent = facts.get(queue)?.parent; parent !== undefined; parent = facts.get(parent)?.parent) {
      if (path.has(parent)) break
      path.add(parent)
    }
    paths.set(queue, [...path])
    return [...path]
  }
  return { pathOf, isLeaf: (queue) => !parents.has(queue) }
}

/** Whether it counts for quota of that model. */
export function isOfKind({ model = anyModel }: Pick<Booking, 'model'>, kind: string): boolean {
  return kind === anyModel || kind === model
}

export interface Used extends QueuePaths {
  /** GPUs that are booked in a queue and in those below it; `*`: of any model. */
  readonly used: (queue: string, kind: string) => number
  /** Runs that are told to end, or will be: for those who are chosen. What they use nobody can take a second time. */
  readonly leaving: () => readonly Booking[]
}

interface QueueUse {
  /** A booking came (1) or went (-1). */
  readonly count: (booking: Booking, sign: 1 | -1) => void
  readonly now: () => Used
}

interface World {
  readonly queues: {
    readonly facts: ReadonlyMap<string, QueueFact>
    /** Grows with each change of the queues. */
    readonly plantings: () => number
  }
  readonly bookings: () => Iterable<Booking>
  readonly booked: (uid: string, run: number) => Booking | undefined
}

interface Known {
  readonly planting: number
  readonly paths: QueuePaths
  /** By kind, by queue: thousandths of a GPU. */
  readonly used: Map<string, Map<string, number>>
  /** By key: runs told to end, and those named by whoever preempts them, and by how many. */
  readonly leaving: Map<string, { readonly id: RunId; by: number }>
}

/** Who never asks does not pay for it. A booking costs its own size; the queues, when they change, a look at all bookings. */
export function createQueueUse({ queues, bookings, booked }: World): QueueUse {
  let known: Known | undefined

  function count(booking: Booking, sign: 1 | -1): void {
    if (!known) return
    if (known.planting === queues.plantings()) enter(known, booking, sign)
    else known = undefined
  }

  function now(): Used {
    if (known?.planting !== queues.plantings()) {
      known = { planting: queues.plantings(), paths: queuePaths(queues.facts), used: new Map(), leaving: new Map() }
      for (const booking of bookings()) enter(known, booking, 1)
    }
    const { paths, used, leaving } = known
    return {
      ...paths,
      used: (queue, kind) => (used.get(kind)?.get(queue) ?? 0) / 1000,
      leaving: () => [...leaving.values()].flatMap(({ id: { uid, run } }) => booked(uid, run) ?? []),
    }
  }

  return { count, now }
}

function enter({ paths, used, leaving }: Known, booking: Booking, sign: 1 | -1): void {
  const { uid, run, endingMs, preempts = [] } = booking
  for (const id of endingMs === undefined ? preempts : [{ uid, run }, ...preempts]) {
    const key = bookingKey(id.uid, id.run)
    const known = leaving.get(key) ?? { id, by: 0 }
    known.by += sign
    if (known.by === 0) leaving.delete(key)
    else leaving.set(key, known)
  }
  const much = sign * milli(gpusOf(booking))
  for (const kind of new Set([anyModel, booking.model ?? anyModel])) {
    const byQueue = used.get(kind) ?? new Map<string, number>()
    used.set(kind, byQueue)
    for (const queue of paths.pathOf(booking.queue ?? unnamed)) byQueue.set(queue, (byQueue.get(queue) ?? 0) + much)
  }
}
