// Notices a stream that has gone silent.
import type { Clock, Timers } from '../../controllers/clock.ts'

export interface SilenceGuard {
  /** Aborts when nothing was heard for so long, and when the one that was given does. */
  readonly signal: AbortSignal
  readonly heard: () => void
  /** Whether it was for silence that the signal aborted. */
  readonly silent: () => boolean
  readonly end: () => void
}

export function guardSilence(
  ms: number,
  {
    timers,
    clock,
    signal,
  }: { readonly timers: Timers; readonly clock: Pick<Clock, 'boot'>; readonly signal: AbortSignal },
): SilenceGuard {
  const controller = new AbortController()
  let silent = false
  let heardAt = clock.boot()
  const stop = () => controller.abort(signal.reason)
  // A timer for each stream, not for each event: when it fires it looks how long the silence has really been.
  const look = () => {
    const left = heardAt + ms - clock.boot()
    if (left > 0) {
      timer = timers.set(look, left)
      return
    }
    silent = true
    stop()
  }
  let timer = timers.set(look, ms)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  return {
    signal: controller.signal,
    heard: () => {
      heardAt = clock.boot()
    },
    silent: () => silent,
    end: () => {
      timers.clear(timer)
      signal.removeEventListener('abort', stop)
    },
  }
}
