// When a run began, and when it is over: what preemption and backfill reckon with.
import type { Placement } from '../../api/gpujob.ts'
import { toMillis } from '../../api/time.ts'
import type { Booking } from '../scheduling/facts.ts'
import { condition, isTrue } from './claims.ts'
import { isRunOf } from './gpurun.ts'
import type { KeptJob, KeptRun } from './kept.ts'

export type RunTimes = Pick<Booking, 'startedMs' | 'endsMs' | 'endingMs'>

/** Of a placement whose run is not seen yet. */
export function timesOfPlacement({ spec }: KeptJob, { recordedAt }: Placement): RunTimes {
  return endOf(spec, toMillis(recordedAt) + spec.bindTimeoutSeconds * 1000)
}

/** Nothing of a run whose job is gone: it is told to stop anyway. */
export function timesOfRun({ spec, status, metadata }: KeptRun, job: KeptJob | undefined): RunTimes {
  const ending = spec.stop ? { endingMs: toMillis(spec.stop.requestedAt) } : {}
  const orderedMs = toMillis(metadata.creationTimestamp)
  const startedMs = job && status?.state === 'Running' ? startOf(job, { orderedMs, said: status.startedAt }) : undefined
  if (startedMs === undefined) return { ...endOf(spec, orderedMs + spec.bindTimeoutSeconds * 1000), ...ending }
  return { startedMs, ...endOf(spec, startedMs), ...ending }
}

/**
 * What the provider says, between what the hub knows by its own clock: when it gave the order, and when it first heard
 * that all workers run. Else a provider could keep its runs from preemption, or have them look cheap, as it likes.
 */
function startOf(
  { status }: KeptJob,
  { orderedMs, said }: { readonly orderedMs: number; readonly said: string | undefined },
): number | undefined {
  const running = condition(status?.conditions, 'Running')
  // Not even the hub has taken it down as running.
  if (!running || running.status === 'False') return undefined
  const heardMs = toMillis(running.lastTransitionTime)
  return Math.min(Math.max(said === undefined ? heardMs : toMillis(said), orderedMs), heardMs)
}

function endOf({ maxRuntimeSeconds }: Pick<KeptRun['spec'], 'maxRuntimeSeconds'>, startedMs: number): RunTimes {
  return maxRuntimeSeconds === undefined ? {} : { endsMs: startedMs + maxRuntimeSeconds * 1000 }
}

export type Runs = readonly { readonly run: KeptRun }[]

/** Its placement is recorded, and its run is not seen yet. */
export function awaitsOrder(job: KeptJob, runs: Runs): boolean {
  const isFinished = isTrue(job.status?.conditions, 'Finished')
  return job.status?.placement !== undefined && !isFinished && !placedRunOf(job, runs)
}

/** Nothing is new of the job but that its run runs. One that is over in a moment needs no word of its own for that. */
export function hasOnlyBegun(job: KeptJob, runs: Runs): boolean {
  const run = placedRunOf(job, runs)
  if (!run || run.spec.stop || job.spec.suspend || job.metadata.deletionTimestamp !== undefined) return false
  const isUnsaid = condition(job.status?.conditions, 'Running')?.reason === 'Starting'
  return isUnsaid && run.status?.state === 'Running' && run.status.reason === undefined
}

function placedRunOf(job: KeptJob, runs: Runs): KeptRun | undefined {
  const { placement } = job.status ?? {}
  return placement && runs.find(({ run }) => isRunOf(run, job, placement.run))?.run
}
