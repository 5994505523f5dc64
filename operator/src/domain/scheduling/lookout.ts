// Finds the first of those that have to wait, without a look at all of them before each pass.
import type { Grounds } from './ground.ts'
import type { Line } from './line.ts'
import { type Outlooks, patienceMs, type Reservation, reserve, turnAt } from './reservation.ts'
import { comesFirst, first, type Shape } from './shape.ts'

export interface LookoutWorld {
  readonly line: Pick<Line, 'shapes'>
  /** Where a job of the shape may run. */
  readonly groundsOf: (shape: Shape) => readonly Grounds[]
  /** Grows with all that says where that is. */
  readonly changes: () => number
}

interface Found {
  readonly reservation: Reservation
  readonly reserved: Shape
}

/** Each look costs all nodes. So many shapes are looked at before each pass; the others are when those are known. */
const mostLooks = 8
/** And so many again that fitted nowhere when last looked at, if something has changed since. */
const mostSecondLooks = 8

export function createLookout({ line, groundsOf, changes }: LookoutWorld): (nowMs: number) => Found | undefined {
  const outlooks = new WeakMap<Shape, Outlooks>()
  const misfits = createMisfits(changes)

  /** Of the same facts each engine finds the same: one that is new later, where more fit nowhere than it may look at. */
  function firstThatHasToWait(nowMs: number): Found | undefined {
    const old = line.shapes().filter((shape) => nowMs - first(shape).createdMs >= patienceMs)
    // An order that does not move with what queues have used.
    const inLine = old.toSorted((a, b) => (comesFirst(first(a), first(b)) ? -1 : 1))
    const skipped = misfits.toSkip(inLine)
    let looks = mostLooks
    let frontMs = -Infinity
    for (const shape of inLine) {
      if (skipped.has(shape)) continue
      if (looks === 0) return undefined
      const isSecond = misfits.has(shape)
      const found = look(shape, nowMs)
      if (found || !isSecond) looks -= 1
      if (!found || found.mayStart) continue
      const turn = turnAt(nowMs, Math.max(frontMs, first(shape).createdMs + patienceMs))
      if (found.isKnown || turn.isOn) return { reservation: found, reserved: shape }
      frontMs = turn.pausedMs
    }
    return undefined
  }

  function look(shape: Shape, nowMs: number): Reservation | undefined {
    const seen: Outlooks = outlooks.get(shape) ?? new Map()
    outlooks.set(shape, seen)
    const found = reserve(first(shape), groundsOf(shape), { nowMs, seen })
    misfits.learn(shape, found === undefined)
    return found
  }

  return firstThatHasToWait
}

/** The shapes that fit nowhere, as far as anybody has looked. */
interface Misfits {
  readonly has: (shape: Shape) => boolean
  readonly learn: (shape: Shape, fitsNowhere: boolean) => void
  /** Those that need no look: nothing has changed since, or others have not been looked at for longer. */
  readonly toSkip: (shapes: readonly Shape[]) => ReadonlySet<Shape>
}

function createMisfits(changes: () => number): Misfits {
  const known = new WeakMap<Shape, { readonly changes: number; readonly look: number }>()
  let looks = 0
  const lookAt = (shape: Shape) => known.get(shape)?.look ?? 0
  return {
    has: (shape) => known.has(shape),
    learn: (shape, fitsNowhere) => {
      looks += 1
      if (fitsNowhere) known.set(shape, { changes: changes(), look: looks })
      else known.delete(shape)
    },
    toSkip: (shapes) => {
      const misfits = shapes.filter((shape) => known.has(shape))
      const stale = misfits.filter((shape) => known.get(shape)?.changes !== changes())
      const again = new Set(stale.toSorted((a, b) => lookAt(a) - lookAt(b)).slice(0, mostSecondLooks))
      return new Set(misfits.filter((shape) => !again.has(shape)))
    },
  }
}
