// What a run that is over means for its job: done, failed for good, or placed again.
import type { GpuJobStatus } from '../../api/gpujob.ts'
import { toMillis, toTime } from '../../api/time.ts'
import { initialStatus, type JobClaim, withJobClaims } from './gpujob-status.ts'
import type { RunOutcome } from './gpurun.ts'
import type { KeptJob, KeptRun } from './kept.ts'
import { preemptionOf } from './preempted.ts'

/** How many ended runs the job's status remembers. */
const rememberedRuns = 10
const excludedProvidersMax = 64

export interface EndedRun {
  readonly run: KeptRun
  readonly outcome: RunOutcome
  /** Wall clock of the hub, milliseconds; the provider's own times are shown, never reckoned with. */
  readonly now: number
}

/** The job's status once the run's outcome is written down. Its placement goes, unless it was the last: then it tells where the job ran. */
export function afterRun(job: KeptJob, told: EndedRun): GpuJobStatus {
  // A provider that stops what nobody told it to stop will not have it: else the hub would try again at once, for ever.
  const ended = told.outcome === 'Stopped' && !told.run.spec.stop ? { ...told, outcome: 'Rejected' as const } : told
  const verdict = verdictOn(job, ended)
  const { placement, rejections, ...kept } = job.status ?? initialStatus
  const startedAt = kept.startedAt ?? ended.run.status?.startedAt
  const status = {
    ...kept,
    ...(verdict.finished && placement ? { placement } : {}),
    // They are counted in a row: whatever else comes of a run ends the row.
    ...(ended.outcome === 'Rejected' && rejections !== undefined ? { rejections } : {}),
    // A short run is over before the hub has seen it run.
    ...(startedAt === undefined ? {} : { startedAt }),
    runs: [...(kept.runs ?? []), memoryOf(job, ended)].slice(-rememberedRuns),
  }
  const claims: JobClaim[] = verdict.finished
    ? [
        { type: 'Running', status: 'False', reason: 'Over', message: 'the last run is over' },
        { type: 'Finished', status: 'True', reason: verdict.finished.reason, message: verdict.finished.message },
      ]
    : [
        {
          type: 'Placed',
          status: 'False',
          reason: verdict.change?.notBefore ? 'BackingOff' : (verdict.placed ?? 'Waiting'),
          message: verdict.message,
        },
        { type: 'Running', status: 'False', reason: 'NotStarted', message: 'no run is placed' },
      ]
  return withJobClaims({ ...job, status }, claims, {
    now: ended.now,
    change: { ...verdict.change, ...(verdict.finished ? { finishedAt: toTime(ended.now) } : {}) },
  })
}

type FinishedReason = Extract<JobClaim, { type: 'Finished' }>['reason']

type Verdict =
  | {
      readonly finished: { readonly reason: FinishedReason; readonly message: string }
      readonly change?: Partial<GpuJobStatus>
    }
  | {
      readonly finished?: undefined
      readonly message: string
      /** Why it is not placed, where that has a reason of its own. */
      readonly placed?: 'Preempted'
      readonly change?: Partial<GpuJobStatus>
    }

function verdictOn(job: KeptJob, ended: EndedRun): Verdict {
  switch (ended.outcome) {
    case 'Succeeded':
      return { finished: { reason: 'Succeeded', message: 'all workers ended with exit code 0' } }
    case 'Failed':
      return afterFailure(job, ended)
    case 'Rejected':
      return isBlamed(job, ended) ? afterFailure(job, ended) : afterRejection(job, ended)
    case 'Lapsed':
    case 'Reclaimed':
      return afterLoss(job, ended)
    case 'Stopped':
      // The hub's own limit, for a provider that did not keep the run's.
      if (ended.run.spec.stop?.reason === 'DeadlineExceeded') return tooLong(job, ended)
      return afterStop(ended.run)
  }
}

/** What a provider could not start may be its own fault or the job's: a registry that is away, an image that is not there. */
const eithersFault: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'CreateContainerError',
  'StartError',
  'StartTimeout',
])

/** The first time it is the provider's; when the next run, elsewhere if there is an elsewhere, cannot start either, it is the job's. */
function isBlamed(job: KeptJob, { run }: EndedRun): boolean {
  const last = job.status?.runs?.at(-1)
  const again = last?.outcome === 'Rejected' && eithersFault.has(last.reason)
  return again && eithersFault.has(run.status?.reason ?? '')
}

function tooLong(job: KeptJob, { run }: EndedRun): Verdict {
  return {
    finished: { reason: 'DeadlineExceeded', message: `ran longer than spec.maxRuntimeSeconds: ${failureText(run)}` },
    change: { failures: (job.status?.failures ?? 0) + 1 },
  }
}

function afterFailure(job: KeptJob, ended: EndedRun): Verdict {
  const { run, now } = ended
  if (run.status?.reason === 'DeadlineExceeded') return tooLong(job, ended)
  const failures = (job.status?.failures ?? 0) + 1
  const what = failureText(run)
  const action = exitCodeAction(job, run.status?.exitCode)
  if (action === 'Fail') {
    return {
      finished: { reason: 'ExitCodeFails', message: `spec.retry.exitCodes says Fail: ${what}` },
      change: { failures },
    }
  }
  if (failures > job.spec.retry.limit) {
    return {
      finished: { reason: 'RetriesExhausted', message: `more failures than spec.retry.limit: ${what}` },
      change: { failures },
    }
  }
  return {
    message: `tried again after ${what}`,
    change: {
      failures,
      notBefore: toTime(roundUp(now + backOffMs(failures, 10_000))),
      ...(ended.outcome === 'Rejected'
        ? placesLeftOut(job, { run, now, provider: job.status?.placement?.provider ?? '' })
        : {}),
    },
  }
}

