// What the engine is told of a job and its run.
import type { GpuJob, Placement } from '../../api/gpujob.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import { memoryMiB } from '../../api/quantity.ts'
import type { PodTemplate } from '../../api/template.ts'
import { toMillis } from '../../api/time.ts'
import { podRequests } from '../inventory/pod-requests.ts'
import type { Booking, JobFact, Room } from '../scheduling/facts.ts'
import { payloadSources } from '../workload/payload.ts'
import { travellingTolerations } from '../workload/pod-manifest.ts'
import { isTrue } from './conditions.ts'
import { initialStatus } from './gpujob-status.ts'
import { isRunOf, outcomeOf } from './gpurun.ts'

/** What a job wants of the engine now. */
export type Wish =
  | { readonly wish: 'Room'; readonly fact: JobFact }
  /** It may be placed, but not before that wall time in milliseconds. */
  | { readonly wish: 'Later'; readonly atMs: number }
  | { readonly wish: 'Nothing' }

const nothing: Wish = { wish: 'Nothing' }

export function wishOf(job: GpuJob, now: number): Wish {
  const status = job.status ?? initialStatus
  if (job.metadata.deletionTimestamp !== undefined || job.spec.suspend || status.placement) return nothing
  if (isTrue(status.conditions, 'Finished') || payloadSources(job.spec.template).length > 0) return nothing

  const atMs = status.notBefore === undefined ? 0 : toMillis(status.notBefore)
  return atMs > now ? { wish: 'Later', atMs } : { wish: 'Room', fact: jobFact(job) }
}

function jobFact(job: GpuJob): JobFact {
  const { spec, metadata, status } = job
  return {
    uid: metadata.uid,
    key: `${metadata.namespace}/${metadata.name}`,
    run: (status?.lastRun ?? 0) + 1,
    priority: spec.priority,
    createdMs: toMillis(metadata.creationTimestamp),
    workers: spec.workers,
    perWorker: workerRoom(spec.gpus.count, spec.template),
    models: spec.gpus.models ?? [],
    gpuMemoryMiB: spec.gpus.memory === undefined ? undefined : memoryMiB(spec.gpus.memory),
    providerSelector: spec.placement?.providerSelector ?? {},
    nodeSelector: spec.placement?.nodeSelector ?? {},
    tolerations: travellingTolerations(spec.template),
    excludedProviders: status?.excludedProviders ?? [],
  }
}

/** What one worker takes of a node; its GPUs are the job's, whatever the template repeats of them. */
export function workerRoom(gpus: number, template: PodTemplate): Room {
  const { cpuMilli, memoryMiB: memory } = podRequests(template.spec)
  return { gpus, cpuMilli, memoryMiB: memory }
}

/** The room that a recorded placement holds before its run is seen. */
export function bookingOfPlacement(job: GpuJob, { run, provider, nodes }: Placement): Booking {
  return { uid: job.metadata.uid, run, provider, nodes, perWorker: workerRoom(job.spec.gpus.count, job.spec.template) }
}

/** The room that a run holds: where its workers really are, once the agent has said it; `undefined` when it is over. */
export function bookingOfRun(run: GpuRun, provider: string): Booking | undefined {
  if (outcomeOf(run) !== undefined) return undefined
  const { job, run: number, gpus, template } = run.spec
  return { uid: job.uid, run: number, provider, nodes: nodesOf(run), perWorker: workerRoom(gpus.count, template) }
}

function nodesOf({ spec, status }: GpuRun): Booking['nodes'] {
  if (!status?.workers || status.workers.length < spec.workers) return spec.nodes
  const count = new Map<string, number>()
  for (const { node } of status.workers) count.set(node, (count.get(node) ?? 0) + 1)
  return [...count].map(([name, workers]) => ({ name, workers }))
}

/** Whether the job's record still holds the room of that run: the run has not been seen, or is not over. */
export function placementHolds(job: GpuJob, run: GpuRun | undefined): boolean {
  const { placement } = job.status ?? {}
  if (!placement || isTrue(job.status?.conditions, 'Finished')) return false
  return !run || !isRunOf(run, job, placement.run) || outcomeOf(run) === undefined
}
