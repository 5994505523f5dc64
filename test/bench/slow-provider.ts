// What one provider whose API server answers in five seconds costs the others: their dispatch with it slow and with it well,
// in alternating rounds of one run, so that what else the machine does falls upon both.
import { join } from 'node:path'
import { gpuJobs } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { waitUntil } from '../bed/child.ts'
import { type FaultProxy, startFaultProxy } from '../bed/fault-proxy.ts'
import { startOperator } from '../bed/operator.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { until, untilOffered, watchArrivals } from './arrivals.ts'
import { type DispatchBed, dispatchBed, tenant } from './dispatch-bed.ts'
import { type Figures, rounded, typical } from './figures.ts'

const size = { nodes: 110, rounds: 14, jobsPerRound: 150, perSecond: 12 }
const bars = { p99Ratio: 1.2 }
const answersInMs = 5000
const slow = 'acme'

const report = (line: string) => console.error(line)

export async function slowProviderBench(): Promise<Figures> {
  await using bed = await dispatchBed(size.nodes, report)
  await using parts = new AsyncDisposableStack()
  let proxy: FaultProxy | undefined
  const { dir, hub } = bed.federation
  parts.use(
    await startOperator(bed.federation, {
      report,
      route: async ({ to, provider }, kubeconfig) => {
        if (provider !== slow || to === hub) return kubeconfig
        proxy = parts.use(await startFaultProxy(to))
        return proxy.kubeconfig(kubeconfig, join(dir, 'slow.kubeconfig'))
      },
    }),
  )
  const { at: arrivals } = parts.use(await watchArrivals(bed, report))
  await untilOffered(bed, size.nodes)

  await round(bed, { arrivals, name: 'warm-up' })
  const well: number[][] = []
  const withSlow: number[][] = []
  for (let number = 0; number < size.rounds; number += 1) {
    const isSlow = number % 2 === 1
    report(`round ${number + 1} of ${size.rounds}, ${slow} ${isSlow ? 'slow' : 'well'}`)
    proxy?.set(isSlow ? [{ do: 'delayAnswer', ms: answersInMs, kind: 'other' }] : [])
    const latencies = await round(bed, { arrivals, name: `round-${number}` })
    ;(isSlow ? withSlow : well).push(latencies)
  }
  const figures = {
    othersP99Ratio: typical(withSlow, 0.99) / typical(well, 0.99),
    othersP50Ratio: typical(withSlow, 0.5) / typical(well, 0.5),
    wellP50Ms: typical(well, 0.5),
    wellP99Ms: typical(well, 0.99),
    slowP50Ms: typical(withSlow, 0.5),
    slowP99Ms: typical(withSlow, 0.99),
    samples: withSlow.flat().length,
    slowAnswers: proxy?.hits() ?? 0,
  }
  const ok = figures.othersP99Ratio <= bars.p99Ratio && figures.slowAnswers > size.jobsPerRound / 3
  return { bench: 'slow-provider', ok, ...rounded(figures) }
}

interface Round {
  readonly arrivals: ReadonlyMap<string, number>
  readonly name: string
}

/** A third of the jobs for each provider, one by one; how long those of the others took, once all have arrived. */
async function round({ hub, federation }: DispatchBed, { arrivals, name }: Round): Promise<number[]> {
  const regions = federation.providers.map(({ region }) => region)
  const began = performance.now()
  const sent = Array.from({ length: size.jobsPerRound }, async (_, i) => {
    await until(began + (i * 1000) / size.perSecond)
    const region = regions[i % regions.length] ?? slow
    const job = `${name}-${i}`
    const { spec } = gpuJob({ spec: { placement: { providerSelector: { region } } } })
    const start = performance.now()
    await hub.create(gpuJobs, { metadata: { name: job, namespace: tenant }, spec })
    return { job, region, start }
  })
  const posts = await Promise.all(sent)
  const areThere = async () => posts.every(({ job }) => arrivals.has(job)) || undefined
  await waitUntil(areThere, { what: `the Jobs of ${name} on the providers`, seconds: 180 })
  return posts
    .filter(({ region }) => region !== slow)
    .map(({ job, start }) => (arrivals.get(job) ?? Number.POSITIVE_INFINITY) - start)
}
