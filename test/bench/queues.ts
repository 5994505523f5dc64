// 15,000 jobs of 30 queues through a hub on a real API server, with one provider that ends its runs after their time.
// The load is that of Kueue's own performance test of its scheduler (test/performance/scheduler/configs/baseline).
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { gpuJobs, gpuQueues, gpuRuns, providers as providerKind } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { sendStatus } from '../../operator/src/adapters/kubernetes/status-request.ts'
import type { GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import type { GpuRunStatus } from '../../operator/src/api/gpurun.ts'
import { toTime } from '../../operator/src/api/time.ts'
import { decide, type Seen } from '../../operator/src/domain/lifecycle/gpujob-steps.ts'
import { runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { keptJob, keptRun } from '../../operator/src/domain/lifecycle/kept.ts'
import { buildMains } from '../../tools/build.ts'
import { type Binaries, resolveBinaries, tools } from '../../tools/resolve-binaries.ts'
import { waitUntil } from '../bed/child.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { applyCrds, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { gpuRun } from '../builders/gpurun.ts'
import { spentBy } from '../federation/program-cost.ts'
import { until } from './arrivals.ts'
import { type Figures, quantile, rounded } from './figures.ts'
import { pooled } from './pooled.ts'
import { type Work, workOf } from './queues-work.ts'
import { type Agents, startAgents } from './scale-agents.ts'

const cohorts = 5
const queuesOfCohort = 6
const quota = { guaranteed: 20, borrowLimit: 100 }
const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeSeconds: 0 } as const
const provider = 'member'
const tenant = 'bench'

/** Of each queue. `everyMs`: how far apart they come. */
const classes = {
  small: { count: 350, gpus: 1, runtimeMs: 200, priority: 50, everyMs: 100 },
  medium: { count: 100, gpus: 5, runtimeMs: 500, priority: 100, everyMs: 500 },
  large: { count: 50, gpus: 20, runtimeMs: 1000, priority: 200, everyMs: 1200 },
} as const

type Class = keyof typeof classes

/** So many GPUs as all queues may use; a worker of the largest class fits three times into a node. */
const nodes = { count: (cohorts * (quota.guaranteed + quota.borrowLimit)) / 60, gpus: 60 }

/** Of the life of a job: its own, three of the hub, its run, two of the agent. */
const writesOfBareJob = 7

const bars = { seconds: 330, overCeiling: 1.35, largeSeconds: 20, mediumSeconds: 80, rssMiB: 250 }

/** Of the writes by kind: those that carried jobs through their lives. */
const isOfJob = / gpu(jobs|runs)(\/status)? 20[01]$/

const report = (line: string) => console.error(line)

/** @param args `--share 0.1`: a tenth of the jobs, to see where the time goes; the bars are those of all. */
export async function queuesBench(args: readonly string[] = []): Promise<Figures> {
  const { values } = parseArgs({ args: [...args], options: { share: { type: 'string', default: '1' } } })
  const planned = plannedJobs(Number(values.share))
  await using parts = new AsyncDisposableStack()
  const dir = await mkdtemp(join(tmpdir(), 'gpu-commons-queues-'))
  parts.defer(() => rm(dir, { recursive: true, force: true }))
  const binaries = await resolveBinaries(tools, { report })
  await buildMains()
  const start = (name: string) => startBed(name, { dir, binaries })
  const bareRound = async (round: string) => {
    await using bed = await start(`bare-${round}`)
    return await measureBare(planned.length, { ...bed, round })
  }

  const before = await bareRound('before')
  const ours = await measureOurs(planned, await start('hub'))
  const after = await bareRound('after')
  // What ours left unsaid, such as that a short run ran, is taken from both; what it said beside that is its own affair.
  const sameWrites = Math.min(writesOfBareJob, ours.writesOfJob) / writesOfBareJob
  const ceilingSeconds = ((before.seconds + after.seconds) / 2) * sameWrites
  const { admissionSecondsMean, cpuMsPerJob, writesPerJob, ...rest } = ours
  const figures = rounded({ ...rest, ceilingSeconds, overCeiling: ours.wallSeconds / ceilingSeconds })
  const ok =
    figures.wallSeconds < bars.seconds &&
    figures.overCeiling <= bars.overCeiling &&
    admissionSecondsMean.large <= bars.largeSeconds &&
    admissionSecondsMean.medium <= bars.mediumSeconds &&
    figures.hubRssMiB <= bars.rssMiB &&
    figures.dispatchedTwice === 0
  const cpuMsPerBareJob = { before: before.cpuMsPerJob, after: after.cpuMsPerJob }
  const apart = { admissionSecondsMean: rounded(admissionSecondsMean), cpuMsPerJob, cpuMsPerBareJob, writesPerJob }
  return { bench: 'queues', ok, ...figures, ...apart }
}

interface Bed extends AsyncDisposable {
  readonly plane: ControlPlane
  readonly client: KubeClient
  readonly dir: string
}

/** An API server of its own: what is written to one before makes each further write dearer. */
async function startBed(name: string, { dir, binaries }: { dir: string; binaries: Binaries }): Promise<Bed> {
  await using parts = new AsyncDisposableStack()
  const named = { name, dir: join(dir, name), controllerManager: false, scheduler: false }
  const plane = parts.use(await startControlPlane({ ...named, binaries, report }))
  const client = parts.use(await connect({ kubeconfig: plane.kubeconfig, userAgent: 'gpu-commons-bench' }))
  await applyCrds(plane)
  await plane.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: tenant } } })
  const held = parts.move()
  return { plane, client, dir, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function makeQueues(client: KubeClient): Promise<void> {
  await client.create(providerKind, { metadata: { name: provider }, spec: { intake: 'Open' } })
  for (let cohort = 0; cohort < cohorts; cohort += 1) {
    const parent = `cohort-${cohort}`
    // It has nothing of its own: only what its queues lend.
    await client.create(gpuQueues, {
      metadata: { name: parent },
      spec: { quota: [{ model: '*', guaranteed: 0 }], weight: 1, preemption },
    })
    for (let i = 0; i < queuesOfCohort; i += 1) {
      const spec = {
        parent,
        namespaces: [tenant],
        quota: [{ model: '*', ...quota }],
        weight: 1,
        preemption,
      }
      await client.create(gpuQueues, { metadata: { name: queueName(cohort, i) }, spec })
    }
  }
}

function queueName(cohort: number, i: number): string {
  return `queue-${cohort}-${i}`
}

interface Planned {
  readonly name: string
  readonly queue: string
  readonly of: Class
  readonly atMs: number
}

/** By the time at which they come. */
function plannedJobs(share: number): readonly Planned[] {
  const planned: Planned[] = []
  for (let cohort = 0; cohort < cohorts; cohort += 1) {
    for (let i = 0; i < queuesOfCohort; i += 1) {
      const queue = queueName(cohort, i)
      for (const of of Object.keys(classes) as Class[]) {
        const { count, everyMs } = classes[of]
        for (let n = 0; n < count * share; n += 1)
          planned.push({ name: `${of}-${queue}-${n}`, queue, of, atMs: n * everyMs })
      }
    }
  }
  return planned.toSorted((a, b) => a.atMs - b.atMs)
}

function specOf({ queue, of }: Pick<Planned, 'queue' | 'of'>): GpuJobSpec {
  const { gpus, priority } = classes[of]
  return gpuJob({
    spec: {
      queue,
      priority,
      gpus: { count: gpus },
      template: { spec: { containers: [{ name: 'main', image: 'registry.example.com/team/train:1.4.2' }] } },
    },
  }).spec
}

async function measureOurs(planned: readonly Planned[], bed: Bed) {
  await using parts = new AsyncDisposableStack()
  const { plane, client, dir } = parts.use(bed)
  await makeQueues(client)
  const hub = parts.use(
    await startProgram({ ...(await hubOptions({ hub: plane }, { built: true })), dir, report, readySeconds: 60 }),
  )
  // Another program than the tenants: their requests do not wait for each other's connections.
  const agentsOwn = parts.use(await connect({ kubeconfig: plane.kubeconfig, userAgent: 'gpu-commons-bench-agents' }))
  const agents = parts.use(
    await startAgents({
      client: agentsOwn,
      providers: [provider],
      heartbeatMs: 5000,
      runtimeMs: (job) => classes[job.split('-')[0] as Class].runtimeMs,
      onError: (error) => report(String(error)),
    }),
  )
  await waitUntil(async () => isConnected(client), { what: `${provider} to be connected`, seconds: 60 })
  await agents.claim(
    Array.from({ length: nodes.count }, (_, i) => ({ provider, name: `node-${i}`, model: 'H100', gpus: nodes.gpus })),
  )
  return await carry(planned, { plane, client, agents, hub })
}

async function isConnected(client: KubeClient): Promise<true | undefined> {
  const [found] = (await client.list(providerKind)).items
  const isSo = found?.status?.conditions.some(({ type, status }) => type === 'Connected' && status === 'True')
  return isSo ? true : undefined
}

interface Carrying {
  readonly plane: ControlPlane
  readonly client: KubeClient
  readonly agents: Agents
  readonly hub: Program
}

/** All of them from the first POST to the last one's success, as the bench's own watch sees it. */
async function carry(planned: readonly Planned[], { plane, client, agents, hub }: Carrying) {
  const made = new Map<string, { readonly of: Class; readonly at: number }>()
  const waits: Record<Class, number[]> = { small: [], medium: [], large: [] }
  const succeeded = new Set<string>()
  const unsubscribe = agents.jobs.subscribe(({ type, object }) => {
    if (type === 'deleted') return
    const { placement, state } = object.status ?? {}
    const job = made.get(object.metadata.name)
    if (job && placement) {
      waits[job.of].push((performance.now() - job.at) / 1000)
      made.delete(object.metadata.name)
    }
    if (state === 'Succeeded') succeeded.add(object.metadata.name)
  })
  const workBefore = await workOf(plane, hub)
  const began = performance.now()
  await pooled(planned.length, async (i) => {
    const { name, queue, of, atMs } = planned[i] as Planned
    await until(began + atMs)
    made.set(name, { of, at: performance.now() })
    await client.create(gpuJobs, { metadata: { name, namespace: tenant }, spec: specOf({ queue, of }) })
  })
  const sentSeconds = (performance.now() - began) / 1000
  report(`all are sent after ${sentSeconds.toFixed(0)} s, ${succeeded.size} have succeeded`)
  const all = planned.length
  await waitUntil(async () => succeeded.size >= all || undefined, { what: `${all} jobs to succeed`, seconds: 900 })
  const wallSeconds = (performance.now() - began) / 1000
  unsubscribe()
  const work = await workOf(plane, hub)
  const perJob = (of: keyof Work) => perJobOf(all, [workBefore[of], work[of]])
  const writes = perJob('writes')
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    jobs: all,
    wallSeconds,
    sentSeconds,
    admissionSecondsMean: { small: mean(waits.small), medium: mean(waits.medium), large: mean(waits.large) },
    admissionSecondsP99: quantile(Object.values(waits).flat(), 0.99),
    hubRssMiB: (await spentBy(hub.pid)).memoryMiB,
    cpuMsPerJob: perJob('cpuMs'),
    writesPerJob: writes,
    writesOfJob: Object.entries(writes).reduce((sum, [name, count]) => sum + (isOfJob.test(name) ? count : 0), 0),
    dispatchedTwice: [...agents.runsEver.values()].filter((uids) => uids.size > 1).length,
  }
}

