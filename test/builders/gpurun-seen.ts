// One pass over a GpuRun as the agent sees it, and its decision in a few words.
import type { GpuRun, GpuRunSpec, GpuRunStatus } from '../../operator/src/api/gpurun.ts'
import { runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { Decision } from '../../operator/src/domain/lifecycle/gpurun-decision.ts'
import type { ProviderJob, Seen } from '../../operator/src/domain/lifecycle/gpurun-seen.ts'
import type { NodeSeen } from '../../operator/src/domain/lifecycle/worker-records.ts'
import { gpuRun } from './gpurun.ts'
import { BEGINNING, uidOf } from './meta.ts'

/** Ten seconds after the Job was made. */
export const now = Date.parse('2026-01-01T00:00:10Z')
/** What the boot clock says then. */
export const boot = 100_000

const ready: NodeSeen = { ready: true, readySince: 0 }
export const silent: NodeSeen = { ready: false, readySince: 0 }

export function runOnProvider(status?: Partial<GpuRunStatus>, spec: Partial<GpuRunSpec> = {}): GpuRun {
  return gpuRun({ spec, ...(status && { status }) })
}

/** The Job of that run, made in the beginning. */
export function providerJob(change: Partial<ProviderJob> = {}): ProviderJob {
  return {
    uid: uidOf('job'),
    runId: runId(runOnProvider()),
    createdMs: Date.parse(BEGINNING),
    deleting: false,
    complete: false,
    podsCounted: 0,
    failed: undefined,
    ...change,
  }
}

/** All nodes are Ready and the Job is there, unless a test says otherwise. */
export function runSeen(some: Partial<Seen>): Seen {
  const world = {
    run: runOnProvider(),
    job: providerJob(),
    making: 'Known',
    service: 'Unseen',
    workers: [],
    leaving: false,
    isOpen: true,
    node: () => ready,
  } as const
  return { ...world, now, boot, ...some }
}

/** The effect, `state/reason` of the status, whether it is cleaned, and when to look again. */
export function renderedRun({ effect, status, recheckMs }: Decision): string {
  return [
    ...(effect ? [effect.do] : []),
    ...(status ? [`${status.state ?? 'not begun'}${status.reason ? `/${status.reason}` : ''}`] : []),
    ...(status?.cleanedAt ? ['cleaned'] : []),
    ...(recheckMs === undefined ? [] : [`again in ${recheckMs / 1000} s`]),
  ].join(' ')
}
