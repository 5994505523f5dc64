// Who is next, over the tree of the queues: a heap at each level, so that a change costs its way up and no more.
import { addTo, type Heap, removeFrom, settle } from './heap.ts'
import type { Branch } from './queue-tree.ts'
import { type Bracket, type Contender, comesFirst, first } from './shape.ts'

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

type Pair = [Contender | undefined, Contender | undefined]
