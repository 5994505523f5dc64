// From the tenant's POST to the Job's existence on the provider, beside a bare generator that makes only the minimal writes.
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import { gpuJobs, gpuRuns } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { jobs } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import { noRules } from '../../operator/src/api/owner-rules.ts'
import { decide } from '../../operator/src/domain/lifecycle/gpujob-steps.ts'
import { runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { keptJob } from '../../operator/src/domain/lifecycle/kept.ts'
import { jobManifest } from '../../operator/src/domain/workload/job-manifest.ts'
import { buildMains } from '../../tools/build.ts'
import { waitUntil } from '../bed/child.ts'
import { type Operator, startOperator } from '../bed/operator.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { gpuRun } from '../builders/gpurun.ts'
import { spentBy } from '../federation/program-cost.ts'
import { type Arrivals, until, untilOffered, watchArrivals } from './arrivals.ts'
import { type DispatchBed, dispatchBed, tenant } from './dispatch-bed.ts'
import { type Figures, quantile, rounded } from './figures.ts'
import { pooled } from './pooled.ts'
import { removeAll } from './remove-all.ts'

const size = { nodes: 130, bare: 1000, burst: 2000, unloaded: 300, unloadedPerSecond: 15, stored: 10_000 }
const bars = { shareOfCeiling: 0.75, p50Ms: 24, p99Ms: 60, hubCpuMsPerJob: 2, hubRssMiB: 150 }

const report = (line: string) => console.error(line)

export async function dispatchBench(): Promise<Figures> {
  await using bed = await dispatchBed(size.nodes, report)
  const before = await bareRound(bed, 'before')
  const bare = await bareLatencies(bed)
  await removeBare(bed)
  const ours = await measureOurs(bed)
  const after = await bareRound(bed, 'after')

  const ceilingJobsPerSecond = (before.jobsPerSecond + after.jobsPerSecond) / 2
  const shareOfCeiling = ours.jobsPerSecond / ceilingJobsPerSecond
  const bareP50Ms = quantile(bare, 0.5)
  const figures = {
    shareOfCeiling,
    ...ours,
    bareP50Ms,
    bareP99Ms: quantile(bare, 0.99),
    p50OverBare: ours.p50Ms / bareP50Ms,
    ceilingJobsPerSecond,
    ceilingBeforeJobsPerSecond: before.jobsPerSecond,
    ceilingAfterJobsPerSecond: after.jobsPerSecond,
    bareCpuMsPerJob: (before.cpuMsPerJob + after.cpuMsPerJob) / 2,
  }
  const ok =
    shareOfCeiling >= bars.shareOfCeiling &&
    ours.p50Ms <= bars.p50Ms &&
    ours.p99Ms <= bars.p99Ms &&
    ours.hubCpuMsPerJob <= bars.hubCpuMsPerJob &&
    ours.hubRssMiB <= bars.hubRssMiB
  return { bench: 'dispatch', ok, ...rounded(figures) }
}

/** The spec that both have to carry: one GPU, as a tenant writes it. */
const spec: GpuJobSpec = gpuJob({
  spec: {
    template: {
      spec: {
        containers: [
          {
            name: 'main',
            image: 'registry.example.com/team/train:1.4.2',
            command: ['python', 'train.py', '--epochs', '3'],
            env: [{ name: 'LEARNING_RATE', value: '0.001' }],
            resources: { requests: { cpu: '4', memory: '16Gi' }, limits: { memory: '32Gi' } },
          },
        ],
      },
    },
  },
}).spec

/** The minimal writes of a dispatch, by a generator that decides nothing and watches nothing: create job, record, create run, create Job. */
function bareDispatch({ hub, providers }: DispatchBed, round: string): (i: number) => Promise<void> {
  return async (i) => {
    const { name, client } = providers[i % providers.length] as DispatchBed['providers'][number]
    const job = await hub.create(gpuJobs, { metadata: { name: `bare-${round}-${i}`, namespace: tenant }, spec })
    const choice = {
      uid: job.metadata.uid,
      key: '',
      run: 1,
      provider: name,
      nodes: [{ name: 'node-1', workers: 1 }],
      perWorker: { gpus: 1, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
    }
    const { status } = decide({ job: keptJob(job), run: undefined, choice, explain: () => undefined, now: Date.now() })
    const ref = { name: job.metadata.name, namespace: tenant }
    await hub.mergePatch(
      gpuJobs,
      { ref, patch: { metadata: { resourceVersion: job.metadata.resourceVersion }, status: status as never } },
      { subresource: 'status' },
    )
    const run = await hub.create(gpuRuns, {
      metadata: { name: runName(job, 1), namespace: `bare-${name}` },
      spec: gpuRun({ job, provider: name }).spec,
    })
    const { metadata, spec: jobSpec } = jobManifest(run, {
      namespace: tenant,
      hubUid: 'bench',
      provider: name,
      rules: noRules,
      gpuResource: 'nvidia.com/gpu',
    })
    await client.create(jobs, { metadata, spec: jobSpec as never })
  }
}

/** Its CPU, of our own client and what it makes of four writes, lets runs on machines of different speed be compared. */
async function bareRound(bed: DispatchBed, round: string): Promise<{ jobsPerSecond: number; cpuMsPerJob: number }> {
  report(`the bare generator, ${round}`)
  const before = process.cpuUsage()
  const seconds = await timed(() => pooled(size.bare, bareDispatch(bed, round)))
  const { user, system } = process.cpuUsage(before)
  return { jobsPerSecond: size.bare / seconds, cpuMsPerJob: (user + system) / 1000 / size.bare }
}

/** Milliseconds that its four writes take one after the other, for jobs that come one by one: what no dispatch falls below on this machine. */
async function bareLatencies(bed: DispatchBed): Promise<number[]> {
  const dispatch = bareDispatch(bed, 'one')
  return oneByOne(async (i) => {
    const start = performance.now()
    await dispatch(i)
    return performance.now() - start
  })
}

/** So that what is measured next begins with an empty hub, as the first round did. */
async function removeBare({ hub, providers }: DispatchBed): Promise<void> {
  await removeAll(hub, 'gpucommons.io/v1alpha1', [
    [tenant, 'gpujobs'],
    ...providers.map(({ name }) => [`bare-${name}`, 'gpuruns'] as const),
  ])
  for (const { client } of providers) await removeAll(client, 'batch/v1', [[tenant, 'jobs']])
}

async function measureOurs(bed: DispatchBed) {
  await buildMains()
  await using operator = await startOperator(bed.federation, { report, built: true })
  await using arrivals = await watchArrivals(bed, report)
  await untilOffered(bed, size.nodes)

  report('unloaded')
  const latencies = await unloaded(bed, arrivals)
  report('a burst')
  const burst = await burstOf(bed, { arrivals, operator })
  report('many stored')
  const hubRssMiB = await storedRss(bed, operator)
  return { ...burst, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), hubRssMiB }
}

/** Milliseconds from sending the POST to seeing the Job, for jobs that come one by one. */
async function unloaded({ hub }: DispatchBed, { at }: Arrivals): Promise<number[]> {
  const posts = await oneByOne((i) => post(hub, `one-${i}`))
  await untilArrived(at, size.unloaded)
  return posts.map((start, i) => (at.get(`one-${i}`) ?? Infinity) - start)
}

/** Begins each in its turn, whether or not those before have ended. */
async function oneByOne<T>(act: (i: number) => Promise<T>): Promise<T[]> {
  const begun: Promise<T>[] = []
  const began = performance.now()
  for (let i = 0; i < size.unloaded; i += 1) {
    await until(began + (i * 1000) / size.unloadedPerSecond)
    begun.push(act(i))
  }
  return Promise.all(begun)
}

async function burstOf(
  { hub, federation }: DispatchBed,
  { arrivals, operator }: { arrivals: Arrivals; operator: Operator },
) {
  const already = arrivals.at.size
  const programs = { hub: [operator.hub], agents: [...operator.agents.values()] }
  const cpu = async (list: readonly { pid: number }[]) =>
    (await Promise.all(list.map(({ pid }) => spentBy(pid)))).reduce((sum, { cpuMs }) => sum + cpuMs, 0)
  const before = { hub: await cpu(programs.hub), agents: await cpu(programs.agents) }
  const seconds = await timed(async () => {
    await pooled(size.burst, (i) => post(hub, `burst-${i}`))
    await untilArrived(arrivals.at, already + size.burst)
  })
  return {
    jobsPerSecond: size.burst / seconds,
    hubCpuMsPerJob: ((await cpu(programs.hub)) - before.hub) / size.burst,
    agentCpuMsPerJob: ((await cpu(programs.agents)) - before.agents) / size.burst,
    providers: federation.providers.length,
  }
}

/** Of the hub with so many jobs stored: what is missing to that number comes suspended, and has its status. */
async function storedRss({ hub, federation }: DispatchBed, operator: Operator): Promise<number> {
  const missing = size.stored - size.burst - size.unloaded
  await pooled(missing, (i) =>
    hub.create(gpuJobs, { metadata: { name: `stored-${i}`, namespace: tenant }, spec: { ...spec, suspend: true } }),
  )
  const areTold = async () => {
    const metrics = await (await fetch(`${operator.hub.url}/metrics`)).text()
    const suspended = /gpucommons_jobs\{state="Suspended"\} (\d+)/.exec(metrics)?.[1]
    return Number(suspended) === missing || undefined
  }
  await waitUntil(areTold, {
    what: `${missing} jobs to be said to be suspended, on ${federation.hub.url}`,
    seconds: 300,
  })
  return (await spentBy(operator.hub.pid)).memoryMiB
}

async function post(hub: KubeClient, name: string): Promise<number> {
  const start = performance.now()
  await hub.create(gpuJobs, { metadata: { name, namespace: tenant }, spec })
  return start
}

async function untilArrived(at: ReadonlyMap<string, number>, count: number): Promise<void> {
  await waitUntil(async () => at.size >= count || undefined, { what: `${count} Jobs on the providers`, seconds: 120 })
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return (performance.now() - start) / 1000
}
