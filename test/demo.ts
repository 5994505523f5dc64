// `make demo`: a hub and three provider clusters, and the jobs of crds/examples on them.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../operator/src/adapters/kubernetes/connect.ts'
import { gpuJobs } from '../operator/src/adapters/kubernetes/kinds.ts'
import { withoutBallast } from '../operator/src/adapters/kubernetes/projection.ts'
import { reflect } from '../operator/src/adapters/kubernetes/reflector.ts'
import { systemClock, systemTimers } from '../operator/src/adapters/system-clock.ts'
import type { GpuJob } from '../operator/src/api/gpujob.ts'
import type { Provider } from '../operator/src/api/provider.ts'
import { waitUntil } from './bed/child.ts'
import { type Federation, startFederation } from './bed/federation.ts'
import { gpuNode, type NodeManifest } from './bed/gpu-nodes.ts'
import { startOperator } from './bed/operator.ts'

const examples = join(import.meta.dirname, '..', 'crds', 'examples')

/** What the examples are written for. */
const machines: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: numbered(8, 'acme', { card: 'H100', gpus: 8 }),
  borealis: numbered(8, 'borealis', { card: 'A100-80GB', gpus: 8 }),
  cumulus: [
    ...numbered(4, 'cumulus-l40s', { card: 'L40S', gpus: 4 }),
    ...numbered(4, 'cumulus-4090', { card: 'RTX4090', gpus: 2 }),
  ],
}

function numbered(
  count: number,
  prefix: string,
  kind: Pick<Parameters<typeof gpuNode>[0], 'card' | 'gpus'>,
): NodeManifest[] {
  return Array.from({ length: count }, (_, index) => gpuNode({ ...kind, name: `${prefix}-${index + 1}` }))
}

/** Times in milliseconds since the job was first seen on the hub, as a watcher sees them. */
interface Course {
  readonly seenAt: number
  placedMs?: number
  runningMs?: number
}

const started = performance.now()
const tell = (line: string) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)

