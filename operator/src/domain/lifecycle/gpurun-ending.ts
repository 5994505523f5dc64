// How a run ended, told from its pods and from the Job's own condition.
import type { GpuRunReason } from '../../api/conditions.ts'
import type { GpuRun, GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import { toMillis } from '../../api/time.ts'
import type { ProviderJob, Seen } from './gpurun-seen.ts'
import { endOfTrial } from './start-trouble.ts'
import { hasEnded, type WorkerPod, type WorkerRecord } from './worker-records.ts'

export interface Ending {
  readonly state: NonNullable<GpuRunStatus['state']>
  readonly reason: string
  readonly message: string
  readonly exitCode?: number
}

const rejections: ReadonlySet<string> = new Set([
  'NoRoom',
  'NameTaken',
  'Invalid',
  'PayloadMissing',
  'PayloadMismatch',
  'OwnerRuleTenant',
  'OwnerRuleImage',
  'OwnerRuleGpus',
  'OwnerRuleRuntime',
  'OwnerRuleStorage',
  'NeedsRoot',
  'NodeNotOffered',
] satisfies GpuRunReason[])

/** The owner takes the machines back, from what runs too. */
const takenBack: ReadonlySet<string> = new Set(['ProviderLeaves', 'OwnerRuleHours'] satisfies GpuRunReason[])

/** Why a run that goes on must end: written down before anything is done about it, so that a crash forgets nothing. */
export function intentOf({ status }: GpuRun): Ending | undefined {
  const { state, reason, message = '', troubleSince } = status ?? {}
  if (state === 'Running' && reason === 'DeadlineExceeded') return { state: 'Failed', reason, message }
  if (reason === undefined) return undefined
  if ((state === 'Running' || state === undefined) && takenBack.has(reason))
    return { state: 'Reclaimed', reason, message }
  // Trouble that is still borne is no intent yet.
  if (state !== undefined || troubleSince !== undefined) return undefined
  const ends = rejections.has(reason) ? 'Rejected' : endOfTrial(reason)
  return ends && { state: ends, reason, message }
}

/**
 * What to say of a run whose workers are all over; `undefined` while more of them may come.
 * Earlier causes win: what the hub ordered, what was already written down, the Job's condition, the pods.
 */
export function ending({ run, workers }: Seen, job: ProviderJob | undefined): Ending | undefined {
  const byIndex = new Map(workers.map((record) => [record.pod.index, record]))
  const areAllKnown = byIndex.size === run.spec.workers
  const succeeded = areAllKnown && [...byIndex.values()].every(({ pod }) => pod.phase === 'Succeeded')
  // Who saves what it has and leaves with 0 when it is told to, has not done its work: a Job counts that as success too.
  if ((succeeded || job?.complete) && !workers.some(({ pod }) => wasCutShort(pod)))
    return { state: 'Succeeded', reason: 'Completed', message: 'all workers ended with exit code 0', exitCode: 0 }

  const jobGone = job === undefined || job.deleting
  const intent = intentOf(run)
  if (intent) return jobGone ? intent : undefined
  if (run.spec.stop) return jobGone ? stopped(run.spec.stop) : undefined
  if (job?.failed?.reason === 'DeadlineExceeded') {
    return { state: 'Failed', reason: 'DeadlineExceeded', message: job.failed.message }
  }
  const failed = firstFailure(workers, { hasRun: run.status?.state === 'Running', jobGone })
  if (job?.failed) return failed ?? endingOfJob(job.failed.message, workers)
  if (job?.complete && !jobGone) return failed
  // A Job makes its pods one after the other: until it says that it has failed, those that are missing may still come.
  if (!jobGone && !areAllKnown) return undefined
  const removed = jobGone ? jobRemoved : undefined
  // Pods are taken down before the Job says why: its deadline, its removal.
  return workers.every(wasTakenDown) ? removed : (failed ?? removed)
}

function stopped({ reason, message }: NonNullable<GpuRunSpec['stop']>): Ending {
  if (reason === 'Preempted') return { state: 'Stopped', reason, message: message ?? 'by another job' }
  return { state: 'Stopped', reason: 'Stopped', message: `stopped: ${reason}` }
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
        message: `a worker vanished from node ${vanished.node}`,
      }
    : { state: 'Failed', reason: 'NonZeroExit', message }
}

interface World {
  /** All workers ran at one time. */
  readonly hasRun: boolean
  /** Gone or going. */
  readonly jobGone: boolean
}

