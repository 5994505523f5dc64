// The owner takes the cluster out of the federation: no node is offered any more, all runs end, and then the owner is told.
import { pause, type Timers } from '../clock.ts'

export class Leaving {
  readonly #listeners = new Set<() => void>()
  #isAsked = false

  get isAsked(): boolean {
    return this.#isAsked
  }

  /** There is no way back but a new start of the agent. */
  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    for (const listener of this.#listeners) listener()
  }

  /** Until the signal. */
  subscribe(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }
}

export interface LeavingPorts {
  readonly leaving: Leaving
  /** Whether the hub knows of no node and no unfinished run here. */
  readonly isLeft: () => boolean
  readonly tell: () => Promise<void>
  readonly timers: Timers
  readonly lookMs: number
  readonly onError: (error: unknown) => void
}

/** Tells once that all is left; until the signal. */
export async function tellWhenLeft(ports: LeavingPorts, signal: AbortSignal): Promise<void> {
  const { leaving, isLeft, tell, timers, lookMs, onError } = ports
  while (!signal.aborted) {
    if (leaving.isAsked && isLeft()) {
      try {
        return await tell()
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
    }
    await pause(lookMs, { timers, signal })
  }
}
