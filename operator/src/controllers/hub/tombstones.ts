// Stops the runs of jobs that are gone, and buries them when the provider has cleaned up.

import type { KeptRun } from '../../domain/lifecycle/kept.ts'
import { decide, type Effect, type Seen } from '../../domain/lifecycle/tombstone-steps.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface TombstonePorts {
  readonly read: (key: string) => Promise<Omit<Seen, 'now'> | undefined>
  readonly carryOut: (run: KeptRun, effect: Effect) => Promise<void>
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

export function tombstoneReconciler({ read, carryOut, now }: TombstonePorts): Reconcile {
  return async (key) => {
    const found = await read(key)
    if (!found) return settled

    const { effect, recheckMs } = decide({ ...found, now: now() })
    if (effect) await carryOut(found.run, effect)
    return recheckMs === undefined ? settled : { recheckMs }
  }
}