/** The failure that came first; those after it, on pods that are being deleted, are the gang being taken down. */
function firstFailure(workers: readonly WorkerRecord[], world: World): Ending | undefined {
  const failures = workers
    .map(({ pod }) => pod)
    .filter((pod) => (pod.phase === 'Failed' || wasCutShort(pod)) && hasEnded(pod))
    .toSorted(
      (a, b) => Number(wasEnded(a)) - Number(wasEnded(b)) || endedAt(a).localeCompare(endedAt(b)), // Times are whole seconds.
    )
  const disrupted = failures.find(({ disruption }) => disruption !== undefined)
  const first = failures.find(({ disruption }) => disruption === undefined) ?? disrupted
  if (!first) return undefined
  return endingOfPod(disrupted && endedAt(disrupted) <= endedAt(first) ? disrupted : first, world)
}

/** Two clocks are compared, the node's and the API server's, and each tells whole seconds. */
const clocksDifferMs = 2000

/** Somebody asked for its deletion before it ended. */
function wasEnded(pod: WorkerPod): boolean {
  if (!pod.deleting || pod.deletingSince === undefined) return pod.deleting
  const ended = endedAt(pod)
  return ended !== '' && toMillis(ended) + clocksDifferMs >= toMillis(pod.deletingSince)
}

/** It ended with exit code 0, but because somebody wanted it to. */
function wasCutShort(pod: WorkerPod): boolean {
  return pod.phase === 'Succeeded' && (pod.disruption !== undefined || wasEnded(pod))
}

/** Whose doing it was: what the provider did to the pod is told before the exit code that it caused. */
function endingOfPod(pod: WorkerPod, { hasRun, jobGone }: World): Ending {
  const words = pod.message ?? pod.reason ?? 'the pod failed'
  const told = (what: string) => `worker ${pod.index}${pod.node === undefined ? '' : ` on node ${pod.node}`}: ${what}`
  const reclaimed = (reason: GpuRunReason, what: string): Ending => ({
    state: 'Reclaimed',
    reason,
    message: told(what),
  })

  if (nodeShutdowns.has(pod.reason ?? '')) return reclaimed('NodeShutdown', words)
  if (pod.disruption === 'TerminationByKubelet') {
    return pod.reason === 'Evicted' ? reclaimed('NodePressure', words) : reclaimed('Reclaimed', words)
  }
  if (pod.disruption !== undefined) return reclaimed('Reclaimed', `taken off by the provider: ${pod.disruption}`)
  if (!pod.containers.some(({ state }) => state !== 'Waiting')) {
    // Nothing of it ever began. The kubelet checks again after a reboot too.
    return { state: hasRun ? 'Reclaimed' : 'Rejected', reason: 'NodeRefused', message: told(words) }
  }
  if (!jobGone && pod.reason === undefined && wasEnded(pod)) {
    return reclaimed('PodRemoved', 'its pod was deleted on the provider')
  }
  return endingOfContainer(pod, told)
}

const nodeShutdowns: ReadonlySet<string> = new Set(['Terminated', 'NodeShutdown'])

/** What a container runtime says of a container that it no longer knew when the node was up again. */
const forgotten: ReadonlySet<string> = new Set(['Unknown', 'ContainerStatusUnknown'])

/** What it says of one that it could not start: a command that is not there, or a driver that does not answer. */
const startErrors: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun'])

function endingOfContainer(pod: WorkerPod, told: (what: string) => string): Ending {
  const failed = pod.containers.filter(({ exitCode }) => exitCode !== undefined && exitCode !== 0)
  const container = failed.find(({ role }) => role !== 'Sidecar') ?? failed[0]
  if (!container) return { state: 'Failed', reason: 'NonZeroExit', message: told(pod.message ?? 'the pod failed') }

  const { name, exitCode = 1, reason = '', message } = container
  const words = message === undefined ? '' : `: ${message}`
  if (startErrors.has(reason)) {
    return { state: 'Rejected', reason: 'StartError', message: told(`container ${name} could not be started${words}`) }
  }
  if (forgotten.has(reason) && pod.reason !== 'Evicted') {
    const what = `container ${name} was lost: its node or its container runtime began anew`
    return { state: 'Reclaimed', reason: 'NodeLost', message: told(what) }
  }
  const evicted = pod.reason === 'Evicted' ? (pod.message ?? 'evicted') : undefined
  return {
    state: 'Failed',
    reason: reason === 'OOMKilled' ? 'OOMKilled' : evicted === undefined ? 'NonZeroExit' : 'Evicted',
    message: told(evicted ?? `container ${name} ended with exit code ${exitCode}${words}`),
    exitCode,
  }
}

function endedAt({ containers }: WorkerPod): string {
  return (
    containers
      .flatMap(({ finishedAt }) => finishedAt ?? [])
      .toSorted()
      .at(-1) ?? ''
  )
}
