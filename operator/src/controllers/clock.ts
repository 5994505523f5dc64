/** Where time comes from. Handed in everywhere, so that a whole federation runs deterministically in one process. */
export interface Clock {
  /** Wall clock in ms since 1970; it may jump. For what people read, never for deciding who may write. */
  readonly now: () => number
  /** Ms since some fixed moment; never goes back, and goes on counting while the machine sleeps. */
  readonly boot: () => number
}

/** What `Timers.set` returns; only `Timers.clear` knows what it is. */
export type TimerHandle = unknown

export interface Timers {
  readonly set: (fire: () => void, ms: number) => TimerHandle
  readonly clear: (handle: TimerHandle) => void
}

/** A number from 0 (included) to 1 (excluded), as Math.random gives it. */
export type Random = () => number

/** Resolves after this time, or as soon as the signal aborts. */
export function pause(ms: number, { timers, signal }: { timers: Timers; signal: AbortSignal }): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = () => {
      timers.clear(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = timers.set(wake, ms)
    signal.addEventListener('abort', wake, { once: true })
  })
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
