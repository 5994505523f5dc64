// The decisions that an engine takes on what another one knew.
import { createEngine } from './engine.ts'
import type { Choice, EngineSnapshot, Explanation } from './facts.ts'

export interface Replay {
  /** In the order in which they were taken. */
  readonly decisions: readonly Choice[]
  /** The jobs that still wait then, by name. */
  readonly waiting: readonly (Explanation & { readonly key: string; readonly run: number })[]
}

/** @param nowMs wall time, as the other one had it. */
export function replay(known: EngineSnapshot, nowMs: number): Replay {
  const engine = createEngine(known)
  const decisions = engine.decide({ nowMs })
  const waiting = engine.snapshot().waiting.flatMap(({ uid, key, run }) => {
    const explanation = engine.explain(uid)
    return explanation ? [{ key, run, ...explanation }] : []
  })
  return { decisions, waiting: waiting.toSorted((a, b) => (a.key < b.key ? -1 : 1)) }
}
