// What is asked of nodes: by the jobs that wait and by those that run. What is free on a node is worth what they make of it.
import type { DemandFact, Room } from './facts.ts'
import { mostGpus } from './filters.ts'
import { pricesOf } from './prices.ts'
import { dust } from './sharing.ts'

/** What the demand makes of what is free. */
export interface Pricing {
  /** Of a free part of a GPU, by its units: how much of it, in GPUs, nobody makes use of. */
  readonly lostOfPart: Float64Array
  /** Of so many whole GPUs that are free on a node: how many nobody makes use of. Below zero: they are worth more than others. */
  readonly lostOfNode: Float64Array
  /** The mean over all GPUs that are asked for. 0: no CPU is asked for, or nothing is known. */
  readonly cpuMilliPerGpu: number
  /** Its standard deviation, as a part of the mean. */
  readonly spread: number
  /** How bad it is that a node of which nobody has anything is broken up, in GPUs: the weight `breaking`. */
  readonly brokenNode: number
}

/** A GPU has so many units: halves to tenths, and hundredths, are whole numbers of them, or nearly so. */
export const unitsOfGpu = 200

/** Beyond it nobody knows what he asks for; so the sums stay exact, in whatever order they are made. */
const mostCpuMilliPerGpu = 1_000_000

/** The part of the demand that has to be another one before prices are made anew. */
const shift = 0.02

export interface Demand {
  /** So many workers more, or less. */
  readonly count: (worker: Pick<Room, 'gpus' | 'cpuMilli'>, workers: number) => void
  /** Once before each pass: within one the prices stay. @param largest the GPUs of the largest node. */
  readonly renew: (largest: number) => void
  readonly pricing: () => Pricing
  /** What the prices were made of; a snapshot has it, for prices stay while the demand moves a little. */
  readonly priced: () => readonly DemandFact[]
  readonly setPriced: (facts: readonly DemandFact[]) => void
}

/** By size, see `placeOf`. */
interface Tally {
  readonly workers: Float64Array
  readonly cpuMilli: Float64Array
  /** Squares of CPU per GPU, in milli, over a thousand; for each GPU. */
  readonly squares: Float64Array
}

const places = unitsOfGpu + mostGpus

function newTally(): Tally {
  const zeros = () => new Float64Array(places)
  return { workers: zeros(), cpuMilli: zeros(), squares: zeros() }
}

/** Parts of a GPU by their units, then whole ones. Undefined: no such worker can be placed on its own GPUs. */
function placeOf(gpus: number): number | undefined {
  if (gpus <= 0 || gpus > mostGpus) return undefined
  return gpus < 1 ? Math.ceil(gpus * unitsOfGpu - dust) - 1 : unitsOfGpu - 2 + Math.round(gpus)
}

/** Of a worker, in GPUs. */
function sizeAt(place: number): number {
  return place < unitsOfGpu - 1 ? (place + 1) / unitsOfGpu : place - unitsOfGpu + 2
}

/** @param brokenNode see `Pricing`. */
export function createDemand(brokenNode: number): Demand {
  const now = newTally()
  let priced = newTally()
  let pricedFor = 0
  let pricing = pricingOf(priced, { largest: 0, brokenNode })
  let isCounted = false

  function count({ gpus, cpuMilli }: Pick<Room, 'gpus' | 'cpuMilli'>, workers: number): void {
    const place = placeOf(gpus)
    if (place === undefined) return
    isCounted = true
    const cpu = Math.min(Math.ceil(cpuMilli), Math.floor(gpus * mostCpuMilliPerGpu))
    add(now, place, { workers, cpuMilli: workers * cpu, squares: workers * Math.round((cpu * cpu) / (gpus * 1000)) })
  }

  function setPriced(facts: readonly DemandFact[]): void {
    priced = newTally()
    for (const { gpus, ...sums } of facts) {
      const place = placeOf(gpus)
      if (place !== undefined) add(priced, place, sums)
    }
    pricing = pricingOf(priced, { largest: pricedFor, brokenNode })
  }

  function renew(largest: number): void {
    const isOther = isCounted && hasShifted(priced, now)
    isCounted = false
    if (isOther) priced = { workers: now.workers.slice(), cpuMilli: now.cpuMilli.slice(), squares: now.squares.slice() }
    if (isOther) pricing = pricingOf(priced, { largest, brokenNode })
    else if (largest !== pricedFor) pricing = { ...pricing, lostOfNode: lostOfNode(priced, largest) }
    pricedFor = largest
  }

  return { count, renew, pricing: () => pricing, priced: () => factsOf(priced), setPriced }
}

