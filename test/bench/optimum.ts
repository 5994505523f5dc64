// How much of what an integer program would place the engine places, which takes one job after the other and never
// takes back. The value of a job is its GPUs: all are of one priority, and a GPU that stands idle is worth nothing.
import { createEngine } from '../../operator/src/domain/scheduling/engine.ts'
import type { JobFact } from '../../operator/src/domain/scheduling/facts.ts'
import { type Solve, solver } from '../builders/solver.ts'
import { type Figures, seeded } from './figures.ts'
import { gpusOf, type Instance, instance } from './optimum-instances.ts'
import { programOf } from './optimum-program.ts'

export const bars = { valuePercentMean: 97, valuePercentLeast: 85 }

interface Compared {
  readonly seed: number
  readonly load: number
  /** GPUs of the best way to place these jobs. */
  readonly best: number
  /** GPUs that the engine places of them, where all are sent in the same second. */
  readonly placed: number
  /** The same, where each is sent a second after the one before, so that the engine may choose no order. */
  readonly placedByAge: number
}

export async function optimumBench(): Promise<Figures> {
  const started = performance.now()
  const compared = compareAll(500, await solver())
  const worst = compared.toSorted((a, b) => percentOf(a) - percentOf(b)).slice(0, 5)
  const loads = Object.entries(Object.groupBy(compared, ({ load }) => load))
  const figures = figuresOf(compared)
  return {
    bench: 'optimum',
    ...figures,
    valuePercentMeanByLoad: Object.fromEntries(loads.map(([load, of = []]) => [load, meanOf(of.map(percentOf))])),
    valuePercentMeanByAge: meanOf(compared.map((each) => percentOf({ ...each, placed: each.placedByAge }))),
    worst,
    seconds: Math.round((performance.now() - started) / 1000),
  }
}

/** More than the best is a mistake in the program, or GPUs that were given twice. */
export function figuresOf(compared: readonly Compared[]) {
  const percents = compared.map(percentOf)
  const valuePercentMean = meanOf(percents)
  const valuePercentLeast = hundredths(Math.min(...percents))
  const isPossible = compared.every(({ best, placed, placedByAge }) => Math.max(placed, placedByAge) <= best)
  const ok = isPossible && valuePercentMean >= bars.valuePercentMean && valuePercentLeast >= bars.valuePercentLeast
  const equalToOptimum = compared.filter(({ placed, best }) => placed === best).length
  return { ok, valuePercentMean, valuePercentLeast, instances: compared.length, equalToOptimum, isPossible }
}

/** The seeds are those from 1 on. */
export function compareAll(instances: number, solve: Solve): readonly Compared[] {
  return Array.from({ length: instances }, (_, i) => compare(instance(i + 1, seeded(i + 1)), solve))
}

function compare(one: Instance, solve: Solve): Compared {
  const { seed, load, jobs } = one
  const inTurn = jobs.map((job, i) => ({ ...job, createdMs: i * 1000 }))
  return { seed, load, best: solve(programOf(one)), placed: placed(one, jobs), placedByAge: placed(one, inTurn) }
}

function placed({ providers, nodes, queues }: Instance, waiting: readonly JobFact[]): number {
  const engine = createEngine({ providers, nodes, queues, waiting, bookings: [], usages: [] })
  return engine.decide({ nowMs: 0 }).reduce((sum, { nodes: on, perWorker }) => {
    const workers = on.reduce((all, each) => all + each.workers, 0)
    return sum + gpusOf({ workers, perWorker })
  }, 0)
}

function percentOf({ placed, best }: Pick<Compared, 'placed' | 'best'>): number {
  return best === 0 ? 100 : (100 * placed) / best
}

function meanOf(numbers: readonly number[]): number {
  return hundredths(numbers.reduce((sum, each) => sum + each, 0) / numbers.length)
}

function hundredths(number: number): number {
  return Math.round(number * 100) / 100
}
