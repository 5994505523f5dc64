// Whether the owner takes jobs at this hour of the week.
import type { OwnerRules } from '../../api/owner-rules.ts'
import { isOpenAt } from '../../domain/rules/hours.ts'
import { type Clock, pause, type Timers } from '../clock.ts'

/** As exact as hours are said. Short, because a machine that slept has missed some. */
const lookMs = 60_000

export class Opening {
  readonly #listeners = new Set<() => void>()
  readonly #hours: OwnerRules['hours']
  readonly #now: Clock['now']
  #isOpen: boolean

  constructor({ hours }: Pick<OwnerRules, 'hours'>, { now }: Pick<Clock, 'now'>) {
    this.#hours = hours
    this.#now = now
    this.#isOpen = isOpenAt(hours, now())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Until the signal. */
  subscribe(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  /** Looks when each minute begins, until the signal. */
  async keep(timers: Timers, signal: AbortSignal): Promise<void> {
    while (this.#hours && !signal.aborted) {
      await pause(lookMs - (this.#now() % lookMs), { timers, signal })
      const isOpen = isOpenAt(this.#hours, this.#now())
      if (isOpen === this.#isOpen) continue
      this.#isOpen = isOpen
      for (const listener of this.#listeners) listener()
    }
  }
}
