// Time that stands still until a test moves it.
import type { Clock, Timers } from '../../operator/src/controllers/clock.ts'

export interface FakeTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Moves both clocks, firing what falls due on the way, in order; what it sets off has run when this resolves. */
  readonly advance: (ms: number) => Promise<void>
  /** Moves to the next timer and fires it. Throws when none is set: nothing would ever happen. */
  readonly advanceToNext: () => Promise<void>
  /** Wall time alone jumps, as when somebody sets the clock. */
  readonly jumpWall: (ms: number) => void
  /** The machine sleeps: clocks move and nothing fires until it wakes. */
  readonly sleep: (ms: number) => void
  /** Lets everything run that waits for no timer. */
  readonly turn: () => Promise<void>
  /** Timers set and not yet fired. */
  readonly pending: () => number
}

interface Pending {
  readonly at: number
  readonly fire: () => void
}

/** Wall time starts at `startedAt` (ms since 1970, or a time as text), boot time at 0. */
export function fakeTime(startedAt: number | string = '2026-01-01T00:00:00Z'): FakeTime {
  let wallOffset = new Date(startedAt).getTime()
  let boot = 0
  const pending = new Set<Pending>()

  const timers: Timers = {
    set: (fire, ms) => {
      const timer: Pending = { at: boot + Math.max(0, ms), fire }
      pending.add(timer)
      return timer
    },
    clear: (handle) => {
      pending.delete(handle as Pending)
    },
  }

  /** Of those due at the same moment, the one that was set first. */
  function next(): Pending | undefined {
    let first: Pending | undefined
    for (const timer of pending) if (!first || timer.at < first.at) first = timer
    return first
  }

  async function fireNext(timer: Pending): Promise<void> {
    pending.delete(timer)
    boot = Math.max(boot, timer.at)
    timer.fire()
    await turn()
  }

  async function advance(ms: number): Promise<void> {
    await turn() // What has just been done may set timers.
    const until = boot + ms
    for (let timer = next(); timer && timer.at <= until; timer = next()) await fireNext(timer)
    boot = Math.max(boot, until)
    await turn()
  }

  async function advanceToNext(): Promise<void> {
    await turn()
    const timer = next()
    if (!timer) throw new Error('no timer is set')
    await fireNext(timer)
  }

  return {
    clock: { now: () => wallOffset + boot, boot: () => boot },
    timers,
    advance,
    advanceToNext,
    turn,
    jumpWall: (ms) => {
      wallOffset += ms
    },
    sleep: (ms) => {
      boot += ms
    },
    pending: () => pending.size,
  }
}

/** A macrotask comes after all microtasks; a few of them let promises that wait for promises settle as well. */
async function turn(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve))
}
