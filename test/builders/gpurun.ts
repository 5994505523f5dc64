import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun, GpuRunSpec, GpuRunStatus } from '../../operator/src/api/gpurun.ts'
import { JOBS_KIND_LABEL } from '../../operator/src/api/labels.ts'
import type { ObjectMeta } from '../../operator/src/api/meta.ts'
import { providerNamespace, runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { gpuJob } from './gpujob.ts'
import { objectMeta } from './meta.ts'

export interface GpuRunOptions {
  /** The job that it runs, which also says how many workers and GPUs. */
  readonly job?: GpuJob
  readonly run?: number
  readonly provider?: string
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Partial<GpuRunSpec>
  /** Absent: the agent has not written yet. */
  readonly status?: Partial<GpuRunStatus>
}

/** The first run of a job on `acme`, with all workers on `node-1`. */
export function gpuRun(options: GpuRunOptions = {}): GpuRun {
  const { job = gpuJob(), run = 1, provider = 'acme', metadata = {}, spec = {}, status } = options
  const { workers, gpus, failover, bindTimeoutSeconds, maxRuntimeSeconds, ttlSecondsAfterFinished, template } = job.spec
  const { name, namespace = 'team', uid } = job.metadata
  const meta = objectMeta(runName(job, run), {
    namespace: providerNamespace(provider),
    labels: { [JOBS_KIND_LABEL]: 'jobs-uid' },
    ...metadata,
  })
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuRun',
    metadata: meta,
    spec: {
      job: { namespace, name, uid },
      run,
      workers,
      gpus: { count: gpus.count ?? 1, ...(gpus.fraction === undefined ? {} : { fraction: gpus.fraction }) },
      nodes: [{ name: 'node-1', workers: spec.workers ?? workers }],
      failover,
      bindTimeoutSeconds,
      ...(maxRuntimeSeconds === undefined ? {} : { maxRuntimeSeconds }),
      ttlSecondsAfterFinished,
      template,
      ...spec,
    },
    ...(status && { status: { observedGeneration: meta.generation ?? 1, ...status } }),
  }
}
