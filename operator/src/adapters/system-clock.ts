import { uptime } from 'node:os'
import type { Clock, Timers } from '../controllers/clock.ts'

/** Node fires a longer timer at once. */
const longestTimerMs = 2 ** 31 - 1

/** What a machine has. Milliseconds, but for `uptime`, which is in seconds. */
export interface MachineClocks {
  /** Fine-grained; stands still while the machine sleeps. */
  readonly performance: () => number
  /** Counts the sleep, moves in steps of up to a second, and costs 10 µs: Node reads a file for it. */
  readonly uptime: () => number
  /** Jumps over the sleep as well, and whenever somebody sets it. */
  readonly wall: () => number
}

/** A wall clock that has moved against the fine one by more than this has jumped. */
const jumpMs = 5

/** Where the wall clock says nothing, the machine is asked again after this time. */
const believedMs = 1000

/**
 * The machine's own clock.
 *
 * Boot time is `performance`, plus all that `uptime` has been seen to be ahead: it is off by one step of `uptime` at most,
 * and never goes back. A machine that has slept is found out by the first look after it: sleep moves the wall clock against
 * `performance`. So `uptime` is read only then, and once a second in case the wall clock was set back by just as much.
 */
export function systemClock(source: MachineClocks = machine): Clock {
  const started = { performance: source.performance(), uptime: source.uptime() }
  let asleepMs = 0
  let read = { at: started.performance, wallAhead: source.wall() - started.performance }

  function boot(): number {
    const at = source.performance()
    const wallAhead = source.wall() - at
    if (Math.abs(wallAhead - read.wallAhead) > jumpMs || at - read.at > believedMs) {
      asleepMs = Math.max(asleepMs, (source.uptime() - started.uptime) * 1000 - (at - started.performance))
      read = { at, wallAhead }
    }
    return at + asleepMs
  }
  return { now: () => Date.now(), boot }
}

const machine: MachineClocks = { performance: () => performance.now(), uptime, wall: () => Date.now() }

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
