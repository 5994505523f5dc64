// Who is next, over the tree of the queues: a heap at each level, so that a change costs its way up and no more.
import { addTo, type Heap, removeFrom, settle } from './heap.ts'
import type { Branch } from './queue-tree.ts'
import { type Bracket, type Contender, comesFirst, first, isFirst, type Shape } from './shape.ts'

/** @param branch absent: above all roots. */
export function newBracket(branch: Branch | undefined, parent: Bracket | undefined): Bracket {
  const heap: Heap<Contender> = { items: [], isBefore }
  return {
    heap,
    parent,
    rank: () => branch?.rank ?? 0,
    winner: () => heap.items[0],
    best: () => heap.items[0]?.best(),
    isIn: false,
    place: 0,
  }
}

/** To be called when who wins in it, or its rank, has changed: puts it in order, and all above it. */
export function rise(contender: Contender): void {
  for (let each = contender; each.parent; each = each.parent) {
    const { heap } = each.parent
    const canWin = each.best() !== undefined
    if (canWin && each.isIn) settle(heap, each)
    else if (canWin) addTo(heap, each)
    else if (each.isIn) removeFrom(heap, each)
    each.isIn = canWin
  }
}

/** Priority over all; then the least rank, level by level, where a level that is not there counts as 0; then age. */
function isBefore(a: Contender, b: Contender): boolean {
  const [best, other] = [a.best(), b.best()]
  if (!best || !other) return other === undefined
  const [job, otherJob] = [first(best), first(other)]
  if (job.priority !== otherJob.priority) return job.priority > otherJob.priority
  for (let [one, two]: Pair = [a, b]; one || two; [one, two] = [one?.winner(), two?.winner()]) {
    const [rank, otherRank] = [one?.rank() ?? 0, two?.rank() ?? 0]
    if (rank !== otherRank) return rank < otherRank
  }
  return comesFirst(job, otherJob)
}

/** As the tournament decides between them, whether or not they are in it. */
export function isShapeBefore(a: Shape, b: Shape): boolean {
  const [job, other] = [first(a), first(b)]
  if (job.priority !== other.priority) return job.priority > other.priority
  const ranks = compareRanks({ of: a.lane, level: levelOf(a.lane) }, { of: b.lane, level: levelOf(b.lane) })
  if (ranks !== 0) return ranks < 0
  return a.lane === b.lane ? isFirst(a, b) : comesFirst(job, other)
}

interface Climb {
  readonly of: Contender | undefined
  readonly level: number
}

/** Level by level from above. */
function compareRanks(a: Climb, b: Climb): number {
  if (a.of === b.of) return 0
  const above = compareRanks(a.level >= b.level ? parentOf(a) : a, b.level >= a.level ? parentOf(b) : b)
  if (above !== 0) return above
  const rank = a.level >= b.level ? (a.of?.rank() ?? 0) : 0
  const otherRank = b.level >= a.level ? (b.of?.rank() ?? 0) : 0
  return rank - otherRank
}

function parentOf({ of, level }: Climb): Climb {
  return { of: of?.parent, level: level - 1 }
}

function levelOf(contender: Contender): number {
  let level = 0
  for (let each: Contender | undefined = contender; each; each = each.parent) level += 1
  return level
}

type Pair = [Contender | undefined, Contender | undefined]
