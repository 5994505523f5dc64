// Removes what is left of runs that no GpuRun orders: of a GpuRun that was deleted by hand, or with its kind.
import type { ProviderJob } from '../../domain/lifecycle/gpurun-seen.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface OrphanPorts {
  /** `undefined`: gone, not ours, or ordered. `sinceBoot`: from when on no GpuRun that orders it was known. */
  readonly read: (key: string) => { readonly job: ProviderJob; readonly sinceBoot: number } | undefined
  /** Asks the hub, past all caches, and then whether it is still the one that is remembered; throws where that is not certain. */
  readonly isOrdered: (key: string) => Promise<boolean>
  readonly remove: (key: string, job: ProviderJob) => Promise<void>
  /** Boot clock, milliseconds. */
  readonly boot: () => number
  readonly orphanAfterMs: number
}

/** Absence is an order to stop only when it has lasted, and when it is the word of the hub that gave the order. */
export function orphanReconciler({ read, isOrdered, remove, boot, orphanAfterMs }: OrphanPorts): Reconcile {
  return async (key) => {
    const found = read(key)
    if (!found) return settled

    const remaining = found.sinceBoot + orphanAfterMs - boot()
    if (remaining > 0) return { recheckMs: remaining }
    if (await isOrdered(key)) return { recheckMs: orphanAfterMs } // Our watch lags behind.
    await remove(key, found.job)
    return settled
  }
}
