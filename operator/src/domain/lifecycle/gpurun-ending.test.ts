import { describe, expect, test } from '@jest/globals'
import { boot, providerJob, runOnProvider, runSeen } from '../../../../test/builders/gpurun-seen.ts'
import { containerSeen, ended, failed, record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'
import { type Ending, ending, intentOf } from './gpurun-ending.ts'
import type { ProviderJob } from './gpurun-seen.ts'
import type { WorkerPod } from './worker-records.ts'

function rendered(how: Ending | undefined): string {
  if (!how) return 'not yet'
  return `${how.state}/${how.reason}${how.exitCode === undefined ? '' : ` ${how.exitCode}`}`
}

const words = {
  exit: 'Container main for pod t/x-1-abc failed with exit code 42 matching FailJob rule at index 1',
  disrupted: 'Pod t/x-1-abc has condition DisruptionTarget matching FailJob rule at index 0',
}

function jobFailed(reason: string, message = 'm'): ProviderJob {
  return providerJob({ failed: { reason, message } })
}

const at = (second: number, exitCode: number) => [ended(exitCode, { finishedAt: `2026-01-01T00:02:0${second}Z` })]
const takenDown = { deleting: true, index: 1 }
const preempted = { disruption: 'PreemptionByScheduler', deleting: true }

interface Case {
  readonly name: string
  readonly pods: readonly WorkerPod[]
  readonly spec?: Partial<GpuRunSpec>
  readonly job?: ProviderJob | 'Gone'
  readonly says: string
}

const cases: readonly Case[] = [
  { name: 'all succeeded', pods: [succeeded()], says: 'Succeeded/Completed 0' },
  { name: 'not all of a gang are known', pods: [succeeded()], spec: { workers: 2 }, says: 'not yet' },
  { name: 'nor has the Job said that it failed', pods: [failed(42)], spec: { workers: 2 }, says: 'not yet' },
  {
    name: 'and the Job has failed, so that no more of them come',
    pods: [failed(42)],
    spec: { workers: 2 },
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Failed/NonZeroExit 42',
  },
  {
    name: 'preempted, saved what it had, and left with 0',
    pods: [succeeded(preempted)],
    says: 'Reclaimed/Reclaimed',
  },
  {
    name: 'the same, and its Job counts it as success',
    pods: [succeeded(preempted)],
    job: providerJob({ complete: true }),
    says: 'Reclaimed/Reclaimed',
  },
  {
    name: 'a worker that was preempted left with 0, and the others failed for it',
    pods: [succeeded({ ...preempted, containers: at(1, 0) }), failed(1, { index: 1, containers: at(5, 1) })],
    spec: { workers: 2 },
    job: jobFailed('PodFailurePolicy', words.disrupted),
    says: 'Reclaimed/Reclaimed',
  },
  {
    name: 'its pod was deleted, and left with 0: the Job says why, or counts it as success',
    pods: [succeeded({ deleting: true, deletingSince: '2026-01-01T00:01:30Z' })],
    says: 'not yet',
  },
  {
    name: 'its pod was deleted, left with 0, and its Job counts it as success',
    pods: [succeeded({ deleting: true, deletingSince: '2026-01-01T00:01:30Z' })],
    job: providerJob({ complete: true }),
    says: 'Reclaimed/PodRemoved',
  },
  {
    name: 'its pod was deleted long after it had ended',
    pods: [succeeded({ deleting: true, deletingSince: '2026-01-01T00:03:00Z' })],
    says: 'Succeeded/Completed 0',
  },
  { name: 'an exit code', pods: [failed(42)], says: 'Failed/NonZeroExit 42' },
  {
    name: 'the exit code of the main container, which comes first',
    pods: [failed(1, { containers: [ended(3), ended(4, { name: 'side' })] })],
    says: 'Failed/NonZeroExit 3',
  },
  {
    name: 'of an init container that failed, not of the sidecar that was taken down for it',
    pods: [
      failed(0, {
        containers: [containerSeen({ state: 'Waiting' }), ended(143, { role: 'Sidecar' }), ended(5, { role: 'Init' })],
      }),
    ],
    says: 'Failed/NonZeroExit 5',
  },
  {
    name: 'too little memory',
    pods: [failed(137, { containers: [ended(137, { reason: 'OOMKilled' })] })],
    says: 'Failed/OOMKilled 137',
  },
  {
    name: 'too little memory for a sidecar, which starts again, is no reason',
    pods: [failed(3, { containers: [ended(3), ended(137, { name: 'proxy', role: 'Sidecar', reason: 'OOMKilled' })] })],
    says: 'Failed/NonZeroExit 3',
  },
  {
    name: 'all succeeded but a sidecar',
    pods: [succeeded({ containers: [ended(0), ended(143, { role: 'Sidecar' })] })],
    says: 'Succeeded/Completed 0',
  },
  {
    name: 'evicted for what it wrote beyond its own limit',
    pods: [failed(137, { reason: 'Evicted' })],
    says: 'Failed/Evicted 137',
  },
  {
    name: 'evicted, and its container forgotten, is evicted',
    pods: [failed(137, { reason: 'Evicted', containers: [ended(137, { reason: 'ContainerStatusUnknown' })] })],
    says: 'Failed/Evicted 137',
  },
  {
    name: 'evicted because its node ran short',
    pods: [failed(137, { reason: 'Evicted', disruption: 'TerminationByKubelet' })],
    says: 'Reclaimed/NodePressure',
  },
  {
    name: 'its node was shut down',
    pods: [failed(143, { reason: 'Terminated', disruption: 'TerminationByKubelet' })],
    says: 'Reclaimed/NodeShutdown',
  },
  {
    name: 'refused by a node that was about to shut down',
    pods: [failed(0, { reason: 'NodeShutdown', containers: [] })],
    says: 'Reclaimed/NodeShutdown',
  },
  {
    name: 'put off by the kubelet for a critical pod of the owner',
    pods: [failed(143, { reason: 'Preempting', disruption: 'TerminationByKubelet' })],
    says: 'Reclaimed/Reclaimed',
  },
  ...['EvictionByEvictionAPI', 'DeletionByTaintManager', 'DeletionByPodGC'].map((disruption) => ({
    name: `taken off: ${disruption}`,
    pods: [failed(143, { disruption, deleting: true })],
    says: 'Reclaimed/Reclaimed',
  })),
  ...['UnexpectedAdmissionError', 'OutOfnvidia.com/gpu', 'NodeAffinity'].map((reason) => ({
    name: `refused by its kubelet before any container: ${reason}`,
    pods: [failed(0, { reason, containers: [] })],
    says: 'Reclaimed/NodeRefused',
  })),
  ...['StartError', 'ContainerCannotRun'].map((reason) => ({
    name: `a container that could not be started: ${reason}`,
    pods: [failed(128, { containers: [ended(128, { reason })] })],
    says: 'Rejected/StartError',
  })),
  {
    name: 'an exit code of 128 of its own',
    pods: [failed(128)],
    says: 'Failed/NonZeroExit 128',
  },
  {
    name: 'its node began anew, as containerd says it',
    pods: [failed(255, { containers: [ended(255, { reason: 'Unknown' })] })],
    says: 'Reclaimed/NodeLost',
  },
  {
    name: 'its node began anew, as the kubelet says it',
    pods: [failed(137, { containers: [ended(137, { reason: 'ContainerStatusUnknown' })] })],
    says: 'Reclaimed/NodeLost',
  },
  {
    name: 'somebody deleted its pod',
    pods: [failed(143, { deleting: true, deletingSince: '2026-01-01T00:01:30Z' })],
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Reclaimed/PodRemoved',
  },
  {
    name: 'somebody deleted its pod, on a node whose clock is a little behind',
    pods: [failed(143, { containers: at(4, 143), deleting: true, deletingSince: '2026-01-01T00:02:05Z' })],
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Reclaimed/PodRemoved',
  },
  {
    name: 'somebody deleted its pod after it had failed',
    pods: [failed(42, { deleting: true, deletingSince: '2026-01-01T00:02:30Z' })],
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Failed/NonZeroExit 42',
  },
  {
    name: 'somebody deleted one pod of a gang, and its Job the others for it',
    pods: [
      failed(0, { containers: at(4, 143), deleting: true, deletingSince: '2026-01-01T00:02:00Z' }),
      failed(0, { index: 1, containers: at(6, 1), deleting: true, deletingSince: '2026-01-01T00:02:05Z' }),
    ],
    spec: { workers: 2 },
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Reclaimed/PodRemoved',
  },
  {
    name: 'its pods are gone, and the Job is complete',
    pods: [],
    job: providerJob({ complete: true }),
    says: 'Succeeded/Completed 0',
  },
  {
    name: 'of a gang, the first failure',
    pods: [failed(0, { containers: at(5, 143), index: 1 }), failed(0, { containers: at(4, 42) })],
    spec: { workers: 2 },
    says: 'Failed/NonZeroExit 42',
  },
  {
    name: 'within one second, the one that was not taken down',
    pods: [failed(0, { ...takenDown, containers: at(5, 143) }), failed(0, { containers: at(5, 42) })],
    spec: { workers: 2 },
    says: 'Failed/NonZeroExit 42',
  },
  { name: 'pushed out by the owner', pods: [failed(143, preempted)], says: 'Reclaimed/Reclaimed' },
  {
    name: 'a gang of which one was pushed out, which took the others down',
    pods: [failed(0, { ...preempted, containers: at(4, 143) }), failed(0, { ...takenDown, containers: at(5, 1) })],
    spec: { workers: 2 },
    says: 'Reclaimed/Reclaimed',
  },
  {
    name: 'a gang that had failed before one of it was pushed out',
    pods: [failed(0, { containers: at(3, 1) }), failed(0, { ...preempted, index: 1, containers: at(4, 143) })],
    spec: { workers: 2 },
    says: 'Failed/NonZeroExit 1',
  },
  {
    name: 'too long, whatever the exit code of what was taken down',
    pods: [failed(143)],
    job: jobFailed('DeadlineExceeded'),
    says: 'Failed/DeadlineExceeded',
  },
  {
    name: 'the pods are gone unseen: the Job tells the exit code',
    pods: [workerPod({ phase: 'Unknown', containers: [] })],
    job: jobFailed('PodFailurePolicy', words.exit),
    says: 'Failed/NonZeroExit 42',
  },
  {
    name: 'the pods are gone unseen: the Job tells that they were pushed out',
    pods: [],
    job: jobFailed('PodFailurePolicy', words.disrupted),
    says: 'Reclaimed/Reclaimed',
  },
  {
    name: 'the Job failed over a pod of which no kubelet said anything',
    pods: [workerPod({ phase: 'Failed' })],
    job: jobFailed('BackoffLimitExceeded'),
    says: 'Reclaimed/NodeLost',
  },
  { name: 'the Job failed for itself', pods: [], job: jobFailed('Other'), says: 'Failed/NonZeroExit' },
  { name: 'the owner removed the Job', pods: [workerPod()], job: 'Gone', says: 'Reclaimed/JobRemoved' },
  {
    name: 'the owner removed the Job, which took its pods down',
    pods: [failed(137, takenDown)],
    job: 'Gone',
    says: 'Reclaimed/JobRemoved',
  },
  { name: 'its pod was taken down, and the Job has not said why', pods: [failed(137, takenDown)], says: 'not yet' },
  {
    name: 'the owner removed the Job of a worker that had failed',
    pods: [failed(3), failed(137, { ...takenDown, index: 1 })],
    spec: { workers: 2 },
    job: 'Gone',
    says: 'Failed/NonZeroExit 3',
  },
  {
    name: 'the Job had failed before it was removed',
    pods: [failed(3, takenDown)],
    job: { ...jobFailed('PodFailurePolicy', words.exit), deleting: true },
    says: 'Failed/NonZeroExit 3',
  },
  { name: 'and it is on its way out', pods: [], job: providerJob({ deleting: true }), says: 'Reclaimed/JobRemoved' },
  { name: 'nothing is known to have ended', pods: [workerPod()], says: 'not yet' },
]

describe('how a run ended', () => {
  test.each(cases)('$name', ({ pods, spec = {}, job = providerJob(), says }) => {
    const workers = pods.map((pod) => record(pod, boot))
    const world = runSeen({ run: runOnProvider({ state: 'Running' }, spec), workers })
    expect(rendered(ending(world, job === 'Gone' ? undefined : job))).toBe(says)
  })

  const stop = { reason: 'JobDeleted', requestedAt: '2026-01-01T00:00:00Z' } as const
  test.each([
    { name: 'an order to stop waits for the Job to go', job: providerJob(), says: 'not yet' },
    { name: 'then it is told before the exit code that it caused', job: undefined, says: 'Stopped/Stopped' },
  ])('$name', ({ job, says }) => {
    const world = runSeen({ run: runOnProvider({ state: 'Running' }, { stop }), workers: [record(failed(143), boot)] })
    expect(rendered(ending(world, job))).toBe(says)
  })

  test('a run that was stopped for another job says for which', () => {
    const order = { ...stop, reason: 'Preempted', message: 'by job team/big' } as const
    const run = runOnProvider({ state: 'Running' }, { stop: order })
    const told = ending(runSeen({ run, workers: [record(failed(143), boot)] }), undefined)
    expect(told).toEqual({ state: 'Stopped', reason: 'Preempted', message: 'by job team/big' })
  })

  test('a run that was stopped, saved what it had and left with 0 is no success', () => {
    const left = succeeded({ deleting: true, deletingSince: '2026-01-01T00:01:30Z' })
    const world = runSeen({ run: runOnProvider({ state: 'Running' }, { stop }), workers: [record(left, boot)] })
    expect(rendered(ending(world, undefined))).toBe('Stopped/Stopped')
  })

  test('nor is one that took too long', () => {
    const left = succeeded({ deleting: true, deletingSince: '2026-01-01T00:01:30Z' })
    const run = runOnProvider({ state: 'Running', reason: 'DeadlineExceeded', message: 'm' })
    expect(rendered(ending(runSeen({ run, workers: [record(left, boot)] }), undefined))).toBe('Failed/DeadlineExceeded')
  })

  test('a node that refuses a worker before all of them ran has rejected the run', () => {
    const workers = [record(failed(0, { reason: 'UnexpectedAdmissionError', message: 'no GPU left', containers: [] }))]
    const how = ending(runSeen({ workers }), jobFailed('BackoffLimitExceeded'))
    expect([rendered(how), how?.message]).toEqual(['Rejected/NodeRefused', 'worker 0 on node node-1: no GPU left'])
  })

  test('what a container said at its end is told', () => {
    const workers = [record(failed(1, { containers: [ended(1, { message: 'CUDA out of memory' })] }))]
    expect(ending(runSeen({ workers }), providerJob())?.message).toBe(
      'worker 0 on node node-1: container main ended with exit code 1: CUDA out of memory',
    )
  })

  test.each([
    { status: { reason: 'NoRoom' }, says: 'Rejected/NoRoom' },
    { status: { reason: 'Invalid' }, says: 'Rejected/Invalid' },
    { status: { reason: 'NameTaken' }, says: 'Rejected/NameTaken' },
    { status: { reason: 'ErrImageNeverPull' }, says: 'Failed/ErrImageNeverPull' },
    { status: { state: 'Running', reason: 'NodeLost' } as const, says: 'not yet' },
    { status: { state: 'Rejected', reason: 'NoRoom' } as const, says: 'not yet' },
    { status: {}, says: 'not yet' },
    { status: { reason: 'SomethingNewer' }, says: 'not yet' },
  ])('an intent to end: $status means $says', ({ status, says }) => {
    expect(rendered(intentOf(runOnProvider(status)))).toBe(says)
  })

  test('an intent is told before the way in which it was carried out', () => {
    const world = runSeen({ run: runOnProvider({ reason: 'NoRoom' }), workers: [record(failed(143), boot)] })
    expect([ending(world, providerJob()), ending(world, undefined)].map(rendered)).toEqual([
      'not yet',
      'Rejected/NoRoom',
    ])
  })
})
