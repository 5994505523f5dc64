// Decides which waiting job starts where. Deterministic, in memory, no clock: the same facts in any order give the
// same decisions. A fact costs its own size, not the size of the federation.
import { type Advice, adviceFor } from './advice.ts'
import { type Batches, createBatches } from './batches.ts'
import { type Capacity, createCapacity } from './capacity.ts'
import { createDemand, type Demand } from './demand.ts'
import { explainWait } from './explain.ts'
import type {
  Booking,
  Choice,
  DemandFact,
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
import { workersOf } from './ground.ts'
import { isKept } from './keeping.ts'
import { createLine, type Line } from './line.ts'
import { createMakingRoom, type MakingRoom } from './making-room.ts'
import { acceptance, type Candidate, candidatesFor, type Place, type Placement, placer } from './placement.ts'
import type { Preemption } from './preemption.ts'
import type { Branch } from './queue-tree.ts'
import { createQueues, type Queues } from './queues.ts'
import { type Allowed, allowedCandidates, isRefusedForNow, queueRefusal, refusesAll } from './quota-filter.ts'
import type { Reason } from './reasons.ts'
import { first, type Need, type Shape, type Waiting } from './shape.ts'
import { takenOn } from './sharing.ts'
import { snapshotOf } from './snapshot.ts'
import { freeFor, type Spot, type Stock } from './spot.ts'
import type { Help } from './turns.ts'
import { defaultWeights, weightOf } from './weights.ts'

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
  /** What is remembered of what was asked for when what is free was last priced. */
  readonly setDemand: (facts: readonly DemandFact[]) => void
  /** By name. */
  readonly queues: (nowMs: number) => readonly QueueState[]
  /** Highest priority first, then oldest, then largest; each is booked before the next is tried, and leaves the line. */
  readonly decide: (pass: Pass) => readonly Choice[]
  /** Undefined for a job that does not wait. Costs a pass over the nodes, once for all jobs of a shape while nothing changes. */
  readonly explain: (uid: string) => Explanation | undefined
  /** What would place a job that waits, one provider at a time. For those who ask: it tries thousands of places. */
  readonly advise: (uid: string) => Iterable<Advice>
  readonly snapshot: () => EngineSnapshot
}

export interface Pass {
  /** Wall time. */
  readonly nowMs: number
  /** The most choices; absent: all that can be made. */
  readonly limit?: number | undefined
}

/** @param known what an earlier engine knew. */
export function createEngine(known: Partial<EngineSnapshot> = {}): Engine {
  const grew = (spot: Spot, stock: Stock) => {
    wakeFor({ spot, stock }, { line, making })
  }
  const demand = createDemand(weightOf(known.weights ?? defaultWeights, 'breaking'))
  const capacity = createCapacity(
    (spot, stock) => {
      if (!making.isTrying() && !batches.isTrying()) grew(spot, stock)
    },
    { weights: known.weights, pricing: demand.pricing },
  )
  const queues = createQueues({
    bookings: () => capacity.bookings.values().filter((booking) => !isKept(booking)),
    waiting: () => line.waiting.values().map(({ job }) => job),
    changed: (branch, sign) => {
      line.reorder(branch)
      if (sign < 0) for (const thing of accountsAbove(branch)) line.open(thing)
    },
  })
  const line = createLine(queues, demand)
  const making = createMakingRoom({
    capacity,
    line,
    queues,
    candidatesOf: (shape) => candidatesOf(shape, capacity),
    allowedOf: (shape) => allowedFor(shape, { capacity, queues }).candidates,
    isRefusedForNow: (shape) => {
      const { branch } = shape.lane
      if (queues.isOneLine() || branch?.state !== 'Active') return false
      return isRefusedForNow(shape.need.like, branch, candidatesOf(shape, capacity))
    },
    freed: (queue) => {
      const branch = queues.planted(queue)
      if (branch) for (const thing of accountsAbove(branch)) line.open(thing)
    },
    grew,
  })
  const parts = { capacity, demand, line, queues, making }
  const told = bookkeeper(parts)
  const place = placer(capacity)
  const placeFor = (shape: Shape) => placed(shape, allowedFor(shape, parts), place)
  const batches = createBatches({ capacity, line, queues, placeFor })
  const decide = decider(parts, { batches, tryNext: chooser(parts, { book: told.book, place }) })

  const { setProvider, removeProvider } = capacity
  const engine: Engine = {
    setProvider,
    removeProvider,
    ...told,
    withdraw: line.remove,
    decide,
    explain: (uid) => explained(line.waiting.get(uid)?.shape, parts),
    setQueue: queues.setQueue,
    removeQueue: queues.removeQueue,
    setUsage: queues.setUsage,
    setDemand: demand.setPriced,
    queues: queues.states,
    advise: (uid) => advised(line.waiting.get(uid), parts),
    snapshot: () => snapshotOf({ capacity, demand, line, queues }),
  }
  tell(engine, known)
  return engine
}

