import { describe, expect, test } from '@jest/globals'
import { objectMeta } from '../../../../../test/builders/meta.ts'
import type { WorkerPod } from '../../../domain/lifecycle/worker-records.ts'
import type { ContainerState, Pod } from '../resources.ts'
import { workerPod } from './worker-pod.ts'

const gpus = { resources: { limits: { 'nvidia.com/gpu': '8' } } }
const running: ContainerState = { running: { startedAt: '2026-01-01T00:01:00Z' } }
const ended: ContainerState = {
  terminated: {
    exitCode: 137,
    reason: 'OOMKilled',
    startedAt: '2026-01-01T00:01:00Z',
    finishedAt: '2026-01-01T00:02:00Z',
  },
}

function pod(
  some: { metadata?: Partial<Pod['metadata']>; spec?: Partial<Pod['spec']>; status?: Pod['status'] } = {},
): Pod {
  const labels = { 'gpucommons.io/run': 'run-uid' }
  return {
    metadata: { ...objectMeta('pod', { namespace: 'ns', labels }), ...some.metadata },
    spec: { containers: [{ name: 'main', ...gpus }], ...some.spec },
    ...(some.status && { status: some.status }),
  }
}

/** `name:role:state`, in the order in which they are kept. */
function containers({ containers: all }: WorkerPod): string {
  return all.map(({ name, role, state }) => `${name}:${role}:${state}`).join(' ')
}

describe('a pod of a run, as its life is decided from it', () => {
  test('before anything is known of it', () => {
    expect(workerPod(pod())).toMatchObject({
      runId: 'run-uid',
      index: 0,
      node: undefined,
      phase: 'Pending',
      deleting: false,
      disruption: undefined,
      containers: [],
    })
  })

  test('its index stands in an annotation', () => {
    const annotations = { 'batch.kubernetes.io/job-completion-index': '12' }
    expect(workerPod(pod({ metadata: { annotations } })).index).toBe(12)
  })

  test('the main container comes first, whatever its name', () => {
    const spec = { containers: [{ name: 'aaa' }, { name: 'zzz', ...gpus }] }
    const containerStatuses = [
      { name: 'aaa', state: running },
      { name: 'zzz', state: running },
    ]
    expect(containers(workerPod(pod({ spec, status: { containerStatuses } })))).toBe(
      'zzz:Container:Running aaa:Container:Running',
    )
  })

  test('init containers come last, and sidecars are told from those that must end', () => {
    const initContainers = [{ name: 'proxy', restartPolicy: 'Always' }, { name: 'fetch' }]
    const status = {
      containerStatuses: [{ name: 'main', state: { waiting: { reason: 'PodInitializing' } } }],
      initContainerStatuses: [
        { name: 'proxy', state: running },
        { name: 'fetch', state: ended },
      ],
    }
    expect(containers(workerPod(pod({ spec: { containers: [{ name: 'main' }], initContainers }, status })))).toBe(
      'main:Container:Waiting proxy:Sidecar:Running fetch:Init:Terminated',
    )
  })

  test('a container of which nothing is said waits', () => {
    expect(containers(workerPod(pod({ status: { containerStatuses: [{ name: 'main' }] } })))).toBe(
      'main:Container:Waiting',
    )
  })

  test('how a container ended, and when', () => {
    const status = { phase: 'Failed', containerStatuses: [{ name: 'main', state: ended }] } as const
    expect(workerPod(pod({ status })).containers).toEqual([
      {
        name: 'main',
        role: 'Container',
        state: 'Terminated',
        reason: 'OOMKilled',
        message: undefined,
        restarts: 0,
        exitCode: 137,
        startedAt: '2026-01-01T00:01:00Z',
        finishedAt: '2026-01-01T00:02:00Z',
      },
    ])
  })

  test('what a container said at its end, and how often it began anew', () => {
    const terminated = { exitCode: 1, reason: 'Error', message: 'CUDA out of memory' }
    const status = { containerStatuses: [{ name: 'main', state: { terminated }, restartCount: 2 }] }
    expect(workerPod(pod({ status })).containers).toMatchObject([{ message: 'CUDA out of memory', restarts: 2 }])
  })

  test.each([
    {
      name: 'since its condition says so',
      status: {
        startTime: '2026-01-01T00:00:05Z',
        conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:04Z' }],
      },
      says: '2026-01-01T00:00:04Z',
    },
    { name: 'since its kubelet took it', status: { startTime: '2026-01-01T00:00:05Z' }, says: '2026-01-01T00:00:05Z' },
    {
      name: 'not yet',
      status: {
        conditions: [{ type: 'PodScheduled', status: 'False', lastTransitionTime: '2026-01-01T00:00:04Z' }],
      },
      says: undefined,
    },
  ] as const)('it is bound $name', ({ status, says }) => {
    expect(workerPod(pod({ status })).boundAt).toBe(says)
  })

  test('since when it is being deleted: the API server tells when its grace ends', () => {
    const metadata = { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 30 }
    expect([workerPod(pod({ metadata })).deletingSince, workerPod(pod()).deletingSince]).toEqual([
      '2026-01-01T00:00:30Z',
      undefined,
    ])
  })

  test('why a container waits', () => {
    const waiting = { reason: 'CreateContainerConfigError', message: 'runs as root' }
    const status = { containerStatuses: [{ name: 'main', state: { waiting } }] }
    expect(workerPod(pod({ status })).containers).toMatchObject([waiting])
  })

  test.each([
    { status: 'True', reason: 'PreemptionByScheduler', says: 'PreemptionByScheduler' },
    { status: 'True', says: 'Disrupted' },
    { status: 'False', reason: 'PreemptionByScheduler', says: undefined },
  ] as const)('disruption $status $reason: $says', ({ says, ...condition }) => {
    const conditions = [{ type: 'Ready', status: 'True' } as const, { type: 'DisruptionTarget', ...condition }]
    expect(workerPod(pod({ status: { conditions } })).disruption).toBe(says)
  })
})
