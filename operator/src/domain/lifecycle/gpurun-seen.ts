// All that one pass over a GpuRun knows of the run, its Job and its pods.
import type { GpuRun } from '../../api/gpurun.ts'
import type { NodeSeen, WorkerRecord } from './worker-records.ts'

/** The Job of a run, cut down to what is used. */
export interface ProviderJob {
  readonly uid: string
  /** The run it was made for; `undefined`: not one of ours. */
  readonly runId: string | undefined
  readonly createdMs: number
  readonly deleting: boolean
  /** All its pods have succeeded. */
  readonly complete: boolean
  /** How many pods its controller has counted so far, whatever became of them. */
  readonly podsCounted: number
  /** What its Secrets are called; absent: it has none. */
  readonly secrets?: string
  /** It was made before its Secrets, and its pods wait for them. */
  readonly suspended?: boolean
  /** Reason and message of the condition Failed or FailureTarget, where it is true. */
  readonly failed: { readonly reason: string; readonly message: string } | undefined
}

/** All that one pass knows. */
export interface Seen {
  readonly run: GpuRun
  /** The object that has the run's name in the tenant's namespace, whoever made it. */
  readonly job: ProviderJob | undefined
  /** `Unanswered`: the Job was asked for, and the answer was lost; it may be there all the same, or not. */
  readonly making: 'Unanswered' | 'Known'
  /** Whether this process has seen that the gang's headless Service is there and ours. */
  readonly service: 'Ours' | 'Unseen'
  readonly workers: readonly WorkerRecord[]
  /** The owner takes this cluster out of the federation. */
  readonly leaving: boolean
  /** Whether the owner takes jobs at this hour. */
  readonly isOpen: boolean
  readonly node: (name: string) => NodeSeen | undefined
  /** Wall clock, milliseconds. */
  readonly now: number
  /** Boot clock, milliseconds. */
  readonly boot: number
}
