// How many choices may be on their way into their records: what is not chosen yet can still go to who is more urgent.

/** Twice as many as jobs are looked at at once: enough to keep all of them busy. */
const mostAtOnce = 64

/** What takes longer waits for something else than its turn, and holds nobody up. */
const mostMs = 5000

export class Pace {
  /** By job uid, oldest first: when it was chosen. */
  readonly #chosen = new Map<string, number>()

  /** So many more may be chosen. */
  left(nowMs: number): number {
    for (const [uid, at] of this.#chosen) {
      if (nowMs - at < mostMs) break
      this.#chosen.delete(uid)
    }
    return Math.max(0, mostAtOnce - this.#chosen.size)
  }

  chosen(uid: string, nowMs: number): void {
    this.#chosen.delete(uid)
    this.#chosen.set(uid, nowMs)
  }

  /** It is recorded, or chosen no more. */
  settled(uid: string): void {
    this.#chosen.delete(uid)
  }
}
