// What an agent that floods the hub costs another provider: its dispatch with and without the flood, in alternating rounds of
// one run, so that what else the machine does falls upon both.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gpuJobs } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { type ApiRequests, apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { startFlood } from '../bed/flood.ts'
import { kubeconfigAt } from '../bed/kubeconfig.ts'
import { startOperator } from '../bed/operator.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { until, untilOffered, watchArrivals } from './arrivals.ts'
import { type DispatchBed, dispatchBed, tenant } from './dispatch-bed.ts'
import { type Figures, quantile, rounded, typical } from './figures.ts'

/** As many in flight as one agent of ours has at the most, and half as many again. */
const flooding = { inFlight: 96, nodes: 100_000 }
const size = { nodes: 80, rounds: 10, jobsPerRound: 80, perSecond: 8 }
const bars = { p99Ratio: 1.5 }
const evil = 'acme'

/**
 * The seats of an API server are for its cores, and those of agents are a share of them: Kubernetes' 600 are for a machine that
 * does little else with many more cores than two. With them one agent may have five requests computed at once.
 */
const seatsOfServer = Number(process.env['GPU_COMMONS_BENCH_SEATS'] ?? 120)

/**
 * `Apart`: agents have an API server of their own, of the same cluster. It would have a machine of its own; here it has what the
 * others leave, and not much less, for the agents that do not flood hear of their orders by it.
 * `Together`: all ask the same one.
 */
const agents = process.env['GPU_COMMONS_BENCH_AGENTS'] === 'Together' ? 'Together' : 'Apart'

/** In which the flood begins: its process, and all of its connections. */
const beginningSeconds = 2

const report = (line: string) => console.error(line)

export async function floodBench(): Promise<Figures> {
  const reads = Math.round((seatsOfServer * 2) / 3)
  const hubApiServerArgs = [
    `--max-requests-inflight=${reads}`,
    `--max-mutating-requests-inflight=${seatsOfServer - reads}`,
  ]
  await using bed = await dispatchBed(size.nodes, report, { hubApiServerArgs })
  await using parts = new AsyncDisposableStack()
  const { hub, dir } = bed.federation
  const ofAgents = agents === 'Apart' ? parts.use(await hub.addApiServer({ niceness: 10 })) : hub
  const atAgents = parts.use(
    apiRequests(ofAgents.url, { ca: await readFile(ofAgents.caFile, 'utf8'), token: hub.token }),
  )
  const operator = parts.use(
    await startOperator(bed.federation, {
      report,
      route: async ({ from, to, provider }, kubeconfig) =>
        from === 'agent' && to === hub
          ? kubeconfigAt(ofAgents, { from: kubeconfig, to: join(dir, `routed-${provider}.kubeconfig`) })
          : kubeconfig,
    }),
  )
  const { at: arrivals } = parts.use(await watchArrivals(bed, report))
  await untilOffered(bed, size.nodes)
  const run = await runOf(bed, arrivals)
  // The one that floods has taken its place: the honest one would remove what its own cluster does not have.
  await operator.agents.get(evil)?.stop()

  await round(bed, { arrivals, name: 'warm-up' })
  const well: number[][] = []
  const flooded: number[][] = []
  const answers: Record<string, number> = {}
  for (let number = 0; number < size.rounds; number += 1) {
    const isFlooded = number % 2 === 1
    report(`round ${number + 1} of ${size.rounds}${isFlooded ? ', flooded' : ''}`)
    if (!isFlooded) {
      well.push(await round(bed, { arrivals, name: `round-${number}` }))
      continue
    }
    const kubeconfig = join(dir, `agent-${evil}.kubeconfig`)
    await using flood = await startFlood(
      { ...hub, url: ofAgents.url, caFile: ofAgents.caFile },
      { ...flooding, provider: evil, kubeconfig, run },
    )
    flooded.push(await round(bed, { arrivals, name: `round-${number}` }))
    for (const [answer, count] of Object.entries(await flood.end())) answers[answer] = (answers[answer] ?? 0) + count
    await untilDone(atAgents)
  }
  const figures = {
    p99Ratio: typical(flooded, 0.99) / typical(well, 0.99),
    p50Ratio: typical(flooded, 0.5) / typical(well, 0.5),
    /** Without the first jobs of each round. */
    laterP99Ratio: typical(flooded.map(later), 0.99) / typical(well.map(later), 0.99),
    wellP50Ms: typical(well, 0.5),
    wellP99Ms: typical(well, 0.99),
    floodedP50Ms: typical(flooded, 0.5),
    floodedP99Ms: typical(flooded, 0.99),
    samples: flooded.flat().length,
    seatsOfServer,
  }
  const sent = Object.values(answers).reduce((sum, count) => sum + count, 0)
  const ok = figures.p99Ratio <= bars.p99Ratio && sent > 1000
  return { bench: 'flood', ok, agents, ...rounded(figures), sent, answers }
}

