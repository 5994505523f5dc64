// The nodes of the federation, what is booked on them, and what that leaves free.
import { type Bookings, createBookings } from './bookings.ts'
import { createDemand, type Pricing } from './demand.ts'
import type { Booking, NodeFact, NodeShare, ProviderFact, Room } from './facts.ts'
import { capacityOf } from './filters.ts'
import { dividedState, isDivided, sharedState, wholeState } from './gpu-state.ts'
import { isFraction, partsIn, partsOf } from './sharing.ts'
import { newSpot, type Pool, type Spot, type Stock } from './spot.ts'
import { createSpots, type Spots } from './spots.ts'
import { createStocks, putIn, type Stocks, takeOut } from './stocks.ts'
import { defaultWeights, type Weight, weightOf } from './weights.ts'

export interface Capacity {
  readonly providers: ReadonlyMap<string, ProviderFact>
  readonly spots: Pick<Spots, 'get' | 'values' | 'count'>
  readonly stocks: ReadonlyMap<string, Stock>
  readonly bookings: Pick<Bookings, 'get' | 'values'>
  /** What counts in the choice of a provider. */
  readonly weights: readonly Weight[]
  /** What is free is worth that. */
  readonly pricing: () => Pricing
  /** Grows when pools come or go, or providers changed: then jobs may have other pools to choose from. */
  readonly version: () => number
  /** The providers of which that is so since that version; undefined: it is too long ago to know. */
  readonly changedSince: (version: number) => ReadonlySet<string> | undefined
  /** Grows with whatever changes: providers, nodes, what is free on them. */
  readonly changes: () => number
  /** Grows with each node that comes, changes or goes. */
  readonly offers: () => number
  /** The size of the largest node that is offered. */
  readonly mostGpus: () => number
  readonly setProvider: (fact: ProviderFact) => void
  readonly removeProvider: (name: string) => void
  readonly setNode: (fact: NodeFact) => void
  readonly removeNode: (provider: string, name: string) => void
  /** Returns what was booked of that run before. */
  readonly book: (booking: Booking) => Booking | undefined
  /** Returns what was booked. */
  readonly release: (uid: string, run: number) => Booking | undefined
}

interface Values {
  readonly weights?: readonly Weight[] | undefined
  readonly pricing?: (() => Pricing) | undefined
}

/**
 * @param grew is told of each node that may now take a job that it could not take before.
 * @param values by what nodes are chosen; absent: as if nothing had been asked for yet.
 */
export function createCapacity(grew: Grew, values: Values = {}): Capacity {
  const { weights = defaultWeights, pricing = createDemand(weightOf(weights, 'breaking')).pricing } = values
  const providers = new Map<string, ProviderFact>()
  const bookings = createBookings()
  const news = createNews()
  const nodes = createNodes(grew, news.add)

  function setProvider(fact: ProviderFact): void {
    if (sameValue(providers.get(fact.name), fact)) return
    providers.set(fact.name, fact)
    news.add(fact.name)
  }

  function removeProvider(name: string): void {
    if (providers.delete(name)) news.add(name)
  }

  function book(booking: Booking): Booking | undefined {
    const before = bookings.get(booking.uid, booking.run)
    bookings.set(booking)
    // Only what is told of it is new: nobody gets room by that.
    if (before && sameValue(placeOf(before), placeOf(booking))) return before
    if (before) nodes.use(before, -1)
    nodes.use(booking, 1)
    return before
  }

  function release(uid: string, run: number): Booking | undefined {
    const booking = bookings.get(uid, run)
    if (!booking) return undefined
    bookings.delete(booking)
    nodes.use(booking, -1)
    return booking
  }

  return {
    providers,
    spots: nodes.spots,
    stocks: nodes.stocks.all,
    bookings,
    weights,
    pricing,
    version: news.count,
    changedSince: news.since,
    changes: () => news.count() + nodes.changes(),
    offers: nodes.offers,
    mostGpus: nodes.stocks.mostGpus,
    setProvider,
    removeProvider,
    setNode: nodes.set,
    removeNode: nodes.remove,
    book,
    release,
  }
}

