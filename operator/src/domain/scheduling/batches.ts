// Jobs of one queue and one priority that were sent in the same second are a batch: which of them comes first is free.
// Where few wait, nobody fills the gaps that an unlucky order leaves; so some are tried, and the one that places most wins.
import { gpusOf, ordersOf } from './batch-orders.ts'
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact } from './facts.ts'
import type { Line } from './line.ts'
import type { Placement } from './placement.ts'
import type { Queues } from './queues.ts'
import { comesFirst, type Shape, type Waiting } from './shape.ts'
import { dust } from './sharing.ts'

export interface Batches {
  /** Once before each pass. */
  readonly arrange: () => void
  /** Once after it. */
  readonly forget: () => void
  /** What is free changes only for a moment: nobody is to be woken by it. */
  readonly isTrying: () => boolean
}

interface World {
  readonly capacity: Pick<Capacity, 'stocks' | 'book' | 'release'>
  readonly line: Pick<Line, 'waiting' | 'setTurns'>
  readonly queues: Pick<Queues, 'countForNow'>
  /** Where a job of the shape would go as things stand, without anybody who gives way. */
  readonly placeFor: (shape: Shape) => Placement | undefined
}

/** Where more wait, others fill the gaps, and to try takes too long. */
const mostWaiting = 64

/** Where so many times the GPUs that are asked for are free, hardly anybody is in another's way. */
const roomy = 2

export function createBatches({ capacity, line, queues, placeFor }: World): Batches {
  let trying = false
  let turns: readonly Waiting[] = []

  function arrange(): void {
    if (line.waiting.size < 2 || line.waiting.size > mostWaiting || isRoomy()) return
    trying = true
    const batches = [...Map.groupBy(line.waiting.values(), batchOf).values()]
    turns = batches.flatMap((batch) => bestOrder(batch.toSorted(byTurn)) ?? [])
    trying = false
    if (turns.length > 0) line.setTurns(turns)
  }

  function isRoomy(): boolean {
    const free = capacity.stocks.values().reduce((all, { freeGpus }) => all + freeGpus, 0)
    return free >= roomy * line.waiting.values().reduce((all, { job }) => all + gpusOf(job), 0)
  }

  function forget(): void {
    if (turns.length > 0) line.setTurns([])
    turns = []
  }

  /** Undefined: as they stand in line. */
  function bestOrder(batch: readonly Waiting[]): readonly Waiting[] | undefined {
    const shapes = new Set(batch.map(({ shape }) => shape).filter(({ isAsleep }) => !isAsleep))
    if (shapes.size < 2) return undefined
    const first = tryIn(batch)
    let best: { readonly gpus: number; readonly order?: readonly Waiting[] } = first
    if (first.placed === 0 || first.placed === batch.length) return undefined
    const byJob = new Map(batch.map((one) => [one.job, one]))
    for (const jobs of ordersOf(batch.map(({ job }) => job))) {
      const order = jobs.flatMap((job) => byJob.get(job) ?? [])
      const { gpus, placed } = tryIn(order)
      if (gpus > best.gpus + dust) best = { gpus, order }
      if (placed === batch.length) break
    }
    return best.order
  }

  /** Who sleeps has found no place, and finds none beside others. */
  function tryIn(order: readonly Waiting[]): { readonly gpus: number; readonly placed: number } {
    const booked: Booking[] = []
    let gpus = 0
    for (const { job, shape } of order) {
      const placement = shape.isAsleep ? undefined : placeFor(shape)
      if (!placement) continue
      const booking = bookingOf(job, placement)
      capacity.book(booking)
      queues.countForNow(booking, 1)
      booked.push(booking)
      gpus += gpusOf(job)
    }
    for (const booking of booked) {
      capacity.release(booking.uid, booking.run)
      queues.countForNow(booking, -1)
    }
    return { gpus, placed: booked.length }
  }

  return { arrange, forget, isTrying: () => trying }
}

function batchOf({ job, shape }: Waiting): string {
  return JSON.stringify([shape.lane.queue, job.priority, job.createdMs])
}

function byTurn(a: Waiting, b: Waiting): number {
  return comesFirst(a.job, b.job) ? -1 : 1
}

function bookingOf({ uid, run, perWorker, queue }: JobFact, placement: Placement): Booking {
  return { uid, run, perWorker, ...placement, ...(queue === undefined ? {} : { queue }) }
}
