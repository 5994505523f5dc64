// Jobs that need the same and stand in the same queue are one shape: what one of them cannot have, none can.
// Shapes of several queues that need the same share one need: where they may go at all is found once.
import type { Explanation, JobFact } from './facts.ts'
import type { Heap, Heaped } from './heap.ts'
import { type Candidate, gpusAsked } from './placement.ts'
import type { Branch } from './queue-tree.ts'

export interface Waiting extends Heaped {
  readonly job: JobFact
  readonly shape: Shape
  /** Among those that were sent in the same second, where another order than the usual one places more: see `batches.ts`. */
  turn: number | undefined
}

/** All that a placement depends on but the queue. */
export interface Need {
  readonly key: string
  /** Any job that needs this. */
  readonly like: JobFact
  readonly shapes: Set<Shape>
  candidates: readonly Candidate[]
  /** Of the capacity that the candidates were chosen from. */
  version: number
  /** No candidate has had room, and nothing has changed since that may help. */
  isVain: boolean
}

export interface Shape extends Heaped {
  readonly need: Need
  readonly lane: Lane
  readonly jobs: Heap<Waiting>
  /** Tried without success; to be tried again when something grew that may help, or is used less. */
  isAsleep: boolean
  /** It lies in the heap of its lane. */
  isIn: boolean
  /** Why its jobs wait, and after how many changes of all that this depends on it was so. */
  explained?: { readonly changes: number; readonly explanation: Explanation }
}

/** A queue with the queues below it, or the jobs of one queue. In the heap of its parent while somebody in it can win. */
export interface Contender extends Heaped {
  parent: Bracket | undefined
  /** Of its branch, or of that branch's own jobs. */
  readonly rank: () => number
  /** Who wins within it; nobody where it is a lane. */
  readonly winner: () => Contender | undefined
  readonly best: () => Shape | undefined
  isIn: boolean
}

export interface Bracket extends Contender {
  readonly heap: Heap<Contender>
}

/** The jobs of one queue. */
export interface Lane extends Contender {
  readonly queue: string
  readonly shapes: Map<Need, Shape>
  readonly heap: Heap<Shape>
  branch: Branch | undefined
}

/** The job of this shape that is placed next. */
export function first({ jobs, need }: Shape): JobFact {
  return jobs.items[0]?.job ?? need.like
}

export function newNeed(key: string, like: JobFact): Need {
  return { key, like, shapes: new Set(), candidates: [], version: -1, isVain: false }
}

export function newShape(need: Need, lane: Lane): Shape {
  const jobs: Heap<Waiting> = { items: [], isBefore: (a, b) => comesFirst(a.job, b.job) }
  return { need, lane, jobs, isAsleep: false, isIn: false, place: 0 }
}

export function newLane(queue: string): Lane {
  const heap: Heap<Shape> = { items: [], isBefore: isFirst }
  const lane: Lane = {
    queue,
    shapes: new Map(),
    heap,
    branch: undefined,
    parent: undefined,
    rank: () => lane.branch?.ownRank ?? 0,
    winner: () => undefined,
    best: () => heap.items[0],
    isIn: false,
    place: 0,
  }
  return lane
}

/** Of one queue. */
export function isFirst(a: Shape, b: Shape): boolean {
  const [one, other] = [a.jobs.items[0], b.jobs.items[0]]
  const areOne = one?.job.priority === other?.job.priority && one?.job.createdMs === other?.job.createdMs
  if (areOne && one?.turn !== undefined && other?.turn !== undefined) return one.turn < other.turn
  return comesFirst(first(a), first(b))
}

/**
 * Highest priority, then oldest, then by name. Of those sent in the same second the largest, and that with the largest
 * workers: small ones fit beside it.
 */
export function comesFirst(a: JobFact, b: JobFact): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority
  if (a.createdMs !== b.createdMs) return a.createdMs < b.createdMs
  const larger = gpusAsked(a) - gpusAsked(b)
  if (larger !== 0) return larger > 0
  if (a.perWorker.gpus !== b.perWorker.gpus) return a.perWorker.gpus > b.perWorker.gpus
  return a.key === b.key ? a.uid < b.uid : a.key < b.key
}

/** As `comesFirst` says, for lists. */
export function asUsual(a: Pick<Waiting, 'job'>, b: Pick<Waiting, 'job'>): number {
  return comesFirst(a.job, b.job) ? -1 : 1
}

/** All that a placement depends on but the queue, as text; equal for jobs that can go to the same places. */
export function needOf(job: JobFact): string {
  const { gpus, cpuMilli, memoryMiB, storageMiB } = job.perWorker
  return JSON.stringify([
    [job.workers, gpus, cpuMilli, memoryMiB, storageMiB, job.gpuMemoryMiB ?? 0, job.maxPrice ?? -1],
    // Who says how long it runs may pass where others may not.
    job.maxRuntimeMs ?? 0,
    job.models.toSorted(),
    Object.entries(job.providerSelector).toSorted(byKey),
    Object.entries(job.nodeSelector).toSorted(byKey),
    job.tolerations
      .map(({ key, operator, value, effect }) => JSON.stringify([key, operator, value, effect]))
      .toSorted(),
    job.excludedProviders.toSorted(),
    Object.entries(job.refusedBy ?? {}).toSorted(byKey),
    job.avoidNodes?.toSorted() ?? [],
    job.topology ? [job.topology.within, job.topology.rule] : [],
    job.trust ?? '',
    job.ranAt ?? '',
  ])
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
