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
import { isKept } from './keeping.ts'
import { createLine, type Line } from './line.ts'
import { createMakingRoom } from './making-room.ts'
import { acceptance, type Candidate, candidatesFor, type Placement, placer } from './placement.ts'
import type { Preemption } from './preemption.ts'
import type { Branch } from './queue-tree.ts'
import { createQueues, type Queues } from './queues.ts'
import { type Allowed, allowedCandidates, queueRefusal } from './quota-filter.ts'
import { first, type Shape } from './shape.ts'
import { snapshotOf } from './snapshot.ts'
import type { Spot } from './spot.ts'

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
  const capacity = createCapacity((spot, stock) => {
    if (!making.isTrying()) wake(line, [stock], ({ need }) => mayTakeWorker(spot, need.like))
  })
  const queues = createQueues({
    bookings: () => capacity.bookings.values().filter((booking) => !isKept(booking)),
    waiting: () => line.waiting.values().map(({ job }) => job),
    changed: (branch, sign) => {
      line.reorder(branch)
      if (sign < 0) wake(line, accountsAbove(branch), (shape) => mayHaveSome(shape))
    },
  })
  const line = createLine(queues)
  const place = placer(capacity.mostGpus)
  const making = createMakingRoom({
    capacity,
    line,
    queues,
    candidatesOf: (shape) => candidatesOf(shape, capacity),
    allowedOf: (shape) => allowed(shape).candidates,
  })
  let seenVersion = capacity.version()

  function allowed(shape: Shape): Allowed {
    const candidates = candidatesOf(shape, capacity)
    if (queues.isOneLine()) return { candidates, refusedBy: [] }
    const { branch } = shape.lane
    return branch?.state === 'Active'
      ? allowedCandidates(shape.need.like, branch, candidates)
      : { candidates: [], refusedBy: [] }
  }

  function setNode(fact: NodeFact): void {
    queues.measure(capacity.spots.get(`${fact.provider}/${fact.name}`)?.fact, fact)
    capacity.setNode(fact)
  }

  function removeNode(provider: string, name: string): void {
    queues.measure(capacity.spots.get(`${provider}/${name}`)?.fact, undefined)
    capacity.removeNode(provider, name)
  }

  function wait(job: JobFact): void {
    if (capacity.bookings.has(bookingKey(job.uid, job.run))) line.remove(job.uid)
    else line.add(job)
  }

  function book(booking: Booking): void {
    const before = queues.isOneLine() ? undefined : capacity.bookings.get(bookingKey(booking.uid, booking.run))
    if (line.waiting.get(booking.uid)?.job.run === booking.run) line.remove(booking.uid)
    making.book(booking)
    queues.count(booking, 1)
    if (before) queues.count(before, -1)
  }

  function release(uid: string, run: number): void {
    const booking = queues.isOneLine() ? undefined : capacity.bookings.get(bookingKey(uid, run))
    making.release(uid, run)
    if (booking) queues.count(booking, -1)
  }

  function decide({ nowMs, limit = Infinity }: Pass): readonly Choice[] {
    const news = queues.pass(nowMs)
    if (news !== 'Nothing') line.arrange()
    if (news === 'Tree' || seenVersion !== capacity.version()) line.wakeAll()
    seenVersion = capacity.version()
    making.renew(nowMs)

    const choices: Choice[] = []
    while (choices.length < limit) {
      const shape = line.next()
      if (!shape) break
      const choice = tryNext(shape, nowMs)
      if (choice) choices.push(choice)
    }
    return choices
  }

  function tryNext(shape: Shape, nowMs: number): Choice | undefined {
    const { candidates, refusedBy } = allowed(shape)
    const job = first(shape)
    const placed = () => place(shape.need.like, candidates)
    const found: Preemption | Placement | undefined =
      placed() ?? making.withKept(job, nowMs, placed) ?? making.preempt(shape, nowMs)
    if (!found) {
      line.sleep(shape, [...candidates.map(({ stock }) => stock), ...refusedBy])
      return undefined
    }
    const { key, preempts, ...booking } = chosen(job, found, nowMs)
    book(booking)
    return { ...booking, key, ...(preempts && { preempts }) }
  }

  function explain(uid: string): Explanation | undefined {
    const shape = line.waiting.get(uid)?.shape
    return shape && explained(shape, { capacity, queues })
  }

  const { setProvider, removeProvider } = capacity
  const engine: Engine = {
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

function candidatesOf({ need }: Shape, capacity: Capacity): readonly Candidate[] {
  if (need.version !== capacity.version()) {
    need.candidates = candidatesFor(need.like, capacity)
    need.version = capacity.version()
  }
  return need.candidates
}

function explained(shape: Shape, { capacity, queues }: { readonly capacity: Capacity; readonly queues: Queues }) {
  const changes = capacity.changes() + queues.changes()
  if (shape.explained?.changes !== changes) {
    const { like } = shape.need
    const queue = { branch: queues.branchOf(shape.lane.queue), isOneLine: queues.isOneLine() }
    shape.explained = { changes, explanation: explainWait(like, capacity, (model) => queueRefusal(like, queue, model)) }
  }
  return shape.explained.explanation
}

/** Wakes those who sleep on these things, where it may help them. */
function wake(line: Line, things: Iterable<object>, helps: (shape: Shape) => boolean): void {
  for (const thing of things) for (const shape of line.sleepersOn(thing)) if (helps(shape)) line.wake(shape)
}

/** All that may have room again when the queue has less. */
function* accountsAbove(branch: Branch): Iterable<object> {
  for (let each: Branch | undefined = branch; each; each = each.parent) {
    yield each
    yield* each.accounts.values()
  }
}

function mayHaveSome({ lane: { branch }, need }: Shape): boolean {
  return !branch || allowedCandidates(need.like, branch, need.candidates).candidates.length > 0
}

function chosen(job: JobFact, found: Placement & Partial<Preemption>, nowMs: number): Choice {
  const { uid, key, run, perWorker, queue, priority, maxRuntimeMs } = job
  const ofQueue = queue === undefined ? {} : { queue }
  const ends = maxRuntimeMs === undefined ? {} : { endsMs: nowMs + maxRuntimeMs }
  return { uid, key, run, perWorker, priority, ...ofQueue, ...ends, ...found }
}

/** A node that cannot take one worker helps no gang either. */
function mayTakeWorker(spot: Spot, like: JobFact): boolean {
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
