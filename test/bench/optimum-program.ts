// The best that could be done with an instance, as an integer program.
import type { JobFact, NodeFact } from '../../operator/src/domain/scheduling/facts.ts'
import { gpusOf, type Instance } from './optimum-instances.ts'

/** One way to run a job: so many of its workers on each of some nodes of one stock. */
interface Way {
  readonly job: number
  readonly name: string
  readonly model: string
  readonly each: number
  /** The nodes that could take so many if they were empty. */
  readonly on: readonly number[]
}

const resources = ['gpus', 'cpuMilli', 'memoryMiB', 'storageMiB'] as const

/**
 * y = 1: the job runs that way. z = 1: it has workers on that node. A job runs one way at most, on exactly as many
 * nodes as that takes; no node gives more than it has, and no queue takes more than it may.
 */
export function programOf({ jobs, nodes, queues }: Instance): string {
  const ways = jobs.flatMap((job, at) => waysOf(job, at, nodes))
  const choices = ways.map(({ name, job }) => `${gpusOf(jobs[job] as JobFact)} y${name}`)
  const rows = [
    ...jobs.map((_, at) =>
      atMost(
        ways.filter(({ job }) => job === at).map(({ name }) => `1 y${name}`),
        1,
      ),
    ),
    ...ways.map(({ name, job, each, on }) => {
      const missing = (jobs[job]?.workers ?? 0) / each
      return `${plus(on.map((node) => `1 z${name}_${node}`))} - ${missing} y${name} = 0`
    }),
    ...nodes.flatMap((node, n) =>
      resources.map((what) => {
        const here = ways.filter(({ on }) => on.includes(n))
        const terms = here.map(({ name, job, each }) => `${each * (jobs[job]?.perWorker[what] ?? 0)} z${name}_${n}`)
        return atMost(terms, node[what])
      }),
    ),
    ...queues.flatMap(({ quota }) =>
      Object.entries(quota).map(([model, { guaranteed }]) =>
        atMost(
          choices.filter((_, way) => ways[way]?.model === model),
          guaranteed,
        ),
      ),
    ),
  ].filter((row) => row !== '')
  const variables = ways.flatMap(({ name, on }) => [`y${name}`, ...on.map((node) => `z${name}_${node}`)])
  return ['Maximize', `placed: ${plus(choices)}`, 'Subject To', ...rows, 'Binary', ...variables, 'End'].join('\n')
}

function waysOf(job: JobFact, at: number, nodes: readonly NodeFact[]): readonly Way[] {
  const indexed = nodes.map((node, index) => ({ node, index }))
  const may = indexed.filter(({ node }) => job.models.length === 0 || job.models.includes(node.model))
  const stocks = Object.values(Object.groupBy(may, ({ node }) => `${node.provider} ${node.model}`))
  return stocks.flatMap((stock = [], s) =>
    Array.from({ length: job.workers }, (_, i) => i + 1).flatMap((each): Way[] => {
      if (job.workers % each !== 0) return []
      const on = stock.filter(({ node }) => resources.every((what) => node[what] >= each * job.perWorker[what]))
      if (on.length < job.workers / each) return []
      const model = stock[0]?.node.model ?? ''
      return [{ job: at, name: `${at}_${s}_${each}`, model, each, on: on.map(({ index }) => index) }]
    }),
  )
}

function atMost(terms: readonly string[], most: number): string {
  return terms.length === 0 ? '' : `${plus(terms)} <= ${most}`
}

/** A term a line: readers of this format know no long lines. */
function plus(terms: readonly string[]): string {
  return terms.join('\n + ')
}
