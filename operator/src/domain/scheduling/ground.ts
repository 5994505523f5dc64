// The nodes that a job could use if others made room: what preemption and reservations reckon with.
import type { Booking, JobFact, NodeFact, Room } from './facts.ts'
import { capacityOf } from './filters.ts'
import { dust, partsIn, partsOf } from './sharing.ts'
import { domainOf } from './topology.ts'

/** A node as it would be without runs of ours, and the runs that are on it. */
export interface Ground {
  readonly name: string
  /** Negative where its owner uses more than there is. */
  readonly room: Room
  readonly runs: readonly Booking[]
  readonly topology?: NodeFact['topology']
  readonly slices?: NodeFact['slices']
}

/** Nodes of one stock on which all workers of the job may run: GPUs of one model at one provider. */
export interface Grounds {
  readonly provider: string
  readonly model: string
  readonly nodes: readonly Ground[]
}

/** Who is on which node. Kept beside the capacity, which only knows sums. */
export interface Occupancy {
  readonly enter: (booking: Booking) => void
  readonly leave: (booking: Booking) => void
  /** The node is gone. Who is on it still counts, should it come back. */
  readonly forget: (node: { readonly provider: string; readonly name: string }) => void
  /** The same value for as long as nothing changes there: what was found for it stays true. */
  readonly groundAt: (node: NodeFact) => Ground
}

interface Place {
  runs: readonly Booking[]
  fact: NodeFact | undefined
  ground: Ground | undefined
}

export function createOccupancy(): Occupancy {
  const places = new Map<string, Place>()
  const byFact = new WeakMap<NodeFact, Place>()

  function placeAt(provider: string, node: string): Place {
    const key = `${provider}/${node}`
    const place = places.get(key) ?? { runs: [], fact: undefined, ground: undefined }
    places.set(key, place)
    return place
  }

  function change({ provider, nodes }: Booking, how: (runs: readonly Booking[]) => readonly Booking[]): void {
    for (const { name } of nodes) {
      const place = placeAt(provider, name)
      place.runs = how(place.runs)
      place.ground = undefined
      if (!place.fact && place.runs.length === 0) places.delete(`${provider}/${name}`)
    }
  }

  /** Only of the fact that holds now: by an older one nobody comes to a place that is given up. */
  function believe(place: Place, fact: NodeFact | undefined): void {
    if (place.fact) byFact.delete(place.fact)
    if (fact) byFact.set(fact, place)
    place.fact = fact
    place.ground = undefined
  }

  function forget({ provider, name }: { readonly provider: string; readonly name: string }): void {
    const key = `${provider}/${name}`
    const place = places.get(key)
    if (!place) return
    believe(place, undefined)
    if (place.runs.length === 0) places.delete(key)
  }

  function groundAt(fact: NodeFact): Ground {
    const place = byFact.get(fact) ?? placeAt(fact.provider, fact.name)
    if (place.fact !== fact) believe(place, fact)
    place.ground ??= groundOf(fact, place.runs)
    return place.ground
  }

  return {
    enter: (booking) => change(booking, (runs) => [...runs.filter((one) => one !== booking), booking]),
    leave: (booking) => change(booking, (runs) => runs.filter((one) => one !== booking)),
    forget,
    groundAt,
  }
}

export function groundOf(fact: NodeFact, runs: readonly Booking[]): Ground {
  const { name, topology, usedByOthers, slices } = fact
  const left = less(capacityOf(fact), usedByOthers)
  const room = { ...left, gpus: partsIn(left.gpus, slices ?? 1) / (slices ?? 1) }
  return { name, room, runs, ...(topology && { topology }), ...(slices === undefined ? {} : { slices }) }
}

/** Where a gang has to lie in one node, rack or zone, each of these is a ground of its own. */
export function apart(grounds: Grounds, { topology, workers }: JobFact): readonly Grounds[] {
  if (topology?.rule !== 'Required' || workers === 1) return [grounds]
  const domains = Map.groupBy(grounds.nodes, (node) => domainOf(node, topology.within))
  return [...domains].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, nodes]) => ({ ...grounds, nodes }))
}

/** What is left beside these runs; negative where more is promised than there is. */
export function leftBeside({ name, room, slices = 1 }: Ground, runs: Iterable<Booking>): Room {
  let { gpus, cpuMilli, memoryMiB, storageMiB } = room
  for (const { nodes, perWorker } of runs) {
    const workers = workersOn(nodes, name)
    gpus -= (workers * partsOf(perWorker.gpus, slices)) / slices
    cpuMilli -= workers * perWorker.cpuMilli
    memoryMiB -= workers * perWorker.memoryMiB
    storageMiB -= workers * perWorker.storageMiB
  }
  return { gpus, cpuMilli, memoryMiB, storageMiB }
}

export function workersOn(nodes: Booking['nodes'], node: string): number {
  let workers = 0
  for (const each of nodes) if (each.name === node) workers += each.workers
  return workers
}

export function workersOf({ nodes }: Pick<Booking, 'nodes'>): number {
  return nodes.reduce((sum, { workers }) => sum + workers, 0)
}

export function gpusOf(booking: Booking): number {
  return workersOf(booking) * booking.perWorker.gpus
}

export function more(a: Room, b: Room): Room {
  return {
    gpus: a.gpus + b.gpus,
    cpuMilli: a.cpuMilli + b.cpuMilli,
    memoryMiB: a.memoryMiB + b.memoryMiB,
    storageMiB: a.storageMiB + b.storageMiB,
  }
}

export function less(a: Room, b: Room): Room {
  return mapped((what) => a[what] - b[what])
}

export function holds(room: Room, share: Room): boolean {
  return (
    (share.gpus === 0 || room.gpus + dust >= share.gpus) &&
    (share.cpuMilli === 0 || room.cpuMilli >= share.cpuMilli) &&
    (share.memoryMiB === 0 || room.memoryMiB >= share.memoryMiB) &&
    (share.storageMiB === 0 || room.storageMiB >= share.storageMiB)
  )
}

export function mapped(value: (what: keyof Room) => number): Room {
  return {
    gpus: value('gpus'),
    cpuMilli: value('cpuMilli'),
    memoryMiB: value('memoryMiB'),
    storageMiB: value('storageMiB'),
  }
}
