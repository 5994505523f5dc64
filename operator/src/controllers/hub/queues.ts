// Says of each GpuQueue how it is. What is decided stands in domain/lifecycle/gpuqueue-status.ts.
import { isDeepStrictEqual } from 'node:util'
import type { GpuQueue, GpuQueueStatus } from '../../api/gpuqueue.ts'
import { decide, type Seen } from '../../domain/lifecycle/gpuqueue-status.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface QueuePorts {
  readonly read: (name: string) => Omit<Seen, 'now'> | undefined
  readonly writeStatus: (queue: GpuQueue, status: GpuQueueStatus) => Promise<void>
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

/** It looks at each once in a while: what jobs do to a queue wakes nobody. */
export function queueReconciler({ read, writeStatus, now }: QueuePorts): Reconcile {
  return async (name) => {
    const found = read(name)
    if (!found) return settled
    const { status, recheckMs } = decide({ ...found, now: now() })
    if (status && !isDeepStrictEqual(status, found.queue.status)) await writeStatus(found.queue, status)
    return { recheckMs }
  }
}
