// The labels by which everything that is made on a provider is known as ours.
import type { GpuRun } from '../../api/gpurun.ts'
import {
  HUB_UID_LABEL,
  JOB_LABEL,
  JOB_NAMESPACE_LABEL,
  JOB_UID_LABEL,
  RUN_LABEL,
  RUN_NUMBER_LABEL,
} from '../../api/labels.ts'
import { runId } from '../lifecycle/gpurun.ts'

/** Of a Job, its pods and its Service. */
export function runLabels(run: GpuRun, hubUid: string): Record<string, string> {
  const { job, run: number } = run.spec
  return {
    [HUB_UID_LABEL]: hubUid,
    [RUN_LABEL]: runId(run),
    [RUN_NUMBER_LABEL]: String(number),
    [JOB_UID_LABEL]: job.uid,
    [JOB_LABEL]: job.name,
    [JOB_NAMESPACE_LABEL]: job.namespace,
  }
}
