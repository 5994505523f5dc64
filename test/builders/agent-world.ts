// An agent between two API servers in memory: the hub, and the provider's own cluster.
import { agentCaches } from '../../operator/src/adapters/kubernetes/agent/caches.ts'
import { nodeWatch } from '../../operator/src/adapters/kubernetes/agent/node-watch.ts'
import { orphanPorts } from '../../operator/src/adapters/kubernetes/agent/orphan-ports.ts'
import { type RunWorld, runPorts } from '../../operator/src/adapters/kubernetes/agent/run-ports.ts'
import { wireAgent } from '../../operator/src/adapters/kubernetes/agent/wiring.ts'
import { gpuRuns } from '../../operator/src/adapters/kubernetes/kinds.ts'
import { type Job, jobs, type Node, nodes, type Pod, pods } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { HUB_UID_LABEL, RUN_LABEL } from '../../operator/src/api/labels.ts'
import { noRules, type OwnerRules } from '../../operator/src/api/owner-rules.ts'
import { Leaving } from '../../operator/src/controllers/agent/leaving.ts'
import { Opening } from '../../operator/src/controllers/agent/opening.ts'
import { orphanReconciler } from '../../operator/src/controllers/agent/orphans.ts'
import { runReconciler } from '../../operator/src/controllers/agent/run.ts'
import { settled, workQueue } from '../../operator/src/controllers/work-queue.ts'
import { runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { WorkerRecords } from '../../operator/src/domain/lifecycle/worker-records.ts'
import { type FakeKubeApi, fakeKubeApi } from '../fakes/kube-api.ts'
import { type FakeTime, fakeTime } from '../fakes/time.ts'
import { type GpuRunOptions, gpuRun } from './gpurun.ts'

export const hubUid = 'hub-uid'
export const tenant = 'gpc-hub-ui-team'
const namespace = 'provider-acme'

export interface Clusters {
  readonly time: FakeTime
  readonly hub: FakeKubeApi
  readonly provider: FakeKubeApi
}

export function clusters(): Clusters {
  const time = fakeTime()
  const hub = fakeKubeApi({ ...time, namespaces: [namespace] })
  return {
    time,
    hub,
    provider: fakeKubeApi({
      ...time,
      answer: ({ path }) => (path === '/version' ? { gitVersion: 'v1.34.4' } : undefined),
    }),
  }
}

/** An agent that has filled its caches, with two GPU nodes of which no kubelet has said anything yet, and what it has met. Start it twice on the same clusters to restart it. */
export async function startAgent({ time, hub, provider }: Clusters, rules: OwnerRules = noRules) {
  const stop = new AbortController()
  const errors: string[] = []
  const onError = (error: unknown) => void errors.push((error as Error).message)
  const { clock, timers } = time
  for (const name of ['node-1', 'node-2']) await gpuNode(provider, name)
  const shared = { clock, timers, random: () => 1, signal: stop.signal, onError }
  const caches = agentCaches({
    hub: { ...shared, client: hub },
    provider: { ...shared, client: provider },
    hubUid,
    namespace,
  })
  await time.turn()
  await caches.synced
  const records = new WorkerRecords()
  const leaving = new Leaving()
  const opening = new Opening(rules, clock)
  const world: RunWorld = {
    hub,
    provider,
    caches,
    records,
    node: nodeWatch(caches.nodes, clock.boot),
    hubUid,
    providerName: 'acme',
    leaving,
    opening,
    rules,
    rackLabel: 'topology.kubernetes.io/rack',
    clock,
    nonce: () => 'nonce',
    surroundings: async () => ({ nameservers: ['10.96.0.10'], apiServers: ['10.96.0.1'], closedRanges: [] }),
    timers,
    signal: stop.signal,
  }
  const runs = workQueue({ ...shared, name: 'run', concurrency: 4, reconcile: runReconciler(runPorts(world)) })
  const claimed: string[] = []
  const reconcile = async (node: string) => {
    claimed.push(node)
    return settled
  }
  const claims = workQueue({ ...shared, name: 'node-claim', concurrency: 1, reconcile })
  const trust = { vouched: async () => undefined, signal: stop.signal, orphanAfterSeconds: 600 }
  const removing = orphanReconciler(orphanPorts({ ...world, ...trust, namespace }))
  const orphans = workQueue({ ...shared, name: 'orphan', concurrency: 1, reconcile: removing })
  wireAgent(caches, {
    queues: { runs, nodes: claims, orphans },
    records,
    boot: clock.boot,
    leaving,
    opening,
    signal: stop.signal,
  })
  void opening.keep(timers, stop.signal)
  void runs.run(stop.signal)
  void claims.run(stop.signal)
  void orphans.run(stop.signal)
  await time.advance(0)
  return { stop: () => stop.abort(), errors, caches, claimed, world, leaving }
}

/** The hub orders a run. */
export async function order({ hub, time }: Clusters, options: GpuRunOptions = {}): Promise<GpuRun> {
  const { metadata, spec } = gpuRun(options)
  const run = await hub.create(gpuRuns, { metadata: { name: metadata.name, namespace }, spec })
  await time.advance(0)
  return run
}

export async function stopRun({ hub, time }: Clusters, { metadata }: GpuRun): Promise<void> {
  const stop = { reason: 'JobDeleted', requestedAt: '2026-01-01T00:00:00Z' } as const
  await hub.mergePatch(gpuRuns, { ref: metadata, patch: { spec: { stop } } })
  await time.advance(0)
}

/** `Running`, `Failed/NonZeroExit`, `not begun/NoRoom`, `Stopped cleaned`. */
export async function stateOf({ hub }: Clusters, { metadata }: GpuRun): Promise<string> {
  const { state = 'not begun', reason, cleanedAt } = (await hub.get(gpuRuns, metadata))?.status ?? {}
  return `${state}${reason ? `/${reason}` : ''}${cleanedAt ? ' cleaned' : ''}`
}

export function jobOf({ provider }: Clusters, { metadata }: GpuRun): Promise<Job | undefined> {
  return provider.get(jobs, { namespace: tenant, name: metadata.name })
}

/** What the Job controller makes of a Job: a pod of this index, on this node. */
export async function makePod(
  { provider, time }: Clusters,
  run: GpuRun,
  { index = 0, node = 'node-1' } = {},
): Promise<Pod> {
  const owner = await provider.get(jobs, { namespace: tenant, name: run.metadata.name })
  const pod = await provider.create(pods, {
    metadata: {
      name: `${run.metadata.name}-${index}`,
      namespace: tenant,
      labels: { [HUB_UID_LABEL]: hubUid, [RUN_LABEL]: runId(run) },
      annotations: { 'batch.kubernetes.io/job-completion-index': String(index) },
      ...(owner
        ? { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: '', uid: owner.metadata.uid }] }
        : {}),
    },
    spec: { nodeName: node, containers: [{ name: 'main', resources: { limits: { 'nvidia.com/gpu': '1' } } }] },
  })
  await time.advance(0)
  return pod
}

