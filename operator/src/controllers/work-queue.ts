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
  const queue = new Queue(options)
  return {
    name: options.name,
    add: (key) => queue.add(key),
    run: (signal) => queue.run(signal),
    depth: () => queue.waiting.size,
  }
}

class Queue {
  readonly waiting = new Set<string>() // A Set keeps the order of insertion: first in, first out.
  readonly #underWay = new Set<string>()
  readonly #later = new Map<string, TimerHandle>()
  readonly #failures = new Map<string, number>()
  readonly #drained = Promise.withResolvers<void>()
  readonly #options: WorkQueueOptions
  #working = false

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  add(key: string): void {
    this.#cancelLater(key)
    this.waiting.add(key)
    this.#start()
  }

  run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    signal.addEventListener('abort', () => this.#stop(), { once: true })
    this.#working = true
    this.#start()
    return this.#drained.promise
  }

  #stop(): void {
    this.#working = false
    for (const handle of this.#later.values()) this.#options.timers.clear(handle)
    this.#later.clear()
    this.waiting.clear()
    if (this.#underWay.size === 0) this.#drained.resolve()
  }

  #start(): void {
    if (!this.#working) return
    for (const key of this.waiting) {
      if (this.#underWay.size >= this.#options.concurrency) return
      if (this.#underWay.has(key)) continue // Never two at once: its next turn comes when this one ends.
      this.waiting.delete(key)
      this.#underWay.add(key)
      void this.#pass(key)
    }
  }

  async #pass(key: string): Promise<void> {
    const { name, reconcile, clock, onError, observe } = this.#options
    const began = clock.boot()
    let outcome: Pass['outcome']
    try {
      const { recheckMs } = await reconcile(key)
      this.#failures.delete(key)
      outcome = recheckMs === undefined ? 'settled' : 'recheck'
      if (recheckMs !== undefined) this.#addLater(key, recheckMs)
    } catch (error) {
      outcome = 'failed'
      this.#addLater(key, this.#retryMs(key))
      onError(error, key)
    }
    this.#underWay.delete(key)
    observe?.({ name, seconds: (clock.boot() - began) / 1000, outcome })
    this.#start()
    if (!this.#working && this.#underWay.size === 0) this.#drained.resolve()
  }

  #addLater(key: string, ms: number): void {
    if (this.waiting.has(key) || !this.#working) return // It was added during its pass: that look comes sooner.
    const fire = () => {
      this.#later.delete(key)
      this.add(key)
    }
    this.#later.set(key, this.#options.timers.set(fire, ms))
  }

  #cancelLater(key: string): void {
    if (!this.#later.has(key)) return
    this.#options.timers.clear(this.#later.get(key))
    this.#later.delete(key)
  }

  /** Doubles with each failure in a row; jitter keeps keys that failed together from coming back together. */
  #retryMs(key: string): number {
    const failed = this.#failures.get(key) ?? 0
    this.#failures.set(key, failed + 1)
    return Math.min(lastRetryMs, firstRetryMs * 2 ** failed) * (0.5 + this.#options.random() / 2)
  }
}
