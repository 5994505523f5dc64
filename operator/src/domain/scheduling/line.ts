// The jobs that wait. Jobs that need the same stand together in one shape: what one of them cannot have, none can.
import type { Explanation, JobFact } from './facts.ts'
import { addTo, type Heap, type Heaped, removeFrom, settle } from './heap.ts'
import type { Candidate } from './placement.ts'
import type { Stock } from './spot.ts'

export interface Waiting extends Heaped {
  readonly job: JobFact
  readonly shape: Shape
}

export interface Shape extends Heaped {
  readonly key: string
  /** Any job of this shape: all that a placement depends on is equal. */
  readonly like: JobFact
  readonly jobs: Heap<Waiting>
  /** Tried without success; to be tried again when something grew that may help. */
  asleep: boolean
  candidates: readonly Candidate[]
  /** Of the capacity that the candidates were chosen from. */
  version: number
  /** Why its jobs wait, and after how many changes of the capacity that was so. */
  explained?: { readonly changes: number; readonly explanation: Explanation }
}

export interface Line {
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly add: (job: JobFact) => void
  readonly remove: (uid: string) => void
  /** The shape whose first job comes next, of those that are awake. */
  readonly next: () => Shape | undefined
  readonly sleep: (shape: Shape) => void
  readonly wake: (shape: Shape) => void
  readonly wakeAll: () => void
  readonly shapes: () => Iterable<Shape>
  /** Those that found no room. */
  readonly sleepers: () => Iterable<Shape>
  /** Those that found no room in this stock. */
  readonly sleepersOn: (stock: Stock) => Iterable<Shape>
}

export function createLine(): Line {
  const waiting = new Map<string, Waiting>()
  const shapes = new Map<string, Shape>()
  const awake: Heap<Shape> = { items: [], isBefore: (a, b) => comesFirst(first(a), first(b)) }
  const asleep = new Set<Shape>()
  const sleepers = new WeakMap<Stock, Set<Shape>>()

  /** The new entry comes before the old one leaves: a shape that sleeps sleeps on when its only job is told again. */
  function add(job: JobFact): void {
    const old = waiting.get(job.uid)
    const key = shapeOf(job)
    const shape = shapes.get(key) ?? newShape(key, job)
    const entry: Waiting = { job, shape, place: 0 }
    waiting.set(job.uid, entry)
    addTo(shape.jobs, entry)
    if (!shapes.has(key)) {
      shapes.set(key, shape)
      addTo(awake, shape)
    } else if (!shape.asleep) settle(awake, shape)
    if (old) leave(old)
  }

  function remove(uid: string): void {
    const entry = waiting.get(uid)
    waiting.delete(uid)
    if (entry) leave(entry)
  }

  function leave(entry: Waiting): void {
    const { shape } = entry
    removeFrom(shape.jobs, entry)
    if (shape.jobs.items.length > 0) {
      if (!shape.asleep) settle(awake, shape)
      return
    }
    shapes.delete(shape.key)
    if (shape.asleep) leaveBed(shape)
    else removeFrom(awake, shape)
  }

  function sleep(shape: Shape): void {
    removeFrom(awake, shape)
    shape.asleep = true
    asleep.add(shape)
    for (const { stock } of shape.candidates) {
      const those = sleepers.get(stock) ?? new Set()
      sleepers.set(stock, those.add(shape))
    }
  }

  function wake(shape: Shape): void {
    leaveBed(shape)
    addTo(awake, shape)
  }

  function leaveBed(shape: Shape): void {
    shape.asleep = false
    asleep.delete(shape)
    for (const { stock } of shape.candidates) sleepers.get(stock)?.delete(shape)
  }

  return {
    waiting,
    add,
    remove,
    next: () => awake.items[0],
    sleep,
    wake,
    wakeAll: () => asleep.forEach(wake),
    shapes: () => shapes.values(),
    sleepers: () => asleep,
    sleepersOn: (stock) => sleepers.get(stock) ?? [],
  }
}

function newShape(key: string, like: JobFact): Shape {
  const jobs: Heap<Waiting> = { items: [], isBefore: (a, b) => comesFirst(a.job, b.job) }
  return { key, like, jobs, asleep: false, candidates: [], version: -1, place: 0 }
}

/** The job of this shape that is placed next. */
export function first({ jobs, like }: Shape): JobFact {
  return jobs.items[0]?.job ?? like
}

/** Highest priority, then oldest, then by name. */
function comesFirst(a: JobFact, b: JobFact): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority
  if (a.createdMs !== b.createdMs) return a.createdMs < b.createdMs
  return a.key === b.key ? a.uid < b.uid : a.key < b.key
}

/** All that a placement depends on, as text; equal for jobs that can go to the same places. */
function shapeOf(job: JobFact): string {
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
  ])
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