const runningState = { running: { startedAt: '2026-01-01T00:01:00Z' } }

/** What the kubelet says: that the pod runs, or that it ended with this exit code. */
export async function kubeletSays(
  { provider, time }: Clusters,
  { metadata }: Pod,
  said: 'Running' | number,
): Promise<void> {
  const terminated = { exitCode: Number(said), reason: 'x', finishedAt: '2026-01-01T00:02:00Z' }
  const state = said === 'Running' ? runningState : { terminated }
  const phase = said === 'Running' ? 'Running' : said === 0 ? 'Succeeded' : 'Failed'
  const patch = { status: { phase, containerStatuses: [{ name: 'main', state }] } } as const
  await provider.mergePatch(pods, { ref: metadata, patch }, { subresource: 'status' })
  await time.advance(0)
}

/** Deleted by force: it is gone at once, and its kubelet has said nothing. */
export async function vanish({ provider, time }: Clusters, { metadata }: Pod): Promise<void> {
  await provider.delete(pods, metadata, { gracePeriodSeconds: 0 })
  await time.advance(0)
}

export async function makeNode({ provider, time }: Clusters, name = 'node-1'): Promise<Node> {
  const node = await gpuNode(provider, name)
  await nodeIs({ provider, time }, name, 'True')
  return node
}

async function gpuNode(provider: FakeKubeApi, name: string): Promise<Node> {
  const there = await provider.get(nodes, { name })
  if (there) return there
  await provider.create(nodes, { metadata: { name }, spec: {} })
  const gpus = { 'nvidia.com/gpu': '8' }
  const patch = { status: { capacity: gpus, allocatable: gpus } }
  return provider.mergePatch(nodes, { ref: { name }, patch }, { subresource: 'status' })
}

export async function nodeIs(
  { provider, time }: Omit<Clusters, 'hub'>,
  name: string,
  ready: 'True' | 'Unknown',
): Promise<void> {
  const patch = { status: { conditions: [{ type: 'Ready', status: ready }] } }
  await provider.mergePatch(nodes, { ref: { name }, patch }, { subresource: 'status' })
  await time.advance(0)
}
