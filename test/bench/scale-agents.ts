// Simulated agents: they renew Leases, claim nodes and say of each GpuRun that it runs and ends. No pods, no provider clusters.
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../operator/src/adapters/kubernetes/errors.ts'
import { gpuJobs, gpuNodes, gpuRuns, providerReports } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { reflect } from '../../operator/src/adapters/kubernetes/reflector.ts'
import { leases } from '../../operator/src/adapters/kubernetes/resources.ts'
import { sendStatus } from '../../operator/src/adapters/kubernetes/status-request.ts'
import type { Store } from '../../operator/src/adapters/kubernetes/store.ts'
import { systemClock, systemTimers } from '../../operator/src/adapters/system-clock.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { REPORT_NAME } from '../../operator/src/api/providerreport.ts'
import { toMicroTime, toTime } from '../../operator/src/api/time.ts'
import { outcomeOf, providerNamespace } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { gpuNode } from '../builders/gpunode.ts'
import { reportSpec } from '../builders/providerreport.ts'
import { pooled } from './pooled.ts'

export interface FleetNode {
  readonly provider: string
  readonly name: string
  readonly model: string
  /** Default: 8. */
  readonly gpus?: number
}

export interface SeenJob {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
  readonly status: Pick<NonNullable<GpuJob['status']>, 'state' | 'why' | 'placement'> | undefined
}

export interface SeenRun {
  readonly metadata: SeenJob['metadata'] & Pick<GpuRun['metadata'], 'labels'>
  readonly spec: Pick<GpuRun['spec'], 'job' | 'run' | 'nodes' | 'gpus' | 'stop'>
  readonly status: Pick<NonNullable<GpuRun['status']>, 'state' | 'startedAt'> | undefined
}

export interface Agents extends AsyncDisposable {
  /** All of the hub, by a watch of the bench's own. */
  readonly jobs: Store<SeenJob>
  readonly runs: Store<SeenRun>
  /** By uid of the GpuJob: the uids of all GpuRuns that there ever were of it. */
  readonly runsEver: ReadonlyMap<string, ReadonlySet<string>>
  /** Makes the GpuNodes and ProviderReports. */
  readonly claim: (nodes: readonly FleetNode[]) => Promise<void>
  /** So many of the runs that go on for ever end now. */
  readonly end: (count: number) => Promise<void>
}

export interface AgentsOptions {
  readonly client: KubeClient
  readonly providers: readonly string[]
  readonly heartbeatMs: number
  /** How long the runs of a GpuJob of that name go on; undefined: until they are told to end. Default: those of short jobs. */
  readonly runtimeMs?: (job: string) => number | undefined
  readonly onError: (error: unknown) => void
}

/** GpuJobs of this name end soon after they began; others run until they are told to end. */
export const shortJob = 'short-'
const shortRunMs = 500

export async function startAgents(options: AgentsOptions): Promise<Agents> {
  const { client, providers, heartbeatMs, onError, runtimeMs = ofShortJobs } = options
  const stop = new AbortController()
  const context = { clock: systemClock(), timers: systemTimers, random: Math.random, signal: stop.signal, onError }
  const jobs = reflect({ ...context, client, resource: gpuJobs, project: seenJob })
  const runs = reflect({ ...context, client, resource: gpuRuns, project: seenRun })
  const timers = new Set<NodeJS.Timeout>()
  const runsEver = new Map<string, Set<string>>()
  const later = (ms: number, act: () => Promise<unknown>) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      act().catch((error: unknown) => stop.signal.aborted || onError(error))
    }, ms)
    timers.add(timer)
  }
  runs.store.subscribe(({ type, object }) => {
    if (type === 'deleted') return
    const { job } = object.spec
    runsEver.set(job.uid, (runsEver.get(job.uid) ?? new Set()).add(object.metadata.uid))
    const state = object.status?.state
    if (state === undefined) later(0, () => say(client, object, object.spec.stop ? 'Stopped' : 'Running'))
    const ms = state === 'Running' ? runtimeMs(job.name) : undefined
    if (ms !== undefined) later(ms, () => say(client, object, 'Succeeded'))
  })
  const beat = async (provider: string) => {
    later(heartbeatMs, () => beat(provider))
    await renew(client, provider)
  }
  providers.forEach((provider, i) => later((i * heartbeatMs) / providers.length, () => beat(provider)))
  await Promise.all([jobs.synced, runs.synced])
  return {
    jobs: jobs.store,
    runs: runs.store,
    runsEver,
    claim: (nodes) => claimNodes(client, providers, nodes),
    end: async (count) => {
      const live = [...runs.store.values()].filter((run) => run.status?.state === 'Running' && !run.spec.stop)
      const ending = live.slice(0, count)
      await pooled(ending.length, (i) => say(client, ending[i] as SeenRun, 'Succeeded'))
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      for (const timer of timers) clearTimeout(timer)
      await Promise.all([jobs.done, runs.done])
    },
  }
}

