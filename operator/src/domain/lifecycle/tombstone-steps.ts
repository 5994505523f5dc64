// The afterlife of GpuRuns: they stay as long as their job, so that no lagging hub makes one again.
import { JOBS_KIND_LABEL, LET_GO } from '../../api/labels.ts'
import { toMillis } from '../../api/time.ts'
import { outcomeOf } from './gpurun.ts'
import type { KeptRun } from './kept.ts'

export interface Seen {
  readonly run: KeptRun
  /**
   * Whether the job with the run's job uid exists, by a read of the API server where the cache says no. `KindGone`:
   * it does not, and after that read the kind itself was not there, or not the one that this hub began with.
   */
  readonly job: 'Lives' | 'Gone' | 'KindGone'
  /** The uid of the CustomResourceDefinition gpujobs. */
  readonly jobsUid: string
  /** Wall clock, milliseconds. */
  readonly now: number
  readonly tombstoneSeconds: number
}

export type Effect = { readonly do: 'stopRun' } | { readonly do: 'deleteRun' }

export interface Decision {
  readonly effect?: Effect
  readonly recheckMs?: number
}

export function decide({ run, job, jobsUid, now, tombstoneSeconds }: Seen): Decision {
  // No recheck for a kind that is gone: it can only come back as another one, for which this process begins anew.
  if (job !== 'Gone' || run.metadata.deletionTimestamp !== undefined) return {}
  // Nobody deleted its job: all jobs went with their kind. What runs goes on until a person has decided.
  if (isFromBefore(run, jobsUid) || isLetGo(run)) return {}
  // Also for a run that is over: the order makes the agent remove what is left of it.
  if (!run.spec.stop) return { effect: { do: 'stopRun' } }
  if (run.status?.cleanedAt === undefined) return {}

  const remaining = toMillis(run.metadata.creationTimestamp) + tombstoneSeconds * 1000 - now
  return remaining > 0 ? { recheckMs: remaining } : { effect: { do: 'deleteRun' } }
}

/** Whether it lives, and was ordered when the kind GpuJob was another one; no GpuJob can ever come back for it. */
export function isFromBefore(run: KeptRun, jobsUid: string): boolean {
  const orderedUnder = run.metadata.labels?.[JOBS_KIND_LABEL]
  return orderedUnder !== jobsUid && orderedUnder !== LET_GO && mayLive(run)
}

/** A person said that it may end by itself. */
function isLetGo(run: KeptRun): boolean {
  return run.metadata.labels?.[JOBS_KIND_LABEL] === LET_GO && mayLive(run)
}

function mayLive(run: KeptRun): boolean {
  return outcomeOf(run) === undefined && !run.spec.stop
}
