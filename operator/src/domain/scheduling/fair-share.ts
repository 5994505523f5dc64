// Who comes first of those that share: dominant resource fairness (Ghodsi et al., NSDI 2011) over shares that
// remember. See decision 0028.
import type { QueueUsage } from './facts.ts'
import type { Taken } from './queue-tree.ts'

/** After so long, what was used counts half. */
export const halfLifeMs = 7 * 24 * 3600 * 1000

/** The part of the whole of which most is taken; what the federation has nothing of does not count. */
export function dominantShare(taken: Taken, all: Taken): number {
  return Math.max(
    part(taken.milliGpus, all.milliGpus),
    part(taken.cpuMilli, all.cpuMilli),
    part(taken.memoryMiB, all.memoryMiB),
  )
}

function part(some: number, all: number): number {
  return all > 0 ? Math.max(0, some) / all : 0
}

/** The average at a later moment, when the share has been the same since; it moves towards that share. */
export function averageAt(
  average: Pick<QueueUsage, 'share' | 'atMs'>,
  { share, atMs, halfLife }: { readonly share: number; readonly atMs: number; readonly halfLife: number },
): number {
  const passed = atMs - average.atMs
  return passed > 0 ? share + (average.share - share) * 2 ** (-passed / halfLife) : average.share
}

/** Without weight one comes after all that have any: this is more than any share over any weight. */
const last = 1e18

/** How much a queue has had for its weight; the lowest comes first. */
export function rankOf(had: number, weight: number): number {
  return weight > 0 ? Math.min(had / weight, last) : last + had * last
}
