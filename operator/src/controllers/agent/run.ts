// Carries a GpuRun through its life on this provider. What is decided stands in domain/lifecycle/gpurun-steps.ts.
import { isDeepStrictEqual } from 'node:util'
import type { GpuRun, GpuRunStatus } from '../../api/gpurun.ts'
import type { Effect } from '../../domain/lifecycle/gpurun-decision.ts'
import type { Seen } from '../../domain/lifecycle/gpurun-seen.ts'
import { afterRefusal, type Refusal } from '../../domain/lifecycle/gpurun-start.ts'
import { decide } from '../../domain/lifecycle/gpurun-steps.ts'
import { type Reconcile, settled } from '../work-queue.ts'

/** Something that the hub does is not there yet, and no watch will tell of it. */
export interface NotYet {
  readonly recheckMs: number
}

export interface RunPorts {
  readonly read: (key: string) => Omit<Seen, 'now' | 'boot'> | undefined
  /** May be repeated: everything is named by the run. */
  readonly carryOut: (run: GpuRun, effect: Effect) => Promise<Refusal | NotYet | undefined>
  readonly writeStatus: (run: GpuRun, status: GpuRunStatus) => Promise<void>
  /** Wall clock, milliseconds. */
  readonly now: () => number
  /** Boot clock, milliseconds. */
  readonly boot: () => number
}

export function runReconciler({ read, carryOut, writeStatus, now, boot }: RunPorts): Reconcile {
  return async (key) => {
    const found = read(key)
    if (!found) return settled

    const { run } = found
    const seen = { ...found, now: now(), boot: boot() }
    const decision = decide(seen)
    const answer = decision.effect && (await carryOut(run, decision.effect))
    if (answer && 'recheckMs' in answer) return answer
    const { status, recheckMs } = answer ? afterRefusal(seen, answer) : decision
    if (status && !isDeepStrictEqual(status, run.status)) await writeStatus(run, status)
    return recheckMs === undefined ? settled : { recheckMs }
  }
}