function afterRejection(job: KeptJob, { run, now }: EndedRun): Verdict {
  const rejections = (job.status?.rejections ?? 0) + 1
  const provider = job.status?.placement?.provider ?? ''
  return {
    message: `rejected by provider ${provider}: ${failureText(run)}${run.status?.message ? `: ${run.status.message}` : ''}`,
    change: {
      rejections,
      notBefore: toTime(roundUp(now + backOffMs(rejections, 5000))),
      ...placesLeftOut(job, { run, now, provider }),
    },
  }
}

/** How long a job keeps away from where it was rejected, in milliseconds. */
const avoidMs = 600_000
const avoidMax = 64

interface Refused extends Omit<EndedRun, 'outcome'> {
  readonly provider: string
}

/** Full nodes may empty again, and an owner can mend what stands in the way; every other refusal would only come back. */
function placesLeftOut({ status }: KeptJob, { run, now, provider }: Refused): Partial<GpuJobStatus> {
  const until = toTime(roundUp(now + avoidMs))
  const past = (status?.avoid ?? []).filter((place) => toMillis(place.until) > now)
  switch (run.status?.reason) {
    case 'NoRoom':
    case 'NodeRefused':
    case 'CreateContainerError':
    case 'StartError':
    case 'StartTimeout':
    case 'NodeNotOffered':
      return {
        avoid: [...past, ...run.spec.nodes.map(({ name }) => ({ provider, node: name, until }))].slice(-avoidMax),
      }
    case 'NameTaken':
    case 'Forbidden':
    case 'ImagePullBackOff':
    // By then the hub knows of the rule, and asks before it places.
    case 'OwnerRuleTenant':
    case 'OwnerRuleImage':
    case 'OwnerRuleGpus':
    case 'OwnerRuleRuntime':
    case 'OwnerRuleStorage':
    case 'NeedsRoot':
      return { avoid: [...past, { provider, until }].slice(-avoidMax) }
    // It came from the hub, or did not.
    case 'PayloadMissing':
    case 'PayloadMismatch':
      return {}
    default:
      return {
        excludedProviders: [...new Set([...(status?.excludedProviders ?? []), provider])].slice(-excludedProvidersMax),
      }
  }
}

/** Not the job's fault: no blame, and no pause unless it happens again and again. */
function afterLoss(job: KeptJob, { run, outcome, now }: EndedRun): Verdict {
  const past = (job.status?.runs ?? []).toReversed()
  const other = past.findIndex((one) => one.outcome !== 'Lapsed' && one.outcome !== 'Reclaimed')
  const inARow = other === -1 ? past.length : other
  return {
    message: `run ${run.spec.run} was ${outcome.toLowerCase()} and the job is placed again`,
    ...(inARow === 0 ? {} : { change: { notBefore: toTime(roundUp(now + backOffMs(inARow, 5000))) } }),
  }
}

/** Nobody's fault and no reason to wait: it stands in line again at once, as old as it is. */
function afterStop(run: KeptRun): Verdict {
  const by = preemptionOf(run)
  if (by === undefined) return { message: `run ${run.spec.run} was stopped` }
  return { placed: 'Preempted', message: `run ${run.spec.run} was preempted ${by}` }
}

/** Doubles from `firstMs` with each attempt, ten minutes at most. */
export function backOffMs(attempt: number, firstMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(attempt - 1, 16), 600_000)
}

/** Times in a status are whole seconds: rounding down would shorten a wait. */
function roundUp(ms: number): number {
  return Math.ceil(ms / 1000) * 1000
}

function exitCodeAction(job: KeptJob, exitCode: number | undefined): 'Fail' | 'Retry' | undefined {
  if (exitCode === undefined) return undefined
  return job.spec.retry.exitCodes?.find((rule) => rule.in.includes(exitCode))?.action
}

function failureText({ status }: KeptRun): string {
  const code = status?.exitCode === undefined ? '' : ` with exit code ${status.exitCode}`
  return `${status?.reason ?? 'Unknown'}${code}`
}

function memoryOf(job: KeptJob, { run, outcome, now }: EndedRun): NonNullable<GpuJobStatus['runs']>[number] {
  const by = outcome === 'Stopped' ? preemptionOf(run) : undefined
  const told = by === undefined ? run.status : { ...run.status, reason: 'Preempted', message: by }
  const { reason = outcome, message, exitCode, startedAt, finishedAt = toTime(now) } = told ?? {}
  return {
    run: run.spec.run,
    provider: job.status?.placement?.provider ?? '',
    outcome,
    reason,
    ...(message === undefined || outcome === 'Succeeded' ? {} : { message: message.slice(0, 512) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(startedAt === undefined ? {} : { startedAt }),
    finishedAt,
  }
}