function tell(engine: Engine, known: Partial<EngineSnapshot>): void {
  known.providers?.forEach(engine.setProvider)
  known.nodes?.forEach(engine.setNode)
  known.queues?.forEach(engine.setQueue)
  known.usages?.forEach(engine.setUsage)
  engine.setDemand(known.demand ?? [])
  known.bookings?.forEach(engine.book)
  known.waiting?.forEach(engine.wait)
}

function factOf({ spots }: Capacity, { provider, name }: Pick<NodeFact, 'provider' | 'name'>): NodeFact | undefined {
  return spots.get(provider, name)?.fact
}

interface Parts {
  readonly capacity: Capacity
  readonly demand: Demand
  readonly line: Line
  readonly queues: Queues
  readonly making: MakingRoom
}

type Told = Pick<Engine, 'setNode' | 'removeNode' | 'wait' | 'book' | 'release'>

/** Tells each fact to all parts that it concerns. */
function bookkeeper({ capacity, demand, line, queues, making }: Parts): Told {
  function book(booking: Booking): void {
    if (line.waiting.get(booking.uid)?.job.run === booking.run) line.remove(booking.uid)
    const before = making.book(booking)
    queues.count(booking, 1)
    demand.count(booking.perWorker, workersOf(booking))
    if (!before) return
    queues.count(before, -1)
    demand.count(before.perWorker, -workersOf(before))
  }

  function release(uid: string, run: number): void {
    const booking = making.release(uid, run)
    if (!booking) return
    queues.count(booking, -1)
    demand.count(booking.perWorker, -workersOf(booking))
  }

  function wait(job: JobFact): void {
    if (capacity.bookings.get(job.uid, job.run)) line.remove(job.uid)
    else line.add(job)
  }

  function setNode(fact: NodeFact): void {
    queues.measure(factOf(capacity, fact), fact)
    capacity.setNode(fact)
  }

  function removeNode(provider: string, name: string): void {
    queues.measure(factOf(capacity, { provider, name }), undefined)
    making.removeNode(provider, name)
  }

  return { setNode, removeNode, wait, book, release }
}

interface Deciding {
  readonly batches: Batches
  readonly tryNext: (shape: Shape, nowMs: number) => Choice | undefined
}

function decider(parts: Parts, { batches, tryNext }: Deciding): Engine['decide'] {
  const { capacity, demand, line, queues, making } = parts
  const help = helpFor(parts)
  let seenVersion = capacity.version()

  /** What may have changed since the last pass. */
  function renew(nowMs: number): void {
    demand.renew(capacity.mostGpus())
    const news = queues.pass(nowMs)
    if (news !== 'Nothing') line.arrange()
    if (news === 'Tree') line.wakeAll()
    if (seenVersion !== capacity.version()) wakeWhereChanged(parts, seenVersion)
    seenVersion = capacity.version()
    making.renew(nowMs)
  }

  return ({ nowMs, limit = Infinity }) => {
    // Who may choose nothing needs no look at who might be next.
    if (limit <= 0) return []
    renew(nowMs)
    batches.arrange()
    const choices: Choice[] = []
    while (choices.length < limit) {
      const shape = line.next(help)
      if (!shape) break
      const choice = tryNext(shape, nowMs)
      if (choice) choices.push(choice)
    }
    batches.forget()
    making.keptQuota.rest()
    return choices
  }
}

/** Nowhere, where another queue's jobs have found no room for the same. */
function placed({ need }: Shape, { candidates, refusedBy }: Allowed, place: Place): Placement | undefined {
  return refusedBy.length === 0 && need.isVain ? undefined : place(need.like, candidates)
}

interface Means {
  readonly book: Engine['book']
  readonly place: Place
}

/** Places the first job of a shape; a shape that gets nothing sleeps on what may help it. */
function chooser(parts: Parts, { book, place }: Means): (shape: Shape, nowMs: number) => Choice | undefined {
  const { line, making } = parts
  return (shape, nowMs) => {
    const allowed = allowedFor(shape, parts)
    const { candidates, refusedBy } = allowed
    const job = first(shape)
    const found: Preemption | Placement | undefined =
      placed(shape, allowed, place) ??
      making.withKept(shape, nowMs, () => place(shape.need.like, allowedFor(shape, parts).candidates)) ??
      making.preempt(shape, nowMs)
    if (!found) {
      const stocks = candidates.map(({ stock }) => stock)
      if (refusedBy.length === 0) line.sleepWithNeed(shape, stocks)
      else line.sleep(shape, [...refusedBy, ...stocks])
      return undefined
    }
    making.keptQuota.drop(job)
    const { key, ...booking } = chosen(job, found, nowMs)
    book(booking)
    return { ...booking, key }
  }
}

/** Where the job may go as things stand, and as its queue says. */
function allowedFor(shape: Shape, { capacity, queues }: Pick<Parts, 'capacity' | 'queues'>): Allowed {
  const candidates = candidatesOf(shape, capacity)
  if (queues.isOneLine()) return { candidates, refusedBy: [] }
  const { branch } = shape.lane
  const mayStand = branch?.state === 'Active'
  return mayStand ? allowedCandidates(shape.need.like, branch, candidates) : { candidates: [], refusedBy: [] }
}