function add(to: Tally, place: number, { workers, cpuMilli, squares }: Omit<DemandFact, 'gpus'>): void {
  to.workers[place] = (to.workers[place] ?? 0) + workers
  to.cpuMilli[place] = (to.cpuMilli[place] ?? 0) + cpuMilli
  to.squares[place] = (to.squares[place] ?? 0) + squares
}

function factsOf({ workers, cpuMilli, squares }: Tally): readonly DemandFact[] {
  const facts: DemandFact[] = []
  for (const [place, many] of workers.entries()) {
    if (many === 0) continue
    facts.push({ gpus: sizeAt(place), workers: many, cpuMilli: cpuMilli[place] ?? 0, squares: squares[place] ?? 0 })
  }
  return facts
}

/** How much of it is for other sizes, or how much more or less CPU a GPU gets. Who asks for nothing changes nothing. */
function hasShifted(before: Tally, now: Tally): boolean {
  const [all, allBefore] = [gpusOf(now), gpusOf(before)]
  if (all === 0) return false
  if (allBefore === 0) return true
  let moved = 0
  for (let place = 0; place < places; place += 1) {
    const [workers = 0, workersBefore = 0] = [now.workers[place], before.workers[place]]
    if (workers !== workersBefore) moved += sizeAt(place) * Math.abs(workers / all - workersBefore / allBefore)
  }
  const [cpu, cpuBefore] = [sum(now.cpuMilli) / all, sum(before.cpuMilli) / allBefore]
  return moved / 2 > shift || Math.abs(cpu - cpuBefore) > shift * cpuBefore
}

function gpusOf({ workers }: Tally): number {
  let gpus = 0
  for (let place = 0; place < places; place += 1) {
    const many = workers[place]
    if (many) gpus += many * sizeAt(place)
  }
  return gpus
}

function sum(numbers: Float64Array): number {
  let all = 0
  for (const each of numbers) all += each
  return all
}

function pricingOf(
  tally: Tally,
  { largest, brokenNode }: { readonly largest: number; readonly brokenNode: number },
): Pricing {
  const gpus = gpusOf(tally)
  const cpuMilliPerGpu = gpus === 0 ? 0 : sum(tally.cpuMilli) / gpus
  const meanSquare = gpus === 0 ? 0 : (sum(tally.squares) * 1000) / gpus
  const deviation = Math.sqrt(Math.max(0, meanSquare - cpuMilliPerGpu ** 2))
  return {
    lostOfPart: lostOf(pricesOf(partsAsked(tally), unitsOfGpu), 1 / unitsOfGpu),
    lostOfNode: lostOfNode(tally, largest),
    cpuMilliPerGpu,
    spread: cpuMilliPerGpu === 0 ? 0 : deviation / cpuMilliPerGpu,
    brokenNode,
  }
}

function lostOfNode(tally: Tally, largest: number): Float64Array {
  return lostOf(pricesOf(nodesAsked(tally), Math.max(1, largest)), 1)
}

/** @param unit in GPUs. */
function lostOf(prices: Float64Array, unit: number): Float64Array {
  const whole = (prices.length - 1) * unit
  return prices.map((price, units) => units * unit - price * whole)
}

/** Of a GPU; whole ones are asked for as often as GPUs are. */
function partsAsked(tally: Tally) {
  const parts = Array.from(tally.workers.subarray(0, unitsOfGpu - 1), (amount, i) => ({ size: i + 1, amount }))
  let whole = 0
  for (let gpus = 1; gpus <= mostGpus; gpus += 1) whole += gpus * (tally.workers[unitsOfGpu - 2 + gpus] ?? 0)
  return [...parts, { size: unitsOfGpu, amount: whole }]
}

/** Of a node; parts of GPUs are asked for as one GPU for as much as they make up. */
function nodesAsked(tally: Tally) {
  let parts = 0
  for (let i = 0; i < unitsOfGpu - 1; i += 1) parts += (tally.workers[i] ?? 0) * ((i + 1) / unitsOfGpu)
  const wholes = tally.workers.subarray(unitsOfGpu - 1)
  return Array.from(wholes, (amount, i) => ({ size: i + 1, amount: i === 0 ? amount + parts : amount }))
}
