import type { ContainerSeen, WorkerPod, WorkerRecord } from '../../operator/src/domain/lifecycle/worker-records.ts'
import { uidOf } from './meta.ts'

/** The one container `main`, which runs since the first minute of 2026. */
export function containerSeen(change: Partial<ContainerSeen> = {}): ContainerSeen {
  return {
    name: 'main',
    role: 'Container',
    state: 'Running',
    reason: undefined,
    message: undefined,
    restarts: 0,
    exitCode: undefined,
    startedAt: change.state === 'Waiting' ? undefined : '2026-01-01T00:01:00Z',
    finishedAt: undefined,
    ...change,
  }
}

/** A container that ended a minute after it began, unless said otherwise. */
export function ended(exitCode: number, change: Partial<ContainerSeen> = {}): ContainerSeen {
  const reason = exitCode === 0 ? 'Completed' : 'Error'
  return containerSeen({ state: 'Terminated', exitCode, reason, finishedAt: '2026-01-01T00:02:00Z', ...change })
}

/** The pod of worker 0 of run `train-…-1`, running on `node-1`. */
export function workerPod(change: Partial<WorkerPod> = {}): WorkerPod {
  const { index = 0 } = change
  return {
    uid: uidOf(`pod-${index}`),
    name: `pod-${index}`,
    runId: uidOf('run'),
    index,
    node: 'node-1',
    boundAt: '2026-01-01T00:00:00Z',
    phase: 'Running',
    deleting: false,
    deletingSince: undefined,
    reason: undefined,
    message: undefined,
    disruption: undefined,
    containers: [containerSeen()],
    ...change,
  }
}

export function succeeded(change: Partial<WorkerPod> = {}): WorkerPod {
  return workerPod({ phase: 'Succeeded', containers: [ended(0)], ...change })
}

export function failed(exitCode: number, change: Partial<WorkerPod> = {}): WorkerPod {
  return workerPod({ phase: 'Failed', containers: [ended(exitCode)], ...change })
}

export function record(pod: WorkerPod, goneSince?: number): WorkerRecord {
  return goneSince === undefined ? { pod } : { pod, goneSince }
}