/** Who sleeps and is worth a try; where its queue lets one have nothing, it sleeps on what says so now. */
function helpFor(parts: Pick<Parts, 'capacity' | 'queues' | 'line'>): Help {
  return {
    isOver: refusesAll,
    helps: (shape) => {
      const { candidates, refusedBy } = allowedFor(shape, parts)
      if (refusedBy.length === 0 || candidates.length > 0) return true
      parts.line.sleep(shape, refusedBy)
      return false
    },
  }
}

function candidatesOf({ need }: Pick<Shape, 'need'>, capacity: Capacity): readonly Candidate[] {
  if (need.version !== capacity.version()) {
    const changed = capacity.changedSince(need.version)
    need.candidates = candidatesFor(need.like, capacity, changed && { candidates: need.candidates, changed })
    need.version = capacity.version()
  }
  return need.candidates
}

function explained(shape: Shape | undefined, { capacity, queues, making: { keptQuota } }: Parts) {
  if (!shape) return undefined
  const changes = capacity.changes() + queues.changes() + keptQuota.changes()
  if (shape.explained?.changes !== changes) {
    const { like } = shape.need
    const refusal = refusalIn(shape, queues)
    const explain = () => explainWait(like, capacity, (model) => refusal(like, model))
    shape.explained = { changes, explanation: keptQuota.asKept(first(shape), explain) }
  }
  return shape.explained.explanation
}

function advised(waiting: Waiting | undefined, { capacity, queues, making: { isKeptFor } }: Parts) {
  const refusal = waiting ? refusalIn(waiting.shape, queues) : () => undefined
  return adviceFor(waiting?.job, { capacity, refusal, isKeptFor })
}

/** Why the queue of these jobs lets such a job have nothing of a model. */
function refusalIn({ lane: { queue } }: Shape, queues: Queues): (job: JobFact, model: string) => Reason | undefined {
  const standing = { branch: queues.branchOf(queue), isOneLine: queues.isOneLine() }
  return (job, model) => queueRefusal(job, standing, model)
}

interface Grown {
  readonly spot: Spot
  readonly stock: Stock
}

/** Wakes those whom it may help that more is free on a node. */
function wakeFor({ spot, stock }: Grown, { line, making }: Pick<Parts, 'line' | 'making'>): void {
  const kept = making.keptAt(spot.provider, spot.name)
  for (const need of line.needsOn(stock)) if (mayTakeWorker(spot, need.like, kept)) openNeed(need, { line, making })
  for (const shape of line.sleepersOn(stock)) if (mayTakeWorker(spot, shape.need.like, kept)) line.wake(shape)
}

/** Where there is no room for the first, the others need no try: but those who may have others give way, or use what is kept. */
function openNeed(need: Need, { line, making }: Pick<Parts, 'line' | 'making'>): void {
  for (const shape of line.sleepersOn(need)) if (making.mayMakeRoom(shape)) line.wake(shape)
  line.openNeed(need)
}

/** Those who may go to providers that have changed since. */
function wakeWhereChanged({ capacity, line }: Pick<Parts, 'capacity' | 'line'>, version: number): void {
  const changed = capacity.changedSince(version)
  if (!changed) return line.wakeAll()
  const mayGoThere = (need: Need) => candidatesOf({ need }, capacity).some(({ stock }) => changed.has(stock.provider))
  for (const need of line.vainNeeds()) if (mayGoThere(need)) line.openNeed(need)
  for (const shape of line.sleepers()) if (mayGoThere(shape.need)) line.wake(shape)
}

/** All that may have room again when the queue has less. */
function* accountsAbove(branch: Branch): Iterable<object> {
  for (let each: Branch | undefined = branch; each; each = each.parent) {
    yield each
    yield* each.accounts.values()
  }
}

function chosen(job: JobFact, found: Placement & Partial<Preemption>, nowMs: number): Choice {
  const { uid, key, run, perWorker, queue, priority, maxRuntimeMs } = job
  const ofQueue = queue === undefined ? {} : { queue }
  const ends = maxRuntimeMs === undefined ? {} : { endsMs: nowMs + maxRuntimeMs }
  return { uid, key, run, perWorker, priority, ...ofQueue, ...ends, ...found }
}

/** A node that cannot take one worker helps no gang either. What is kept there some may have. */
function mayTakeWorker(spot: Spot, like: JobFact, kept: Room = nothing): boolean {
  const room = freeFor(spot, like.perWorker.gpus)
  return hasRoomFor(room, takenOn(spot.fact ?? {}, like.perWorker), kept) && acceptance(like)(spot)
}

function hasRoomFor(room: Room, { gpus, cpuMilli, memoryMiB, storageMiB }: Room, kept: Room): boolean {
  return (
    room.gpus + kept.gpus >= gpus &&
    room.cpuMilli + kept.cpuMilli >= cpuMilli &&
    room.memoryMiB + kept.memoryMiB >= memoryMiB &&
    room.storageMiB + kept.storageMiB >= storageMiB
  )
}

const nothing: Room = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
