// What a pass over a GpuRun can decide, and the few sentences that several steps say.
import type { GpuRunReason } from '../../api/conditions.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { runId } from './gpurun.ts'
import type { ProviderJob, Seen } from './gpurun-seen.ts'

export type Effect =
  | { readonly do: 'createJob' }
  /** Asks the API server itself, because no watch tells of what is not there. */
  | { readonly do: 'findJob' }
  | { readonly do: 'releaseJob'; readonly job: ProviderJob }
  | { readonly do: 'removeSecrets'; readonly job: ProviderJob }
  | { readonly do: 'createService'; readonly job: ProviderJob }
  | { readonly do: 'deleteJob'; readonly job: ProviderJob }

export interface Decision {
  readonly effect?: Effect
  readonly status?: GpuRunStatus
  readonly recheckMs?: number
}

/** The intent to end comes before the act: after a crash the next pass still knows why. */
export function intend(seen: Seen, reason: GpuRunReason, message: string): Decision {
  const { troubleSince: _, ...status } = seen.run.status ?? {}
  return { status: { ...status, ...observed(seen), reason, message: cut(message) } }
}

export function observed({ run }: Pick<Seen, 'run'>): Pick<GpuRunStatus, 'observedGeneration'> {
  return { observedGeneration: run.metadata.generation ?? 0 }
}

/** `undefined` for an object that only has our name. */
export function ourJob({ job, run }: Pick<Seen, 'job' | 'run'>): ProviderJob | undefined {
  return job?.runId === runId(run) ? job : undefined
}

/** As long as the schema lets a message be. */
export function cut(message: string): string {
  return message.length <= 1024 ? message : `${message.slice(0, 1023)}…`
}
