// The life of a GpuJob, decided from one look at the world: docs in crds/gpujob.md.
import type { GpuJobStatus } from '../../api/gpujob.ts'
import type { StopReason } from '../../api/gpurun.ts'
import { toMillis, toTime } from '../../api/time.ts'
import type { Advice } from '../scheduling/advice.ts'
import type { RunName } from '../scheduling/changes.ts'
import type { Choice, Explanation } from '../scheduling/facts.ts'
import type { PayloadProblem } from '../workload/payload-content.ts'
import { mostTemplateBytes } from '../workload/payload-pod.ts'
import { type Claim, condition, isTrue } from './claims.ts'
import { because, initialStatus, type JobClaim, withJobClaims } from './gpujob-status.ts'
import { isRunOf, outcomeOf } from './gpurun.ts'
import type { Barred } from './job-queue.ts'
import type { KeptJob, KeptRun } from './kept.ts'
import { type Preempted, preemptedBy, untilPreemptionIsToldMs } from './preempted.ts'
import { afterRun } from './run-outcome.ts'
import { waitingClaim, waitingSaid } from './waiting-said.ts'

export type PayloadVerdict = 'MayTravel' | PayloadProblem

/** All that one pass knows. */
export interface Seen {
  readonly job: KeptJob
  /** The object that has the name of the recorded run, whoever made it. */
  readonly run: KeptRun | undefined
  /** There is no such object in the cache, and one that is over may not be read yet: the hub has just started. */
  readonly runMayBeUnread?: boolean
  /** The provider on which a run of it computes that this hub has forgotten, such as after a restore. */
  readonly survivesAt?: string | undefined
  /** What the engine chose for the next run; it is booked there, and not yet recorded. */
  readonly choice: Choice | undefined
  /** Its run that is to be ended for another job, and which job that is. */
  readonly preempted?: Preempted | undefined
  /** Why the engine has chosen nothing; it costs the engine a look over the nodes. */
  readonly explain: () => Explanation | undefined
  /** What would place it, for who asked; absent: nobody did. */
  readonly advice?: readonly Advice[] | 'Busy' | undefined
  /** A run as who may read this job may know it; `undefined`: not by name. */
  readonly nameOf?: ((run: RunName) => string | undefined) | undefined
  /** Since when the provider of its run has not been heard of, if it is not; by the hub's wall clock in milliseconds. */
  readonly silentSince?: number | undefined
  /** The agent of the provider of its run is shut out: what it says does not count, and no order reaches it. */
  readonly shutOut?: boolean | undefined
  /** Why no queue takes it, if none does. */
  readonly barred?: Barred | undefined
  /** Whether the Secrets and ConfigMaps that the template names may travel; absent: not looked at in this pass. */
  readonly payload?: PayloadVerdict
  /** Whether this process knows that the payload of the run lies where its agent fetches it. */
  readonly delivered?: boolean
  /** Wall clock, milliseconds. */
  readonly now: number
}

/** A change to the world, as data: a test can compare it and a log can print it. */
export type Effect =
  | { readonly do: 'createRun'; readonly placement: NonNullable<GpuJobStatus['placement']>; readonly stop?: StopReason }
  | { readonly do: 'stopRun'; readonly run: KeptRun; readonly reason: StopReason; readonly message?: string }
  | { readonly do: 'deliverPayload'; readonly run: KeptRun }
  | { readonly do: 'removePayload'; readonly run: KeptRun }
  | { readonly do: 'deleteJob' }

export interface Decision {
  readonly effect?: Effect
  /** The whole status as it is to be; absent: as it is. */
  readonly status?: GpuJobStatus
  readonly recheckMs?: number
}

/** `undefined` hands over to the next step; anything else is the decision of this pass. */
type Step = (seen: Seen) => Decision | undefined

/** The life of a job, in order. */
export const steps: readonly Step[] = [
  leave, // First: a job on its way out acquires nothing.
  rest, // A finished job never runs again.
  awaitReading, // What became of its run is not known before all is read.
  awaitVerdict, // What goes on where nobody is heard or obeyed any more is for a person to say.
  awaitSurvivor, // A run that this hub has forgotten is over before another one begins.
  start, // The record of a placement comes before its run.
  yieldToNamesake, // What only has our name is not ours.
  settle, // A run that is over gives its outcome to the job.
  stop, // Suspended while it runs.
  giveWay, // Another job gets its GPUs.
  overrun, // Far longer than it may run, by the hub's own clock.
  deliver, // A hub that ended between the run and its payload is followed by one that knows of the run alone.
  follow,
  refuseSize, // What could not be stored with its status, or as a run, is said at once and holds nothing.
  seekQueue, // Who stands in no queue hears it, and nothing of it is looked at before it does.
  refuse, // What may not travel is said before it waits for GPUs, and before it is placed.
  pause,
  backOff,
  awaitRoom, // Those whose GPUs it gets are over before it is placed.
  record, // The engine chose; the choice is written down before anything acts on it.
  wait,
]

