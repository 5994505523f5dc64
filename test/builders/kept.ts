import * as kept from '../../operator/src/domain/lifecycle/kept.ts'
import { type GpuJobOptions, gpuJob } from './gpujob.ts'
import { type GpuRunOptions, gpuRun } from './gpurun.ts'

/** `gpuJob`, as the hub keeps it. */
export function keptJob(options?: GpuJobOptions): kept.KeptJob {
  return kept.keptJob(gpuJob(options))
}

export type KeptRunOptions = Omit<GpuRunOptions, 'job'> & { readonly job?: kept.KeptJob }

/** `gpuRun`, as the hub keeps it. */
export function keptRun({ job, ...options }: KeptRunOptions = {}): kept.KeptRun {
  const whole = gpuJob()
  return kept.keptRun(gpuRun({ ...options, job: { ...whole, ...job, spec: { ...whole.spec, ...job?.spec } } }))
}
