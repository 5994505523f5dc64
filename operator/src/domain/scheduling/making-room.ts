// What is done for a job that finds no room: others give way to it, or nodes are kept for it until they are free.
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact, QueueFact } from './facts.ts'
import { apart, createOccupancy, type Ground, type Grounds, type Occupancy } from './ground.ts'
import { createKeeping, isKept, type Keeping } from './keeping.ts'
import { createKeptQuota, type KeptQuota } from './kept-quota.ts'
import type { Line } from './line.ts'
import { acceptance, type Candidate } from './placement.ts'
import { type Preemption, preempt } from './preemption.ts'
import { rightsOf } from './preemption-rights.ts'
import { createQueueUse } from './queue-use.ts'
import type { Queues } from './queues.ts'
import { createRefusals } from './refusals.ts'
import { comesFirst, first, type Shape } from './shape.ts'
import type { Pool, Spot, Stock } from './spot.ts'

export interface MakingRoom extends Keeping {
  /** In the capacity as well. */
  readonly book: Capacity['book']
  readonly release: Capacity['release']
  readonly removeNode: (provider: string, name: string) => void
  /** `rest`: once after each pass. */
  readonly keptQuota: Pick<KeptQuota, 'drop' | 'rest' | 'asKept' | 'changes'>
  readonly preempt: (shape: Shape, nowMs: number) => Preemption | undefined
  /** Whether it may find room where others that need the same do not. */
  readonly mayMakeRoom: (shape: Shape) => boolean
}

interface World {
  readonly capacity: Capacity
  readonly line: Line
  readonly queues: Pick<Queues, 'facts' | 'plantings' | 'changes' | 'mayHave' | 'planted'>
  readonly candidatesOf: (shape: Shape) => readonly Candidate[]
  /** Of those the ones that its queue lets it have: for no other are nodes kept. */
  readonly allowedOf: (shape: Shape) => readonly Candidate[]
  /** Whether quota alone lets it have none of them, because others have it. */
  readonly isRefusedForNow: (shape: Shape) => boolean
  readonly freed: (queue: string) => void
  readonly grew: (spot: Spot, stock: Stock) => void
}

/**
 * Guards pass, runs begin, queues borrow: no node has more room by that, but others may have to give way now. So who
 * may preempt is tried again once in a while, those first who have not been for longest.
 */
const triedAgainMs = 10_000
const triedAtOnce = 4

export function createMakingRoom(world: World): MakingRoom {
  const { capacity, line, queues, candidatesOf, allowedOf } = world
  let occupancy: Occupancy | undefined
  const groundsOf = (shape: Shape) => groundsFor(first(shape), candidatesOf(shape), occupied())
  const quota = createKeptQuota(world)
  const keeping = createKeeping({
    ...world,
    quota,
    groundsOf: (shape) => groundsFor(first(shape), allowedOf(shape), occupied()),
    refusals: createRefusals({ ...world, groundsOf }),
    changes: () => capacity.changes() + queues.changes(),
  })
  const tried = new Map<Shape, number>()
  const bookings = () => capacity.bookings.values().filter((booking) => !isKept(booking))
  const use = createQueueUse({ queues, bookings, booked: capacity.bookings.get })

  /** Who never asks does not pay for it. */
  function occupied(): Occupancy {
    if (occupancy) return occupancy
    occupancy = createOccupancy()
    for (const booking of bookings()) occupancy.enter(booking)
    return occupancy
  }

  function left(booking: Booking | undefined): void {
    if (!booking) return
    occupancy?.leave(booking)
    use.count(booking, -1)
  }

  const mayPreempt = (shape: Shape) => letsPreempt(queues.facts.get(shape.lane.queue))

  function wakePreemptors(nowMs: number): void {
    for (const shape of tried.keys()) if (shape.jobs.items.length === 0 || !mayPreempt(shape)) tried.delete(shape)
    for (const shape of dueIn(tried, nowMs)) line.wake(shape)
  }

  function preemptFor(shape: Shape, nowMs: number): Preemption | undefined {
    const job = first(shape)
    if (!mayPreempt(shape)) return undefined
    tried.set(shape, nowMs)
    const mayUseAll = keeping.mayUse(job, nowMs)
    const grounds = groundsOf(shape).map(({ nodes, ...stock }) => ({
      ...stock,
      nodes: nodes.filter(({ name }) => mayUseAll || !keeping.keptAt(stock.provider, name)),
    }))
    const book = { ...use.now(), facts: queues.facts, mayHave: queues.mayHave }
    return quota.lifted(job, nowMs, () => preempt({ job, rights: rightsOf(job, book, nowMs), nowMs }, grounds))
  }

  return {
    ...keeping,
    book: (booking) => {
      const before = capacity.book(booking)
      left(before)
      occupancy?.enter(booking)
      use.count(booking, 1)
      return before
    },
    release: (uid, run) => {
      const booking = capacity.release(uid, run)
      left(booking)
      return booking
    },
    removeNode: (provider, name) => {
      occupancy?.forget({ provider, name })
      capacity.removeNode(provider, name)
    },
    renew: (nowMs) => {
      wakePreemptors(nowMs)
      keeping.renew(nowMs)
    },
    keptQuota: quota,
    preempt: preemptFor,
    mayMakeRoom: (shape) => mayPreempt(shape) || keeping.mayBeKeptFor(shape),
  }
}

function dueIn(tried: ReadonlyMap<Shape, number>, nowMs: number): readonly Shape[] {
  const due = [...tried].filter(([shape, triedMs]) => shape.isAsleep && nowMs - triedMs >= triedAgainMs)
  due.sort(([a, aMs], [b, bMs]) => aMs - bMs || (comesFirst(first(a), first(b)) ? -1 : 1))
  return due.slice(0, triedAtOnce).map(([shape]) => shape)
}

function letsPreempt(queue: QueueFact | undefined): boolean {
  const { withinQueue = 'Never', reclaim = 'Never' } = queue?.preemption ?? {}
  return withinQueue !== 'Never' || reclaim !== 'Never'
}

function groundsFor(job: JobFact, candidates: readonly Candidate[], occupancy: Occupancy): readonly Grounds[] {
  const accepts = acceptance(job)
  return candidates.flatMap(({ stock: { provider, model }, pools }) => {
    const nodes: Ground[] = []
    for (const pool of pools) {
      forEachSpot(pool, (spot) => {
        if (spot.fact && accepts(spot)) nodes.push(occupancy.groundAt(spot.fact))
      })
    }
    return apart({ provider, model, nodes }, job)
  })
}

function forEachSpot({ buckets }: Pool, look: (spot: Spot) => void): void {
  const open = Array.from(buckets.values(), ({ root }) => root)
  while (open.length > 0) {
    const spot = open.pop()
    if (!spot) continue
    look(spot)
    open.push(spot.before, spot.after)
  }
}
