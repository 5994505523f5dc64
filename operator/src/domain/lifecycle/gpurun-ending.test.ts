import { describe, expect, test } from '@jest/globals'
import { boot, providerJob, runOnProvider, runSeen } from '../../../../test/builders/gpurun-seen.ts'
import { containerSeen, ended, failed, record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'
import { type Ending, ending, intentOf, waitsForEver } from './gpurun-ending.ts'
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
    name: 'evicted by its kubelet',
    pods: [failed(137, { reason: 'Evicted', disruption: 'TerminationByKubelet' })],
    says: 'Failed/Evicted 137',
  },
  {
    name: 'refused by its kubelet, before any container',
    pods: [failed(0, { reason: 'UnexpectedAdmissionError', containers: [] })],
    says: 'Failed/NonZeroExit',
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

  test.each([
    ['CreateContainerConfigError', true],
    ['InvalidImageName', true],
    ['ErrImageNeverPull', true],
    ['ImagePullBackOff', false],
    ['ContainerCreating', false],
    [undefined, false],
  ])('a container that waits for %s waits for ever: %s', (reason, forEver) => {
    expect(waitsForEver(reason)).toBe(forEver)
  })
})
