// Finds those that nodes or quota are kept for, without a look at the nodes for each of them before each pass.
import type { Grounds } from './ground.ts'
import type { KeptQuota } from './kept-quota.ts'
import type { Line } from './line.ts'
import type { Refusals } from './refusals.ts'
import {
  firstTurnMs,
  mostLooks,
  mostSecondLooks,
  type Outlooks,
  patienceMs,
  type Reservation,
  reserve,
  turnAt,
  usableUntilMs,
} from './reservation.ts'
import { asUsual, first, type Shape } from './shape.ts'

export interface LookoutWorld {
  readonly line: Pick<Line, 'shapes'>
  /** Where a job of the shape may run, as its queue says now. */
  readonly groundsOf: (shape: Shape) => readonly Grounds[]
  readonly refusals: Refusals
  readonly quota: Pick<KeptQuota, 'keep' | 'mayKeep' | 'renew'>
  /** Grows with all that says where that is. */
  readonly changes: () => number
}

interface Found {
  readonly reservation: Reservation
  readonly reserved: Shape
}

/** Keeps quota for those who have to wait for it, one of each queue, and finds the first of those who wait for nodes. */
export function createLookout(world: LookoutWorld): (nowMs: number) => Found | undefined {
  const { line, groundsOf, refusals, quota, changes } = world
  const outlooks = new WeakMap<Shape, Outlooks>()
  const misfits = createMisfits(changes)

  /** Of the same facts each engine finds the same: one that is new later, where more fit nowhere than it may look at. */
  function firstThatHasToWait(nowMs: number): Found | undefined {
    const old = line.shapes().flatMap((shape) => {
      const job = first(shape)
      return nowMs - job.createdMs >= patienceMs ? [{ shape, job }] : []
    })
    // An order that does not move with what queues have used.
    const inLine = old.toSorted(asUsual).map(({ shape }) => shape)
    const skipped = misfits.toSkip(inLine)
    const fronts = createFronts(nowMs)
    refusals.renew()
    quota.renew()
    let looks = mostLooks
    let reserved: Found | undefined
    for (const shape of inLine) {
      const { queue } = shape.lane
      if (refusals.isRefused(shape)) {
        if (fronts.isTaken(queue) || !quota.mayKeep(shape)) continue
        const model = refusals.modelOf(shape, turnAt(nowMs, since(shape)).count)
        if (model === undefined || !fronts.isItsTurn(shape, queue)) continue
        quota.keep({ shape, model, lentUntilMs: since(shape) + firstTurnMs })
      } else if (!reserved && looks > 0 && !skipped.has(shape)) {
        const isSecond = misfits.has(shape)
        const found = look(shape, nowMs)
        if (found || !isSecond) looks -= 1
        if (!found || found.mayStart || !(found.isKnown || fronts.isItsTurn(shape))) continue
        reserved = { reservation: found, reserved: shape }
        quota.keep({ shape, model: found.model, lentUntilMs: usableUntilMs(found, nowMs) })
      }
    }
    return reserved
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

function since(shape: Shape): number {
  return first(shape).createdMs + patienceMs
}

interface Fronts {
  /** Of those that wait for nodes, or for the quota of one queue: at most one has its turn. */
  readonly isItsTurn: (shape: Shape, queue?: string) => boolean
  readonly isTaken: (queue: string) => boolean
}

/** To be asked in the order of the line: in the pause of one it is the turn of the next. */
function createFronts(nowMs: number): Fronts {
  const frontsMs = new Map<string | undefined, number>()
  const isTaken = (queue: string | undefined) => frontsMs.get(queue) === Infinity
  return {
    isTaken,
    isItsTurn: (shape, queue) => {
      if (isTaken(queue)) return false
      const frontMs = frontsMs.get(queue) ?? -Infinity
      const turn = turnAt(nowMs, Math.max(frontMs, since(shape)))
      frontsMs.set(queue, turn.isOn ? Infinity : turn.pausedMs)
      return turn.isOn
    },
  }
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
