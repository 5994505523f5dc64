// Nodes whose GPUs lie alike, ordered by free CPU and name, in a tree that skips branches without enough memory or storage.
// A treap: its shape comes from the ranks and says nothing, so the order of arrival cannot matter.
import type { Spot } from './spot.ts'

export function withSpot(root: Spot | undefined, spot: Spot): Spot {
  if (root && root.rank >= spot.rank) {
    if (isBefore(spot, root)) root.before = withSpot(root.before, spot)
    else root.after = withSpot(root.after, spot)
    return measure(root)
  }
  divide(root, spot)
  return measure(spot)
}

export function withoutSpot(root: Spot | undefined, spot: Spot): Spot | undefined {
  if (!root) return undefined
  if (root === spot) return joined(spot.before, spot.after)
  if (isBefore(spot, root)) root.before = withoutSpot(root.before, spot)
  else root.after = withoutSpot(root.after, spot)
  return measure(root)
}

/** What a node must have for its share of a job. */
export interface Share {
  readonly cpuMilli: number
  readonly memoryMiB: number
  readonly storageMiB: number
  /** What is asked of the single node, beyond its room. */
  readonly accepts?: ((spot: Spot) => boolean) | undefined
}

interface Between {
  /** Of free CPU, in milli: this much at least, and less than that. */
  readonly from: number
  readonly to: number
}

export interface Search extends Between {
  readonly found: Spot[]
  readonly wanted: number
}

/** Adds the first spots that have room, by free CPU and name, until `found` holds `wanted`. */
export function findRoom(root: Spot | undefined, share: Share, search: Search): void {
  if (!root || !mayHaveRoom(root, share, search.from)) return
  const { found, wanted, from, to } = search
  if (root.freeCpuMilli >= from) findRoom(root.before, share, search)
  if (found.length >= wanted) return
  if (root.freeCpuMilli >= from && root.freeCpuMilli < to && hasRoom(root, share)) found.push(root)
  if (found.length < wanted && root.freeCpuMilli < to) findRoom(root.after, share, search)
}

/** The same from above: most free CPU first, then by name. */
export function findRoomDown(root: Spot | undefined, share: Share, search: Search): void {
  const { found, wanted, from } = search
  let { to } = search
  while (found.length < wanted) {
    const most = mostWithRoom(root, share, { from, to })
    if (most < 0) return
    findRoom(root, share, { from: most, to, found, wanted })
    to = most
  }
}

/** The most free CPU of those that have room; -1: none has. */
function mostWithRoom(root: Spot | undefined, share: Share, { from, to }: Between): number {
  if (!root || !mayHaveRoom(root, share, from)) return -1
  if (root.freeCpuMilli < to) {
    const after = mostWithRoom(root.after, share, { from, to })
    if (after >= 0) return after
    if (root.freeCpuMilli < from) return -1
    if (hasRoom(root, share)) return root.freeCpuMilli
  }
  return mostWithRoom(root.before, share, { from, to })
}

/** As far as is known of the whole branch. */
function mayHaveRoom(root: Spot, { cpuMilli, memoryMiB, storageMiB }: Share, from: number): boolean {
  return (
    root.mostCpuMilli >= Math.max(from, cpuMilli) &&
    root.mostMemoryMiB >= memoryMiB &&
    root.mostStorageMiB >= storageMiB
  )
}

function isBefore(a: Spot, b: Spot): boolean {
  return a.freeCpuMilli === b.freeCpuMilli ? a.name < b.name : a.freeCpuMilli < b.freeCpuMilli
}

function hasRoom(spot: Spot, { cpuMilli, memoryMiB, storageMiB, accepts }: Share): boolean {
  const hasAll = spot.freeCpuMilli >= cpuMilli && spot.freeMemoryMiB >= memoryMiB && spot.freeStorageMiB >= storageMiB
  return hasAll && (!accepts || accepts(spot))
}

/** Hangs the spots of the tree below the new spot, in order. */
function divide(root: Spot | undefined, spot: Spot): void {
  if (!root) {
    spot.before = undefined
    spot.after = undefined
  } else if (isBefore(root, spot)) {
    divide(root.after, spot)
    root.after = spot.before
    spot.before = measure(root)
  } else {
    divide(root.before, spot)
    root.before = spot.after
    spot.after = measure(root)
  }
}

/** All of the first come before all of the second. */
function joined(first: Spot | undefined, second: Spot | undefined): Spot | undefined {
  if (!first || !second) return first ?? second
  if (first.rank >= second.rank) {
    first.after = joined(first.after, second)
    return measure(first)
  }
  second.before = joined(first, second.before)
  return measure(second)
}

function measure(spot: Spot): Spot {
  const { before, after } = spot
  spot.mostCpuMilli = Math.max(spot.freeCpuMilli, before?.mostCpuMilli ?? 0, after?.mostCpuMilli ?? 0)
  spot.mostMemoryMiB = Math.max(spot.freeMemoryMiB, before?.mostMemoryMiB ?? 0, after?.mostMemoryMiB ?? 0)
  spot.mostStorageMiB = Math.max(spot.freeStorageMiB, before?.mostStorageMiB ?? 0, after?.mostStorageMiB ?? 0)
  return spot
}
