// Carries a GpuRun through its life on this provider. What is decided stands in domain/lifecycle/gpurun-steps.ts.
import { isDeepStrictEqual } from 'node:util'
import type { GpuRunReason } from '../../api/conditions.ts'
import type { GpuRun, GpuRunStatus } from '../../api/gpurun.ts'
import type { Seen } from '../../domain/lifecycle/gpurun-seen.ts'
import { decide, type Effect } from '../../domain/lifecycle/gpurun-steps.ts'
import { type Reconcile, settled } from '../work-queue.ts'

/** The provider's API server does not take what the run asks for, and asking again would not help. */
export interface Refusal {
  readonly reason: Extract<GpuRunReason, 'Invalid' | 'NameTaken'>
  readonly message: string
}

export interface RunPorts {
  readonly read: (key: string) => Omit<Seen, 'now' | 'boot'> | undefined
  /** May be repeated: everything is named by the run. */
  readonly carryOut: (run: GpuRun, effect: Effect) => Promise<Refusal | undefined>
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
    const { effect, status, recheckMs } = decide({ ...found, now: now(), boot: boot() })
    const refusal = effect && (await carryOut(run, effect))
    const next = refusal ? refused(run, refusal) : status
    if (next && !isDeepStrictEqual(next, run.status)) await writeStatus(run, next)
    return recheckMs === undefined ? settled : { recheckMs }
  }
}

/** The intent to end; what was already made is taken down before the run says that it is over. */
function refused(run: GpuRun, { reason, message }: Refusal): GpuRunStatus {
  return { ...run.status, observedGeneration: run.metadata.generation ?? 0, reason, message: message.slice(0, 1024) }
}
