// Jobs of one queue and one priority that were sent in the same second are a batch: which of them comes first is free.
// Where few wait, nobody fills the gaps that an unlucky order leaves; so some are tried, and the one that places most wins.
import { ordersOf } from './batch-orders.ts'
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact } from './facts.ts'
import { gpusOf } from './ground.ts'
import type { Line } from './line.ts'
import { gpusAsked, type Placement, splitsOf } from './placement.ts'
import type { Queues } from './queues.ts'
import { asUsual, type Shape, type Waiting } from './shape.ts'
import { dust } from './sharing.ts'
import { reachesOf } from './topology.ts'

export interface Batches {
  /** Once before each pass. */
  readonly arrange: () => void
  /** Once after it. */
  readonly forget: () => void
  /** What is free changes only for a moment: nobody is to be woken by it. */
  readonly isTrying: () => boolean
}

interface World {
  readonly capacity: Pick<Capacity, 'providers' | 'spots' | 'stocks' | 'book' | 'release'>
  readonly line: Pick<Line, 'waiting' | 'setTurns'>
  readonly queues: Pick<Queues, 'countForNow'>
  /** Where a job of the shape would go as things stand, without anybody who gives way. Found soon where nobody has room. */
  readonly placeFor: (shape: Shape) => Placement | undefined
}

/** Where more wait, others fill the gaps. */
const mostWaiting = 64

/** Where so many times the GPUs that are asked for are free, hardly anybody is in another's way. */
const roomy = 2

/** What may be looked at in a pass for the sake of orders: nodes and stocks, a microsecond each or so. */
const mostLooks = 20_000

export function createBatches({ capacity, line, queues, placeFor }: World): Batches {
  let trying = false
  let turns: readonly Waiting[] = []

  function arrange(): void {
    if (line.waiting.size < 2 || line.waiting.size > mostWaiting || isRoomy()) return
    const batches = batchesIn([...line.waiting.values()])
    if (batches.every(({ length }) => length < 2)) return
    const looks = batches.flat().reduce((sum, { job }) => sum + looksFor(job, capacity), 0)
    // The usual order is tried as well, and the best one once more.
    const orders = Math.floor(mostLooks / looks) - 2
    if (orders < 1) return
    trying = true
    const booked: Booking[] = []
    turns = batches.flatMap((batch) => {
      const order = bestOrder(batch, orders)
      // Those that come after them have what they leave.
      booked.push(...bookIn(order ?? batch))
      return order ?? []
    })
    takeBack(booked)
    trying = false
    if (turns.length > 0) line.setTurns(turns)
  }

  /** Of what could be had at once. */
  function isRoomy(): boolean {
    const wanted = line.waiting.values().reduce((all, { job }) => all + gpusAsked(job), 0)
    const isThere = (name: string) => capacity.providers.get(name)?.state === 'Connected'
    const stocks = capacity.stocks.values().filter(({ provider }) => isThere(provider))
    return stocks.reduce((all, { freeGpus }) => all + freeGpus, 0) >= roomy * wanted
  }

  function forget(): void {
    if (turns.length > 0) line.setTurns([])
    turns = []
  }

  /** Undefined: as they stand in line. */
  function bestOrder(batch: readonly Waiting[], orders: number): readonly Waiting[] | undefined {
    if (new Set(batch.map(({ shape }) => shape)).size < 2) return undefined
    const first = tryIn(batch)
    let best: { readonly gpus: number; readonly order?: readonly Waiting[] } = first
    if (first.placed === 0 || first.placed === batch.length) return undefined
    const byJob = new Map(batch.map((one) => [one.job, one]))
    for (const jobs of ordersOf(batch.map(({ job }) => job)).take(orders)) {
      const order = jobs.flatMap((job) => byJob.get(job) ?? [])
      const { gpus, placed } = tryIn(order)
      if (gpus > best.gpus + dust) best = { gpus, order }
      if (placed === batch.length) break
    }
    return best.order
  }

  function tryIn(order: readonly Waiting[]): { readonly gpus: number; readonly placed: number } {
    const booked = bookIn(order)
    takeBack(booked)
    return { gpus: booked.reduce((sum, booking) => sum + gpusOf(booking), 0), placed: booked.length }
  }

  /** All that find a place. */
  function bookIn(order: readonly Waiting[]): readonly Booking[] {
    return order.flatMap(({ job, shape }) => {
      const placement = placeFor(shape)
      if (!placement) return []
      const booking = bookingOf(job, placement)
      capacity.book(booking)
      queues.countForNow(booking, 1)
      return [booking]
    })
  }

  function takeBack(booked: readonly Booking[]): void {
    for (const booking of booked) {
      capacity.release(booking.uid, booking.run)
      queues.countForNow(booking, -1)
    }
  }

  return { arrange, forget, isTrying: () => trying }
}

/** In the order of their first jobs. Many have one job: it has its place before those that come after it. */
function batchesIn(waiting: readonly Waiting[]): readonly (readonly Waiting[])[] {
  return [...Map.groupBy(waiting.toSorted(asUsual), batchOf).values()]
}

/** About as many as it takes to find a place for the job, however much is remembered. */
function looksFor(job: JobFact, { spots, stocks }: Pick<Capacity, 'spots' | 'stocks'>): number {
  const splits = splitsOf(job.workers)
  const reaches = reachesOf(job)
  const together = reaches.filter((within) => within !== undefined).length * splits.length * spots.count()
  return together + splits.reduce((sum, { nodes }) => sum + nodes, 0) + splits.length * stocks.size
}

function batchOf({ job, shape }: Waiting): string {
  return JSON.stringify([shape.lane.queue, job.priority, job.createdMs])
}

function bookingOf({ uid, run, perWorker, queue }: JobFact, placement: Placement): Booking {
  return { uid, run, perWorker, ...placement, ...(queue === undefined ? {} : { queue }) }
}
