// How the status of a GpuJob is put together from claims.

import type { GpuJobConditionType, GpuJobReason } from '../../api/conditions.ts'
import type { GpuJobStatus } from '../../api/gpujob.ts'
import { type Claim, condition, withClaims } from './claims.ts'
import type { KeptJob } from './kept.ts'

/** A claim whose reason is one of those documented for its condition. */
export type JobClaim = { [Type in GpuJobConditionType]: Claim<Type, GpuJobReason<Type>> }[GpuJobConditionType]

/** Before the first write. */
export const initialStatus: GpuJobStatus = {
  observedGeneration: 0,
  state: 'Waiting',
  lastRun: 0,
  failures: 0,
  conditions: [],
}

/** The sentences that stand in more than one step. */
export const because = {
  admitted: { type: 'Admitted', status: 'True', reason: 'Admitted', message: 'the job may be placed' },
  notFinished: { type: 'Finished', status: 'False', reason: 'NotFinished', message: 'the job is not over' },
  recorded: (run: number, provider: string) => `run ${run} is placed on provider ${provider}`,
  neverFits: (reasons: readonly string[]) =>
    `no node of any provider could ever take it: ${reasons.join(', ') || 'there are no nodes'}`,
  waits: (reasons: readonly string[]) => `waits for room: ${reasons.join(', ') || 'other jobs come first'}`,
} as const satisfies Record<string, JobClaim | ((...words: never[]) => string)>

/** The status after this pass: claims laid over the conditions, `change` over the fields, state and why derived. */
export function withJobClaims(
  job: KeptJob,
  claims: readonly JobClaim[],
  { now, change = {} }: { readonly now: number; readonly change?: Partial<GpuJobStatus> },
): GpuJobStatus {
  const generation = job.metadata.generation ?? 0
  const conditions = withClaims(job.status?.conditions, claims, { now, generation })
  // Why it waits is said by the step that lets it wait, and by no other.
  const { waiting: _, explanation: __, ...lasting } = job.status ?? initialStatus
  return {
    ...initialStatus,
    ...lasting,
    ...change,
    observedGeneration: generation,
    ...summary(conditions),
    conditions,
  }
}

/** The two columns of `kubectl get`, derived from the conditions alone. */
function summary(conditions: GpuJobStatus['conditions']): Pick<GpuJobStatus, 'state' | 'why'> {
  const [admitted, placed, running, finished] = ['Admitted', 'Placed', 'Running', 'Finished'].map((type) =>
    condition(conditions, type),
  )
  if (finished?.status === 'True') {
    return { state: finished.reason === 'Succeeded' ? 'Succeeded' : 'Failed', why: short(finished.message) }
  }
  if (admitted?.status === 'False') {
    return { state: admitted.reason === 'Suspended' ? 'Suspended' : 'Refused', why: short(admitted.message) }
  }
  if (running?.status === 'True') return { state: 'Running', why: '' }
  if (running?.status === 'Unknown') return { state: 'Running', why: short(running.message) }
  if (placed?.status === 'True') return { state: 'Placed', why: short(running?.message ?? '') }
  return { state: 'Waiting', why: short(`${placed?.reason ?? 'Waiting'}: ${placed?.message ?? ''}`) }
}

/** No longer than a summary may be. */
export function short(text: string): string {
  return text.length <= 256 ? text : `${text.slice(0, 255)}…`
}
