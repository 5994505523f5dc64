// A hub that leads, on an API server in memory.
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import type { Happening } from '../../operator/src/adapters/kubernetes/events.ts'
import { hubCaches } from '../../operator/src/adapters/kubernetes/hub/caches.ts'
import { hubControllers } from '../../operator/src/adapters/kubernetes/hub/controllers.ts'
import { hubIdentity } from '../../operator/src/adapters/kubernetes/hub/identity.ts'
import { wireAbsence } from '../../operator/src/adapters/kubernetes/hub/wiring.ts'
import {
  customResourceDefinitions,
  gpuJobs,
  gpuNodes,
  gpuRuns,
  providers,
} from '../../operator/src/adapters/kubernetes/kinds.ts'
import { leases } from '../../operator/src/adapters/kubernetes/resources.ts'
import { statusWriter } from '../../operator/src/adapters/kubernetes/status-writer.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun, GpuRunStatus } from '../../operator/src/api/gpurun.ts'
import { soonMs, workQueue } from '../../operator/src/controllers/work-queue.ts'
import { defaultWeights } from '../../operator/src/domain/scheduling/weights.ts'
import { type FakeKubeApi, fakeKubeApi } from '../fakes/kube-api.ts'
import { type FakeTime, fakeTime } from '../fakes/time.ts'
import { type GpuJobOptions, gpuJob } from './gpujob.ts'
import { gpuNode } from './gpunode.ts'
import { provider } from './provider.ts'

export interface HubCluster {
  readonly time: FakeTime
  readonly api: FakeKubeApi
}

type StartHub = Pick<HubCluster, 'time'> & { readonly api: KubeClient }

export function hubCluster(): HubCluster {
  const time = fakeTime()
  return { time, api: fakeKubeApi({ ...time, namespaces: ['kube-system', 'gpu-commons', 'team'] }) }
}

/** Those that were started and not yet stopped. */
const hubs = new Set<AbortController>()

/** For `afterEach`: a test leaves no hub behind. */
export function stopHubs(): void {
  for (const hub of hubs) hub.abort()
  hubs.clear()
}

/** A hub that leads, with one provider of eight GPUs. */
export async function federation() {
  const cluster = hubCluster()
  const hub = await startHub(cluster)
  await addProvider(cluster)
  return { ...cluster, cluster, hub }
}

/** A hub that has filled its caches and leads. Start two on the same cluster: both think that they do. */
export async function startHub({ time, api }: StartHub, { tombstoneSeconds = 600 } = {}) {
  const stop = new AbortController()
  hubs.add(stop)
  const errors: string[] = []
  const happenings: Happening[] = []
  const onError = (error: unknown) => void errors.push((error as Error).message)
  const { clock, timers } = time
  const context = { client: api, clock, timers, random: () => 1, signal: stop.signal, onError }
  const wait = { timers, signal: stop.signal, onWait: (what: string) => void errors.push(what) }
  for (const plural of ['gpujobs', 'gpuruns']) await makeKind({ api }, plural)
  const identity = await hubIdentity(api, 'gpu-commons', wait)
  const caches = hubCaches(context, identity)
  await time.turn()
  await caches.begun
  const { queues, scheduling } = hubControllers({
    ...time,
    client: api,
    context,
    caches,
    identity,
    recorder: { record: (happening) => void happenings.push(happening) },
    statuses: statusWriter(api, () => {}),
    queue: (name, reconcile) => workQueue({ ...context, name, reconcile, concurrency: 4 }),
    observeScheduling: () => {},
    namespace: 'gpu-commons',
    weights: defaultWeights,
    suspectAfterSeconds: 15,
    tombstoneSeconds,
  })
  void caches.synced.then(
    () => wireAbsence(caches, { queues }),
    () => undefined, // Stopped before.
  )
  for (const one of Object.values(queues)) void one.run(stop.signal)
  await time.advance(0)
  const end = () => {
    stop.abort()
    hubs.delete(stop)
  }
  return { stop: end, errors, happenings, scheduling }
}

/** Somebody applies the CustomResourceDefinition; one that is there stays. */
export async function makeKind({ api }: Pick<StartHub, 'api'>, plural: string): Promise<void> {
  const metadata = { name: `${plural}.gpucommons.io` }
  if (!(await api.get(customResourceDefinitions, metadata))) await api.create(customResourceDefinitions, { metadata })
}

export async function addProvider({ api, time }: HubCluster, { name = 'acme', gpus = 8 } = {}): Promise<void> {
  const { spec } = provider({ name })
  await api.create(providers, { metadata: { name }, spec })
  await time.advance(0)
  const node = gpuNode({ provider: name, gpus })
  await api.create(gpuNodes, { metadata: { name: node.metadata.name, namespace: `provider-${name}` }, spec: node.spec })
  await heartbeat({ api, time }, name)
}

/** The agent of that provider renews its Lease. */
export async function heartbeat({ api, time }: HubCluster, name = 'acme'): Promise<void> {
  const patch = { spec: { renewTime: `renewed at ${time.clock.boot()}` } }
  await api.mergePatch(leases, { ref: { name: 'agent', namespace: `provider-${name}` }, patch })
  await time.advance(0)
}

/** The tenant applies a job. */
export async function submit({ api, time }: HubCluster, options: GpuJobOptions = {}): Promise<GpuJob> {
  const { metadata, spec } = gpuJob(options)
  const job = await api.create(gpuJobs, { metadata: { name: metadata.name, namespace: 'team' }, spec })
  await time.advance(0)
  return job
}

export async function runOf({ api }: HubCluster, job: GpuJob, number = 1): Promise<GpuRun | undefined> {
  const all = await api.list(gpuRuns)
  return all.items.find(({ spec }) => spec.job.uid === job.metadata.uid && spec.run === number)
}

/** The agent says how a run is, and the hub has heard it. */
export async function agentSays(
  cluster: HubCluster,
  job: GpuJob,
  { run = 1, ...status }: Partial<GpuRunStatus> & { run?: number },
) {
  const found = await runOf(cluster, job, run)
  if (!found) throw new Error(`there is no run ${run}`)
  const patch = { status: { observedGeneration: 1, ...status } }
  await cluster.api.mergePatch(gpuRuns, { ref: found.metadata, patch }, { subresource: 'status' })
  // The hub says a moment later that a run runs.
  await cluster.time.advance(status.state === 'Running' ? soonMs : 0)
}

/** `Running run 1@acme`, `Waiting`, `gone`. */
export async function stateOf({ api }: HubCluster, { metadata }: GpuJob): Promise<string> {
  const found = await api.get(gpuJobs, metadata)
  if (!found) return 'gone'
  const { state = 'new', placement } = found.status ?? {}
  return placement ? `${state} run ${placement.run}@${placement.provider}` : state
}
