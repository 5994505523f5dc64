// Decides which waiting job starts where. Deterministic, in memory, no clock: the same facts in any order give the
// same decisions. A fact costs its own size, not the size of the federation.
import { bookingKey, createCapacity } from './capacity.ts'
import { explainWait } from './explain.ts'
import type {
  Booking,
  Choice,
  EngineSnapshot,
  Explanation,
  JobFact,
  NodeFact,
  ProviderFact,
  QueueFact,
  QueueState,
  QueueUsage,
  Room,
} from './facts.ts'
import { createLine, first, type Shape } from './line.ts'
import { acceptance, candidatesFor, placer } from './placement.ts'
import { createQueues } from './queues.ts'
import { snapshotOf } from './snapshot.ts'
import type { Spot, Stock } from './spot.ts'

export interface Engine {
  readonly setProvider: (fact: ProviderFact) => void
  /** Its nodes stay known and are offered to nobody. */
  readonly removeProvider: (name: string) => void
  readonly setNode: (fact: NodeFact) => void
  readonly removeNode: (provider: string, name: string) => void
  /** Puts a job in line, or replaces what is known of it. A run that is booked already does not wait. */
  readonly wait: (job: JobFact) => void
  readonly withdraw: (uid: string) => void
  /** Replaces an earlier booking of the same uid and run, and takes that run out of the line. */
  readonly book: (booking: Booking) => void
  /** Frees the booking; the job is put in line again only by `wait`. */
  readonly release: (uid: string, run: number) => void
  readonly setQueue: (fact: QueueFact) => void
  /** Its jobs wait and its runs go on. */
  readonly removeQueue: (name: string) => void
  /** What is remembered of a queue, from before a restart. */
  readonly setUsage: (usage: QueueUsage) => void
  /** By name. */
  readonly queues: (nowMs: number) => readonly QueueState[]
  /** Highest priority first, then oldest; each is booked before the next is tried, and leaves the line. */
  readonly decide: (pass: Pass) => readonly Choice[]
  /** Undefined for a job that does not wait. Costs a pass over the nodes, once for all jobs of a shape while nothing changes. */
  readonly explain: (uid: string) => Explanation | undefined
  readonly snapshot: () => EngineSnapshot
}

export interface Pass {
  /** Wall time. */
  readonly nowMs: number
  /** The most choices; absent: all that can be made. */
  readonly limit?: number | undefined
}

/** @param known what an earlier engine knew. */
export function createEngine(known?: EngineSnapshot): Engine {
  const line = createLine()
  const capacity = createCapacity(wakeThoseItMayHelp)
  const queues = createQueues()
  const place = placer(capacity.mostGpus)
  let seenVersion = capacity.version()

  function wakeThoseItMayHelp(spot: Spot, stock: Stock): void {
    for (const shape of line.sleepersOn(stock)) if (mayTakeWorker(spot, shape)) line.wake(shape)
  }

  function wait(job: JobFact): void {
    if (capacity.bookings.has(bookingKey(job.uid, job.run))) line.remove(job.uid)
    else line.add(job)
  }

  function book(booking: Booking): void {
    if (line.waiting.get(booking.uid)?.job.run === booking.run) line.remove(booking.uid)
    capacity.book(booking)
  }

  function decide({ limit = Infinity }: Pass): readonly Choice[] {
    if (seenVersion !== capacity.version()) line.wakeAll()
    seenVersion = capacity.version()

    const decisions: Choice[] = []
    while (decisions.length < limit) {
      const shape = line.next()
      if (!shape) break
      const decision = tryNext(shape)
      if (decision) decisions.push(decision)
      else line.sleep(shape)
    }
    return decisions
  }

  function tryNext(shape: Shape): Choice | undefined {
    if (shape.version !== capacity.version()) {
      shape.candidates = candidatesFor(shape.like, capacity)
      shape.version = capacity.version()
    }
    const placement = place(shape.like, shape.candidates)
    if (!placement) return undefined
    const { uid, key, run, perWorker, queue, priority } = first(shape)
    const booking: Booking = { uid, run, perWorker, priority, ...(queue === undefined ? {} : { queue }), ...placement }
    book(booking)
    return { ...booking, key }
  }

  function explain(uid: string): Explanation | undefined {
    const shape = line.waiting.get(uid)?.shape
    if (!shape) return undefined
    const changes = capacity.changes()
    if (shape.explained?.changes !== changes) {
      shape.explained = { changes, explanation: explainWait(shape.like, capacity) }
    }
    return shape.explained.explanation
  }

  known?.providers.forEach(capacity.setProvider)
  known?.nodes.forEach(capacity.setNode)
  known?.queues.forEach(queues.setQueue)
  known?.usages.forEach(queues.setUsage)
  known?.bookings.forEach(book)
  known?.waiting.forEach(wait)
  const { setProvider, removeProvider, setNode, removeNode, release } = capacity
  return {
    setProvider,
    removeProvider,
    setNode,
    removeNode,
    wait,
    withdraw: line.remove,
    book,
    release,
    decide,
    explain,
    setQueue: queues.setQueue,
    removeQueue: queues.removeQueue,
    setUsage: queues.setUsage,
    queues: queues.states,
    snapshot: () => snapshotOf({ capacity, line, queues }),
  }
}

/** A node that cannot take one worker helps no gang either. */
function mayTakeWorker(spot: Spot, { like }: Shape): boolean {
  return hasRoomFor(spot, like.perWorker) && acceptance(like)?.(spot) !== false
}

function hasRoomFor(spot: Spot, { gpus, cpuMilli, memoryMiB, storageMiB }: Room): boolean {
  return (
    spot.freeGpus >= gpus &&
    spot.freeCpuMilli >= cpuMilli &&
    spot.freeMemoryMiB >= memoryMiB &&
    spot.freeStorageMiB >= storageMiB
  )
}
