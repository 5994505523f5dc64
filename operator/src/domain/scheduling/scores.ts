// Which nodes are best for a job: the sum of the scores over the nodes that it touches, the lowest wins.

/** How a node stands before the job comes. */
export interface Standing {
  /** With one of which only a part is free. */
  readonly freeGpus: number
  /** None of its GPUs is in use. */
  readonly whole: boolean
}

interface Score {
  readonly name: string
  readonly weight: number
  /** @param gpus that the job takes of this node. */
  readonly of: (node: Standing, gpus: number) => number
}

/** Of a GPU that is left over beside a job: what a weight of `weights.ts` is reckoned in. */
export const gpuCost = 2 ** 12

/** Weights so far apart that a later score only decides between nodes that are equal under the earlier ones. */
export const scores: readonly Score[] = [
  { name: 'wholeNodesBroken', weight: 2 ** 32, of: ({ whole, freeGpus }, gpus) => Number(whole && freeGpus > gpus) },
  { name: 'gpusLeftOver', weight: gpuCost, of: ({ freeGpus }, gpus) => freeGpus - gpus },
  { name: 'wholeNodesTaken', weight: 1, of: ({ whole }) => Number(whole) },
]

export function costOf(node: Standing, gpus: number): number {
  return scores.reduce((cost, { weight, of }) => cost + weight * of(node, gpus), 0)
}

/** Nodes of the same standing cost the same, so they lie in one bucket and are looked at together. */
export function bucketOf({ freeGpus, whole }: Standing): number {
  return freeGpus * 2 + Number(whole)
}

export interface Preference {
  readonly bucket: number
  readonly cost: number
}

/** The buckets of nodes with at least so many free GPUs, best first. */
export function preferences(gpus: number, mostGpus: number): readonly Preference[] {
  return Array.from({ length: Math.max(0, mostGpus - gpus + 1) }, (_, left) => gpus + left)
    .flatMap((freeGpus) => [
      { freeGpus, whole: false },
      { freeGpus, whole: true },
    ])
    .map((standing) => ({ bucket: bucketOf(standing), cost: costOf(standing, gpus) }))
    .toSorted((a, b) => a.cost - b.cost)
}
