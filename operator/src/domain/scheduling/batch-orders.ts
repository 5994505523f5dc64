// In which orders a batch of jobs is tried: none is the best for all.
import type { JobFact } from './facts.ts'
import { gpusAsked } from './placement.ts'
import { xorshift } from './xorshift.ts'

/** Beside those with a meaning: each of them finds what the others miss, ever more seldom. */
const mixedOrders = 16

/** @param jobs one at least. The orders follow from them and from the order in which they are given. */
export function* ordersOf(jobs: readonly JobFact[]): Generator<readonly JobFact[], void> {
  const heavy = heavinessIn(jobs)
  const by = (...of: readonly Score[]) =>
    jobs.toSorted((a, b) => of.map((score) => score(b) - score(a)).find((difference) => difference !== 0) ?? 0)
  const light: Score = (job) => -heavy(job)
  yield by(light, gpusAsked, workerOf)
  yield by((job) => gpusAsked(job) / heavy(job), workerOf)
  yield by(light, choosy, gpusAsked, workerOf)
  yield by(workerOf, gpusAsked)
  yield by(gpusAsked, choosy, workerOf)
  yield by(choosy, gpusAsked, workerOf)
  const next = xorshift(0x2545f491)
  for (let i = 0; i < mixedOrders; i += 1) {
    const mixed = new Map(jobs.map((job) => [job, gpusAsked(job) * (0.5 + (next() >>> 0) / 2 ** 32)]))
    yield by((job) => mixed.get(job) ?? 0)
  }
}

/** The highest comes first. */
type Score = (job: JobFact) => number

/** More than anybody names. */
const anyModels = 1000

function workerOf({ perWorker }: JobFact): number {
  return perWorker.gpus
}

/** Who names fewer models has fewer places; who names none has all. */
function choosy({ models }: JobFact): number {
  return models.length === 0 ? -anyModels : -models.length
}

/** CPU or memory of a GPU, of what one of the batch has on average; 1 at least. */
function heavinessIn(jobs: readonly JobFact[]): Score {
  const sum = (of: Score) => jobs.reduce((all, job) => all + job.workers * of(job), 0)
  const gpus = sum(workerOf)
  const cpu = sum(({ perWorker }) => perWorker.cpuMilli) / gpus
  const memory = sum(({ perWorker }) => perWorker.memoryMiB) / gpus
  return ({ perWorker }) =>
    Math.max(1, part(perWorker.cpuMilli, cpu * perWorker.gpus), part(perWorker.memoryMiB, memory * perWorker.gpus))
}

function part(some: number, all: number): number {
  return all > 0 ? some / all : 0
}