export function decide(seen: Seen): Decision {
  for (const step of steps) {
    const decision = step(seen)
    if (decision) return decision
  }
  return {}
}

/** How long the hub looks away from a waiting job before it tells again why it waits. */
const explainAgainMs = 60_000

/** How soon the hub looks whether the object of a stranger, which stands in the way of a job, is gone. */
const strangerAgainMs = 30_000

/** How long a provider may be silent before its jobs say so: a short silence is no news to each of them. */
const silenceMs = 30_000

/** What an agent that keeps the limit may be late by: a pass, a write, a clock. */
const overrunGraceMs = 60_000

/** How soon the hub looks again for Secrets and ConfigMaps that may not travel, at first and at the most. */
const firstLookMs = 2000
const lastLookMs = 300_000

function leave({ job }: Seen): Decision | undefined {
  return job.metadata.deletionTimestamp === undefined ? undefined : {}
}

function rest({ job, now }: Seen): Decision | undefined {
  if (!isTrue(job.status?.conditions, 'Finished')) return undefined

  const finished = toMillis(job.status?.finishedAt ?? job.metadata.creationTimestamp)
  const remaining = finished + job.spec.ttlSecondsAfterFinished * 1000 - now
  return remaining > 0 ? { recheckMs: remaining } : { effect: { do: 'deleteJob' } }
}

function awaitReading({ job, runMayBeUnread }: Seen): Decision | undefined {
  return job.status?.placement && runMayBeUnread ? {} : undefined
}

function awaitVerdict(seen: Seen): Decision | undefined {
  const { job, run, shutOut } = seen
  const placement = job.status?.placement
  if (!placement || !shutOut || (run && isRunOf(run, job, placement.run) && outcomeOf(run))) return undefined
  const message = `provider ${placement.provider} was shut out while run ${placement.run} was there; nobody knows what became of it`
  return claim(seen, { type: 'Running', status: 'Unknown', reason: 'ProviderRevoked', message })
}

function awaitSurvivor(seen: Seen): Decision | undefined {
  const { job, run, survivesAt } = seen
  if (survivesAt === undefined) return undefined
  if (run && job.status?.placement) {
    // What has begun is followed. What has not is called back: its provider may be waiting as well.
    const isWaiting = isRunOf(run, job, job.status.placement.run) && !run.status?.state && !run.spec.stop
    return isWaiting ? { effect: { do: 'stopRun', run, reason: 'Superseded' } } : undefined
  }
  const message = `provider ${survivesAt} still runs this job by an order that the hub has lost; it is placed when that is over`
  return claim(seen, { type: 'Placed', status: 'False', reason: 'HubChanged', message })
}

function start({ job, run }: Seen): Decision | undefined {
  const placement = job.status?.placement
  if (!placement || run) return undefined

  // Even a job that is suspended by now gets its run, with the stop order in it: the name may exist where
  // this hub cannot see it yet, and only an object that says "stopped" keeps a lagging hub from starting it.
  return { effect: { do: 'createRun', placement, ...(job.spec.suspend ? { stop: 'Suspended' as const } : {}) } }
}

function yieldToNamesake(seen: Seen): Decision | undefined {
  const { job, run } = seen
  const placement = job.status?.placement
  if (!placement || !run || isRunOf(run, job, placement.run)) return undefined

  const message = `GpuRun ${run.metadata.namespace}/${run.metadata.name} exists and was not made for this job; remove it and the job goes on`
  // No event of a stranger's object brings this job back.
  return {
    ...claim(seen, { type: 'Placed', status: 'False', reason: 'NameTaken', message }),
    recheckMs: strangerAgainMs,
  }
}

function settle(seen: Seen): Decision | undefined {
  const { job, run } = seen
  if (!job.status?.placement || !run) return undefined

  const outcome = outcomeOf(run)
  if (!outcome) return undefined
  const status = afterRun(job, { run, outcome, now: seen.now })
  // Once the outcome is settled nobody looks at this run again: what it leaves behind goes before.
  return run.spec.payload ? { effect: { do: 'removePayload', run }, status } : { status }
}

