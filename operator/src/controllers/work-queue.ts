// Keys that want a look, each looked at by one at a time, again when it fails, later when it says so.
import type { Clock, Random, TimerHandle, Timers } from './clock.ts'

/** How one pass over a key ended. */
export interface Outcome {
  /** Look again after this time, even if nothing happens. */
  readonly recheckMs?: number
}

/** Nothing to do until something happens. */
export const settled: Outcome = {}

/** Brings the world of one key a step nearer to what it should be. Throws when trying again may help. */
export type Reconcile = (key: string) => Promise<Outcome>

export interface Pass {
  /** The queue's. */
  readonly name: string
  readonly seconds: number
  readonly outcome: 'settled' | 'recheck' | 'failed'
}

export interface WorkQueueOptions {
  readonly name: string
  readonly reconcile: Reconcile
  readonly concurrency: number
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
  readonly random: Random
  /** Called once for each failed pass; the key comes back by itself. */
  readonly onError: (error: unknown, key: string) => void
  readonly observe?: (pass: Pass) => void
}

export interface WorkQueue {
  readonly name: string
  /** Asks for a pass over this key, soon: it cancels a later recheck or retry. May be called before `run`. */
  readonly add: (key: string) => void
  /** Works until the signal aborts, then resolves when the passes under way have ended; what waits is dropped. */
  readonly run: (signal: AbortSignal) => Promise<void>
  /** Keys waiting for their turn now: neither those under way nor those that wait for a time. */
  readonly depth: () => number
}

const firstRetryMs = 5
const lastRetryMs = 60_000

export function workQueue(options: WorkQueueOptions): WorkQueue {
  const { name, reconcile, concurrency, clock, timers, random, onError, observe } = options
  const waiting = new Set<string>() // A Set keeps the order of insertion: first in, first out.
  const underWay = new Set<string>()
  const later = new Map<string, TimerHandle>()
  const failures = new Map<string, number>()
  let working = false
  let drained: (() => void) | undefined

  function add(key: string): void {
    cancelLater(key)
    waiting.add(key)
    start()
  }

  function addLater(key: string, ms: number): void {
    if (waiting.has(key) || !working) return // It was added during its pass: that look comes sooner.
    const fire = () => {
      later.delete(key)
      add(key)
    }
    later.set(key, timers.set(fire, ms))
  }

  function cancelLater(key: string): void {
    if (!later.has(key)) return
    timers.clear(later.get(key))
    later.delete(key)
  }

  function start(): void {
    if (!working) return
    for (const key of waiting) {
      if (underWay.size >= concurrency) return
      if (underWay.has(key)) continue // Never two at once: its next turn comes when this one ends.
      waiting.delete(key)
      underWay.add(key)
      void pass(key)
    }
  }

  async function pass(key: string): Promise<void> {
    const began = clock.boot()
    let outcome: Pass['outcome']
    try {
      const { recheckMs } = await reconcile(key)
      failures.delete(key)
      outcome = recheckMs === undefined ? 'settled' : 'recheck'
      if (recheckMs !== undefined) addLater(key, recheckMs)
    } catch (error) {
      outcome = 'failed'
      addLater(key, retryMs(key))
      onError(error, key)
    }
    underWay.delete(key)
    observe?.({ name, seconds: (clock.boot() - began) / 1000, outcome })
    start()
    if (!working && underWay.size === 0) drained?.()
  }

  /** Doubles with each failure in a row; jitter keeps keys that failed together from coming back together. */
  function retryMs(key: string): number {
    const failed = failures.get(key) ?? 0
    failures.set(key, failed + 1)
    return Math.min(lastRetryMs, firstRetryMs * 2 ** failed) * (0.5 + random() / 2)
  }

  function run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    working = true
    start()
    return new Promise((resolve) => {
      drained = resolve
      const stop = () => {
        working = false
        for (const handle of later.values()) timers.clear(handle)
        later.clear()
        waiting.clear()
        if (underWay.size === 0) resolve()
      }
      signal.addEventListener('abort', stop, { once: true })
    })
  }

  return { name, add, run, depth: () => waiting.size }
}
