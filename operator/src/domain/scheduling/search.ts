// The nodes of a stock on which a job costs least.
import type { Pricing } from './demand.ts'
import { type Taking, taking } from './gpu-state.ts'
import { idealCpuMilli, lackingCpu, onGrain } from './scores.ts'
import type { Bucket, Pool, Spot } from './spot.ts'
import { findRoom, findRoomDown, type Share } from './spot-tree.ts'
import { domainOf, type Within } from './topology.ts'

/** What is asked for of each of so many nodes. */
export interface Shares extends Share {
  readonly nodes: number
  readonly workersPerNode: number
  /** Of each worker. */
  readonly gpus: number
  /** Where all of them have to lie together. */
  readonly within: Within | undefined
}

export interface Found {
  readonly seats: readonly Seat[]
  /** GPUs that become of no use to others. */
  readonly cost: number
  /** Of two that cost as much the lower one comes first. */
  readonly order: number
}

/** A node, and what it means for it that its workers come. */
export interface Seat {
  readonly spot: Spot
  readonly taking: Taking
  readonly cost: number
  /** How much its free CPU is off from what would suit best. */
  readonly off: number
}

/** Undefined: there are too few. */
export function search(pools: readonly Pool[], shares: Shares, pricing: Pricing): Found | undefined {
  const { nodes, within } = shares
  const wanted = within === undefined ? nodes : Infinity
  const seats: Seat[] = []
  for (const { buckets } of pools) {
    for (const bucket of buckets.values()) {
      const taken = takingIn(bucket, shares, pricing)
      if (taken) seatsIn(bucket, { taken, shares, pricing, wanted, seats })
    }
  }
  if (seats.length < nodes) return undefined
  if (within === undefined) return foundAt(firstOf(seats, nodes))
  const domains = Map.groupBy(seats, ({ spot }) => (spot.fact ? domainOf(spot.fact, within) : ''))
  const together = domains.values().filter((here) => here.length >= nodes)
  const all = Array.from(together, (here) => foundAt(firstOf(here, nodes)))
  return all.toSorted((a, b) => a.cost - b.cost || a.order - b.order || compareSeats(a.seats, b.seats))[0]
}

/** Jobs may ask for thousands of different fractions. */
const mostTakings = 256

function takingIn(bucket: Bucket, { gpus, workersPerNode }: Shares, pricing: Pricing): Taking | undefined {
  if (bucket.pricing !== pricing || bucket.takings.size >= mostTakings) bucket.takings.clear()
  bucket.pricing = pricing
  const key = gpus + workersPerNode * 1024
  const known = bucket.takings.get(key)
  if (known || bucket.takings.has(key)) return known
  const taken = taking(bucket.gpus, { gpus, workers: workersPerNode }, pricing)
  bucket.takings.set(key, taken)
  return taken
}

interface Looking {
  readonly taken: Taking
  readonly shares: Shares
  readonly pricing: Pricing
  readonly wanted: number
  readonly seats: Seat[]
}

/** Adds the best nodes of the bucket: those whose CPU is nearest to what would suit best, above it and below. */
function seatsIn({ gpus, root }: Bucket, { taken, shares, pricing, wanted, seats }: Looking): void {
  const { cpuMilli } = shares
  const ideal = idealCpuMilli(gpus.free, taken.left, { cpuMilli, pricing })
  const above: Spot[] = []
  const below: Spot[] = []
  findRoom(root, shares, { from: ideal, to: Infinity, found: above, wanted })
  if (ideal > cpuMilli) findRoomDown(root, shares, { from: cpuMilli, to: ideal, found: below, wanted })
  for (const found of [above, below]) {
    for (const spot of found) {
      const { freeCpuMilli } = spot
      const before = lackingCpu(gpus.free, freeCpuMilli, pricing)
      const cost = onGrain(taken.lost + lackingCpu(taken.left, freeCpuMilli - cpuMilli, pricing) - before)
      seats.push({ spot, taking: taken, cost, off: Math.abs(freeCpuMilli - Math.min(ideal, mostCpuMilli)) })
    }
  }
}

/** Stands for any amount. */
const mostCpuMilli = Number.MAX_SAFE_INTEGER

function firstOf(seats: Seat[], nodes: number): readonly Seat[] {
  const [first] = seats
  if (nodes > 1 || !first) return seats.toSorted(byCost).slice(0, nodes)
  return [seats.reduce((best, seat) => (byCost(seat, best) < 0 ? seat : best), first)]
}

function byCost(a: Seat, b: Seat): number {
  if (a.cost !== b.cost) return a.cost - b.cost
  if (a.taking.order !== b.taking.order) return a.taking.order - b.taking.order
  if (a.off !== b.off) return a.off - b.off
  return a.spot.name < b.spot.name ? -1 : Number(a.spot.name > b.spot.name)
}

function foundAt(seats: readonly Seat[]): Found {
  const cost = seats.reduce((sum, seat) => sum + seat.cost, 0)
  const order = seats.reduce((sum, seat) => sum + seat.taking.order, 0)
  return { seats, cost, order }
}

/** Both in order. */
function compareSeats(a: readonly Seat[], b: readonly Seat[]): number {
  for (const [i, seat] of a.entries()) {
    const other = b[i]
    const difference = other ? byCost(seat, other) : 0
    if (difference !== 0) return difference
  }
  return 0
}
