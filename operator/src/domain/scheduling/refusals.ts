// Whom the queue alone keeps from GPUs that it would fit on, and might have: for nobody else is quota kept.
import type { Capacity } from './capacity.ts'
import type { JobFact } from './facts.ts'
import { type Grounds, holds } from './ground.ts'
import { splitsOf } from './placement.ts'
import type { Queues } from './queues.ts'
import { couldHave } from './quota-filter.ts'
import { first, type Shape } from './shape.ts'
import { takenOn } from './sharing.ts'

export interface RefusalsWorld {
  readonly capacity: Pick<Capacity, 'offers' | 'version'>
  readonly queues: Pick<Queues, 'plantings'>
  /** Whether quota alone lets it have nothing now, because others have it. */
  readonly isRefusedForNow: (shape: Shape) => boolean
  /** Where it may run, whatever its queue says. */
  readonly groundsOf: (shape: Shape) => readonly Grounds[]
}

/** The model that a refused one is to have: the first by name of which it fits on what is there. It costs a look at all nodes, and is remembered. */
export function createRefusals(world: RefusalsWorld): (shape: Shape) => string | undefined {
  const { capacity, queues, isRefusedForNow, groundsOf } = world
  const known = new WeakMap<Shape, { readonly at: string; readonly model: string | undefined }>()

  function modelFor(shape: Shape): string | undefined {
    const { branch } = shape.lane
    const job = first(shape)
    const fitting = groundsOf(shape).filter(
      (grounds) => branch && couldHave(job, branch, grounds.model) && fitsWhenEmpty(job, grounds),
    )
    return fitting.map(({ model }) => model).toSorted()[0]
  }

  return (shape) => {
    if (!isRefusedForNow(shape)) return undefined
    const at = `${capacity.offers()} ${capacity.version()} ${queues.plantings()}`
    const before = known.get(shape)
    if (before?.at === at) return before.model
    const model = modelFor(shape)
    known.set(shape, { at, model })
    return model
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