function stop({ job, run }: Seen): Decision | undefined {
  if (!job.status?.placement || !run || !job.spec.suspend || run.spec.stop) return undefined
  return { effect: { do: 'stopRun', run, reason: 'Suspended' } }
}

function giveWay({ job, run, preempted }: Seen): Decision | undefined {
  if (!job.status?.placement || !run || run.spec.stop || run.spec.run !== preempted?.run) return undefined
  return { effect: { do: 'stopRun', run, reason: 'Preempted', message: preemptedBy(job, preempted) } }
}

function overrun(seen: Seen): Decision | undefined {
  const { run } = seen
  const remaining = untilOverrunMs(seen)
  if (!run || remaining === undefined || remaining > 0) return undefined
  return { effect: { do: 'stopRun', run, reason: 'DeadlineExceeded' } }
}

/** The agent keeps the limit, and the Job a later one: this is for a provider that keeps neither. */
function untilOverrunMs({ job, run, now }: Seen): number | undefined {
  if (!run || run.spec.stop || run.spec.maxRuntimeSeconds === undefined || !job.status?.placement) return undefined
  const running = condition(job.status.conditions, 'Running')
  if (running?.status !== 'True') return undefined
  const allowedMs = (run.spec.maxRuntimeSeconds + run.spec.bindTimeoutSeconds) * 1000 + overrunGraceMs
  return toMillis(running.lastTransitionTime) + allowedMs - now
}

function deliver({ job, run, delivered }: Seen): Decision | undefined {
  if (!job.status?.placement || !run?.spec.payload || delivered) return undefined
  if (run.spec.stop || run.status?.state !== undefined) return undefined
  return { effect: { do: 'deliverPayload', run }, recheckMs: 1 }
}

function follow(seen: Seen): Decision | undefined {
  const { job, run, silentSince, now } = seen
  if (!job.status?.placement || !run) return undefined

  const placed: JobClaim = {
    type: 'Placed',
    status: 'True',
    reason: 'Recorded',
    message: because.recorded(run.spec.run, job.status.placement.provider),
  }
  const { startedAt } = run.status ?? {}
  const untilSilentMs = silentSince === undefined ? undefined : silentSince + silenceMs - now
  const untilToldMs = untilPreemptionIsToldMs(run, now)
  const running =
    untilSilentMs !== undefined && untilSilentMs <= 0
      ? silentClaim(run, job.status.placement.provider)
      : runningClaim(run, { stopIsNews: untilToldMs <= 0 })
  const rechecks = [untilSilentMs, untilToldMs, untilOverrunMs(seen)].filter((ms) => ms !== undefined && ms > 0)
  return {
    status: withJobClaims(job, [placed, running], {
      now,
      change: startedAt === undefined ? {} : { startedAt: job.status.startedAt ?? startedAt },
    }),
    ...(rechecks.length > 0 ? { recheckMs: Math.min(...rechecks.map((ms) => ms ?? 0)) } : {}),
  }
}

function silentClaim(run: KeptRun, provider: string): JobClaim {
  return {
    type: 'Running',
    status: run.status?.state === 'Running' ? 'Unknown' : 'False',
    reason: 'ProviderSilent',
    message: `provider ${provider} has not been heard of for a while; what became of the run is known when its agent is back`,
  }
}

function runningClaim(run: KeptRun, { stopIsNews }: { readonly stopIsNews: boolean }): JobClaim {
  if (run.spec.stop && stopIsNews) {
    const status = run.status?.state === 'Running' ? 'True' : 'False'
    return { type: 'Running', status, reason: 'Stopping', message: 'the provider was told to stop this run' }
  }
  if (run.status?.state !== 'Running') {
    if (run.status?.troubleSince !== undefined) {
      const message = `${run.status.reason}: ${run.status.message ?? ''}`
      return { type: 'Running', status: 'False', reason: 'StartTrouble', message }
    }
    return {
      type: 'Running',
      status: 'False',
      reason: 'Starting',
      message: 'the provider has not yet started all workers',
    }
  }
  if (run.status.reason === 'NodeLost') {
    return {
      type: 'Running',
      status: 'Unknown',
      reason: 'RunLost',
      message: run.status.message ?? 'a worker is on a node that does not answer',
    }
  }
  return { type: 'Running', status: 'True', reason: 'Running', message: 'all workers run' }
}

/**
 * Whether a pass reads the Secrets and ConfigMaps of the job, which costs a request for each: before it waits for GPUs,
 * and once more before it is placed.
 */
