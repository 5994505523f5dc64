// The jobs that wait, and who of them is next: by priority, then by what their queues have had, then by age.
import type { JobFact } from './facts.ts'
import { addTo, removeFrom } from './heap.ts'
import { createLanes, type QueuesInLine } from './lanes.ts'
import { type Branch, unnamed } from './queue-tree.ts'
import { comesFirst, first, type Need, needOf, newNeed, newShape, type Shape, type Waiting } from './shape.ts'

export interface Line {
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly add: (job: JobFact) => void
  readonly remove: (uid: string) => void
  /** The shape whose first job comes next, of those that are awake. */
  readonly next: () => Shape | undefined
  /** Until it is woken: when one of these things may help, or when all are. */
  readonly sleep: (shape: Shape, waitsFor: Iterable<object>) => void
  readonly wake: (shape: Shape) => void
  readonly wakeAll: () => void
  readonly shapes: () => Iterable<Shape>
  /** Those that found no room, or no quota. */
  readonly sleepers: () => Iterable<Shape>
  readonly sleepersOn: (thing: object) => Iterable<Shape>
  /** The queues, or the ranks of all of them, are others than before. */
  readonly arrange: () => void
  /** The ranks of the queue and of those above it are others than before. */
  readonly reorder: (branch: Branch) => void
}

export function createLine(queues: QueuesInLine): Line {
  const waiting = new Map<string, Waiting>()
  const needs = createNeeds()
  const lanes = createLanes(queues)
  const beds = createBeds()

  /**
   * The new entry comes before the old one leaves: a shape that sleeps sleeps on when its only job is told again. One
   * that comes before all others wakes it: it may preempt, or use what is kept, where they may not.
   */
  function add(job: JobFact): void {
    const old = waiting.get(job.uid)
    const need = needs.of(job)
    const lane = lanes.of(job.queue ?? unnamed)
    const shape = lane.shapes.get(need) ?? newShape(need, lane)
    const entry: Waiting = { job, shape, place: 0 }
    const isFirst = comesFirst(job, first(shape))
    waiting.set(job.uid, entry)
    addTo(shape.jobs, entry)
    if (lane.shapes.has(need)) lanes.moved(shape)
    else {
      lane.shapes.set(need, shape)
      need.shapes.add(shape)
      lanes.enter(shape)
    }
    if (isFirst) wake(shape)
    if (old) leave(old)
  }

  function remove(uid: string): void {
    const entry = waiting.get(uid)
    waiting.delete(uid)
    if (entry) leave(entry)
  }

  function leave(entry: Waiting): void {
    const { shape } = entry
    const { need, lane } = shape
    removeFrom(shape.jobs, entry)
    if (shape.jobs.items.length > 0) {
      lanes.moved(shape)
      return
    }
    lanes.stepOut(shape)
    beds.leave(shape)
    lane.shapes.delete(need)
    lanes.closeWhereEmpty(lane)
    need.shapes.delete(shape)
    needs.left(need)
  }

  function sleep(shape: Shape, waitsFor: Iterable<object>): void {
    shape.isAsleep = true
    beds.lieDown(shape, waitsFor)
    lanes.stepOut(shape)
  }

  function wake(shape: Shape): void {
    if (!shape.isAsleep) return
    shape.isAsleep = false
    beds.leave(shape)
    lanes.enter(shape)
  }

  return {
    waiting,
    add,
    remove,
    next: lanes.best,
    sleep,
    wake,
    wakeAll: () => [...beds.all()].forEach(wake),
    shapes: () => needs.all().flatMap(({ shapes }) => shapes),
    sleepers: beds.all,
    sleepersOn: beds.on,
    arrange: lanes.arrange,
    reorder: lanes.reorder,
  }
}

interface Needs {
  readonly of: (job: JobFact) => Need
  readonly all: () => IteratorObject<Need>
  /** To be called when a shape of it is gone. */
  readonly left: (need: Need) => void
}

/** So many are remembered that no job has now: mostly the next job needs what others did, and where it may go is known. */
const mostIdle = 256

function createNeeds(): Needs {
  const needs = new Map<string, Need>()
  const idle = new Set<Need>()

  function of(job: JobFact): Need {
    const key = needOf(job)
    const need = needs.get(key) ?? newNeed(key, job)
    needs.set(key, need)
    idle.delete(need)
    return need
  }

  function left(need: Need): void {
    if (need.shapes.size > 0) return
    idle.add(need)
    if (idle.size <= mostIdle) return
    const [longest] = idle
    if (!longest) return
    idle.delete(longest)
    needs.delete(longest.key)
  }

  return { of, all: () => needs.values(), left }
}

interface Beds {
  readonly all: () => Iterable<Shape>
  readonly on: (thing: object) => Iterable<Shape>
  readonly lieDown: (shape: Shape, things: Iterable<object>) => void
  readonly leave: (shape: Shape) => void
}

/** Who sleeps, and on what. */
function createBeds(): Beds {
  const bedsOf = new Map<Shape, readonly Set<Shape>[]>()
  const byThing = new WeakMap<object, Set<Shape>>()

  function lieDown(shape: Shape, things: Iterable<object>): void {
    const beds = Array.from(things, (thing) => {
      const bed = byThing.get(thing) ?? new Set<Shape>()
      byThing.set(thing, bed.add(shape))
      return bed
    })
    bedsOf.set(shape, beds)
  }

  function leave(shape: Shape): void {
    for (const bed of bedsOf.get(shape) ?? []) bed.delete(shape)
    bedsOf.delete(shape)
  }

  return { all: () => bedsOf.keys(), on: (thing) => byThing.get(thing) ?? [], lieDown, leave }
}
