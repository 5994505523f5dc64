// Fragmentation as the paper on fragmentation gradient descent defines it (Weng et al., ATC '23, section 3): what is free
// of a node and of no use to a pod, as a mean over the pods.

/** One of the trace's pods. */
export interface Pod {
  readonly cpuMilli: number
  readonly memoryMiB: number
  /** Whole ones, or a part of one; 0: none. */
  readonly gpus: number
  /** Empty: any. */
  readonly models: readonly string[]
}

/** Of a node. */
export interface Free {
  readonly model: string
  readonly cpuMilli: number
  /** Of each GPU, the part of it that is free. */
  readonly gpus: readonly number[]
}

/** @returns the part of the free GPUs that a pod finds of no use, as a mean over these pods. */
export function fragmentedPercent(nodes: readonly Free[], pods: readonly Pod[]): number {
  const kinds = Map.groupBy(pods, ({ cpuMilli, gpus, models }) => `${cpuMilli} ${gpus} ${models.join()}`)
  let free = 0
  let lost = 0
  for (const node of nodes) {
    free += node.gpus.reduce((sum, part) => sum + part, 0)
    for (const [like, ...others] of kinds.values()) {
      if (like) lost += (uselessTo(like, node) * (1 + others.length)) / pods.length
    }
  }
  return (100 * lost) / free
}

/** All of it where the pod cannot run, or wants no GPU; else the GPUs of which too small a part is free. */
function uselessTo({ cpuMilli, gpus: wanted, models }: Pod, node: Free): number {
  const part = Math.min(1, wanted)
  const suits = node.gpus.filter((free) => free >= part - 1e-9)
  const isRefused = models.length > 0 && !models.includes(node.model)
  const all = node.gpus.reduce((sum, free) => sum + free, 0)
  if (wanted === 0 || isRefused || node.cpuMilli < cpuMilli || suits.length < Math.ceil(wanted)) return all
  return all - suits.reduce((sum, free) => sum + free, 0)
}
