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
import { containerSeen, ended, failed, record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
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
const pulling = workerPod({
  phase: 'Pending',
  containers: [containerSeen({ state: 'Waiting', reason: 'ContainerCreating' })],
})
const misnamed = workerPod({
  phase: 'Pending',
  containers: [containerSeen({ state: 'Waiting', reason: 'InvalidImageName' })],
})
const waiting = containerSeen({ state: 'Waiting', reason: 'PodInitializing' })
const preparing = containerSeen({ name: 'prepare', role: 'Init' })
const gang = { workers: 2, nodes: [{ name: 'node-1', workers: 2 }] }

const beginning: readonly Case[] = [
  { name: 'a new run gets its Job', seen: { job: undefined }, says: 'createJob' },
  { name: 'while no pod is there it looks again', seen: {}, says: 'again in 5 s' },
  {
    name: 'a pod without a node has until the bind timeout, from the making of its Job',
    seen: { workers: [record(pending)] },
    says: 'again in 110 s',
  },
  {
    name: 'a pod on its node that pulls its image is not running yet, and may take an hour from when it was bound',
    seen: { workers: [record(pulling)] },
    says: 'again in 3590 s',
  },
  { name: 'a pod that runs makes it run', seen: { workers: [record(workerPod())] }, says: 'Running' },
  {
    name: 'an init container that runs is no worker that runs, and may take its time',
    seen: { workers: [record(workerPod({ phase: 'Pending', containers: [waiting, preparing] }))] },
    says: '',
  },
  {
    name: 'half a gang that runs is no gang that runs',
    seen: {
      run: runOnProvider(undefined, gang),
      service: 'Ours',
      workers: [record(workerPod()), record({ ...pulling, uid: 'b', index: 1 })],
    },
    says: 'again in 3590 s',
  },
  {
    name: 'a gang gets its Service when its Job is there',
    seen: { run: runOnProvider(undefined, gang), workers: [] },
    says: 'createService again in 0.001 s',
  },
  { name: 'once', seen: { run: runOnProvider(undefined, gang), service: 'Ours' }, says: 'again in 5 s' },
  { name: 'what runs is left alone', seen: { run: running, workers: [record(workerPod())] }, says: '' },
]

const refusals: readonly Case[] = [
  {
    name: 'no room in time: that it shall end is written down first',
    seen: { now: now + 110_000, workers: [record(pending)] },
    says: 'not begun/NoRoom',
  },
  {
    name: 'nothing was ever bound, nor made',
    seen: { now: now + 110_000 },
    says: 'not begun/NoRoom',
  },
  {
    name: 'a container that waits for ever',
    seen: { workers: [record(misnamed)] },
    says: 'not begun/InvalidImageName',
  },
  {
    name: 'then the Job goes',
    seen: { run: runOnProvider({ reason: 'NoRoom' }), workers: [record(pending)] },
    says: 'deleteJob',
  },
  {
    name: 'once',
    seen: {
      run: runOnProvider({ reason: 'NoRoom' }),
      job: providerJob({ deleting: true }),
      workers: [record(pending)],
    },
    says: '',
  },
  {
    name: 'while a pod of it may run it is not over',
    seen: { run: runOnProvider({ reason: 'NoRoom' }), job: undefined, workers: [record(workerPod())] },
    says: '',
  },
  {
    name: 'when all is gone it is said',
    seen: { run: runOnProvider({ reason: 'NoRoom' }), job: undefined },
    says: 'Rejected/NoRoom',
  },
  {
    name: 'a run that could not start on its own account has failed, not been rejected',
    seen: {
      run: runOnProvider({ reason: 'CreateContainerConfigError' }),
      job: undefined,
      workers: [record(failed(137, { containers: [ended(137, { reason: 'ContainerStatusUnknown' })] }), boot)],
    },
    says: 'Failed/CreateContainerConfigError',
  },
  {
    name: 'what may run for an hour is looked at when the hour is over',
    seen: {
      run: runOnProvider({ state: 'Running', startedAt: toTime(now - 60_000) }, { maxRuntimeSeconds: 3600 }),
      workers: [record(workerPod())],
    },
    says: 'again in 3540 s',
  },
  {
    name: 'when it is over, that is written down first',
    seen: {
      run: runOnProvider({ state: 'Running', startedAt: toTime(now - 3_600_000) }, { maxRuntimeSeconds: 3600 }),
      workers: [record(workerPod())],
    },
    says: 'Running/DeadlineExceeded',
  },
  {
    name: 'then its Job goes',
    seen: { run: runOnProvider({ state: 'Running', reason: 'DeadlineExceeded' }), workers: [record(workerPod())] },
    says: 'deleteJob',
  },
  {
    name: 'and when the kubelet has ended its containers, it has failed of that',
    seen: {
      run: runOnProvider({ state: 'Running', reason: 'DeadlineExceeded' }),
      job: undefined,
      workers: [record(failed(143), boot)],
    },
    says: 'Failed/DeadlineExceeded',
  },
  {
    name: 'what runs is not given up for a pod that was bound late',
    seen: { run: running, now: now + 999_000, workers: [record(workerPod())] },
    says: '',
  },
]

const orders: readonly Case[] = [
  {
    name: 'stopped before it began',
    seen: { run: runOnProvider(undefined, { stop }), job: undefined },
    says: 'Stopped/Stopped cleaned',
  },
  {
    name: 'stopped when its Job was asked for and the answer was lost: it is looked for',
    seen: { run: runOnProvider(undefined, { stop }), job: undefined, making: 'Unanswered' },
    says: 'findJob again in 0.001 s',
  },
  {
    name: 'told to stop while its workers start: first it is written down where they are',
    seen: { run: runOnProvider(undefined, { stop }), workers: [record(workerPod())] },
    says: 'not begun',
  },
  {
    name: 'then its Job goes',
    seen: {
      run: runOnProvider({ workers: [{ index: 0, node: 'node-1' }] }, { stop }),
      workers: [record(workerPod())],
    },
    says: 'deleteJob',
  },
  {
    name: 'told to stop, its Job goes',
    seen: { run: runOnProvider({ state: 'Running' }, { stop }), workers: [record(workerPod())] },
    says: 'deleteJob',
  },
  {
    name: 'even before a pod was seen: a Job that was just made has begun',
    seen: { run: runOnProvider(undefined, { stop }) },
    says: 'deleteJob',
  },
  {
    name: 'while its pod ends, it is not over',
    seen: {
      run: runOnProvider({ state: 'Running' }, { stop }),
      job: undefined,
      workers: [record(workerPod({ deleting: true }))],
    },
    says: '',
  },
  {
    name: 'its pod has ended and is still there: stopped, not yet cleaned',
    seen: {
      run: runOnProvider({ state: 'Running' }, { stop }),
      job: undefined,
      workers: [record(failed(143, { deleting: true }))],
    },
    says: 'Stopped/Stopped',
  },
  {
    name: 'its pod is gone: cleaned',
    seen: { run: runOnProvider({ state: 'Stopped' }, { stop }), job: undefined, workers: [record(failed(143), boot)] },
    says: 'Stopped cleaned',
  },
  {
    name: 'on a lost node it stays, until the kubelet is back',
    seen: {
      run: runOnProvider({ state: 'Running' }, { stop }),
      job: undefined,
      workers: [record(workerPod(), 0)],
      node: () => silent,
    },
    says: 'Running/NodeLost',
  },
]

const afterwards: readonly Case[] = [
  {
    name: 'over and kept for its logs',
    seen: { run: runOnProvider({ state: 'Succeeded' }), workers: [record(succeeded())] },
    says: '',
  },
  {
    name: 'over for ever, whatever its pods say later',
    seen: { run: runOnProvider({ state: 'Failed' }), workers: [record(succeeded())] },
    says: '',
  },
  {
    name: 'over, and the job is gone: its Job goes too',
    seen: { run: runOnProvider({ state: 'Succeeded' }, { stop }), workers: [record(succeeded())] },
    says: 'deleteJob',
  },
  {
    name: 'cleaned is said only when the last pod is gone',
    seen: { run: runOnProvider({ state: 'Succeeded' }, { stop }), job: undefined, workers: [record(succeeded())] },
    says: '',
  },
  {
    name: 'even where somebody else has taken its name meanwhile',
    seen: {
      run: runOnProvider({ state: 'Succeeded' }, { stop }),
      job: providerJob({ runId: 'other' }),
      workers: [record(succeeded())],
    },
    says: '',
  },
  {
    name: 'left by its own clock long ago',
    seen: { run: runOnProvider({ state: 'Succeeded' }, { stop }), job: undefined },
    says: 'Succeeded cleaned',
  },
  {
    name: 'cleaned',
    seen: { run: runOnProvider({ state: 'Stopped', cleanedAt: toTime(now) }, { stop }), job: undefined },
    says: '',
  },
  {
    name: 'cleaned, and a Job shows up whose making was under way: it goes',
    seen: { run: runOnProvider({ state: 'Stopped', cleanedAt: toTime(now) }, { stop }) },
    says: 'deleteJob',
  },
]

const namesakes: readonly Case[] = [
  {
    name: 'a Job of that name was made for another run',
    seen: { job: providerJob({ runId: 'other' }) },
    says: 'Rejected/NameTaken',
  },
  { name: 'or by somebody else', seen: { job: providerJob({ runId: undefined }) }, says: 'Rejected/NameTaken' },
  {
    name: 'it is not touched when the run is stopped',
    seen: { run: runOnProvider(undefined, { stop }), job: providerJob({ runId: 'other' }) },
    says: 'Rejected/NameTaken cleaned',
  },
  {
    name: 'nor when the run is over and cleaned up',
    seen: { run: runOnProvider({ state: 'Rejected' }, { stop }), job: providerJob({ runId: 'other' }) },
    says: 'Rejected cleaned',
  },
  {
    name: 'nor afterwards',
    seen: {
      run: runOnProvider({ state: 'Rejected', cleanedAt: toTime(now) }, { stop }),
      job: providerJob({ runId: 'other' }),
    },
    says: '',
  },
]

describe('the life of a GpuRun', () => {
  const all = { beginning, refusals, orders, afterwards, namesakes }
  describe.each(Object.entries(all))('%s', (_, cases) => {
    test.each(cases)('$name', ({ seen: some, says }) => {
      expect(renderedRun(decide(runSeen(some)))).toBe(says)
    })
  })
})

describe('what is said of a GpuRun', () => {
  test('where each worker is and when the last one began', () => {
    const second = workerPod({
      index: 1,
      node: 'node-2',
      containers: [containerSeen({ startedAt: '2026-01-01T00:01:30Z' })],
    })
    const world = {
      run: runOnProvider(undefined, gang),
      service: 'Ours',
      workers: [record(second), record(workerPod())],
    } as const
    expect(decide(runSeen(world)).status).toEqual({
      observedGeneration: 1,
      state: 'Running',
      startedAt: '2026-01-01T00:01:30Z',
      workers: [
        { index: 0, node: 'node-1', state: 'Running' },
        { index: 1, node: 'node-2', state: 'Running' },
      ],
    })
  })

  test('how each worker ended, and when', () => {
    const world = { run: running, workers: [record(failed(42))] }
    expect(decide(runSeen(world)).status).toMatchObject({
      exitCode: 42,
      startedAt: '2026-01-01T00:01:00Z',
      finishedAt: '2026-01-01T00:02:00Z',
      workers: [{ index: 0, node: 'node-1', state: 'Failed', reason: 'Error', exitCode: 42 }],
      message: 'worker 0 on node node-1: container main ended with exit code 42',
    })
  })

  test('a worker that is found again takes back that it was lost', () => {
    const lost = runOnProvider({
      state: 'Running',
      reason: 'NodeLost',
      message: 'm',
      startedAt: '2026-01-01T00:01:00Z',
    })
    const { status } = decide(runSeen({ run: lost, workers: [record(workerPod())] }))
    expect(status).not.toHaveProperty('reason')
    expect(status).not.toHaveProperty('message')
  })

  test('a message too long for the schema is cut', () => {
    const waiting = containerSeen({ state: 'Waiting', reason: 'InvalidImageName', message: 'x'.repeat(2000) })
    const { status } = decide(runSeen({ workers: [record(workerPod({ phase: 'Pending', containers: [waiting] }))] }))
    expect([status?.message?.length, status?.message?.at(-1)]).toEqual([1024, '…'])
  })
})
