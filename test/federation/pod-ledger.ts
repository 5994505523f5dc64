/** What became of every pod and Job that was ever on a provider, counted from the watches of its own API server. */
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import { JOB_UID_LABEL, RUN_UID_LABEL } from '../../operator/src/api/labels.ts'
import type { ProviderSide } from './stage.ts'
import type { Seen } from './watched.ts'

const GPU = 'nvidia.com/gpu'

export interface PodEntry {
  readonly uid: string
  /** Of the GpuRun and the GpuJob that its labels name; empty for a pod that is not ours. */
  readonly runUid: string
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
}

/** Begin it before there is anything of ours; it counts as long as the watches last. */
export function keepLedger({ pods, jobs }: Pick<ProviderSide, 'pods' | 'jobs'>): PodLedger {
  const entries = new Map<string, PodEntry>()
  const jobUids = new Map<string, string>()
  const use = gpuUse()
  const waitingSince = new Map<string, number>()

  function see({ type, object: pod }: Seen<Pod>): void {
    const { uid } = pod.metadata
    const entry = entries.get(uid) ?? newEntry(pod)
    entries.set(uid, entry)
    if (pod.spec.nodeName !== undefined) entry.node = pod.spec.nodeName
    const exitCode = pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode
    if (exitCode !== undefined) entry.exitCode = exitCode
    use.count(entry, type !== 'DELETED' && pod.spec.nodeName !== undefined && !isOver(pod))

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
  return { pods: entries, jobs: jobUids, mostGpus: use.most }
}

function newEntry({ metadata: { uid, labels = {} }, spec }: Pod): PodEntry {
  const gpus = spec.containers.reduce((sum, { resources }) => sum + Number(resources?.limits?.[GPU] ?? 0), 0)
  const index = labels['batch.kubernetes.io/job-completion-index'] ?? ''
  return {
    uid,
    runUid: labels[RUN_UID_LABEL] ?? '',
    jobUid: labels[JOB_UID_LABEL] ?? '',
    gpus,
    index,
    unschedulableMs: 0,
  }
}

function gpuUse() {
  const holders = new Set<string>()
  const now = new Map<string, number>()
  const most = new Map<string, number>()
  return {
    most,
    count({ uid, node = '', gpus }: PodEntry, holds: boolean): void {
      if (holders.has(uid) === holds) return
      if (holds) holders.add(uid)
      else holders.delete(uid)
      const used = (now.get(node) ?? 0) + (holds ? gpus : -gpus)
      now.set(node, used)
      most.set(node, Math.max(used, most.get(node) ?? 0))
    },
  }
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

function isUnschedulable({ type, status, reason }: { type: string; status: string; reason?: string }): boolean {
  return type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable'
}
