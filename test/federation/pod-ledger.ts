/** What became of every pod and Job that was ever on a provider, counted from the watches of its own API server. */
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import { JOB_UID_LABEL, RUN_LABEL } from '../../operator/src/api/labels.ts'
import type { ProviderSide } from './stage.ts'
import type { Seen } from './watched.ts'

const GPU = 'nvidia.com/gpu'

export interface PodEntry {
  readonly uid: string
  /** Of the GpuRun and the GpuJob that its labels name; empty for a pod that is not ours. */
  readonly runId: string
  readonly jobUid: string
  readonly gpus: number
  readonly index: string
  node?: string
  exitCode?: number
  /** Milliseconds for which the scheduler found no node for it, all together. */
  unschedulableMs: number
}

export interface PodLedger {
  readonly pods: ReadonlyMap<string, PodEntry>
  /** GpuJob uid of each Job, by the Job's own uid. */
  readonly jobs: ReadonlyMap<string, string>
  /** The most GPUs that were ever in use at one moment, by node: all pods that were bound and not over. */
  readonly mostGpus: ReadonlyMap<string, number>
  /** The most workers of one run that were ever on a node at one moment, by `<run uid> <node>`. */
  readonly mostWorkers: ReadonlyMap<string, number>
}

/** Begin it before there is anything of ours; it counts as long as the watches last. */
export function keepLedger({ pods, jobs }: Pick<ProviderSide, 'pods' | 'jobs'>): PodLedger {
  const entries = new Map<string, PodEntry>()
  const jobUids = new Map<string, string>()
  const gpus = highWater()
  const workers = highWater()
  const waitingSince = new Map<string, number>()

  function see({ type, object: pod }: Seen<Pod>): void {
    const { uid } = pod.metadata
    const entry = entries.get(uid) ?? newEntry(pod)
    entries.set(uid, entry)
    if (pod.spec.nodeName !== undefined) entry.node = pod.spec.nodeName
    const exitCode = pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode
    if (exitCode !== undefined) entry.exitCode = exitCode
    const holds = type !== 'DELETED' && pod.spec.nodeName !== undefined && !isOver(pod)
    gpus.set(uid, { key: entry.node ?? '', amount: holds ? entry.gpus : 0 })
    workers.set(uid, { key: `${entry.runId} ${entry.node}`, amount: holds ? 1 : 0 })

    const isWaiting = type !== 'DELETED' && pod.status?.conditions?.some(isUnschedulable) === true
    const since = waitingSince.get(uid)
    if (isWaiting && since === undefined) waitingSince.set(uid, performance.now())
    if (isWaiting || since === undefined) return
    entry.unschedulableMs += performance.now() - since
    waitingSince.delete(uid)
  }

  for (const object of pods.all.values()) see({ type: 'ADDED', object })
  pods.onChange(see)
  jobs.onChange(
    ({ object }: Seen<Job>) => void jobUids.set(object.metadata.uid, object.metadata.labels?.[JOB_UID_LABEL] ?? ''),
  )
  return { pods: entries, jobs: jobUids, mostGpus: gpus.most, mostWorkers: workers.most }
}

function newEntry({ metadata: { uid, labels = {} }, spec }: Pod): PodEntry {
  const gpus = spec.containers.reduce((sum, { resources }) => sum + Number(resources?.limits?.[GPU] ?? 0), 0)
  const index = labels['batch.kubernetes.io/job-completion-index'] ?? ''
  return {
    uid,
    runId: labels[RUN_LABEL] ?? '',
    jobUid: labels[JOB_UID_LABEL] ?? '',
    gpus,
    index,
    unschedulableMs: 0,
  }
}

/** Sums up what each pod holds of a key, and remembers the largest sum of each. */
function highWater() {
  const held = new Map<string, number>()
  const sums = new Map<string, number>()
  const most = new Map<string, number>()
  return {
    most,
    set(uid: string, { key, amount }: { readonly key: string; readonly amount: number }): void {
      const sum = (sums.get(key) ?? 0) + amount - (held.get(uid) ?? 0)
      held.set(uid, amount)
      sums.set(key, sum)
      most.set(key, Math.max(sum, most.get(key) ?? 0))
    },
  }
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

function isUnschedulable({ type, status, reason }: { type: string; status: string; reason?: string }): boolean {
  return type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable'
}
