// Decides which waiting job starts where. Deterministic, in memory, no clock: the same facts in any order give the
// same decisions. A fact costs its own size, not the size of the federation.
import { bookingKey, type Capacity, createCapacity } from './capacity.ts'
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
import { createMakingRoom } from './making-room.ts'
import { acceptance, type Candidate, candidatesFor, type Placement, placer } from './placement.ts'
import type { Preemption } from './preemption.ts'
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
  const making = createMakingRoom({ capacity, line, queues, candidatesOf: (shape) => candidatesOf(shape, capacity) })
  let seenVersion = capacity.version()

  function wakeThoseItMayHelp(spot: Spot, stock: Stock): void {
    if (making.isTrying()) return
    for (const shape of line.sleepersOn(stock)) if (mayTakeWorker(spot, shape)) line.wake(shape)
  }

  function wait(job: JobFact): void {
    if (capacity.bookings.has(bookingKey(job.uid, job.run))) line.remove(job.uid)
    else line.add(job)
  }

  function book(booking: Booking): void {
    if (line.waiting.get(booking.uid)?.job.run === booking.run) line.remove(booking.uid)
    making.book(booking)
  }

  function decide({ nowMs, limit = Infinity }: Pass): readonly Choice[] {
    if (seenVersion !== capacity.version()) line.wakeAll()
    seenVersion = capacity.version()
    making.renew(nowMs)

    const decisions: Choice[] = []
    while (decisions.length < limit) {
      const shape = line.next()
      if (!shape) break
      const decision = tryNext(shape, nowMs)
      if (decision) decisions.push(decision)
      else line.sleep(shape)
    }
    return decisions
  }

  function tryNext(shape: Shape, nowMs: number): Choice | undefined {
    const candidates = candidatesOf(shape, capacity)
    const job = first(shape)
    const placed = () => place(shape.like, candidates)
    const found: Preemption | Placement | undefined =
      placed() ?? making.withKept(job, nowMs, placed) ?? making.preempt(shape, nowMs)
    if (!found) return undefined
    const { key, preempts, ...booking } = chosen(job, found, nowMs)
    book(booking)
    return { ...booking, key, ...(preempts && { preempts }) }
  }

  function explain(uid: string): Explanation | undefined {
    const shape = line.waiting.get(uid)?.shape
    return shape && explained(shape, capacity)
  }

  const { setProvider, removeProvider, setNode, removeNode } = capacity
  const engine: Engine = {
    setProvider,
    removeProvider,
    setNode,
    removeNode,
    wait,
    withdraw: line.remove,
    book,
    release: making.release,
    decide,
    explain,
    setQueue: queues.setQueue,
    removeQueue: queues.removeQueue,
    setUsage: queues.setUsage,
    queues: queues.states,
    snapshot: () => snapshotOf({ capacity, line, queues }),
  }
  if (known) tell(engine, known)
  return engine
}

function tell(engine: Engine, { providers, nodes, queues, usages, bookings, waiting }: EngineSnapshot): void {
  providers.forEach(engine.setProvider)
  nodes.forEach(engine.setNode)
  queues.forEach(engine.setQueue)
  usages.forEach(engine.setUsage)
  bookings.forEach(engine.book)
  waiting.forEach(engine.wait)
}

function candidatesOf(shape: Shape, capacity: Capacity): readonly Candidate[] {
  if (shape.version !== capacity.version()) {
    shape.candidates = candidatesFor(shape.like, capacity)
    shape.version = capacity.version()
  }
  return shape.candidates
}

function explained(shape: Shape, capacity: Capacity): Explanation {
  const changes = capacity.changes()
  if (shape.explained?.changes !== changes) {
    shape.explained = { changes, explanation: explainWait(shape.like, capacity) }
  }
  return shape.explained.explanation
}

function chosen(job: JobFact, found: Placement & Partial<Preemption>, nowMs: number): Choice {
  const { uid, key, run, perWorker, queue, priority, maxRuntimeMs } = job
  const ofQueue = queue === undefined ? {} : { queue }
  const ends = maxRuntimeMs === undefined ? {} : { endsMs: nowMs + maxRuntimeMs }
  return { uid, key, run, perWorker, priority, ...ofQueue, ...ends, ...found }
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
