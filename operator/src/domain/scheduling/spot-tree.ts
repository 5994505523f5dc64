// Nodes of equal standing, ordered by name, in a tree that skips branches without enough CPU, memory or storage.
// A treap: its shape comes from the ranks and says nothing, so the order of arrival cannot matter.
import type { Spot } from './spot.ts'

export function withSpot(root: Spot | undefined, spot: Spot): Spot {
  if (root && root.rank >= spot.rank) {
    if (spot.name < root.name) root.before = withSpot(root.before, spot)
    else root.after = withSpot(root.after, spot)
    return measure(root)
  }
  divide(root, spot)
  return measure(spot)
}

export function withoutSpot(root: Spot | undefined, spot: Spot): Spot | undefined {
  if (!root) return undefined
  if (root === spot) return joined(spot.before, spot.after)
  if (spot.name < root.name) root.before = withoutSpot(root.before, spot)
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

/** Adds the first spots by name that have room, until `found` holds `wanted`. */
export function findRoom(
  root: Spot | undefined,
  share: Share,
  { found, wanted }: { found: Spot[]; wanted: number },
): void {
  if (!root || root.mostCpuMilli < share.cpuMilli || root.mostMemoryMiB < share.memoryMiB) return
  if (root.mostStorageMiB < share.storageMiB) return
  findRoom(root.before, share, { found, wanted })
  if (found.length >= wanted) return
  if (hasRoom(root, share)) found.push(root)
  if (found.length < wanted) findRoom(root.after, share, { found, wanted })
}

function hasRoom(spot: Spot, { cpuMilli, memoryMiB, storageMiB, accepts }: Share): boolean {
  const hasAll = spot.freeCpuMilli >= cpuMilli && spot.freeMemoryMiB >= memoryMiB && spot.freeStorageMiB >= storageMiB
  return hasAll && (!accepts || accepts(spot))
}

/** Hangs the spots of the tree below the new spot, by name. */
function divide(root: Spot | undefined, spot: Spot): void {
  if (!root) {
    spot.before = undefined
    spot.after = undefined
  } else if (root.name < spot.name) {
    divide(root.after, spot)
    root.after = spot.before
    spot.before = measure(root)
  } else {
    divide(root.before, spot)
    root.before = spot.after
    spot.after = measure(root)
  }
}

/** All names of the first come before all of the second. */
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
  spot.count = 1 + (before?.count ?? 0) + (after?.count ?? 0)
  spot.mostCpuMilli = Math.max(spot.freeCpuMilli, before?.mostCpuMilli ?? 0, after?.mostCpuMilli ?? 0)
  spot.mostMemoryMiB = Math.max(spot.freeMemoryMiB, before?.mostMemoryMiB ?? 0, after?.mostMemoryMiB ?? 0)
  spot.mostStorageMiB = Math.max(spot.freeStorageMiB, before?.mostStorageMiB ?? 0, after?.mostStorageMiB ?? 0)
  return spot
}
