// In which orders a batch of jobs is tried: none is the best for all.
import type { JobFact } from './facts.ts'

/** Beside those with a meaning: each of them finds what the others miss, ever more seldom. */
const mixedOrders = 16

/** @param jobs one at least. The orders follow from them and from the order in which they are given. */
export function* ordersOf(jobs: readonly JobFact[]): Generator<readonly JobFact[], void> {
  const heavy = heavinessIn(jobs)
  const by = (...of: readonly Score[]) =>
    jobs.toSorted((a, b) => of.map((score) => score(b) - score(a)).find((difference) => difference !== 0) ?? 0)
  const light: Score = (job) => -heavy(job)
  yield by(light, gpusOf, workerOf)
  yield by((job) => gpusOf(job) / heavy(job), workerOf)
  yield by(light, choosy, gpusOf, workerOf)
  yield by(workerOf, gpusOf)
  yield by(gpusOf, choosy, workerOf)
  yield by(choosy, gpusOf, workerOf)
  const random = numbers()
  for (let i = 0; i < mixedOrders; i += 1) {
    const mixed = new Map(jobs.map((job) => [job, gpusOf(job) * (0.5 + random())]))
    yield by((job) => mixed.get(job) ?? 0)
  }
}

/** The highest comes first. */
type Score = (job: JobFact) => number

export function gpusOf({ workers, perWorker }: Pick<JobFact, 'workers' | 'perWorker'>): number {
  return workers * perWorker.gpus
}

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

/** From 0 to 1 without a pattern, the same each time. */
function numbers(): () => number {
  let state = 0x2545f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
