// How long a run may take to start, and what is said meanwhile.
import type { GpuRunReason } from '../../api/conditions.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { toMillis, toTime } from '../../api/time.ts'
import type { BrokenOnNode } from '../rules/nodes.ts'
import type { BrokenRule } from '../rules/owner-rules.ts'
import { cut, type Decision, intend, observed, ourJob } from './gpurun-decision.ts'
import type { ProviderJob, Seen } from './gpurun-seen.ts'
import { patienceMs, type Trouble, troubleIn } from './start-trouble.ts'
import { placesOf, type WorkerPod } from './worker-records.ts'

/** The provider's API server does not take what the run asks for, or its owner does not. */
export interface Refusal {
  readonly reason:
    | Extract<GpuRunReason, 'Invalid' | 'NameTaken' | 'Forbidden' | 'PayloadMissing' | 'PayloadMismatch'>
    | BrokenRule
    | BrokenOnNode['rule']
  readonly message: string
}

/** What ends the run when nothing changes until then. */
interface Limit {
  readonly reason: GpuRunReason
  readonly message: string
  readonly remainingMs: number
}

/** How soon a Job without pods is looked at again. */
const noPodYetMs = 5000

/** How soon a refusal that may be taken back is put to the test. */
const askAgainMs = 10_000

/** Of workers that have not all started: ends the run when they may take no longer, and tells of trouble once. */
export function giveUp(seen: Seen): Decision | undefined {
  const { run, workers } = seen
  const job = ourJob(seen)
  if (!job || run.status?.state === 'Running' || haveStarted(seen)) return undefined

  const found = troubleIn(workers, run.spec)
  const trouble = found && lasting(seen, found)
  const limits = [trouble, binding(seen, job), quiet(seen)].filter((limit) => limit !== undefined)
  const passed = limits.find(({ remainingMs }) => remainingMs <= 0)
  if (passed) return intend(seen, passed.reason, passed.message)

  const recheckMs = Math.min(
    ...limits.map(({ remainingMs }) => remainingMs),
    workers.length === 0 ? noPodYetMs : Infinity,
  )
  const news = trouble ? told(seen, trouble) : takenBack(seen)
  return { ...(news && { status: news }), ...(Number.isFinite(recheckMs) ? { recheckMs } : {}) }
}

/** What to do when the provider said no: most of it would come back each time, and some of it may be mended. */
export function afterRefusal(seen: Seen, { reason, message }: Refusal): Decision {
  if (reason !== 'Forbidden') return intend(seen, reason, message)
  const limit = lasting(seen, { trouble: reason, message })
  if (limit.remainingMs <= 0) return intend(seen, reason, message)
  const status = told(seen, limit)
  return { ...(status && { status }), recheckMs: Math.min(limit.remainingMs, askAgainMs) }
}

/** The main container of each worker has begun, and no container of it is still to come. */
export function haveStarted({ run, workers }: Seen): boolean {
  const hasStarted = ({ phase, containers: [main] }: WorkerPod) =>
    phase !== 'Pending' && main && main.state !== 'Waiting'
  return workers.length >= run.spec.workers && workers.every(({ pod }) => hasStarted(pod))
}

/** Trouble is counted from when the status first said it: another trouble begins anew. */
function lasting(
  { run: { spec, status }, now }: Seen,
  { trouble, message }: { readonly trouble: Trouble; readonly message: string },
): Limit {
  const since = status?.reason === trouble && status.troubleSince !== undefined ? toMillis(status.troubleSince) : now
  return { reason: trouble, message, remainingMs: since + patienceMs(trouble, spec) - now }
}

function binding({ run: { spec }, workers, now }: Seen, job: ProviderJob): Limit | undefined {
  const bound = workers.filter(({ pod, goneSince }) => pod.node !== undefined && goneSince === undefined).length
  if (bound >= spec.workers) return undefined
  const remainingMs = job.createdMs + spec.bindTimeoutSeconds * 1000 - now
  const message =
    workers.length < spec.workers
      ? `the provider made only ${workers.length} of ${spec.workers} pods within ${spec.bindTimeoutSeconds} s; the events of its Job say why`
      : `the provider's scheduler found no room for all workers within ${spec.bindTimeoutSeconds} s`
  return { reason: 'NoRoom', message, remainingMs }
}

/** A worker on its node that neither starts nor says why: a volume, a network, an image that does not come. */
function quiet({ run: { spec }, workers, now }: Seen): Limit | undefined {
  const stalled = workers
    .filter(({ pod, goneSince }) => goneSince === undefined && isStalled(pod))
    .map(({ pod }) => ({ index: pod.index, since: lastSign(pod) }))
    .filter(({ since }) => since !== undefined)
    .toSorted((a, b) => (a.since ?? 0) - (b.since ?? 0))[0]
  if (!stalled) return undefined
  const patience = patienceMs('StartTimeout', spec)
  return {
    reason: 'StartTimeout',
    message: `worker ${stalled.index} did not start within ${patience / 1000} s on its node; the events of its pod say why`,
    remainingMs: (stalled.since ?? 0) + patience - now,
  }
}

/** An init container may take its time. */
function isStalled({ phase, deleting, containers }: WorkerPod): boolean {
  return (
    phase === 'Pending' && !deleting && !containers.some(({ role, state }) => role === 'Init' && state === 'Running')
  )
}

function lastSign({ boundAt, containers }: WorkerPod): number | undefined {
  const signs = [boundAt, ...containers.flatMap(({ startedAt, finishedAt }) => [startedAt, finishedAt])]
  const times = signs.filter((time) => time !== undefined).map(toMillis)
  return boundAt === undefined ? undefined : Math.max(...times)
}

/** `undefined` where the status says it already: the kubelet's words move, what is wrong does not. */
function told(seen: Seen, { reason, message }: Limit): GpuRunStatus | undefined {
  const { status } = seen.run
  if (status?.reason === reason && status.troubleSince !== undefined) return undefined
  const workers = placesOf(seen.workers)
  return {
    ...status,
    ...observed(seen),
    ...(workers.length > 0 ? { workers } : {}),
    reason,
    message: cut(message),
    troubleSince: toTime(seen.now),
  }
}

/** What the provider refused it has taken by now. Other trouble comes and goes, and is told until the run runs. */
function takenBack(seen: Seen): GpuRunStatus | undefined {
  const { reason, message: _, troubleSince, ...status } = seen.run.status ?? {}
  return reason === 'Forbidden' && troubleSince !== undefined ? { ...status, ...observed(seen) } : undefined
}