function later(latencies: readonly number[]): readonly number[] {
  return latencies.slice(beginningSeconds * size.perSecond)
}

interface Round {
  readonly arrivals: ReadonlyMap<string, number>
  readonly name: string
}

/** One by one to the two that do not flood; how long they took, once all have arrived. */
async function round(bed: DispatchBed, { arrivals, name }: Round): Promise<number[]> {
  const regions = bed.federation.providers.map(({ region }) => region).filter((one) => one !== evil)
  const began = performance.now()
  const sent = Array.from({ length: size.jobsPerRound }, async (_, i) => {
    await until(began + (i * 1000) / size.perSecond)
    return send(bed, `${name}-${i}`, regions[i % regions.length] ?? '')
  })
  const posts = await Promise.all(sent)
  await untilThere(
    arrivals,
    posts.map(({ job }) => job),
  )
  const latencies = posts.map(({ job, start }) => (arrivals.get(job) ?? Number.POSITIVE_INFINITY) - start)
  const [p50, p99] = [0.5, 0.99].map((share) => Math.round(quantile(latencies, share)))
  report(`${name}: p50 ${p50} ms, p99 ${p99} ms`)
  return latencies
}

async function send({ hub }: DispatchBed, job: string, region: string): Promise<{ job: string; start: number }> {
  const { spec } = gpuJob({ spec: { placement: { providerSelector: { region } } } })
  const start = performance.now()
  await hub.create(gpuJobs, { metadata: { name: job, namespace: tenant }, spec })
  return { job, start }
}

/** What waits there is worked on although nobody hears the answer, for seconds: it would make the next round look slow. */
async function untilDone({ ask }: ApiRequests): Promise<void> {
  const isDone = async () => {
    const { body } = await ask('/debug/api_priority_and_fairness/dump_priority_levels', { asText: true })
    const [columns = [], ...levels] = String(body)
      .split('\n')
      .map((line) => line.split(',').map((cell) => cell.trim()))
    const ofAgents = levels.find(([name]) => name === 'gpc-agents')
    const count = (column: string) => Number(ofAgents?.[columns.indexOf(column)])
    return count('WaitingRequests') + count('ExecutingRequests') === 0 || undefined
  }
  await waitUntil(isDone, { what: 'the API server to be done with the flood', seconds: 60 })
}

async function untilThere(arrivals: Round['arrivals'], jobs: readonly string[]): Promise<void> {
  const areThere = async () => jobs.every((job) => arrivals.has(job)) || undefined
  await waitUntil(areThere, { what: `${jobs.length} Jobs on the providers`, seconds: 180 })
}

/** A GpuRun of the one that floods, whose status it can write. */
async function runOf(bed: DispatchBed, arrivals: Round['arrivals']): Promise<string> {
  await send(bed, 'of-the-evil', evil)
  await untilThere(arrivals, ['of-the-evil'])
  const { body } = await bed.federation.hub.ask(`/apis/gpucommons.io/v1alpha1/namespaces/provider-${evil}/gpuruns`)
  const [run] = (body as { items: { metadata: { name: string } }[] }).items
  if (!run) throw new Error(`there is no GpuRun of ${evil}`)
  return run.metadata.name
}
