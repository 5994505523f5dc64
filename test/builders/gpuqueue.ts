import type { GpuQueue, GpuQueueSpec, GpuQueueStatus } from '../../operator/src/api/gpuqueue.ts'
import type { ObjectMeta } from '../../operator/src/api/meta.ts'
import { objectMeta } from './meta.ts'

export interface GpuQueueOptions {
  readonly name?: string
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Partial<GpuQueueSpec>
  /** Absent: the hub has not seen it yet. */
  readonly status?: Partial<GpuQueueStatus>
}

/** `research`, for the jobs of namespace `team`, without a quota. */
export function gpuQueue({ name = 'research', metadata = {}, spec = {}, status }: GpuQueueOptions = {}): GpuQueue {
  const meta = objectMeta(name, metadata)
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuQueue',
    metadata: meta,
    spec: {
      namespaces: ['team'],
      weight: 1,
      preemption: { withinQueue: 'Never', reclaim: 'Any', minRuntimeSeconds: 0 },
      ...spec,
    },
    ...(status && { status: { observedGeneration: meta.generation ?? 1, conditions: [], ...status } }),
  }
}
