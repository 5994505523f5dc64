// Which nodes are best for a job: those where the fewest GPUs become of no use to others.
import type { Pricing } from './demand.ts'

/** Costs are multiples of so much of a GPU: equal ones are equal, in whatever order they are summed up. */
const grain = 2 ** -16

/** In GPUs. */
export function onGrain(lostGpus: number): number {
  return Math.round(lostGpus / grain) * grain
}

/**
 * The free GPUs of a node that others will probably leave idle because they find too little CPU there: the mean of
 * max(0, gpus − cpu/κ + ξ), where κ is what a GPU gets on average. A node with n free GPUs takes about n more jobs, and
 * the mean of n deviates by the standard deviation over √n; ξ is spread evenly as far as that.
 */
export function lackingCpu(gpus: number, freeCpuMilli: number, { cpuMilliPerGpu, spread }: Pricing): number {
  if (cpuMilliPerGpu === 0) return 0
  const over = gpus - freeCpuMilli / cpuMilliPerGpu
  const deviation = spread * Math.sqrt(gpus)
  if (over <= -deviation) return 0
  return over >= deviation ? over : (over + deviation) ** 2 / (4 * deviation)
}

/** Of nodes in this state, the free CPU with which least is lost; with more or less of it, never less is lost. */
export function idealCpuMilli(
  gpus: number,
  left: number,
  { cpuMilli, pricing }: { readonly cpuMilli: number; readonly pricing: Pricing },
): number {
  const { cpuMilliPerGpu, spread } = pricing
  const more = cpuMilli - cpuMilliPerGpu * (gpus - left)
  if (spread === 0 || gpus === left) return more > 0 ? Infinity : 0
  return cpuMilliPerGpu * gpus + (more * Math.sqrt(gpus)) / (Math.sqrt(gpus) - Math.sqrt(left))
}