/** Providers in the order in which something became new about them. */
interface News {
  readonly add: (provider: string) => void
  readonly count: () => number
  readonly since: (count: number) => ReadonlySet<string> | undefined
}

const mostNews = 1000

function createNews(): News {
  const news: string[] = []
  let forgotten = 0
  return {
    add: (provider) => {
      news.push(provider)
      if (news.length < 2 * mostNews) return
      news.splice(0, mostNews)
      forgotten += mostNews
    },
    count: () => forgotten + news.length,
    since: (count) => (count < forgotten ? undefined : new Set(news.slice(count - forgotten))),
  }
}

type Grew = (spot: Spot, stock: Stock) => void

interface Nodes {
  readonly changes: () => number
  readonly offers: () => number
  readonly spots: Spots
  readonly stocks: Stocks
  readonly set: (fact: NodeFact) => void
  readonly remove: (provider: string, name: string) => void
  /** Books (1) or frees (-1) what the booking holds, on nodes known or not. */
  readonly use: (booking: Booking, sign: 1 | -1) => void
}

/** @param changed is told of each provider that has a pool more or less. */
function createNodes(grew: Grew, changed: (provider: string) => void): Nodes {
  const spots = createSpots(newSpot)
  const stocks = createStocks()
  let changes = 0
  let offers = 0

  /** Takes the spot out of its pool, changes it, and puts it where it belongs then. */
  function change(spot: Spot, how: () => void): void {
    changes += 1
    const { fact, pool: before, gpus, freeCpuMilli, freeMemoryMiB, freeStorageMiB } = spot
    if (before) takeOut(before, spot)
    how()
    measureFree(spot)
    const made = stocks.poolsMade()
    if (spot.fact !== fact) move(spot, fact)
    if (stocks.poolsMade() > made) changed(spot.provider)
    if (spot.pool) putIn(spot.pool, spot)
    if (before && before !== spot.pool) leave(before)
    if (!spot.fact && spot.bookings === 0) spots.delete(spot)

    const more =
      spot.gpus.free > gpus.free ||
      spot.freeCpuMilli > freeCpuMilli ||
      spot.freeMemoryMiB > freeMemoryMiB ||
      spot.freeStorageMiB > freeStorageMiB
    const other = spot.pool !== before || isOther(fact, spot.fact)
    if (spot.pool && (more || other)) grew(spot, spot.pool.stock)
  }

  /** To the pool of what is known of it now. */
  function move(spot: Spot, before: NodeFact | undefined): void {
    if (spot.pool && before) stocks.countSize(capacityOf(before).gpus, -1)
    spot.pool = spot.fact && stocks.poolFor(spot.fact)
    if (spot.pool && spot.fact) stocks.countSize(capacityOf(spot.fact).gpus, 1)
  }

  /** What was in it may have been the cheapest that others were compared with. */
  function leave(pool: Pool): void {
    const { pools, provider } = pool.stock
    const before = pools.size
    stocks.removeWhereEmpty(pool)
    if (pools.size < before) changed(provider)
  }

  function set(fact: NodeFact): void {
    offers += 1
    const spot = spots.at(fact.provider, fact.name)
    change(spot, () => (spot.fact = fact))
  }

  function remove(provider: string, name: string): void {
    offers += 1
    const spot = spots.get(provider, name)
    if (spot) change(spot, () => (spot.fact = undefined))
  }

  function use({ provider, nodes, perWorker }: Booking, sign: 1 | -1): void {
    for (const share of nodes) {
      const spot = spots.at(provider, share.name)
      change(spot, () => {
        spot.bookings += sign
        take(spot, perWorker, sign * share.workers)
        if (share.gpus) place(spot, { share, worker: perWorker }, sign)
      })
    }
  }

  return { changes: () => changes, offers: () => offers, spots, stocks, set, remove, use }
}