type Spent = Readonly<Record<string, number>>

function perJobOf(jobs: number, [before, after]: readonly [Spent, Spent]): Record<string, number> {
  const each = Object.entries(after).map(([name, value]) => [name, (value - (before[name] ?? 0)) / jobs] as const)
  return rounded(Object.fromEntries(each.filter(([, value]) => value > 0.0005)))
}

/** A generator that decides nothing and watches nothing, for the writes of as many jobs. */
async function measureBare(jobs: number, { plane, client, round }: Pick<Bed, 'plane' | 'client'> & { round: string }) {
  report(`the bare generator, ${round}`)
  const { cpuMs: cpuBefore } = await workOf(plane)
  const began = performance.now()
  await pooled(jobs, (i) => bareLife(client, `bare-${i}`))
  const seconds = (performance.now() - began) / 1000
  const { cpuMs } = await workOf(plane)
  return { seconds, cpuMsPerJob: perJobOf(jobs, [cpuBefore, cpuMs]) }
}

/** With the very statuses that the hub writes. */
async function bareLife(client: KubeClient, name: string): Promise<void> {
  const queue = queueName(0, 0)
  const spec = specOf({ queue, of: 'small' })
  let job = await client.create(gpuJobs, { metadata: { name, namespace: tenant }, spec })
  const sayOfJob = async (seen: Partial<Pick<Seen, 'run' | 'choice'>>) => {
    const nothing = { run: undefined, choice: undefined, explain: () => undefined }
    const { status } = decide({ job: keptJob(job), ...nothing, ...seen, now: Date.now() })
    if (!status) throw new Error(`nothing is to be said of ${name}`)
    job = await sendStatus(client, gpuJobs, { before: job, after: status })
  }
  const place = { provider, queue, nodes: [{ name: 'node-0', workers: 1 }] }
  const room = keptJob(job).needs.perWorker
  await sayOfJob({ choice: { uid: job.metadata.uid, key: '', run: 1, ...place, perWorker: room } })
  const metadata = { name: runName(job, 1), namespace: tenant }
  let run = await client.create(gpuRuns, { metadata, spec: gpuRun({ job, provider }).spec })
  const sayOfRun = async (more: GpuRunStatus) => {
    run = await sendStatus(client, gpuRuns, { before: run, after: { ...run.status, ...more } })
    await sayOfJob({ run: keptRun(run) })
  }
  const now = toTime(Date.now())
  const workers = [{ index: 0, node: 'node-0' }]
  await sayOfRun({ observedGeneration: 1, state: 'Running', workers, startedAt: now })
  await sayOfRun({ observedGeneration: 1, state: 'Succeeded', workers, finishedAt: now })
}
