// A server that asks to be left alone is left alone, by all requests of a client together.
import { type Clock, pause, type Random, type Timers } from '../../controllers/clock.ts'

export interface PatienceOptions {
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
  readonly random: Random
}

export interface Patience {
  /** Waits as long as the server has asked for. Resolves early when a signal aborts. */
  readonly wait: (...signals: readonly (AbortSignal | undefined)[]) => Promise<void> | undefined
  /** It answered 429. */
  readonly refused: (retryAfterSeconds: number | undefined) => void
}

/** What it may ask for at the most; after that somebody looks whether it still means it. */
const longestMs = 30_000
const shortestMs = 1_000

export function patience({ clock, timers, random }: PatienceOptions): Patience {
  let until = Number.NEGATIVE_INFINITY
  let lastMs = shortestMs
  return {
    wait: (...signals) => {
      const left = until - clock.boot()
      if (left <= 0) return undefined
      // Spread: those who waited together must not come back together.
      const signal = AbortSignal.any(signals.filter((one) => one !== undefined))
      return pause(left + random() * lastMs, { timers, signal })
    },
    refused: (retryAfterSeconds = 0) => {
      lastMs = Math.min(longestMs, Math.max(shortestMs, retryAfterSeconds * 1000))
      until = Math.max(until, clock.boot() + lastMs)
    },
  }
}
