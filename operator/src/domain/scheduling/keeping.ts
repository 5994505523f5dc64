// Keeps nodes for the first of those that have to wait, and lets others have them who do not delay it.
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact } from './facts.ts'
import type { Grounds } from './ground.ts'
import type { Line } from './line.ts'
import type { Placement } from './placement.ts'
import { mayUseKept, type Outlooks, patienceMs, type Reservation, ranksBefore, reserve } from './reservation.ts'
import { first, type Shape } from './shape.ts'

export interface Keeping {
  /** Once before each pass. */
  readonly renew: (nowMs: number) => void
  /** Whether the job comes before what is kept, or is over in time. */
  readonly mayUse: (job: JobFact, nowMs: number) => boolean
  readonly isKeptFor: (job: Pick<JobFact, 'uid'>) => boolean
  readonly isKeptAt: (provider: string, node: string) => boolean
  /** Tries a second time, with what is kept, where the job may use it. */
  readonly withKept: (job: JobFact, nowMs: number, place: () => Placement | undefined) => Placement | undefined
  /** What is free changes only for a moment: nobody is to be woken by it. */
  readonly isTrying: () => boolean
}

interface World {
  readonly capacity: Capacity
  readonly line: Line
  /** Where a job of the shape may run. */
  readonly groundsOf: (shape: Shape) => readonly Grounds[]
}

/** Of those that could start at once, which is most of a burst, so many are looked at before each pass. */
const mostLooks = 8

/** What is kept is booked under names that no job can have. */
const keptUid = '(kept)'

export function isKept({ uid }: Pick<Booking, 'uid'>): boolean {
  return uid.startsWith(keptUid)
}

export function createKeeping({ capacity, line, groundsOf }: World): Keeping {
  const outlooks = new WeakMap<Shape, Outlooks>()
  let reservation: Reservation | undefined
  let reserved: Shape | undefined
  let trying = false

  function renew(nowMs: number): void {
    const before = reservation
    const found = firstThatHasToWait(nowMs)
    reservation = found?.reservation
    reserved = found?.reserved
    if (isSame(before, reservation)) return
    letGo(capacity, before)
    keep(capacity, reservation)
    // What is shown as free does not tell them that something has changed.
    for (const shape of line.sleepers()) if (mayUse(first(shape), nowMs)) line.wake(shape)
  }

  /** Not by who was tried: the same facts give the same, however an engine came to know them. */
  function firstThatHasToWait(nowMs: number): { reservation: Reservation; reserved: Shape } | undefined {
    const old = [...line.shapes()].filter((shape) => nowMs - first(shape).createdMs >= patienceMs)
    let looks = mostLooks
    for (const shape of old.toSorted((a, b) => (ranksBefore(first(a), first(b)) ? -1 : 1))) {
      const seen: Outlooks = outlooks.get(shape) ?? new Map()
      outlooks.set(shape, seen)
      const found = reserve(first(shape), groundsOf(shape), { nowMs, seen })
      if (found && !found.mayStart) return { reservation: found, reserved: shape }
      if (found) looks -= 1
      if (looks === 0) return undefined
    }
    return undefined
  }

  function mayUse(job: JobFact, nowMs: number): boolean {
    if (!reservation || !reserved) return false
    const keeper = { reserved: first(reserved), startMs: reservation.startMs, nowMs }
    return isKeptFor(job) || mayUseKept(job, keeper)
  }

  function isKeptFor({ uid }: Pick<JobFact, 'uid'>): boolean {
    return reservation !== undefined && reserved !== undefined && uid === first(reserved).uid
  }

  function isKeptAt(provider: string, node: string): boolean {
    return provider === reservation?.provider && reservation.kept.some((one) => one.node === node)
  }

  function withKept(job: JobFact, nowMs: number, place: () => Placement | undefined): Placement | undefined {
    if (!mayUse(job, nowMs)) return undefined
    const lifted = reservation
    trying = true
    letGo(capacity, lifted)
    const placement = place()
    if (placement && job.uid === lifted?.uid) reservation = undefined
    else keep(capacity, lifted)
    trying = false
    return placement
  }

  return { renew, mayUse, isKeptFor, isKeptAt, withKept, isTrying: () => trying }
}

function isSame(a: Reservation | undefined, b: Reservation | undefined): boolean {
  return a?.provider === b?.provider && a?.startMs === b?.startMs && JSON.stringify(a?.kept) === JSON.stringify(b?.kept)
}

function keep(capacity: Capacity, reservation: Reservation | undefined): void {
  const { provider = '', kept = [] } = reservation ?? {}
  for (const { node, room } of kept) {
    capacity.book({ uid: keptUid + node, run: 0, provider, nodes: [{ name: node, workers: 1 }], perWorker: room })
  }
}

function letGo(capacity: Capacity, reservation: Reservation | undefined): void {
  for (const { node } of reservation?.kept ?? []) capacity.release(keptUid + node, 0)
}
