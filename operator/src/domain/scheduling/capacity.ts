// The nodes of the federation, what is booked on them, and what that leaves free.
import type { Booking, NodeFact, ProviderFact, Room } from './facts.ts'
import { capacityOf } from './filters.ts'
import { bucketOf } from './scores.ts'
import { partsIn, partsOf } from './sharing.ts'
import { newSpot, type Spot, type Stock } from './spot.ts'
import { createStocks, putIn, type Stocks, takeOut } from './stocks.ts'

export interface Capacity {
  readonly providers: ReadonlyMap<string, ProviderFact>
  /** By provider/node. */
  readonly spots: ReadonlyMap<string, Spot>
  readonly stocks: ReadonlyMap<string, Stock>
  /** By `bookingKey`. */
  readonly bookings: ReadonlyMap<string, Booking>
  /** Grows when there are new pools, or providers changed: then every job may have other pools to choose from. */
  readonly version: () => number
  /** Grows with whatever changes: providers, nodes, what is free on them. */
  readonly changes: () => number
  /** The size of the largest node ever seen. */
  readonly mostGpus: () => number
  readonly setProvider: (fact: ProviderFact) => void
  readonly removeProvider: (name: string) => void
  readonly setNode: (fact: NodeFact) => void
  readonly removeNode: (provider: string, name: string) => void
  readonly book: (booking: Booking) => void
  readonly release: (uid: string, run: number) => void
}

/** @param grew is told of each node that may now take a job that it could not take before. */
export function createCapacity(grew: Grew): Capacity {
  const providers = new Map<string, ProviderFact>()
  const bookings = new Map<string, Booking>()
  const nodes = createNodes(grew)
  let providerChanges = 0

  function setProvider(fact: ProviderFact): void {
    if (sameValue(providers.get(fact.name), fact)) return
    providers.set(fact.name, fact)
    providerChanges += 1
  }

  function removeProvider(name: string): void {
    if (providers.delete(name)) providerChanges += 1
  }

  function book(booking: Booking): void {
    const key = bookingKey(booking.uid, booking.run)
    const isMoved = !sameValue(placeOf(bookings.get(key)), placeOf(booking))
    // Only what is told of it is new: nobody gets room by that.
    if (isMoved) release(booking.uid, booking.run)
    bookings.set(key, booking)
    if (isMoved) nodes.use(booking, 1)
  }

  function release(uid: string, run: number): void {
    const booking = bookings.get(bookingKey(uid, run))
    if (!booking) return
    bookings.delete(bookingKey(uid, run))
    nodes.use(booking, -1)
  }

  return {
    providers,
    spots: nodes.spots,
    stocks: nodes.stocks.all,
    bookings,
    version: () => providerChanges + nodes.stocks.poolsMade(),
    changes: () => providerChanges + nodes.changes(),
    mostGpus: nodes.stocks.mostGpus,
    setProvider,
    removeProvider,
    setNode: nodes.set,
    removeNode: nodes.remove,
    book,
    release,
  }
}

type Grew = (spot: Spot, stock: Stock) => void

interface Nodes {
  readonly changes: () => number
  readonly spots: ReadonlyMap<string, Spot>
  readonly stocks: Stocks
  readonly set: (fact: NodeFact) => void
  readonly remove: (provider: string, name: string) => void
  /** Books (1) or frees (-1) what the booking holds, on nodes known or not. */
  readonly use: (booking: Booking, sign: 1 | -1) => void
}

