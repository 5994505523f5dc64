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

/**
 * `First`: what holds something that others wait for. Most of the passes at once are its, a quarter is left to the others.
 * `AtLeisure`: what nobody waits for. Few such passes run at once, so that in a burst they leave the time to the others.
 * `Soon`: in two seconds, for what may be out of date by then; it never puts off a look that comes sooner.
 */
export type When = 'First' | 'Now' | 'Soon' | 'AtLeisure'

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
  /** Asks for a pass over this key. `Soon` cancels a recheck or retry that is later, the others any. May be called before `run`. */
  readonly add: (key: string, when?: When) => void
  /** Works until the signal aborts, then resolves when the passes under way have ended; what waits is dropped. */
  readonly run: (signal: AbortSignal) => Promise<void>
  /** Keys waiting for their turn now: neither those under way nor those that wait for a time. */
  readonly depth: () => number
}

type Lane = Exclude<When, 'Soon'>

/** Most urgent first. */
const lanes: readonly Lane[] = ['First', 'Now', 'AtLeisure']

/** Of `concurrency`, at the most: the first while others wait, those at leisure always. */
const shareFirst = 3 / 4
const shareAtLeisure = 1 / 32

export const soonMs = 2000

const firstRetryMs = 5
const lastRetryMs = 60_000

export function workQueue(options: WorkQueueOptions): WorkQueue {
  const queue = new Queue(options)
  return {
    name: options.name,
    add: (key, when) => queue.add(key, when),
    run: (signal) => queue.run(signal),
    depth: () => queue.depth(),
  }
}

class Queue {
  // Sets keep the order of insertion: first in, first out. No key is in two.
  readonly #waiting: Readonly<Record<Lane, Set<string>>> = { First: new Set(), Now: new Set(), AtLeisure: new Set() }
  readonly #underWay = new Map<string, Lane>()
  readonly #later = new Map<string, { readonly at: number; readonly timer: TimerHandle }>()
  readonly #failures = new Map<string, number>()
  readonly #drained = Promise.withResolvers<void>()
  readonly #options: WorkQueueOptions
  #working = false

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  add(key: string, when: When = 'Now'): void {
    const before = this.#laneOf(key)
    if (when === 'Soon' && this.#working && before !== 'AtLeisure') {
      this.#addLater(key, soonMs, 'Now')
      return
    }
    this.#cancelLater(key)
    const lane = when === 'Soon' ? 'Now' : when
    if (before === undefined || lanes.indexOf(lane) < lanes.indexOf(before)) {
      if (before) this.#waiting[before].delete(key)
      this.#waiting[lane].add(key)
    }
    this.#start()
  }

  depth(): number {
    return lanes.reduce((sum, lane) => sum + this.#waiting[lane].size, 0)
  }

  #laneOf(key: string): Lane | undefined {
    return lanes.find((lane) => this.#waiting[lane].has(key))
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
    for (const { timer } of this.#later.values()) this.#options.timers.clear(timer)
    this.#later.clear()
    for (const lane of lanes) this.#waiting[lane].clear()
    if (this.#underWay.size === 0) this.#drained.resolve()
  }

  #start(): void {
    const { concurrency } = this.#options
    const share = (of: number) => Math.max(1, Math.floor(concurrency * of))
    // Of 32 at once and more a small share is theirs even while others wait: they come to an end in a burst that has none.
    this.#startFrom('AtLeisure', Math.floor(concurrency * shareAtLeisure))
    this.#startFrom('First', share(shareFirst))
    this.#startFrom('Now', concurrency)
    this.#startFrom('First', concurrency)
    this.#startFrom('AtLeisure', share(shareAtLeisure))
  }

  #startFrom(lane: Lane, atOnce: number): void {
    if (!this.#working) return
    let running = 0
    for (const one of this.#underWay.values()) if (one === lane) running += 1
    for (const key of this.#waiting[lane]) {
      if (running >= atOnce || this.#underWay.size >= this.#options.concurrency) return
      if (this.#underWay.has(key)) continue // Never two at once: its next turn comes when this one ends.
      this.#waiting[lane].delete(key)
      running += 1
      this.#underWay.set(key, lane)
      void this.#pass(key, lane)
    }
  }

  async #pass(key: string, lane: Lane): Promise<void> {
    const { name, reconcile, clock, onError, observe } = this.#options
    const began = clock.boot()
    let outcome: Pass['outcome']
    try {
      const { recheckMs } = await reconcile(key)
      this.#failures.delete(key)
      outcome = recheckMs === undefined ? 'settled' : 'recheck'
      if (recheckMs !== undefined) this.#addLater(key, recheckMs, lane)
    } catch (error) {
      outcome = 'failed'
      this.#addLater(key, this.#retryMs(key), lane)
      onError(error, key)
    }
    this.#underWay.delete(key)
    observe?.({ name, seconds: (clock.boot() - began) / 1000, outcome })
    this.#start()
    if (!this.#working && this.#underWay.size === 0) this.#drained.resolve()
  }

  #addLater(key: string, ms: number, lane: Lane): void {
    const { clock, timers } = this.#options
    const at = clock.boot() + ms
    const before = this.#later.get(key)
    // Another look comes sooner, such as one for which it was added during its pass.
    if (this.#laneOf(key) || (before && before.at <= at) || !this.#working) return
    this.#cancelLater(key)
    const fire = () => {
      this.#later.delete(key)
      this.add(key, lane)
    }
    this.#later.set(key, { at, timer: timers.set(fire, ms) })
  }

  #cancelLater(key: string): void {
    const before = this.#later.get(key)
    if (!before) return
    this.#options.timers.clear(before.timer)
    this.#later.delete(key)
  }

  /** Doubles with each failure in a row; jitter keeps keys that failed together from coming back together. */
  #retryMs(key: string): number {
    const failed = this.#failures.get(key) ?? 0
    this.#failures.set(key, failed + 1)
    return Math.min(lastRetryMs, firstRetryMs * 2 ** failed) * (0.5 + this.#options.random() / 2)
  }
}
