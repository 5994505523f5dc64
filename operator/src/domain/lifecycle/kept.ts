// GpuJobs and GpuRuns as the hub keeps them: without the template, which can be larger than all the rest.
import type { GpuJob, GpuJobSpec, GpuJobStatus } from '../../api/gpujob.ts'
import type { GpuRun, GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import type { ObjectMeta } from '../../api/meta.ts'
import type { PodTemplate } from '../../api/template.ts'
import { podRequests } from '../inventory/pod-requests.ts'
import { type AskedByTemplate, askedByTemplate, gpusOf } from '../rules/asked.ts'
import type { JobFact, Room } from '../scheduling/facts.ts'
import { payloadSources } from '../workload/payload.ts'
import { mostTemplateBytes } from '../workload/payload-pod.ts'

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
  /** As JSON it is larger than what may travel: with a status, or as a run, it might not be stored any more. */
  readonly isTooLarge: boolean
  readonly asked: AskedByTemplate
}

export interface KeptRun {
  readonly metadata: ObjectMeta
  readonly spec: Omit<GpuRunSpec, 'template'>
  readonly status?: GpuRunStatus
  readonly perWorker: Room
}

/** @param held of that name so far: what follows from the same spec is not found again, which is most of the work. */
export function keptJob({ metadata, spec, status }: GpuJob, held?: KeptJob): KeptJob {
  const ofSpec = isOfSameSpec(metadata, held) ? { spec: held.spec, needs: held.needs } : keptJobSpec(spec)
  return { metadata, ...ofSpec, ...(status === undefined ? {} : { status }) }
}

function keptJobSpec({ template, ...spec }: GpuJobSpec): Pick<KeptJob, 'spec' | 'needs'> {
  const needs = {
    perWorker: workerRoom(gpusOf(spec.gpus), template),
    tolerations: template.spec.tolerations ?? [],
    payload: payloadSources(template).length > 0,
    isTooLarge: JSON.stringify(template).length > mostTemplateBytes,
    asked: askedByTemplate(template),
  }
  return { spec, needs }
}

/** @param held as in `keptJob`. */
export function keptRun({ metadata, spec, status }: GpuRun, held?: KeptRun): KeptRun {
  const ofSpec = isOfSameSpec(metadata, held) ? { spec: held.spec, perWorker: held.perWorker } : keptRunSpec(spec)
  return { metadata, ...ofSpec, ...(status === undefined ? {} : { status }) }
}

function keptRunSpec({ template, ...spec }: GpuRunSpec): Pick<KeptRun, 'spec' | 'perWorker'> {
  return { spec, perWorker: workerRoom(gpusOf(spec.gpus), template) }
}

/** The API server counts each change of a spec. */
function isOfSameSpec<K extends { readonly metadata: ObjectMeta }>(
  { uid, generation }: ObjectMeta,
  held: K | undefined,
): held is K {
  return generation !== undefined && held?.metadata.uid === uid && held.metadata.generation === generation
}

/** What one worker takes of a node; its GPUs are the job's, whatever the template repeats of them. */
export function workerRoom(gpus: number, template: PodTemplate): Room {
  const { cpuMilli, memoryMiB, storageMiB } = podRequests(template.spec)
  return { gpus, cpuMilli, memoryMiB, storageMiB }
}
