// Keeps nodes for the first of those that have to wait, and lets others have them who do not delay it.
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact, Room } from './facts.ts'
import { holds, less, mapped, workersOn } from './ground.ts'
import type { KeptQuota } from './kept-quota.ts'
import type { Line } from './line.ts'
import { createLookout, type LookoutWorld } from './lookout.ts'
import type { Placement } from './placement.ts'
import { mayUseKept, type Reservation } from './reservation.ts'
import { first, type Shape } from './shape.ts'
import { takenOn } from './sharing.ts'
import { freeOn, type Spot, type Stock } from './spot.ts'

export interface Keeping {
  /** Once before each pass. */
  readonly renew: (nowMs: number) => void
  /** Whether the job comes before what is kept, or is over in time. */
  readonly mayUse: (job: JobFact, nowMs: number) => boolean
  readonly isKeptFor: (job: Pick<JobFact, 'uid'>) => boolean
  /** Whether it may have some of what is kept, as far as was tried. */
  readonly mayBeKeptFor: (shape: Shape) => boolean
  readonly keptAt: (provider: string, node: string) => Room | undefined
  /** Tries a second time, with what is kept, where the job may use it. */
  readonly withKept: (shape: Shape, nowMs: number, place: () => Placement | undefined) => Placement | undefined
  /** What is free changes only for a moment: nobody is to be woken by it. */
  readonly isTrying: () => boolean
}

interface World extends LookoutWorld {
  readonly capacity: Capacity
  readonly line: Line
  readonly quota: KeptQuota
  /** To be told of a node on which less is kept than before. */
  readonly grew: (spot: Spot, stock: Stock) => void
}

/** What is kept is booked under names that no job can have. */
const keptUid = '(kept)'

export function isKept({ uid }: Pick<Booking, 'uid'>): boolean {
  return uid.startsWith(keptUid)
}

export function createKeeping(world: World): Keeping {
  const { capacity, line, quota, grew } = world
  const firstThatHasToWait = createLookout(world)
  /** Who might not have what was kept when last tried. */
  const denied = new WeakSet<Shape>()
  let reservation: Reservation | undefined
  let reserved: Shape | undefined
  let trying = false

  function renew(nowMs: number): void {
    const before = reservation
    const found = firstThatHasToWait(nowMs)
    reservation = found?.reservation
    reserved = found?.reserved
    quietly(() => rebook(capacity, before, reservation)).forEach(tell)
    if (!isForTheSame(before, reservation, nowMs)) wakeThoseWhoMightNow(nowMs)
    quota.settle(nowMs)
  }

  /** What is shown as free does not tell them that something has changed. */
  function wakeThoseWhoMightNow(nowMs: number): void {
    for (const shape of line.sleepers()) {
      if (mayUse(first(shape), nowMs)) line.wake(shape)
    }
  }

  function tell(spot: Spot): void {
    if (spot.pool) grew(spot, spot.pool.stock)
  }

  function mayUse(job: JobFact, nowMs: number): boolean {
    if (!reservation || !reserved) return false
    const { startMs, isKnown } = reservation
    const keeper = { reserved: first(reserved), startMs, isKnown, nowMs }
    return isKeptFor(job) || mayUseKept(job, keeper)
  }

  function isKeptFor({ uid }: Pick<JobFact, 'uid'>): boolean {
    return reservation !== undefined && reserved !== undefined && uid === first(reserved).uid
  }

  function keptAt(provider: string, node: string): Room | undefined {
    return provider === reservation?.provider ? reservation.kept.find((one) => one.node === node)?.room : undefined
  }

  function withKept(shape: Shape, nowMs: number, place: () => Placement | undefined): Placement | undefined {
    const job = first(shape)
    const mayUseNodes = mayUse(job, nowMs)
    if (reservation && !mayUseNodes) denied.add(shape)
    else denied.delete(shape)
    // Where no node has room quota is of no use.
    if (!mayUseNodes && (shape.need.isVain || !quota.mayUse(job, nowMs))) return undefined
    const lifted = mayUseNodes ? reservation : undefined
    const placement = quietly(() => {
      if (lifted) letGo(capacity, lifted)
      const found = quota.lifted(job, nowMs, place)
      if (found && job.uid === lifted?.uid) reservation = undefined
      else if (found && lifted) reservation = beside(capacity, lifted, { ...job, ...found })
      if (lifted && reservation) keep(capacity, reservation)
      return found
    })
    // It needs nothing any more: where it did not go others may.
    if (!reservation) spotsOf(capacity, lifted).forEach(tell)
    return placement
  }

  function quietly<T>(what: () => T): T {
    trying = true
    const done = what()
    trying = false
    return done
  }

  const mayBeKeptFor = (shape: Shape) => reservation !== undefined && !denied.has(shape)
  return { renew, mayUse, isKeptFor, mayBeKeptFor, keptAt, withKept, isTrying: () => trying }
}