export function asksForPayload({ job, choice, barred }: Pick<Seen, 'job' | 'choice' | 'barred'>): boolean {
  const { metadata, spec, status, needs } = job
  if (!needs.payload || barred || metadata.deletionTimestamp !== undefined || spec.suspend || status?.placement)
    return false
  return !isTrue(status?.conditions, 'Finished') && (choice !== undefined || !isTrue(status?.conditions, 'Admitted'))
}

function refuseSize(seen: Seen): Decision | undefined {
  if (!seen.job.needs.isTooLarge) return undefined
  const message = `spec.template is larger than ${mostTemplateBytes / 1024} KiB; make the job anew with less in it, such as in its probes and arguments`
  return claim(seen, { type: 'Admitted', status: 'False', reason: 'TemplateTooLarge', message })
}

/** The scheduling loop wakes it when queues change. A job that is suspended says that first: it asks for nothing. */
function seekQueue(seen: Seen): Decision | undefined {
  if (!seen.barred || seen.job.spec.suspend) return undefined
  return claim(seen, { type: 'Admitted', status: 'False', ...seen.barred })
}

function refuse(seen: Seen): Decision | undefined {
  const { payload, job, now } = seen
  if (typeof payload !== 'object') return undefined

  const refused = claim(seen, { type: 'Admitted', status: 'False', ...payload })
  // Nobody tells the hub when a Secret changes: it looks again, each time after as long as it has waited already.
  const said = condition(job.status?.conditions, 'Admitted')
  const waited = said?.status === 'False' ? now - toMillis(said.lastTransitionTime) : 0
  return { ...refused, recheckMs: Math.min(Math.max(waited, firstLookMs), lastLookMs) }
}

function pause(seen: Seen): Decision | undefined {
  if (!seen.job.spec.suspend) return undefined
  return claim(seen, { type: 'Admitted', status: 'False', reason: 'Suspended', message: 'spec.suspend is true' })
}

function backOff(seen: Seen): Decision | undefined {
  const { notBefore, conditions } = seen.job.status ?? {}
  if (notBefore === undefined || toMillis(notBefore) <= seen.now) return undefined

  // The scheduling loop has the clock: it wakes the job when the engine has looked at it, not before.
  const said = condition(conditions, 'Placed')
  const message = said?.reason === 'BackingOff' ? said.message : 'waits after a run that failed or was rejected'
  return claim(seen, { type: 'Placed', status: 'False', reason: 'BackingOff', message })
}

function awaitRoom(seen: Seen): Decision | undefined {
  const { job, choice } = seen
  if (!choice?.preempts?.length || choice.run !== (job.status ?? initialStatus).lastRun + 1) return undefined
  const message = `provider ${choice.provider} was told to end the runs whose GPUs it gets`
  return claim(seen, { type: 'Placed', status: 'False', reason: 'Preempting', message })
}

function record(seen: Seen): Decision | undefined {
  const { job, choice, now } = seen
  const status = job.status ?? initialStatus
  if (!choice || choice.run !== status.lastRun + 1) return undefined
  if (job.needs.payload && seen.payload !== 'MayTravel') return undefined

  const { run, provider, nodes, queue } = choice
  const { notBefore: _, ...rest } = status
  return {
    status: withJobClaims(
      { ...job, status: rest },
      [
        because.admitted,
        { type: 'Placed', status: 'True', reason: 'Recorded', message: because.recorded(run, provider) },
        {
          type: 'Running',
          status: 'False',
          reason: 'Starting',
          message: 'the provider has not yet started all workers',
        },
        because.notFinished,
      ],
      {
        now,
        change: {
          placement: { run, provider, nodes, recordedAt: toTime(now), ...(queue === undefined ? {} : { queue }) },
          lastRun: run,
        },
      },
    ),
  }
}

function wait(seen: Seen): Decision {
  const explanation = seen.explain()
  const { change, againMs = explainAgainMs } = explanation ? waitingSaid(explanation, seen) : {}
  return { ...claim(seen, waitingClaim(seen.job, explanation), change), recheckMs: Math.min(explainAgainMs, againMs) }
}

/** One claim over the conditions that every job has from its first status on. */
function claim({ job, now }: Seen, one: JobClaim, change: Partial<GpuJobStatus> = {}): Decision {
  const first: JobClaim[] = [
    because.admitted,
    { type: 'Placed', status: 'False', reason: 'Waiting', message: 'no run is placed' },
    { type: 'Running', status: 'False', reason: 'NotStarted', message: 'no run is placed' },
    because.notFinished,
  ]
  const keeps = (type: Claim['type']) => type !== one.type && (type !== 'Placed' || job.status?.placement === undefined)
  return { status: withJobClaims(job, [...first.filter(({ type }) => keeps(type)), one], { now, change }) }
}