function createNodes(grew: Grew): Nodes {
  const spots = new Map<string, Spot>()
  const stocks = createStocks()
  const nextRank = ranks()
  let changes = 0

  function spotOf(provider: string, name: string): Spot {
    const key = `${provider}/${name}`
    const spot = spots.get(key) ?? newSpot(provider, name, nextRank())
    spots.set(key, spot)
    return spot
  }

  /** Takes the spot out of its pool, changes it, and puts it where it belongs then. */
  function change(spot: Spot, how: () => void): void {
    changes += 1
    const { fact, pool: before, freeGpus, freeCpuMilli, freeMemoryMiB, freeStorageMiB } = spot
    if (before) takeOut(before, spot)
    how()
    measureFree(spot)
    if (spot.fact !== fact) spot.pool = spot.fact && stocks.poolFor(spot.fact)
    if (spot.pool) putIn(spot.pool, spot)
    if (before && before !== spot.pool) stocks.removeWhereEmpty(before)
    if (!spot.fact && spot.bookings === 0) spots.delete(`${spot.provider}/${spot.name}`)

    const more =
      spot.freeGpus > freeGpus ||
      spot.freeCpuMilli > freeCpuMilli ||
      spot.freeMemoryMiB > freeMemoryMiB ||
      spot.freeStorageMiB > freeStorageMiB
    const other = spot.pool !== before || isOther(fact, spot.fact)
    if (spot.pool && (more || other)) grew(spot, spot.pool.stock)
  }

  function set(fact: NodeFact): void {
    const spot = spotOf(fact.provider, fact.name)
    change(spot, () => (spot.fact = fact))
  }

  function remove(provider: string, name: string): void {
    const spot = spots.get(`${provider}/${name}`)
    if (spot) change(spot, () => (spot.fact = undefined))
  }

  function use({ provider, nodes, perWorker }: Booking, sign: 1 | -1): void {
    for (const { name, workers } of nodes) {
      const spot = spotOf(provider, name)
      change(spot, () => {
        spot.bookings += sign
        take(spot, perWorker, sign * workers)
      })
    }
  }

  return { changes: () => changes, spots, stocks, set, remove, use }
}

function placeOf(booking: Booking | undefined): unknown {
  return booking && [booking.provider, booking.nodes, booking.perWorker]
}

export function bookingKey(uid: string, run: number): string {
  return `${uid}/${run}`
}

/** Where more is in use than there is, nothing is free. */
function measureFree(spot: Spot): void {
  const all = spot.fact ? capacityOf(spot.fact) : nothing
  const others = spot.fact?.usedByOthers ?? nothing
  const slices = spot.fact?.slices ?? 1
  spot.freeGpus = Math.max(0, partsIn(all.gpus - others.gpus, slices) - partsTaken(spot, slices)) / slices
  spot.freeCpuMilli = Math.max(0, all.cpuMilli - others.cpuMilli - spot.booked.cpuMilli)
  spot.freeMemoryMiB = Math.max(0, all.memoryMiB - others.memoryMiB - spot.booked.memoryMiB)
  spot.freeStorageMiB = Math.max(0, all.storageMiB - others.storageMiB - spot.booked.storageMiB)
  spot.bucket = bucketOf({ freeGpus: Math.ceil(spot.freeGpus), whole: spot.freeGpus === all.gpus })
}

const nothing: Room = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }

/** Counted, not summed up: sums of fractions would depend on the order. */
function partsTaken({ booked, parts }: Spot, slices: number): number {
  let taken = booked.gpus * slices
  for (const [gpus, workers] of parts ?? []) taken += workers * partsOf(gpus, slices)
  return taken
}

/** Of so many workers; below zero: gives back. */
function take(spot: Spot, worker: Room, workers: number): void {
  const isWhole = Number.isInteger(worker.gpus)
  spot.booked = plus(spot.booked, isWhole ? worker : { ...worker, gpus: 0 }, workers)
  if (isWhole) return
  spot.parts ??= new Map()
  const left = (spot.parts.get(worker.gpus) ?? 0) + workers
  if (left === 0) spot.parts.delete(worker.gpus)
  else spot.parts.set(worker.gpus, left)
}

function plus(room: Room, worker: Room, workers: number): Room {
  return {
    gpus: room.gpus + worker.gpus * workers,
    cpuMilli: room.cpuMilli + worker.cpuMilli * workers,
    memoryMiB: room.memoryMiB + worker.memoryMiB * workers,
    storageMiB: room.storageMiB + worker.storageMiB * workers,
  }
}

/** What of a node, beside its room and its pool, may let in a job that was kept out. */
function isOther(before: NodeFact | undefined, now: NodeFact | undefined): boolean {
  const says = (fact: NodeFact | undefined) => [fact?.labels, fact?.topology, fact?.slices, fact?.slicesPerWorker]
  return before !== now && !sameValue(says(before), says(now))
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** Numbers without a pattern for the trees (xorshift), the same in every engine; nobody outside chooses them. */
function ranks(): () => number {
  let state = 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}
