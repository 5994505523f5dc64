import { uptime } from 'node:os'
import type { Clock, Timers } from '../controllers/clock.ts'

/** Node fires a longer timer at once. */
const longestTimerMs = 2 ** 31 - 1

/**
 * The machine's own clock.
 *
 * `performance.now()` is fine-grained but stands still while the machine sleeps; `os.uptime()` counts the sleep but
 * moves in steps of up to a second. So boot time is the first, plus all that the second has been seen to be ahead:
 * it is off by one step of `os.uptime()` at most, and never goes back.
 */
export function systemClock(source: { performance: () => number; uptime: () => number } = machine): Clock {
  const started = { performance: source.performance(), uptime: source.uptime() }
  let asleepMs = 0

  function boot(): number {
    const awake = source.performance() - started.performance
    asleepMs = Math.max(asleepMs, (source.uptime() - started.uptime) * 1000 - awake)
    return started.performance + awake + asleepMs
  }
  return { now: () => Date.now(), boot }
}

const machine = { performance: () => performance.now(), uptime }

/**
 * A time too long for one timer fires early, after 24 days; who set it looks again at its own clock.
 * No time at all is the end of this turn of the event loop: Node makes a whole millisecond of a timer of 0.
 */
export const systemTimers: Timers = {
  set: (fire, ms): (() => void) => {
    if (ms <= 0) {
      const soon = setImmediate(fire)
      return () => clearImmediate(soon)
    }
    const timer = setTimeout(fire, Math.min(ms, longestTimerMs))
    return () => clearTimeout(timer)
  },
  clear: (handle) => {
    const cancel = handle as (() => void) | undefined
    cancel?.()
  },
}
