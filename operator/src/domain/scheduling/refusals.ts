// Whom the queue alone keeps from GPUs that it would fit on, and might have: for nobody else is quota kept.
import type { Capacity } from './capacity.ts'
import type { JobFact } from './facts.ts'
import { type Grounds, holds } from './ground.ts'
import { splitsOf } from './placement.ts'
import { couldHave } from './quota-filter.ts'
import { mostLooks, mostSecondLooks } from './reservation.ts'
import { first, type Need, type Shape } from './shape.ts'
import { takenOn } from './sharing.ts'

export interface Refusals {
  /** Once before each pass. */
  readonly renew: () => void
  /** Whether quota alone lets it have nothing now, because others have it. */
  readonly isRefused: (shape: Shape) => boolean
  /**
   * The model that one is to have that is refused: one that its queue could let it have, and that it fits on when all runs
   * are over; in each turn the next by name, for what is used of one may stay used. Undefined: none, or it is looked for in
   * a later pass.
   */
  readonly modelOf: (shape: Shape, turn: number) => string | undefined
}

interface World {
  readonly capacity: Pick<Capacity, 'offers' | 'version'>
  readonly isRefusedForNow: Refusals['isRefused']
  /** Where it may run, whatever its queue says. */
  readonly groundsOf: (shape: Shape) => readonly Grounds[]
}

/** Where a job fits is remembered: what nodes offer changes seldom, and a look costs all of them. */
export function createRefusals({ capacity, isRefusedForNow, groundsOf }: World): Refusals {
  const known = new WeakMap<Need, { readonly at: string; readonly models: readonly string[]; readonly look: number }>()
  let looks = mostLooks
  let secondLooks = mostSecondLooks
  let look = 0
  /** Those whose turn to be looked at again it was not in this pass, and those of the pass before who have waited longest. */
  let putOff = new Set<Need>()
  let overdue = new Set<Need>()

  function renew(): void {
    const longest = [...putOff].toSorted((a, b) => (known.get(a)?.look ?? 0) - (known.get(b)?.look ?? 0))
    overdue = new Set(longest.slice(0, mostSecondLooks))
    putOff = new Set()
    looks = mostLooks
    secondLooks = mostSecondLooks - overdue.size
  }

  function mayLook(need: Need): boolean {
    if (!known.has(need)) return looks-- > 0
    if (overdue.delete(need) || secondLooks-- > 0) return true
    putOff.add(need)
    return false
  }

  /** By an older state of the nodes, where so many were looked at already in this pass. */
  function modelsFor(shape: Shape): readonly string[] {
    const at = `${capacity.offers()} ${capacity.version()}`
    const before = known.get(shape.need)
    if (before?.at === at || !mayLook(shape.need)) return before?.models ?? []
    look += 1
    const fitting = groundsOf(shape).filter((grounds) => fitsWhenEmpty(shape.need.like, grounds))
    const models = [...new Set(fitting.map(({ model }) => model))].toSorted()
    known.set(shape.need, { at, models, look })
    return models
  }

  return {
    renew,
    isRefused: isRefusedForNow,
    modelOf: (shape, turn) => {
      const { branch } = shape.lane
      const models = branch ? modelsFor(shape).filter((model) => couldHave(first(shape), branch, model)) : []
      return models[turn % models.length]
    },
  }
}

/** Whether the workers fit on these nodes when all runs are over. */
function fitsWhenEmpty({ workers, perWorker }: JobFact, { nodes }: Grounds): boolean {
  return splitsOf(workers).some((split) => {
    let found = 0
    for (const node of nodes) {
      if (holds(node.room, takenOn(node, perWorker, split.workersPerNode))) found += 1
      if (found === split.nodes) return true
    }
    return false
  })
}
