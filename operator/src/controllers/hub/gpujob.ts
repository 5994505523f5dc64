// Carries a GpuJob through its life. What is decided stands in domain/lifecycle/gpujob-steps.ts.
import { isDeepStrictEqual } from 'node:util'
import type { GpuJobStatus } from '../../api/gpujob.ts'
import {
  asksForPayload,
  decide,
  type Effect,
  type PayloadVerdict,
  type Seen,
} from '../../domain/lifecycle/gpujob-steps.ts'
import type { KeptJob } from '../../domain/lifecycle/kept.ts'
import { asksForAdvice } from '../../domain/lifecycle/waiting-said.ts'
import type { Advice } from '../../domain/scheduling/advice.ts'
import { type Reconcile, settled } from '../work-queue.ts'

/** What this controller needs of the world. Adapters provide it; tests fake it. */
export interface GpuJobPorts {
  /** From the caches; `undefined` when there is no such job. */
  readonly read: (key: string) => Omit<Seen, 'now' | 'payload' | 'advice'> | undefined
  /** From the API server itself, for no cache has Secrets of tenants. */
  readonly lookAtPayload: (job: KeptJob) => Promise<PayloadVerdict | undefined>
  /** What would place a job that waits. It is looked for in pieces, and for one job at a time: the engine has other work. */
  readonly advise: (job: KeptJob) => Promise<readonly Advice[] | 'Busy'>
  /** May be repeated: every target is named by the job's uid. */
  readonly carryOut: (job: KeptJob, effect: Effect) => Promise<void>
  /** Refused (without an error) where the job has changed meanwhile: the watch brings it back. */
  readonly writeStatus: (job: KeptJob, status: GpuJobStatus) => Promise<void>
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

/**
 * Reads everything, decides once, acts once, writes status once.
 *
 * The act comes before the claim, so status never says what did not happen. Only a placement is the other way
 * round: it is recorded in one pass and acted on in a later one, which the record itself brings about.
 */
export function gpuJobReconciler({ read, lookAtPayload, advise, carryOut, writeStatus, now }: GpuJobPorts): Reconcile {
  return async (key) => {
    const found = read(key)
    if (!found) return settled

    const payload = asksForPayload(found) ? await lookAtPayload(found.job) : undefined
    const advice = asksForAdvice(found.job, now()) ? await advise(found.job) : undefined
    const { effect, status, recheckMs } = decide({
      ...found,
      ...(payload && { payload }),
      ...(advice && { advice }),
      now: now(),
    })
    if (effect) await carryOut(found.job, effect)
    if (status && !isDeepStrictEqual(status, found.job.status)) await writeStatus(found.job, status)
    return recheckMs === undefined ? settled : { recheckMs }
  }
}
