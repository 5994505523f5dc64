// The owner takes the cluster out of the federation: no node is offered any more, all runs end, and then the owner is told.
import { pause, type Timers } from '../clock.ts'

export class Leaving {
  readonly #listeners = new Set<() => void>()
  #question: string | undefined

  get isAsked(): boolean {
    return this.#question !== undefined
  }

  /** What is to be answered when all is left. */
  get question(): string | undefined {
    return this.#question
  }

  /** There is no way back but a new start of the agent, after who asked has taken it back. */
  ask(question: string): void {
    const isNews = this.#question === undefined
    this.#question = question
    if (isNews) for (const listener of this.#listeners) listener()
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
  readonly tell: (question: string) => Promise<void>
  readonly timers: Timers
  readonly lookMs: number
  readonly onError: (error: unknown) => void
}

/** Tells whoever asks that all is left, each of them once; until the signal. */
export async function tellWhenLeft(ports: LeavingPorts, signal: AbortSignal): Promise<void> {
  const { leaving, isLeft, tell, timers, lookMs, onError } = ports
  let told: string | undefined
  while (!signal.aborted) {
    const { question } = leaving
    if (question !== undefined && question !== told && isLeft()) {
      try {
        await tell(question)
        told = question
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
    }
    await pause(lookMs, { timers, signal })
  }
}
