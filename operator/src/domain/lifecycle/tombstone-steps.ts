// The afterlife of GpuRuns: they stay as long as their job, so that no lagging hub makes one again.
import { toMillis } from '../../api/time.ts'
import type { KeptRun } from './kept.ts'

export interface Seen {
  readonly run: KeptRun
  /** Whether the job with the run's job uid exists, by a read of the API server where the cache says no. */
  readonly job: 'Lives' | 'Gone'
  /** Wall clock, milliseconds. */
  readonly now: number
  readonly tombstoneSeconds: number
}

export type Effect = { readonly do: 'stopRun' } | { readonly do: 'deleteRun' }

export interface Decision {
  readonly effect?: Effect
  readonly recheckMs?: number
}

export function decide({ run, job, now, tombstoneSeconds }: Seen): Decision {
  if (job === 'Lives' || run.metadata.deletionTimestamp !== undefined) return {}
  // Also for a run that is over: the order makes the agent remove what is left of it.
  if (!run.spec.stop) return { effect: { do: 'stopRun' } }
  if (run.status?.cleanedAt === undefined) return {}

  const remaining = toMillis(run.metadata.creationTimestamp) + tombstoneSeconds * 1000 - now
  return remaining > 0 ? { recheckMs: remaining } : { effect: { do: 'deleteRun' } }
}
