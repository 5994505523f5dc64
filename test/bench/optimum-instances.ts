// Small federations in which more is wanted than there is, or nearly so: what an integer program can still solve.
import type { JobFact, NodeFact, ProviderFact, QueueFact } from '../../operator/src/domain/scheduling/facts.ts'
import { jobFact, nodeFact, providerFact, queueFact } from '../builders/scheduling.ts'

export interface Instance {
  readonly seed: number
  /** The GPUs that are asked for, of those that there are. */
  readonly load: number
  readonly providers: readonly ProviderFact[]
  readonly nodes: readonly NodeFact[]
  /** In the order of their names, which are random. */
  readonly jobs: readonly JobFact[]
  /** One, in a third of them: between several the engine owes more than GPUs that are used. */
  readonly queues: readonly QueueFact[]
}

type Random = () => number

const loads = [0.8, 1, 1.2, 1.5]
const models = ['H100', 'A100', 'L40S']
const names = ['acme', 'bolt', 'core']

/** All jobs are of one priority, and sent at once. */
export function instance(seed: number, random: Random): Instance {
  const load = oneOf(random, loads)
  const providers = names.slice(0, oneOf(random, [2, 3])).map((name) => providerFact({ name }))
  const nodes = nodesOf(providers, random)
  const gpus = sum(nodes.map((node) => node.gpus))
  const queues = random() < 1 / 3 ? [queueOf(nodes, random)] : []
  const jobs = jobsFor({ nodes, gpus, load, queue: queues[0]?.name }, random)
  return { seed, load, providers, nodes, jobs, queues }
}

/** Each provider has one or two kinds of nodes, and some of each. */
function nodesOf(providers: readonly ProviderFact[], random: Random): readonly NodeFact[] {
  return providers.flatMap(({ name: provider }) =>
    Array.from({ length: oneOf(random, [1, 2]) }, (_, kind) => {
      const gpus = oneOf(random, [2, 4, 8, 8])
      const rest = {
        model: oneOf(random, models),
        gpus,
        cpuMilli: gpus * oneOf(random, [8000, 12_000, 16_000]),
        memoryMiB: gpus * 1024 * oneOf(random, [64, 128, 256]),
      }
      return Array.from({ length: oneOf(random, [2, 3, 4]) }, (__, i) =>
        nodeFact({ provider, name: `n${kind}-${i}`, ...rest }),
      )
    }).flat(),
  )
}

/** One for all jobs, with less of a model than there is. */
function queueOf(nodes: readonly NodeFact[], random: Random): QueueFact {
  const { model } = oneOf(random, nodes)
  const gpus = sum(nodes.filter((node) => node.model === model).map((node) => node.gpus))
  return queueFact({ name: 'all', quota: { [model]: { guaranteed: Math.ceil(gpus * oneOf(random, [0.5, 0.75])) } } })
}

interface Wanted {
  readonly nodes: readonly NodeFact[]
  readonly gpus: number
  readonly load: number
  readonly queue: string | undefined
}

/** Each of them would fit if nobody else were there, and is for a quarter of all GPUs at most: more are seldom for one. */
function jobsFor({ nodes, gpus, load, queue }: Wanted, random: Random): readonly JobFact[] {
  const jobs: JobFact[] = []
  for (let left = gpus * load; left > 0; ) {
    const uid = `j${String(jobs.length).padStart(3, '0')}`
    const job = jobFact({ uid, ...askedFor(nodes, random), queue })
    if (gpusOf(job) > gpus / 4 || !fitsAlone(job, nodes)) continue
    jobs.push(job)
    left -= gpusOf(job)
  }
  return jobs
}

/** Seven of ten have one worker. */
function askedFor(nodes: readonly NodeFact[], random: Random): Partial<JobFact> {
  const gpus = oneOf(random, [1, 1, 1, 1, 2, 2, 4, 4, 8])
  const workers = random() < 0.7 ? 1 : oneOf(random, [2, 2, 3, 4, 4, 6])
  const kinds = [...new Set(nodes.map(({ model }) => model))]
  const named = random()
  return {
    workers,
    perWorker: {
      gpus,
      cpuMilli: gpus * oneOf(random, [2000, 4000, 4000, 8000, 8000, 12_000]),
      memoryMiB: gpus * 1024 * oneOf(random, [16, 32, 64, 64, 128]),
      storageMiB: 1024,
    },
    models: named < 0.5 ? [] : named < 0.8 ? [oneOf(random, kinds)] : kinds.slice(0, 2),
  }
}

function fitsAlone({ workers, perWorker, models: wanted }: JobFact, nodes: readonly NodeFact[]): boolean {
  const may = nodes.filter(({ model }) => wanted.length === 0 || wanted.includes(model))
  const stocks = Object.values(Object.groupBy(may, ({ provider, model }) => `${provider} ${model}`))
  const room = (node: NodeFact) =>
    Math.floor(Math.min(...(['gpus', 'cpuMilli', 'memoryMiB'] as const).map((what) => node[what] / perWorker[what])))
  return stocks.some((stock = []) =>
    Array.from({ length: workers }, (_, i) => i + 1).some(
      (each) => workers % each === 0 && stock.filter((node) => room(node) >= each).length >= workers / each,
    ),
  )
}

/** What it is worth that a job runs: all count alike, so its GPUs. */
export function gpusOf({ workers, perWorker }: Pick<JobFact, 'workers' | 'perWorker'>): number {
  return workers * perWorker.gpus
}

function oneOf<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[Math.floor(random() * values.length)]
  if (value === undefined && values.length === 0) throw new Error('There is nothing to choose from')
  return value as Value
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
