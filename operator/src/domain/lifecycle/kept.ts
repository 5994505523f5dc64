// GpuJobs and GpuRuns as the hub keeps them: without the template, which can be larger than all the rest.
import type { GpuJob, GpuJobSpec, GpuJobStatus } from '../../api/gpujob.ts'
import type { GpuRun, GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import type { ObjectMeta } from '../../api/meta.ts'
import type { PodTemplate } from '../../api/template.ts'
import { podRequests } from '../inventory/pod-requests.ts'
import type { JobFact, Room } from '../scheduling/facts.ts'
import { payloadSources } from '../workload/payload.ts'
import { travellingTolerations } from '../workload/pod-manifest.ts'

export interface KeptJob {
  readonly metadata: ObjectMeta
  readonly spec: Omit<GpuJobSpec, 'template'>
  readonly status?: GpuJobStatus
  /** All that is decided from the template. */
  readonly needs: Needs
}

export interface Needs {
  readonly perWorker: Room
  readonly tolerations: JobFact['tolerations']
  /** Whether it names Secrets or ConfigMaps. */
  readonly payload: boolean
}

export interface KeptRun {
  readonly metadata: ObjectMeta
  readonly spec: Omit<GpuRunSpec, 'template'>
  readonly status?: GpuRunStatus
  readonly perWorker: Room
}

export function keptJob({ metadata, spec: { template, ...spec }, status }: GpuJob): KeptJob {
  const needs = {
    perWorker: workerRoom(spec.gpus.count, template),
    tolerations: travellingTolerations(template),
    payload: payloadSources(template).length > 0,
  }
  return { metadata, spec, needs, ...(status === undefined ? {} : { status }) }
}

export function keptRun({ metadata, spec: { template, ...spec }, status }: GpuRun): KeptRun {
  const perWorker = workerRoom(spec.gpus.count, template)
  return { metadata, spec, perWorker, ...(status === undefined ? {} : { status }) }
}

/** What one worker takes of a node; its GPUs are the job's, whatever the template repeats of them. */
export function workerRoom(gpus: number, template: PodTemplate): Room {
  const { cpuMilli, memoryMiB } = podRequests(template.spec)
  return { gpus, cpuMilli, memoryMiB }
}
