// The jobs of each queue, and where queues compete: a tournament over the tree.
import { addTo, removeFrom, settle } from './heap.ts'
import type { Branch } from './queue-tree.ts'
import { type Bracket, type Lane, newLane, type Shape } from './shape.ts'
import { newBracket, rise } from './tournament.ts'

/** What the line must know of the queues. */
export interface QueuesInLine {
  /** Undefined: nobody knows that queue, or the tree is to be arranged anew. */
  readonly planted: (queue: string) => Branch | undefined
  /** No queue is known. */
  readonly isOneLine: () => boolean
}

export interface Lanes {
  readonly of: (queue: string) => Lane
  readonly closeWhereEmpty: (lane: Lane) => void
  /** The first shape of all that are in. */
  readonly best: () => Shape | undefined
  readonly enter: (shape: Shape) => void
  readonly stepOut: (shape: Shape) => void
  /** Its first job may be another one. */
  readonly moved: (shape: Shape) => void
  readonly arrange: () => void
  readonly reorder: (branch: Branch) => void
}

export function createLanes(queues: QueuesInLine): Lanes {
  const lanes = new Map<string, Lane>()
  const byBranch = new Map<Branch, Lane>()
  const brackets = new Map<Branch, Bracket>()
  let root = newBracket(undefined, undefined)

  function of(queue: string): Lane {
    const known = lanes.get(queue)
    if (known) return known
    const lane = newLane(queue)
    lanes.set(queue, lane)
    join(lane)
    return lane
  }

  /** Jobs of a queue that nobody knows, or that is broken, compete with nobody. */
  function join(lane: Lane): void {
    const branch = queues.planted(lane.queue)
    lane.branch = branch
    lane.isIn = false
    lane.parent = undefined
    if (branch) byBranch.set(branch, lane)
    if (queues.isOneLine()) lane.parent = root
    else if (branch?.state === 'Active') lane.parent = bracketOf(branch)
  }

  function bracketOf(branch: Branch): Bracket {
    const known = brackets.get(branch)
    if (known) return known
    const bracket = newBracket(branch, branch.parent ? bracketOf(branch.parent) : root)
    brackets.set(branch, bracket)
    return bracket
  }

  function enter(shape: Shape): void {
    if (shape.isIn) return
    shape.isIn = true
    addTo(shape.lane.heap, shape)
    rise(shape.lane)
  }

  function stepOut(shape: Shape): void {
    if (!shape.isIn) return
    shape.isIn = false
    removeFrom(shape.lane.heap, shape)
    rise(shape.lane)
  }

  function moved(shape: Shape): void {
    if (!shape.isIn) return
    settle(shape.lane.heap, shape)
    rise(shape.lane)
  }

  function arrange(): void {
    root = newBracket(undefined, undefined)
    brackets.clear()
    byBranch.clear()
    for (const lane of lanes.values()) join(lane)
    for (const lane of lanes.values()) rise(lane)
  }

  function reorder(branch: Branch): void {
    const contender = byBranch.get(branch) ?? brackets.get(branch)
    if (contender) rise(contender)
  }

  function closeWhereEmpty(lane: Lane): void {
    if (lane.shapes.size > 0) return
    lanes.delete(lane.queue)
    if (lane.branch) byBranch.delete(lane.branch)
  }

  return { of, closeWhereEmpty, best: () => root.best(), enter, stepOut, moved, arrange, reorder }
}
