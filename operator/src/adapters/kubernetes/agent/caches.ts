// What the agent knows: its own namespace on the hub, and the nodes, pods and Jobs of its own cluster.
import type { GpuNode } from '../../../api/gpunode.ts'
import type { GpuRun } from '../../../api/gpurun.ts'
import { HUB_UID_LABEL, RUN_LABEL, SECRETS_ANNOTATION } from '../../../api/labels.ts'
import { toMillis } from '../../../api/time.ts'
import type { ProviderNode, ProviderPod } from '../../../domain/inventory/node-claim.ts'
import { runId } from '../../../domain/lifecycle/gpurun.ts'
import type { ProviderJob } from '../../../domain/lifecycle/gpurun-seen.ts'
import type { WorkerPod } from '../../../domain/lifecycle/worker-records.ts'
import { gpuNodes, gpuRuns } from '../kinds.ts'
import { withoutBallast } from '../projection.ts'
import { reflect } from '../reflector.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import { type Job, jobs, type Node, nodes, type Pod, pods } from '../resources.ts'
import type { Projected, Store } from '../store.ts'
import { workerPod } from './worker-pod.ts'

/** A pod of this cluster: one of ours with all that its run needs, or somebody else's with what it takes of its node. */
export interface PodKept extends Projected {
  readonly node: string | undefined
  readonly ours: WorkerPod | undefined
  readonly takes: ProviderPod
}

export interface NodeKept extends Projected {
  readonly ready: boolean
  readonly node: ProviderNode
}

export interface JobKept extends Projected {
  readonly job: ProviderJob
}

export interface AgentCaches {
  /** Index `id`: see RUN_LABEL. */
  readonly runs: Store<GpuRun>
  /** The answer to a write of our own, taken before the watch brings it. */
  readonly learnRun: (run: GpuRun) => void
  /** What the hub was told of our nodes; by `namespace/name`. */
  readonly claims: Store<GpuNode>
  readonly nodes: Store<NodeKept>
  /** Indexes `node` and, of ours, `run`: see RUN_LABEL. */
  readonly pods: Store<PodKept>
  /** Index `run`: see RUN_LABEL. */
  readonly jobs: Store<JobKept>
  readonly synced: Promise<void>
}

export interface AgentContexts {
  readonly hub: ReflectorContext
  readonly provider: ReflectorContext
  readonly hubUid: string
  /** The agent's namespace on the hub. */
  readonly namespace: string
}

export function agentCaches({ hub, provider, hubUid, namespace }: AgentContexts): AgentCaches {
  const run = reflect({
    ...hub,
    resource: gpuRuns,
    namespace,
    project: withoutBallast,
    indexes: { id: (one: GpuRun) => [runId(one)] },
  })
  const claim = reflect({ ...hub, resource: gpuNodes, namespace, project: withoutBallast })
  const node = reflect({ ...provider, resource: nodes, project: keptNode })
  const pod = reflect({
    ...provider,
    resource: pods,
    project: (one: Pod) => keptPod(one, hubUid),
    indexes: {
      node: (one: PodKept) => (one.node === undefined ? [] : [one.node]),
      run: (one: PodKept) => (one.ours ? [one.ours.runId] : []),
    },
  })
  const job = reflect({
    ...provider,
    resource: jobs,
    labelSelector: `${HUB_UID_LABEL}=${hubUid}`,
    project: keptJob,
    indexes: { run: ({ job: { runId: id } }: JobKept) => (id === undefined ? [] : [id]) },
  })
  return {
    runs: run.store,
    learnRun: run.learn,
    claims: claim.store,
    nodes: node.store,
    pods: pod.store,
    jobs: job.store,
    synced: Promise.all([run, claim, node, pod, job].map(({ synced }) => synced)).then(() => undefined),
  }
}

function keptNode({ metadata, spec, status }: Node): NodeKept {
  const { name, uid, resourceVersion, labels } = metadata
  const { capacity, allocatable, conditions = [] } = status ?? {}
  return {
    metadata: { name, uid, resourceVersion },
    ready: conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    node: { metadata: { name, labels }, spec, status: { capacity, allocatable, conditions } },
  }
}

function keptPod(pod: Pod, hubUid: string): PodKept {
  const { name, namespace, uid, resourceVersion, labels } = pod.metadata
  const isOurs = labels?.[HUB_UID_LABEL] === hubUid && labels[RUN_LABEL] !== undefined
  const { nodeName, containers, initContainers, overhead, resources } = pod.spec
  const resourcesOf = (list: typeof containers) =>
    list.map(({ name: one, resources, restartPolicy }) => ({ name: one, resources, restartPolicy }))
  return {
    metadata: { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
    node: nodeName,
    ours: isOurs ? workerPod(pod) : undefined,
    takes: {
      metadata: { labels: isOurs ? { [RUN_LABEL]: labels?.[RUN_LABEL] ?? '' } : {} },
      spec: {
        nodeName,
        containers: resourcesOf(containers),
        ...(initContainers ? { initContainers: resourcesOf(initContainers) } : {}),
        ...(overhead ? { overhead } : {}),
        ...(resources ? { resources } : {}),
      },
      status: { phase: pod.status?.phase },
    },
  }
}

function keptJob(job: Job): JobKept {
  const { name, uid, resourceVersion, namespace } = job.metadata
  return {
    metadata: { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
    job: providerJob(job),
  }
}

/** A Job, cut down to what the life of its run is decided from. */
export function providerJob({ metadata, spec, status }: Job): ProviderJob {
  const failed = status?.conditions?.find(
    ({ type, status: is }) => (type === 'FailureTarget' || type === 'Failed') && is === 'True',
  )
  const secrets = metadata.annotations?.[SECRETS_ANNOTATION]
  return {
    ...(secrets === undefined ? {} : { secrets, suspended: spec.suspend === true }),
    uid: metadata.uid,
    runId: metadata.labels?.[RUN_LABEL],
    createdMs: toMillis(metadata.creationTimestamp),
    deleting: metadata.deletionTimestamp !== undefined,
    complete: status?.conditions?.some(({ type, status: is }) => type === 'Complete' && is === 'True') ?? false,
    podsCounted: (status?.active ?? 0) + (status?.succeeded ?? 0) + (status?.failed ?? 0),
    failed: failed && { reason: failed.reason ?? 'Failed', message: failed.message ?? 'the Job failed' },
  }
}

/** Whether a pod belongs to a run that the hub knows of, and has booked. */
export function isOfRun(runs: AgentCaches['runs']): (pod: ProviderPod) => boolean {
  return ({ metadata }) => {
    const id = metadata.labels?.[RUN_LABEL]
    return id !== undefined && runs.by('id', id).length > 0
  }
}
