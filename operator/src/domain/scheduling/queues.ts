// The queues of the federation: what each has now, what it had, and what it may take.

import type { Booking, JobFact, NodeFact, QueueFact, QueueState, QueueUsage } from './facts.ts'
import { averageAt, dominantShare, halfLifeMs, rankOf } from './fair-share.ts'
import { queueStates } from './queue-states.ts'
import { type Average, type Branch, openAccounts, plant, type Taken, unnamed } from './queue-tree.ts'
import { queueRefusal } from './quota-filter.ts'
import { add, enter, isSameOffer, offerOf } from './taken.ts'

export interface Queues {
  readonly facts: ReadonlyMap<string, QueueFact>
  readonly usages: () => Iterable<QueueUsage>
  readonly setQueue: (fact: QueueFact) => void
  readonly removeQueue: (name: string) => void
  readonly setUsage: (usage: QueueUsage) => void
  /** A node came, changed or went. */
  readonly measure: (before: NodeFact | undefined, after: NodeFact | undefined) => void
  /** Counts a booking (1), or counts it no more (-1). */
  readonly count: (booking: Booking, sign: 1 | -1) => void
  /** The same for a moment: nobody's order changes by it, and it is taken back. */
  readonly countForNow: (booking: Booking, sign: 1 | -1) => void
  /** Time goes on. What has to be put in order anew: nothing, the ranks of all, or the tree. */
  readonly pass: (nowMs: number) => 'Nothing' | 'Ranks' | 'Tree'
  /** Undefined: nobody knows that queue. */
  readonly branchOf: (queue: string) => Branch | undefined
  /** As `branchOf`; undefined as well where the next pass has to say. */
  readonly planted: (queue: string) => Branch | undefined
  /** Whether its queue would let the job have GPUs of that model, were those over. */
  readonly mayHave: (job: JobFact, model: string, ended: readonly Booking[]) => boolean
  /** No queue is known: all jobs stand in one line, and no quota holds. */
  readonly isOneLine: () => boolean
  /** Grows with whatever changes: queues, and what they have. */
  readonly changes: () => number
  /** Grows with each change of the queues alone. */
  readonly plantings: () => number
  /** By name. */
  readonly states: (nowMs: number) => readonly QueueState[]
}

export interface QueuesPorts {
  readonly bookings: () => Iterable<Booking>
  readonly waiting: () => Iterable<JobFact>
  /** The ranks from this branch up have changed; where something was given back, its quota may let others in. */
  readonly changed: (branch: Branch, sign: 1 | -1) => void
}

/**
 * Time goes on in steps: averages take the share that is there at the end of each. So the ranks of queues in which
 * nothing happens stay in order for that long.
 */
const stepMs = 60_000

export function createQueues(ports: QueuesPorts): Queues {
  const grove = createGrove(ports.bookings)
  const { facts, averages } = grove
  const whole: Whole = { all: { milliGpus: 0, cpuMilli: 0, memoryMiB: 0 }, nowMs: -Infinity }
  let allHasChanged = false
  let changes = 0

  /** Before shares change otherwise than by bookings: until now they were as they are. */
  function remember(): void {
    if (!allHasChanged) for (const branch of grove.planted().values()) fold(branch, whole)
  }

  function replant(): void {
    remember()
    grove.clear()
    changes += 1
  }

  function setQueue(fact: QueueFact): void {
    if (JSON.stringify(facts.get(fact.name)) === JSON.stringify(fact)) return
    replant()
    facts.set(fact.name, fact)
  }

  function removeQueue(name: string): void {
    replant()
    facts.delete(name)
    averages.delete(name)
  }

  function setUsage(usage: QueueUsage): void {
    replant()
    averages.set(usage.name, { ...usage })
  }

  function measure(before: NodeFact | undefined, after: NodeFact | undefined): void {
    if (isSameOffer(before, after)) return
    remember()
    allHasChanged = true
    add(whole.all, offerOf(before), -1)
    add(whole.all, offerOf(after), 1)
  }

  function count(booking: Booking, sign: 1 | -1): void {
    const branch = grove.planted().get(booking.queue ?? unnamed)
    if (!branch) return
    changes += 1
    enter(booking, { branch, sign, fold: (each) => fold(each, whole) })
    for (let each: Branch | undefined = branch; each; each = each.parent) rank(each, whole)
    ports.changed(branch, sign)
  }

  function pass(atMs: number): 'Nothing' | 'Ranks' | 'Tree' {
    const isLater = goOn(whole, atMs)
    const branches = grove.grown()
    const news = grove.isOther() ? 'Tree' : allHasChanged || isLater ? 'Ranks' : 'Nothing'
    allHasChanged = false
    if (news !== 'Nothing') for (const branch of branches.values()) begin(branch, { averages, whole })
    return news
  }

  return {
    facts,
    mayHave: (job, model, ended) => mayHaveAfter(grove, { job, model, ended }),
    usages: () => averages.values().map((average) => ({ ...average })),
    setQueue,
    removeQueue,
    setUsage,
    measure,
    count,
    countForNow: (booking, sign) => countIn(grove, [booking], sign),
    pass,
    ...branchesIn(grove),
    isOneLine: () => facts.size === 0,
    changes: () => changes,
    plantings: grove.plantings,
    states: (atMs) =>
      queueStates(grove.grown(), { facts, all: whole.all, atMs, bookings: ports.bookings(), waiting: ports.waiting() }),
  }
}

