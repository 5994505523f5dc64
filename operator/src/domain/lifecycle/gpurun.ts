// What a GpuRun tells: its name, whether it is over, and the outcome that its job keeps of it.
import type { GpuJob, GpuJobStatus } from '../../api/gpujob.ts'
import type { GpuRun } from '../../api/gpurun.ts'

/** A run in one of these states is over for ever. */
export const overStates: ReadonlySet<string> = new Set([
  'Succeeded',
  'Failed',
  'Rejected',
  'Lapsed',
  'Reclaimed',
  'Stopped',
])

export type RunOutcome = NonNullable<GpuJobStatus['runs']>[number]['outcome']

/** `undefined` while the run may still be alive. */
export function outcomeOf(run: Pick<GpuRun, 'status'>): RunOutcome | undefined {
  const state = run.status?.state
  return state !== undefined && overStates.has(state) ? (state as RunOutcome) : undefined
}

/** The name says job, uid and number, so that making it twice is one object: `<job>-<uid8>-<run>`. */
export function runName(job: Pick<GpuJob, 'metadata'>, run: number): string {
  return `${job.metadata.name}-${job.metadata.uid.slice(0, 8)}-${run}`
}

/** One run of one job, whatever GpuRun orders it: `<uid of the GpuJob>.<run>`, the value of RUN_LABEL. */
export function runId({ spec }: { readonly spec: Pick<GpuRun['spec'], 'job' | 'run'> }): string {
  return `${spec.job.uid}.${spec.run}`
}

/** The namespace on the hub in which everything of one provider lies. */
export function providerNamespace(provider: string): string {
  return `provider-${provider}`
}

/** `undefined` for a namespace that is no provider's. */
export function providerOf(namespace: string | undefined): string | undefined {
  return namespace?.startsWith('provider-') ? namespace.slice('provider-'.length) : undefined
}

/** Whether this GpuRun was made for this very job and number; a namesake of someone else is left alone. */
export function isRunOf(
  run: { readonly spec: Pick<GpuRun['spec'], 'job' | 'run'> },
  job: Pick<GpuJob, 'metadata'>,
  number: number,
): boolean {
  return run.spec.job.uid === job.metadata.uid && run.spec.run === number
}