/** Nobody may use it now who might not before. A start that is only now is another one in each pass, and says nothing. */
function isForTheSame(a: Reservation | undefined, b: Reservation | undefined, nowMs: number): boolean {
  if (!a || !b) return a === b
  const isNoLater = b.startMs <= a.startMs || b.startMs === nowMs
  return a.uid === b.uid && a.run === b.run && a.isKnown === b.isKnown && isNoLater
}

/** Books what differs, and says on which nodes more is free by that. */
function rebook(capacity: Capacity, before: Reservation | undefined, after: Reservation | undefined): readonly Spot[] {
  const [was, is] = [keptByNode(before), keptByNode(after)]
  const all = new Set([...was.keys(), ...is.keys()])
  const others = new Set([...all].filter((at) => !isSameRoom(was.get(at), is.get(at))))
  const isOther = ({ node }: Kept, at: Reservation) => others.has(`${at.provider}/${node}`)
  const otherIn = (at: Reservation | undefined) => at && { ...at, kept: at.kept.filter((one) => isOther(one, at)) }
  const [gone, come] = [otherIn(before), otherIn(after)]
  const spots = new Set([...spotsOf(capacity, gone), ...spotsOf(capacity, come)])
  const free = new Map([...spots].map((spot) => [spot, freeOn(spot)]))
  if (gone) letGo(capacity, gone)
  if (come) keep(capacity, come)
  return [...spots].filter((spot) => !holds(free.get(spot) ?? freeOn(spot), freeOn(spot)))
}

type Kept = Reservation['kept'][number]

function spotsOf({ spots }: Capacity, at: Reservation | undefined): readonly Spot[] {
  return at?.kept.flatMap(({ node }) => spots.get(at.provider, node) ?? []) ?? []
}

/** By provider/node. */
function keptByNode(reservation: Reservation | undefined): ReadonlyMap<string, Room> {
  const { provider = '', kept = [] } = reservation ?? {}
  return new Map(kept.map(({ node, room }) => [`${provider}/${node}`, room]))
}

function isSameRoom(a: Room | undefined, b: Room | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What is left to keep where another one gets some of it. */
function beside({ spots }: Capacity, reservation: Reservation, taken: Taken): Reservation {
  const { provider, kept } = reservation
  if (taken.provider !== provider) return reservation
  const left = kept.map(({ node, room }) => {
    const workers = workersOn(taken.nodes, node)
    const spot = spots.get(provider, node)
    if (workers === 0 || !spot) return { node, room }
    const free = less(freeOn(spot), takenOn(spot.fact ?? {}, taken.perWorker, workers))
    return { node, room: mapped((what) => Math.max(0, Math.min(room[what], free[what]))) }
  })
  return { ...reservation, kept: left }
}

type Taken = Pick<Booking, 'provider' | 'nodes' | 'perWorker'>

function keep(capacity: Capacity, { provider, kept }: Reservation): void {
  for (const { node, room } of kept) {
    capacity.book({ uid: keptUid + node, run: 0, provider, nodes: [{ name: node, workers: 1 }], perWorker: room })
  }
}

function letGo(capacity: Capacity, { kept }: Reservation): void {
  for (const { node } of kept) capacity.release(keptUid + node, 0)
}
