/** Tells a witness of all that the watches of a stage see, and writes it down in short. */
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { JOB_NAMESPACE_LABEL } from '../../operator/src/api/labels.ts'
import type { Stage } from '../federation/stage.ts'
import type { Seen } from '../federation/watched.ts'
import type { Witness } from './witness.ts'

export interface JournalOptions {
  readonly witness: Witness
  readonly namespace: string
  readonly journal: (line: object) => void
}

/** From now on, until what it gives is called. */
export function listen(stage: Stage, { witness, namespace, journal }: JournalOptions): () => void {
  const silences = [
    stage.jobs.onChange((seen) => {
      witness.seeJob(seen)
      if (seen.object.metadata.namespace === namespace) journal(jobLine(seen))
    }),
    stage.runs.onChange((seen) => {
      witness.seeRun(seen)
      if (seen.object.spec.job.namespace === namespace) journal(runLine(seen))
    }),
  ]
  for (const { name, pods, jobs } of stage.sides.values()) {
    silences.push(
      pods.onChange((seen) => {
        witness.seePod(name, seen)
        if (seen.object.metadata.labels?.[JOB_NAMESPACE_LABEL] === namespace) journal(podLine(name, seen))
      }),
      jobs.onChange((seen) => {
        witness.seeOwnJob(name, seen)
        if (seen.object.metadata.labels?.[JOB_NAMESPACE_LABEL] === namespace) journal(ownJobLine(name, seen))
      }),
    )
  }
  return () => {
    for (const silence of silences) silence()
  }
}

function jobLine({ type, object: { metadata, spec, status } }: Seen<GpuJob>): object {
  const { state, why, placement, lastRun } = status ?? {}
  const { name, resourceVersion } = metadata
  return { type, job: name, resourceVersion, suspend: spec.suspend, state, why, placement, lastRun }
}

function runLine({ type, object: { metadata, spec, status } }: Seen<GpuRun>): object {
  return { type, run: metadata.name, on: metadata.namespace, uid: metadata.uid, stop: spec.stop?.reason, status }
}

function podLine(on: string, { type, object: { metadata, spec, status } }: Seen<Pod>): object {
  const { name, uid, deletionTimestamp } = metadata
  const containers = status?.containerStatuses?.map(({ state }) => state)
  return { type, pod: name, on, uid, node: spec.nodeName, phase: status?.phase, deletionTimestamp, containers }
}

function ownJobLine(on: string, { type, object: { metadata, status } }: Seen<Job>): object {
  const { name, uid, deletionTimestamp } = metadata
  return { type, ownJob: name, on, uid, deletionTimestamp, status }
}