function withUnnamed(facts: ReadonlyMap<string, QueueFact>): ReadonlyMap<string, QueueFact> {
  if (facts.size === 0 || facts.has(unnamed)) return facts
  return new Map(facts).set(unnamed, {
    name: unnamed,
    weight: 1,
    quota: {},
    preemption: { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 },
  })
}

interface Grove {
  readonly facts: Map<string, QueueFact>
  readonly averages: Map<string, Average>
  /** None, where the queues have changed since the tree was planted. */
  readonly planted: () => ReadonlyMap<string, Branch>
  readonly grown: () => ReadonlyMap<string, Branch>
  readonly clear: () => void
  /** How often it was cleared. */
  readonly plantings: () => number
  /** Whether the tree was planted anew since the last time. */
  readonly isOther: () => boolean
}

/** Planted when somebody asks, not with each fact: the first ones come by the thousand. */
function createGrove(bookings: () => Iterable<Booking>): Grove {
  const facts = new Map<string, QueueFact>()
  const averages = new Map<string, Average>()
  let branches: ReadonlyMap<string, Branch> = new Map()
  let isPlanted = true
  let plantings = 0
  let isOther = false

  function grown(): ReadonlyMap<string, Branch> {
    if (isPlanted) return branches
    isPlanted = true
    isOther = true
    branches = plant(withUnnamed(facts))
    openAccounts(branches.values())
    for (const [name, branch] of branches) branch.average = averages.get(name)
    for (const booking of bookings()) {
      const branch = branches.get(booking.queue ?? unnamed)
      if (branch) enter(booking, { branch, sign: 1 })
    }
    return branches
  }

  function clear(): void {
    isPlanted = false
    plantings += 1
    branches = new Map()
  }

  function takeNews(): boolean {
    const was = isOther
    isOther = false
    return was
  }

  return { facts, averages, planted: () => branches, grown, clear, plantings: () => plantings, isOther: takeNews }
}

interface Question {
  readonly job: JobFact
  readonly model: string
  readonly ended: readonly Booking[]
}

/** Counts what is over no more, asks, and counts it again. */
function mayHaveAfter(grove: Grove, { job, model, ended }: Question): boolean {
  const branch = grove.planted().get(job.queue ?? unnamed)
  countIn(grove, ended, -1)
  const refusal = queueRefusal(job, { branch, isOneLine: grove.facts.size === 0 }, model)
  countIn(grove, ended, 1)
  return refusal === undefined
}

function branchesIn({ grown, planted }: Grove): Pick<Queues, 'branchOf' | 'planted'> {
  return { branchOf: (queue) => grown().get(queue), planted: (queue) => planted().get(queue) }
}

/** For a moment. */
function countIn(grove: Pick<Grove, 'planted'>, bookings: readonly Booking[], sign: 1 | -1): void {
  for (const booking of bookings) {
    const branch = grove.planted().get(booking.queue ?? unnamed)
    if (branch) enter(booking, { branch, sign })
  }
}

interface Whole {
  /** What the federation has. */
  readonly all: Taken
  nowMs: number
}

/** Whether a step has passed. */
function goOn(whole: Whole, atMs: number): boolean {
  const before = whole.nowMs
  whole.nowMs = Math.max(before, Math.floor(atMs / stepMs) * stepMs)
  return whole.nowMs !== before
}

/** Before its share changes: until now it was as it is. */
function fold({ average, taken }: Branch, { all, nowMs }: Whole): void {
  if (!average || average.atMs >= nowMs) return
  // Runs on machines that are withheld count, and those machines do not.
  const share = Math.min(1, dominantShare(taken, all))
  average.share = averageAt(average, { share, atMs: nowMs, halfLife: halfLifeMs })
  average.atMs = nowMs
}

/** A queue that is new has had nothing. */
function begin(
  branch: Branch,
  { averages, whole }: { readonly averages: Map<string, Average>; readonly whole: Whole },
): void {
  const { name } = branch.fact
  branch.average ??= { name, share: 0, atMs: whole.nowMs }
  averages.set(name, branch.average)
  rank(branch, whole)
}

function rank(branch: Branch, { all, nowMs }: Whole): void {
  const { average, taken, own, fact, children } = branch
  const share = dominantShare(taken, all)
  const before = average ? averageAt(average, { share, atMs: nowMs, halfLife: halfLifeMs }) : 0
  branch.rank = rankOf(share + before, fact.weight)
  branch.ownRank = children.length > 0 ? rankOf(dominantShare(own, all), 1) : 0
}
