import type { GpuJob, GpuJobSpec, GpuJobStatus } from '../../operator/src/api/gpujob.ts'
import type { ObjectMeta } from '../../operator/src/api/meta.ts'
import { objectMeta } from './meta.ts'

export interface GpuJobOptions {
  readonly name?: string
  readonly metadata?: Partial<ObjectMeta>
  /** Over a job of one worker with one GPU, with the defaults of the schema. */
  readonly spec?: Partial<GpuJobSpec>
  /** Absent: the hub has not seen the job yet. */
  readonly status?: Partial<GpuJobStatus>
}

/** Job `train` of the namespace `team`: one worker, one GPU of any model. */
export function gpuJob({ name = 'train', metadata = {}, spec = {}, status }: GpuJobOptions = {}): GpuJob {
  const meta = objectMeta(name, { namespace: 'team', ...metadata })
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: meta,
    spec: {
      priority: 0,
      workers: 1,
      gpus: { count: 1 },
      template: { spec: { containers: [{ name: 'main', image: 'example.com/train:1' }] } },
      retry: { limit: 3 },
      failover: { policy: 'Fenced', leaseSeconds: 600 },
      bindTimeoutSeconds: 120,
      ttlSecondsAfterFinished: 604_800,
      suspend: false,
      ...spec,
    },
    ...(status && {
      status: {
        observedGeneration: meta.generation ?? 1,
        state: 'Waiting' as const,
        lastRun: 0,
        failures: 0,
        conditions: [],
        ...status,
      },
    }),
  }
}