async function demo(signal: AbortSignal): Promise<void> {
  const dir = process.env['DIR'] ?? (await mkdtemp(join(tmpdir(), 'gpu-commons-demo-')))
  await using federation = await startFederation(
    { providers: 3, nodes: (name) => machines[name] ?? [], dir },
    tell,
    signal,
  )
  await using _operator = await startOperator(federation, { report: tell }, signal)
  await federation.hub.kubectl(['apply', '-f', join(examples, 'providers.yaml')])
  await untilClaimed(federation, signal)
  tell(`what the providers offer:\n${await federation.hub.kubectl(['get', 'providers'])}`)
  howToLook(federation)

  const finished = await runExamples(federation, signal)
  if (process.env['ONCE'] === '1') {
    if (process.env['DIR'] === undefined && finished) await rm(dir, { recursive: true, force: true })
    return
  }
  tell('the federation stays up; Ctrl-C ends it')
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

/** A job that is applied before its nodes are known would say that it never fits. */
async function untilClaimed({ hub }: Federation, signal: AbortSignal): Promise<void> {
  const expected = Object.values(machines).flat().length
  const areClaimed = async () => {
    const { body } = await hub.ask('/apis/gpucommons.io/v1alpha1/providers')
    const nodes = (body as { items: Provider[] }).items.map(({ status }) => status?.inventory?.nodes ?? 0)
    return nodes.reduce((sum, count) => sum + count, 0) === expected || undefined
  }
  await waitUntil(areClaimed, { what: `the agents to report ${expected} nodes`, seconds: 60, signal })
}

function howToLook({ hub, providers }: Federation): void {
  tell('look at it from another terminal:')
  tell(`  export KUBECONFIG=${hub.kubeconfig}; alias kubectl=${hub.binaries.kubectl}`)
  tell('  kubectl get gpujobs -n demo --watch; kubectl get providers; kubectl get gpunodes,gpuruns -A')
  for (const { name, controlPlane } of providers) tell(`  provider ${name}: KUBECONFIG=${controlPlane.kubeconfig}`)
}

/** Applies the examples and waits until each has ended, or has said that it never fits. Prints a JSON line for each. */
async function runExamples({ hub }: Federation, until: AbortSignal): Promise<boolean> {
  const end = new AbortController()
  const signal = AbortSignal.any([until, end.signal])
  await using client = await connect({ kubeconfig: hub.kubeconfig, userAgent: 'gpu-commons-demo' })
  const tools = { clock: systemClock(), timers: systemTimers, random: Math.random, signal }
  const jobs = reflect({
    ...tools,
    client,
    resource: gpuJobs,
    namespace: 'demo',
    project: withoutBallast,
    onError: (error) => tell(String(error)),
  })
  const courses = new Map<string, Course>()
  jobs.store.subscribe(({ object }) => follow(object, courses))
  await jobs.synced

  const applied = await hub.kubectl(['apply', '-f', join(examples, '00-namespace.yaml'), '-f', examples])
  const count = applied.split('\n').filter((line) => line.startsWith('gpujob')).length
  tell(`kubectl applied ${count} jobs`)
  const ended = () => jobs.store.size === count && [...jobs.store.values()].every((job) => outcomeOf(job) !== undefined)
  await waitUntil(async () => ended() || undefined, { what: `${count} jobs to end`, seconds: 300, signal: until })

  const rows = [...jobs.store.values()].map((job) => rowOf(job, courses.get(job.metadata.name)))
  for (const row of rows) console.log(JSON.stringify(row))
  end.abort()
  return summary(rows)
}

function follow(job: GpuJob, courses: Map<string, Course>): void {
  const { name } = job.metadata
  const course = courses.get(name) ?? { seenAt: performance.now() }
  courses.set(name, course)
  const { state = 'Waiting', why = '', placement, lastRun = 0 } = job.status ?? {}
  const since = Math.round(performance.now() - course.seenAt)
  if (placement) course.placedMs ??= since
  if (state === 'Running') course.runningMs ??= since
  tell(`${name.padEnd(14)} ${state.padEnd(10)} ${placement ? `run ${lastRun} on ${placement.provider}` : why}`)
}

function outcomeOf({ status }: GpuJob): string | undefined {
  if (status?.state === 'Succeeded' || status?.state === 'Failed' || status?.state === 'Refused') return status.state
  return status?.conditions.some(({ type, reason }) => type === 'Placed' && reason === 'NeverFits')
    ? 'NeverFits'
    : undefined
}

interface Row {
  readonly job: string
  readonly provider: string | null
  readonly runs: number
  readonly outcome: string
  readonly placedMs: number | null
  readonly runningMs: number | null
  readonly why?: string
}

function rowOf(job: GpuJob, course: Course | undefined): Row {
  const outcome = outcomeOf(job) ?? 'Unknown'
  return {
    job: job.metadata.name,
    provider: job.status?.placement?.provider ?? null,
    runs: job.status?.lastRun ?? 0,
    outcome,
    placedMs: course?.placedMs ?? null,
    runningMs: course?.runningMs ?? null,
    ...(outcome === 'Succeeded' ? {} : { why: job.status?.why ?? '' }),
  }
}

/** The demo has worked when every job succeeded but the one that is made never to fit. */
function summary(rows: readonly Row[]): boolean {
  const count = (outcome: string) => rows.filter((row) => row.outcome === outcome).length
  const ok = rows.every(({ job, outcome }) => outcome === (job === 'never-fits' ? 'NeverFits' : 'Succeeded'))
  const providers = new Set(rows.flatMap(({ provider }) => provider ?? [])).size
  console.log(
    JSON.stringify({
      demo: 'summary',
      ok,
      jobs: rows.length,
      succeeded: count('Succeeded'),
      neverFits: count('NeverFits'),
      providers,
      seconds: Math.round((performance.now() - started) / 1000),
    }),
  )
  if (!ok) process.exitCode = 1
  return ok
}

const told = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => told.abort(new Error(`told to end by ${name}`)))
try {
  await demo(told.signal)
} catch (error) {
  if (!told.signal.aborted) throw error
  tell('ended')
}