function placeOf({ provider, nodes, perWorker }: Booking): unknown {
  return [provider, nodes, perWorker]
}

/** Where more is in use than there is, nothing is free. */
function measureFree(spot: Spot): void {
  const all = spot.fact ? capacityOf(spot.fact) : nothing
  const others = spot.fact?.usedByOthers ?? nothing
  spot.freeCpuMilli = Math.max(0, all.cpuMilli - others.cpuMilli - spot.booked.cpuMilli)
  spot.freeMemoryMiB = Math.max(0, all.memoryMiB - others.memoryMiB - spot.booked.memoryMiB)
  spot.freeStorageMiB = Math.max(0, all.storageMiB - others.storageMiB - spot.booked.storageMiB)
  measureGpus(spot, all.gpus, others.gpus)
}

function measureGpus(spot: Spot, gpus: number, ofOthers: number): void {
  const { fact } = spot
  const slices = fact?.slices ?? 1
  const offered = Math.max(0, partsIn(gpus - ofOthers, slices))
  const taken = partsTaken(spot, slices)
  const freeParts = Math.max(0, offered - taken)
  spot.freeParts = undefined
  if (fact?.slices === undefined) spot.gpus = wholeState(freeParts, gpus)
  else if (!isDivided(fact)) spot.gpus = sharedState(freeParts, slices, gpus)
  else {
    // Of a GPU that more is promised of than there is nothing is free, and the others are no fuller by that.
    spot.freeParts = freePartsOf(spot, { gpus, slices, taken: gpus * slices - offered + taken })
    spot.gpus = dividedState(spot.freeParts, slices)
  }
}

interface Divided {
  readonly gpus: number
  readonly slices: number
  /** Parts, by whomever. */
  readonly taken: number
}

/** Of each GPU. Who has parts and does not say where is thought to be on the last ones, as full as they can be. */
function freePartsOf({ placed }: Spot, { gpus, slices, taken: all }: Divided): readonly number[] {
  const free = Array.from({ length: gpus }, () => slices)
  let unplaced = all
  const take = (gpu: number, parts: number) => {
    const left = free[gpu] ?? 0
    const taken = Math.min(left, unplaced, parts)
    unplaced -= taken
    free[gpu] = left - taken
  }
  for (let gpu = 0; gpu < gpus; gpu += 1) take(gpu, partsPlaced(placed?.get(gpu), slices))
  for (let gpu = gpus - 1; gpu >= 0; gpu -= 1) take(gpu, slices)
  return free
}

function partsPlaced(sizes: ReadonlyMap<number, number> | undefined, slices: number): number {
  let parts = 0
  for (const [size, workers] of sizes ?? []) parts += workers * partsOf(size, slices)
  return parts
}

const nothing: Room = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }

/** Counted, not summed up: sums of fractions would depend on the order. */
function partsTaken({ booked, parts }: Spot, slices: number): number {
  let taken = booked.gpus * slices
  for (const [gpus, workers] of parts ?? []) taken += workers * partsOf(gpus, slices)
  return taken
}

/** The GPUs that the share names are used, or not any more. */
function place(
  spot: Spot,
  { share, worker }: { readonly share: NodeShare; readonly worker: Room },
  sign: 1 | -1,
): void {
  const size = isFraction(worker.gpus) ? worker.gpus : 1
  spot.placed ??= new Map()
  for (const gpu of share.gpus ?? []) {
    const sizes = spot.placed.get(gpu) ?? new Map<number, number>()
    const workers = (sizes.get(size) ?? 0) + sign
    if (workers === 0) sizes.delete(size)
    else sizes.set(size, workers)
    if (sizes.size === 0) spot.placed.delete(gpu)
    else spot.placed.set(gpu, sizes)
  }
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
