import { describe, expect, test } from '@jest/globals'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { containerSeen, ended, failed, record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
import { runId } from './gpurun.ts'
import { hasEnded, type NodeSeen, overIn, placesOf, WorkerRecords } from './worker-records.ts'

const init = ended(0, { name: 'init', role: 'Init' })
const waiting = containerSeen({ state: 'Waiting' })
const isRunning = containerSeen()

describe('the word of the kubelet', () => {
  test.each([
    { name: 'Succeeded', pod: succeeded(), says: 'ended' },
    { name: 'Failed, all containers terminated', pod: failed(1), says: 'ended' },
    { name: 'Running, though its container has ended', pod: workerPod({ containers: [ended(0)] }), says: 'may run' },
    { name: 'Failed, and a container runs', pod: failed(1, { containers: [ended(1), isRunning] }), says: 'may run' },
    {
      name: 'Failed by PodGC',
      pod: failed(0, { disruption: 'DeletionByPodGC', containers: [isRunning] }),
      says: 'may run',
    },
    {
      name: 'Failed by PodGC, only an init container was ever reported to end',
      pod: failed(0, { disruption: 'DeletionByPodGC', containers: [waiting, init] }),
      says: 'may run',
    },
    {
      name: 'the same without the condition, as for nodes that are out of service',
      pod: failed(0, { containers: [waiting, init] }),
      says: 'may run',
    },
    { name: 'Failed by PodGC before the kubelet said anything', pod: failed(0, { containers: [] }), says: 'may run' },
    {
      name: 'Failed by PodGC with the reason of an unreachable node',
      pod: failed(0, { reason: 'NodeLost', containers: [] }),
      says: 'may run',
    },
    {
      name: 'Failed by PodGC after all containers had ended',
      pod: failed(1, { disruption: 'DeletionByPodGC' }),
      says: 'ended',
    },
    {
      name: 'an init container failed: the others never start',
      pod: failed(0, { containers: [waiting, ended(2, { role: 'Init' })] }),
      says: 'ended',
    },
    {
      name: 'a sidecar that failed starts again, so it proves nothing',
      pod: failed(0, { containers: [waiting, ended(2, { role: 'Sidecar' })] }),
      says: 'may run',
    },
    {
      name: 'Evicted, and a container runs on until it is killed',
      pod: failed(1, { reason: 'Evicted', containers: [ended(1), isRunning] }),
      says: 'may run',
    },
    {
      name: 'Failed by PodGC with some reason of an earlier time',
      pod: failed(0, { reason: 'Other', disruption: 'DeletionByPodGC', containers: [] }),
      says: 'may run',
    },
    { name: 'refused at admission', pod: failed(0, { reason: 'OutOfcpu', containers: [] }), says: 'ended' },
    { name: 'Unknown', pod: workerPod({ phase: 'Unknown' }), says: 'may run' },
  ])('$name: $says', ({ pod, says }) => {
    expect(hasEnded(pod) ? 'ended' : 'may run').toBe(says)
  })
})

describe('a pod that vanished without a last word', () => {
  const boot = 1_000_000
  const node = (readySince: number): NodeSeen => ({ ready: true, readySince })
  const silent: NodeSeen = { ready: false, readySince: 0 }

  test.each([
    { name: 'has ended: nothing to wait for', of: record(succeeded()), on: silent, says: 0 },
    { name: 'is there and may run: that cannot be foreseen', of: record(workerPod()), on: node(0), says: undefined },
    { name: 'was never bound: it never ran', of: record(workerPod({ node: undefined }), boot), on: undefined, says: 0 },
    { name: 'counts from when it went', of: record(workerPod(), boot - 10_000), on: node(0), says: 50_000 },
    { name: 'counts from when its node came back', of: record(workerPod(), 0), on: node(boot - 20_000), says: 40_000 },
    { name: 'is over after a minute of both', of: record(workerPod(), boot - 60_000), on: node(0), says: 0 },
    { name: 'not while its node is silent', of: record(workerPod(), 0), on: silent, says: undefined },
    { name: 'not while its node is gone', of: record(workerPod(), 0), on: undefined, says: undefined },
  ])('$name', ({ of, on, says }) => {
    expect(overIn(of, on, boot)).toBe(says)
  })
})

describe('the records of the workers', () => {
  const run = gpuRun()
  const uid = runId(run)
  const ours = (change = {}) => workerPod({ runId: uid, ...change })
  const all = (records: WorkerRecords) =>
    records
      .of(uid)
      .map(
        ({ pod, goneSince }) =>
          `${pod.index}@${pod.node} ${pod.phase}${goneSince === undefined ? '' : ` gone ${goneSince}`}`,
      )

  test('keep the last that was seen of a pod, beyond the pod', () => {
    const records = new WorkerRecords()
    records.seen(ours({ phase: 'Pending' }))
    records.seen(ours())
    records.gone(ours(), 500)
    expect(all(records)).toEqual(['0@node-1 Running gone 500'])
  })

  test('know nothing of other runs, and forget', () => {
    const records = new WorkerRecords()
    records.seen(ours({ runId: 'other' }))
    expect(all(records)).toEqual([])
    records.seen(ours())
    records.forget(uid)
    expect(all(records)).toEqual([])
  })

  const workers = [
    { index: 0, node: 'node-1' },
    { index: 1, node: 'node-2' },
  ]

  test('take workers that the status names and that went while nobody looked for vanished just now', () => {
    const records = new WorkerRecords()
    records.seen(ours())
    records.missed(gpuRun({ status: { state: 'Running', workers } }), { bootMs: 700, podsCounted: 0 })
    expect(all(records)).toEqual(['0@node-1 Running', '1@node-2 Unknown gone 700'])
  })

  describe('before the status names any worker', () => {
    const ordered = gpuRun({ spec: { workers: 2, nodes: ['node-1', 'node-2'].map((name) => ({ name, workers: 1 })) } })
    const missed = (podsCounted: number, ...pods: { index: number; node: string }[]) => {
      const records = new WorkerRecords()
      for (const pod of pods) records.seen(ours({ ...pod, uid: `pod-${pod.index}` }))
      records.missed(ordered, { bootMs: 700, podsCounted })
      return records
    }

    test('a pod that its Job has counted and that is not there may be on any node of the run', () => {
      const records = missed(2, { index: 0, node: 'node-1' })
      expect(all(records)).toEqual(['0@node-1 Running', '-1@node-1 Unknown gone 700', '-1@node-2 Unknown gone 700'])
      expect(placesOf(records.of(uid))).toEqual([{ index: 0, node: 'node-1', state: 'Running' }])
    })

    test('a pod that nobody has counted yet is still to come', () => {
      expect(all(missed(0))).toEqual([])
    })

    test('nothing is guessed any more once all pods that were counted are known', () => {
      const records = missed(2, { index: 0, node: 'node-1' })
      records.seen(ours({ index: 1, uid: 'pod-1', node: 'node-2' }))
      expect(all(records)).toEqual(['0@node-1 Running', '1@node-2 Running'])
    })
  })

  test.each([
    { name: 'runs', of: record(workerPod()), says: { state: 'Running' } },
    {
      name: 'waits for something',
      of: record(
        workerPod({ phase: 'Pending', containers: [containerSeen({ state: 'Waiting', reason: 'ErrImagePull' })] }),
      ),
      says: { state: 'Waiting', reason: 'ErrImagePull' },
    },
    { name: 'succeeded', of: record(succeeded()), says: { state: 'Succeeded', exitCode: 0 } },
    {
      name: 'failed of something',
      of: record(failed(137, { containers: [ended(137, { reason: 'OOMKilled' })] })),
      says: { state: 'Failed', reason: 'OOMKilled', exitCode: 137 },
    },
    {
      name: 'was refused with a word that is no reason to the schema',
      of: record(failed(0, { reason: 'OutOfnvidia.com/gpu', containers: [] })),
      says: { state: 'Failed' },
    },
    { name: 'vanished', of: record(workerPod(), 5), says: { state: 'Lost' } },
    {
      name: 'runs beside a sidecar that began three times',
      of: record(workerPod({ containers: [containerSeen(), containerSeen({ role: 'Sidecar', restarts: 2 })] })),
      says: { state: 'Running', restarts: 2 },
    },
  ])('a worker that $name is told so', ({ of, says }) => {
    expect(placesOf([of])).toEqual([{ index: 0, node: 'node-1', ...says }])
  })

  test('miss nothing of a run that is over', () => {
    const records = new WorkerRecords()
    records.missed(gpuRun({ status: { state: 'Succeeded', workers } }), { bootMs: 700, podsCounted: 0 })
    expect(all(records)).toEqual([])
  })

  test('find the runs of a node, also of pods that are gone', () => {
    const records = new WorkerRecords()
    records.gone(ours(), 1)
    records.seen(ours({ runId: 'other', node: 'node-2' }))
    expect([records.runsOn('node-1'), records.runsOn('node-2'), records.runsOn('node-3')]).toEqual([
      [uid],
      ['other'],
      [],
    ])
  })
})
