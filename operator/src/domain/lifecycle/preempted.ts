// What a preemption means for the job whose run is ended: docs in operator/decisions/0031-preemption.md.
import { toMillis } from '../../api/time.ts'
import type { KeptJob, KeptRun } from './kept.ts'

/** A run that is to be ended for another job. */
export interface Preempted {
  readonly run: number
  /** Of that job, namespace/name, and the queue that it stands in. */
  readonly key: string
  readonly queue: string
}

/** `by job team/big of queue research`. What others call their jobs is no tenant's business. */
export function preemptedBy({ metadata }: KeptJob, { key, queue }: Preempted): string {
  const isTheirs = key.startsWith(`${metadata.namespace}/`)
  return `by ${isTheirs ? `job ${key}` : 'another job'} of queue ${queue}`
}

/** A run takes a moment to end. */
const toldAfterMs = 30_000

/** What is over in a moment is told then, once, with its reason: a preemption costs its job the order and no more. */
export function untilPreemptionIsToldMs({ spec: { stop } }: KeptRun, now: number): number {
  return stop?.reason === 'Preempted' ? toMillis(stop.requestedAt) + toldAfterMs - now : 0
}

/** A job that ran and runs no more has the right to hear why, for as long as it waits. */
export function lastPreemption({ status }: KeptJob): string {
  const last = status?.runs?.at(-1)
  return last?.reason === 'Preempted' ? `; run ${last.run} was preempted ${last.message ?? byAnother}` : ''
}

/** By what the hub ordered, whatever the agent says of it; `undefined` where that was something else. */
export function preemptionOf({ spec: { stop } }: KeptRun): string | undefined {
  return stop?.reason === 'Preempted' ? (stop.message ?? byAnother) : undefined
}

const byAnother = 'by another job'
