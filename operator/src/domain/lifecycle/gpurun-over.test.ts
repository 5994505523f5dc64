import { describe, expect, test } from '@jest/globals'
import {
  boot,
  now,
  providerJob,
  renderedRun,
  runOnProvider,
  runSeen,
  silent,
} from '../../../../test/builders/gpurun-seen.ts'
import { record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
import { toTime } from '../../api/time.ts'
import type { Seen } from './gpurun-seen.ts'
import { decide } from './gpurun-steps.ts'

const stop = { reason: 'Suspended', requestedAt: toTime(now) } as const

interface Case {
  readonly name: string
  readonly seen: Partial<Seen>
  readonly says: string
}

const running = runOnProvider({ state: 'Running', workers: [{ index: 0, node: 'node-1' }] })
const pending = workerPod({ node: undefined, phase: 'Pending', containers: [] })
const gang = { workers: 2, nodes: [{ name: 'node-1', workers: 2 }] }

const goodEnds: readonly Case[] = [
  {
    name: 'all workers succeeded',
    seen: { run: running, workers: [record(succeeded())] },
    says: 'Succeeded/Completed',
  },
  {
    name: 'so fast that nobody saw it run',
    seen: { workers: [record(succeeded())] },
    says: 'Succeeded/Completed',
  },
  {
    name: 'one of two succeeded: the other one is still to come',
    seen: { run: runOnProvider({ state: 'Running' }, gang), service: 'Ours', workers: [record(succeeded())] },
    says: '',
  },
  {
    name: 'its pods went while nobody looked, and its Job is complete',
    seen: { run: running, job: providerJob({ complete: true }), workers: [record(workerPod(), boot)] },
    says: 'Succeeded/Completed',
  },
  {
    name: 'its pods are there: they say it with all that belongs to it',
    seen: { run: running, job: providerJob({ complete: true }), workers: [record(workerPod())] },
    says: '',
  },
  {
    name: 'succeeded before the order to stop took hold: that is what happened',
    seen: { run: runOnProvider({ state: 'Running' }, { stop }), job: undefined, workers: [record(succeeded(), boot)] },
    says: 'Succeeded/Completed cleaned',
  },
]

const notAnEnd: readonly Case[] = [
  {
    name: 'the Job says Failed, but a pod of it runs on',
    seen: {
      run: running,
      job: providerJob({ failed: { reason: 'BackoffLimitExceeded', message: 'm' } }),
      workers: [record(workerPod())],
    },
    says: '',
  },
  {
    name: 'PodGC says Failed, and no kubelet does',
    seen: { run: running, workers: [record(workerPod({ phase: 'Failed', disruption: 'DeletionByPodGC' }))] },
    says: '',
  },
  {
    name: 'PodGC says Failed without saying that it is PodGC',
    seen: { run: running, workers: [record(workerPod({ phase: 'Failed', containers: [] }))] },
    says: '',
  },
  {
    name: 'a pod vanished a moment ago from a node that is Ready',
    seen: { run: running, workers: [record(workerPod(), boot - 1000)] },
    says: 'Running/NodeLost again in 59 s',
  },
  {
    name: 'a pod was deleted by force from a node that does not answer, however long ago',
    seen: { run: running, workers: [record(workerPod(), 0)], node: () => silent },
    says: 'Running/NodeLost',
  },
  {
    name: 'nor does it help that the Job failed over it',
    seen: {
      run: running,
      job: providerJob({ failed: { reason: 'PodFailurePolicy', message: 'Pod a/b has condition DisruptionTarget' } }),
      workers: [record(workerPod(), 0)],
      node: () => silent,
    },
    says: 'Running/NodeLost',
  },
  {
    name: 'nor that the node itself is gone',
    seen: { run: running, workers: [record(workerPod(), 0)], node: () => undefined },
    says: 'Running/NodeLost',
  },
  {
    name: 'the node came back only just now: its kubelet gets a minute',
    seen: {
      run: running,
      job: providerJob({ failed: { reason: 'BackoffLimitExceeded', message: 'm' } }),
      workers: [record(workerPod(), 0)],
      node: () => ({ ready: true, readySince: boot - 20_000 }),
    },
    says: 'Running/NodeLost again in 40 s',
  },
  {
    name: 'a worker on a node that does not answer may run or not',
    seen: { run: running, workers: [record(workerPod())], node: () => silent },
    says: 'Running/NodeLost',
  },
  {
    name: 'and runs again when the node answers',
    seen: {
      run: runOnProvider({ state: 'Running', reason: 'NodeLost', message: 'm' }),
      workers: [record(workerPod())],
    },
    says: 'Running',
  },
]

const vanished: readonly Case[] = [
  {
    name: 'its node is Ready for a minute since: it is over, and not by its own fault',
    seen: {
      run: running,
      job: providerJob({ failed: { reason: 'BackoffLimitExceeded', message: 'm' } }),
      workers: [record(workerPod(), boot - 60_000)],
    },
    says: 'Reclaimed/NodeLost',
  },
  {
    name: 'the owner removed Job and pods',
    seen: { run: running, job: undefined, workers: [record(workerPod(), boot - 60_000)] },
    says: 'Reclaimed/JobRemoved',
  },
  {
    name: 'a pod that never had a node never ran',
    seen: { run: runOnProvider({ reason: 'NoRoom' }), job: undefined, workers: [record(pending, boot)] },
    says: 'Rejected/NoRoom',
  },
]

describe('when a GpuRun is over, and when it is not', () => {
  describe.each(Object.entries({ goodEnds, notAnEnd, vanished }))('%s', (_, cases) => {
    test.each(cases)('$name', ({ seen: some, says }) => {
      expect(renderedRun(decide(runSeen(some)))).toBe(says)
    })
  })
})