function ofShortJobs(job: string): number | undefined {
  return job.startsWith(shortJob) ? shortRunMs : undefined
}

/** The GPUs that live runs hold, by node. */
export function heldGpus(runs: Iterable<SeenRun>): Map<string, number> {
  const held = new Map<string, number>()
  for (const run of runs) {
    if (outcomeOf(run as never) !== undefined) continue
    for (const { name, workers } of run.spec.nodes) {
      const node = `${run.metadata.namespace}/${name}`
      held.set(node, (held.get(node) ?? 0) + workers * run.spec.gpus.count)
    }
  }
  return held
}

function seenJob({ metadata: { namespace = '', name, uid, resourceVersion }, status }: GpuJob): SeenJob {
  const { state, why, placement } = status ?? {}
  const seen = state && { state, ...(why === undefined ? {} : { why }), ...(placement ? { placement } : {}) }
  return { metadata: { namespace, name, uid, resourceVersion }, status: seen }
}

function seenRun({ metadata: { namespace = '', name, uid, resourceVersion, labels }, spec, status }: GpuRun): SeenRun {
  const { job, run, nodes, gpus, stop } = spec
  const { state, startedAt } = status ?? {}
  return {
    metadata: { namespace, name, uid, resourceVersion, ...(labels && { labels }) },
    spec: { job, run, nodes, gpus, ...(stop ? { stop } : {}) },
    status: state && { state, ...(startedAt === undefined ? {} : { startedAt }) },
  }
}

/** As an agent does: what has changed since is looked at again. */
async function say(client: KubeClient, run: SeenRun, state: 'Running' | 'Succeeded' | 'Stopped'): Promise<void> {
  const now = toTime(Date.now())
  const workers = run.spec.nodes.flatMap(({ name: node, workers: count }) => Array.from({ length: count }, () => node))
  const after = {
    ...run.status,
    observedGeneration: 1,
    state,
    workers: workers.map((node, index) => ({ index, node })),
    ...(state === 'Running' ? { startedAt: now } : { finishedAt: now }),
  }
  try {
    await sendStatus(client, gpuRuns, { before: run as unknown as GpuRun, after })
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
}

async function renew(client: KubeClient, provider: string): Promise<void> {
  const patch = { spec: { holderIdentity: `agent-of-${provider}`, renewTime: toMicroTime(Date.now()) } }
  try {
    await client.mergePatch(leases, { ref: { namespace: providerNamespace(provider), name: 'agent' }, patch })
  } catch (error) {
    if (!isNotFound(error)) throw error // The hub has not made it yet.
  }
}

async function claimNodes(
  client: KubeClient,
  providers: readonly string[],
  nodes: readonly FleetNode[],
): Promise<void> {
  await pooled(providers.length, async (i) => {
    const metadata = { namespace: providerNamespace(providers[i] as string), name: REPORT_NAME }
    const spec = reportSpec({ agentVersion: 'bench' })
    await made(() => client.create(providerReports, { metadata, spec }))
  })
  await pooled(nodes.length, async (i) => {
    const { provider, name, model, gpus = 8 } = nodes[i] as FleetNode
    const { spec } = gpuNode({ name, model, provider, gpus })
    await made(() => client.create(gpuNodes, { metadata: { namespace: providerNamespace(provider), name }, spec }))
  })
}

async function made(create: () => Promise<unknown>): Promise<void> {
  try {
    await create()
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}
