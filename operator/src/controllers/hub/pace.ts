// How many choices may be on their way into their records and orders: what is not chosen yet can still go to who is more
// urgent, and what is chosen holds GPUs.

import type { KeptJob } from '../../domain/lifecycle/kept.ts'
import { awaitsOrder, hasOnlyBegun, type Runs } from '../../domain/lifecycle/run-times.ts'
import type { When } from '../work-queue.ts'

/** As many jobs are looked at at once. */
export const jobsAtOnce = 32

/** Enough to keep all of them busy. */
const mostAtOnce = jobsAtOnce

/** What takes longer waits for something else than its turn, and holds nobody up. In a burst a turn may be long in coming. */
const mostMs = 15_000

/** After a pass the others have the time of so many, up to a moment: what happens meanwhile is looked at together. */
const restFactor = 30
const mostRestMs = 50

/** So long a job that waits for its turn alone is told nothing. */
const turnMs = 10_000

export class Pace {
  /** Since when passes end before all have been tried. */
  #cutSince: number | undefined
  /** By job uid, oldest first: when it was chosen. */
  readonly #chosen = new Map<string, number>()

  #restsUntilMs = -Infinity

  /** A pass ends. Gives how long it took. */
  passed(startedMs: number, nowMs: number): number {
    const tookMs = nowMs - startedMs
    this.#restsUntilMs = nowMs + Math.min(mostRestMs, restFactor * tookMs)
    return tookMs
  }

  /** How long the next pass waits for company. */
  restMs(nowMs: number): number {
    return Math.max(0, this.#restsUntilMs - nowMs)
  }

  /** So many more may be chosen. */
  left(nowMs: number): number {
    for (const [uid, at] of this.#chosen) {
      if (nowMs - at < mostMs) break
      this.#chosen.delete(uid)
    }
    return Math.max(0, mostAtOnce - this.#chosen.size)
  }

  /** When the next one that may never be ordered holds nobody up any more. */
  freesAfterMs(nowMs: number): number {
    const [oldest] = this.#chosen.values()
    return oldest === undefined ? Infinity : Math.max(0, oldest + mostMs - nowMs)
  }

  /** Whether those who wait are told why. @param isCut the pass may have ended before all were tried. */
  tellsAll(isCut: boolean, nowMs: number): boolean {
    this.#cutSince = isCut ? (this.#cutSince ?? nowMs) : undefined
    return nowMs - (this.#cutSince ?? -Infinity) >= turnMs
  }

  chosen(uid: string, nowMs: number): void {
    this.#chosen.delete(uid)
    this.#chosen.set(uid, nowMs)
  }

  /** Its run is ordered, or it is chosen no more. */
  settled(uid: string): void {
    this.#chosen.delete(uid)
  }
}

/**
 * How soon a job that does not wait for room is looked at: first where it holds GPUs that nothing runs on before.
 * @param isWaitedFor it is chosen and not recorded, or its run is to end for another job.
 */
export function whenToLook(job: KeptJob, runs: Runs, isWaitedFor: boolean): Exclude<When, 'AtLeisure'> {
  if (isWaitedFor || awaitsOrder(job, runs)) return 'First'
  return hasOnlyBegun(job, runs) ? 'Soon' : 'Now'
}
