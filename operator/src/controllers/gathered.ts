import type { Timers } from './clock.ts'

/**
 * Of many calls for one key the first is passed on at once, and the others together when `ms` have gone by: what somebody else
 * may cause without end costs no more than one look in that time.
 */
export function gathered(act: (key: string) => void, { timers, ms }: { timers: Timers; ms: number }) {
  /** Keys that were passed on a moment ago, and whether more came for them. */
  const open = new Map<string, 'Quiet' | 'More'>()

  function pass(key: string): void {
    open.set(key, 'Quiet')
    act(key)
    timers.set(() => {
      const came = open.get(key)
      open.delete(key)
      if (came === 'More') pass(key)
    }, ms)
  }

  return (key: string): void => {
    if (open.has(key)) open.set(key, 'More')
    else pass(key)
  }
}
