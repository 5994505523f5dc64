import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a bench prints, as one line of JSON. */
export interface Figures {
  readonly bench: string
  /** Whether every bar is met. */
  readonly ok: boolean
  readonly [figure: string]: unknown
}

/**
 * The bytes that what is built keeps on the heap. It is built twice: what the first one leaves behind, its compiled
 * code as well, is not counted.
 */
export function heapBytes(build: () => unknown): number {
  const first = [build()]
  first.length = 0
  const before = leastHeap()
  const built = [build()]
  const bytes = leastHeap() - before
  built.length = 0 // Until here it is held: a collector may take what nobody names any more.
  return bytes
}

/** What a weak map held goes with a later collection than the map, and what was swept late is counted later. */
function leastHeap(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let least = Infinity
  for (let round = 0; round < 4; round += 1) {
    collect()
    least = Math.min(least, process.memoryUsage().heapUsed)
  }
  return least
}

/** A generator of numbers from 0 up to 1 (mulberry32), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The value that a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? 0
}

/** To thousandths. */
export function rounded<Figure extends string>(figures: Readonly<Record<Figure, number>>): Record<Figure, number> {
  const entries = Object.entries<number>(figures).map(([name, value]) => [name, Math.round(value * 1000) / 1000])
  return Object.fromEntries(entries) as Record<Figure, number>
}

/** The middle one of the rounds: a single hiccup of the machine would decide a quantile over all of them. */
export function typical(rounds: readonly (readonly number[])[], share: number): number {
  return quantile(
    rounds.map((latencies) => quantile(latencies, share)),
    0.5,
  )
}
