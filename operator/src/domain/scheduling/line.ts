// The jobs that wait, and who of them is next: by priority, then by what their queues have had, then by age.
import { type Beds, createBeds } from './beds.ts'
import type { Demand } from './demand.ts'
import type { JobFact } from './facts.ts'
import { addTo, removeFrom } from './heap.ts'
import { createLanes, type Lanes, type QueuesInLine } from './lanes.ts'
import { type Branch, unnamed } from './queue-tree.ts'
import { asUsual, comesFirst, first, type Need, needOf, newNeed, newShape, type Shape, type Waiting } from './shape.ts'
import { isShapeBefore } from './tournament.ts'
import { createTurns, type Help } from './turns.ts'

export interface Line {
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly add: (job: JobFact) => void
  readonly remove: (uid: string) => void
  /** These in this order, beside others of their queue, priority and second; all others as usual. */
  readonly setTurns: (order: readonly Waiting[]) => void
  /** The shape whose first job comes next, of those that are awake, and of those that sleep on what is open and are helped. */
  readonly next: (help: Help) => Shape | undefined
  /** Until it is woken: when one of these things may help, or when all are. */
  readonly sleep: (shape: Shape, waitsFor: readonly object[]) => void
  /** Nowhere is room for the need: it sleeps on these things, and the shape on it. */
  readonly sleepWithNeed: (shape: Shape, waitsFor: readonly object[]) => void
  readonly wake: (shape: Shape) => void
  readonly wakeAll: () => void
  /** One of those who sleep on it may be helped, or more. */
  readonly open: (thing: object) => void
  /** There may be room for one of those who sleep on it. */
  readonly openNeed: (need: Need) => void
  /** Needs that there is no room for. */
  readonly vainNeeds: () => Iterable<Need>
  readonly needsOn: (thing: object) => Iterable<Need>
  readonly shapes: () => readonly Shape[]
  /** Those that found no room, or no quota. */
  readonly sleepers: () => Iterable<Shape>
  readonly sleepersOn: (thing: object) => Iterable<Shape>
  /** The queues, or the ranks of all of them, are others than before. */
  readonly arrange: () => void
  /** The ranks of the queue and of those above it are others than before. */
  readonly reorder: (branch: Branch) => void
}

/** @param demand is told who waits. */
export function createLine(queues: QueuesInLine, demand: Pick<Demand, 'count'>): Line {
  const waiting = new Map<string, Waiting>()
  const needBeds = createBeds<Need>()
  const needs = createNeeds(needBeds.leave)
  const lanes = createLanes(queues)
  const beds = createBeds<Shape>()
  const { wake, ...sleeping } = createSleep(lanes, { beds, needBeds })

  /**
   * The new entry comes before the old one leaves: a shape that sleeps sleeps on when its only job is told again. One
   * that comes before all others wakes it: it may preempt, or use what is kept, where they may not.
   */
  function add(job: JobFact): void {
    const old = waiting.get(job.uid)
    const need = needs.of(job)
    const lane = lanes.of(job.queue ?? unnamed)
    const shape = lane.shapes.get(need) ?? newShape(need, lane)
    const entry: Waiting = { job, shape, turn: undefined, place: 0 }
    const isFirst = comesFirst(job, first(shape))
    waiting.set(job.uid, entry)
    demand.count(job.perWorker, job.workers)
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
    const { job, shape } = entry
    const { need, lane } = shape
    demand.count(job.perWorker, -job.workers)
    removeFrom(shape.jobs, entry)
    if (shape.jobs.items.length > 0) {
      lanes.moved(shape)
      return
    }
    lanes.stepOut(shape)
    beds.leave(shape)
    // Who remembers it cannot wake it any more.
    shape.isAsleep = false
    lane.shapes.delete(need)
    lanes.closeWhereEmpty(lane)
    need.shapes.delete(shape)
    needs.left(need)
  }

  return {
    waiting,
    add,
    remove,
    setTurns: (order) => setTurns([...waiting.values()], order, lanes),
    wake,
    ...sleeping,
    vainNeeds: needBeds.all,
    needsOn: needBeds.on,
    shapes: () => Array.from(needs.all(), ({ shapes }) => [...shapes]).flat(),
    sleepers: beds.all,
    sleepersOn: beds.on,
    arrange: lanes.arrange,
    reorder: lanes.reorder,
  }
}

/** Jobs of a shape are alike, so the first of them gets the first of their turns. */
function setTurns(waiting: readonly Waiting[], order: readonly Waiting[], lanes: Lanes): void {
  const shapes = new Set(Array.from(waiting, ({ shape }) => shape))
    .values()
    .filter(({ isIn }) => isIn)
    .toArray()
  shapes.forEach(lanes.stepOut)
  for (const entry of waiting) entry.turn = undefined
  const turns = order.map((entry, turn) => ({ entry, turn }))
  for (const here of Map.groupBy(turns, ({ entry }) => entry.shape).values()) {
    const entries = here.map(({ entry }) => entry).toSorted(asUsual)
    for (const [i, entry] of entries.entries()) entry.turn = here[i]?.turn
  }
  shapes.forEach(lanes.enter)
}

type Sleep = Pick<Line, 'next' | 'sleep' | 'sleepWithNeed' | 'wake' | 'wakeAll' | 'open' | 'openNeed'>

interface AllBeds {
  readonly beds: Beds<Shape>
  readonly needBeds: Beds<Need>
}

function createSleep(lanes: Lanes, { beds, needBeds }: AllBeds): Sleep {
  const turns = createTurns(beds, wake)

  function sleep(shape: Shape, waitsFor: readonly object[]): void {
    shape.isAsleep = true
    beds.lieDown(shape, waitsFor)
    lanes.stepOut(shape)
  }

  function sleepWithNeed(shape: Shape, waitsFor: readonly object[]): void {
    const { need } = shape
    need.isVain = true
    needBeds.lieDown(need, waitsFor)
    turns.close(need)
    sleep(shape, [need])
  }

  function wake(shape: Shape): void {
    if (!shape.isAsleep) return
    shape.isAsleep = false
    beds.leave(shape)
    lanes.enter(shape)
  }

  function openNeed(need: Need): void {
    need.isVain = false
    needBeds.leave(need)
    turns.open(need)
  }

  function wakeAll(): void {
    for (const need of needBeds.all()) openNeed(need)
    for (const shape of beds.all()) wake(shape)
    turns.closeAll()
  }

  function next(help: Help): Shape | undefined {
    const sleeper = turns.first(help)
    const awake = lanes.best()
    if (!sleeper || (awake && isShapeBefore(awake, sleeper))) return awake
    wake(sleeper)
    turns.taken(sleeper)
    return sleeper
  }

  return { next, sleep, sleepWithNeed, wake, wakeAll, open: turns.open, openNeed }
}

interface Needs {
  readonly of: (job: JobFact) => Need
  readonly all: () => IteratorObject<Need>
  /** To be called when a shape of it is gone. */
  readonly left: (need: Need) => void
}

/** So many are remembered that no job has now: mostly the next job needs what others did, and where it may go is known. */
const mostIdle = 256

/** @param forgotten is told of each need that is remembered no more. */
function createNeeds(forgotten: (need: Need) => void): Needs {
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
    forgotten(longest)
  }

  return { of, all: () => needs.values(), left }
}
