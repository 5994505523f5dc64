// How a run ended, told from its pods and from the Job's own condition.
import type { GpuRun, GpuRunStatus } from '../../api/gpurun.ts'
import type { ProviderJob, Seen } from './gpurun-seen.ts'
import { hasEnded, type WorkerRecord } from './worker-records.ts'

export interface Ending {
  readonly state: NonNullable<GpuRunStatus['state']>
  readonly reason: string
  readonly message: string
  readonly exitCode?: number
}

const waitingReasons: ReadonlySet<string> = new Set([
  'CreateContainerConfigError',
  'InvalidImageName',
  'ErrImageNeverPull',
])

const rejections: ReadonlySet<string> = new Set(['NoRoom', 'NameTaken', 'Invalid'])

/** A container that waits for one of these never starts by itself. */
export function waitsForEver(reason: string | undefined): boolean {
  return reason !== undefined && waitingReasons.has(reason)
}

/** Why a run that goes on must end: written down before anything is done about it, so that a crash forgets nothing. */
export function intentOf({ status }: GpuRun): Ending | undefined {
  const { state, reason, message = '' } = status ?? {}
  if (state === 'Running' && reason === 'DeadlineExceeded') return { state: 'Failed', reason, message }
  if (reason === undefined || state !== undefined) return undefined
  if (rejections.has(reason)) return { state: 'Rejected', reason, message }
  return waitsForEver(reason) ? { state: 'Failed', reason, message } : undefined
}

/**
 * What to say of a run whose workers are all over; `undefined` while more of them may come.
 * Earlier causes win: what the hub ordered, what was already written down, the Job's condition, the pods.
 */
export function ending({ run, workers }: Seen, job: ProviderJob | undefined): Ending | undefined {
  const byIndex = new Map(workers.map((record) => [record.pod.index, record]))
  const succeeded =
    byIndex.size === run.spec.workers && [...byIndex.values()].every(({ pod }) => pod.phase === 'Succeeded')
  if (succeeded)
    return { state: 'Succeeded', reason: 'Completed', message: 'all workers ended with exit code 0', exitCode: 0 }

  const jobGone = job === undefined || job.deleting
  const intent = intentOf(run)
  if (intent) return jobGone ? intent : undefined
  if (run.spec.stop)
    return jobGone ? { state: 'Stopped', reason: 'Stopped', message: `stopped: ${run.spec.stop.reason}` } : undefined
  if (job?.failed?.reason === 'DeadlineExceeded') {
    return { state: 'Failed', reason: 'DeadlineExceeded', message: job.failed.message }
  }
  if (job?.failed) return firstFailure(workers) ?? endingOfJob(job.failed.message, workers)
  const removed = jobGone ? jobRemoved : undefined
  // Pods are taken down before the Job says why: its deadline, its removal.
  return workers.every(wasTakenDown) ? removed : (firstFailure(workers) ?? removed)
}

const jobRemoved: Ending = { state: 'Reclaimed', reason: 'JobRemoved', message: 'the Job was removed on the provider' }

/** It did not fail by itself: it was being deleted, with its Job, before it ended, or vanished with it. */
function wasTakenDown({ pod }: WorkerRecord): boolean {
  return pod.disruption === undefined && (pod.deleting || pod.phase !== 'Failed')
}

/**
 * The podFailurePolicy's words outlive the pods: "Container main for pod team/x-0-abc failed with exit code 3 matching
 * FailJob rule at index 1", "Pod team/x-0-abc has condition DisruptionTarget matching FailJob rule at index 0".
 */
function endingOfJob(message: string, workers: readonly WorkerRecord[]): Ending {
  const code = /failed with exit code (\d+) matching/.exec(message)?.[1]
  if (code !== undefined) return { state: 'Failed', reason: 'NonZeroExit', message, exitCode: Number(code) }
  if (message.includes('has condition DisruptionTarget')) return { state: 'Reclaimed', reason: 'Reclaimed', message }
  const vanished = workers.find(({ pod }) => !hasEnded(pod))?.pod
  return vanished
    ? {
        state: 'Reclaimed',
        reason: 'NodeLost',
        message: `worker ${vanished.index} vanished from node ${vanished.node}`,
      }
    : { state: 'Failed', reason: 'NonZeroExit', message }
}

/** The failure that came first; those after it, on pods that are being deleted, are the gang being taken down. */
function firstFailure(workers: readonly WorkerRecord[]): Ending | undefined {
  const failures = workers
    .filter(({ pod }) => pod.phase === 'Failed' && hasEnded(pod))
    .toSorted(
      (a, b) => Number(a.pod.deleting) - Number(b.pod.deleting) || endedAt(a).localeCompare(endedAt(b)), // Times are whole seconds.
    )
  const disrupted = failures.find(({ pod }) => pod.disruption !== undefined)
  const first = failures.find(({ pod }) => pod.disruption === undefined) ?? disrupted
  if (!first) return undefined

  const { pod } = disrupted && endedAt(disrupted) <= endedAt(first) ? disrupted : first
  if (pod.disruption !== undefined && pod.disruption !== 'TerminationByKubelet') {
    return {
      state: 'Reclaimed',
      reason: 'Reclaimed',
      message: `worker ${pod.index} was taken off by the provider: ${pod.disruption}`,
    }
  }
  const failed = pod.containers.filter(({ exitCode }) => exitCode !== undefined && exitCode !== 0)
  const container = failed.find(({ role }) => role !== 'Sidecar') ?? failed[0]
  const exitCode = container?.exitCode
  const reason = container?.reason === 'OOMKilled' ? 'OOMKilled' : pod.reason === 'Evicted' ? 'Evicted' : 'NonZeroExit'
  const message = container
    ? `worker ${pod.index}: container ${container.name} ended with exit code ${exitCode}`
    : `worker ${pod.index}: ${pod.message ?? pod.reason ?? 'the pod failed'}`
  return { state: 'Failed', reason, message, ...(exitCode === undefined ? {} : { exitCode }) }
}

function endedAt({ pod }: WorkerRecord): string {
  return (
    pod.containers
      .flatMap(({ finishedAt }) => finishedAt ?? [])
      .toSorted()
      .at(-1) ?? ''
  )
}
