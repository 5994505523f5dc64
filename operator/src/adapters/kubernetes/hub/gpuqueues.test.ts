// Jobs and their GpuQueues, on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../../test/builders/gpuqueue.ts'
import {
  agentSays,
  federation,
  type HubCluster,
  heartbeat,
  runOf,
  startHub,
  stateOf,
  stopHubs,
  submit,
} from '../../../../../test/builders/hub-world.ts'
import type { GpuJob } from '../../../api/gpujob.ts'
import type { GpuQueue, GpuQueueSpec, GpuQueueStatus } from '../../../api/gpuqueue.ts'
import { condition } from '../../../domain/lifecycle/claims.ts'
import { gpuJobs, gpuQueues } from '../kinds.ts'

afterEach(stopHubs)

/** Long enough for those who wait to be asked anew. */
const asked = 1000

async function makeQueue({ api, time }: HubCluster, name: string, spec: Partial<GpuQueueSpec> = {}): Promise<GpuQueue> {
  const queue = await api.create(gpuQueues, { metadata: { name }, spec: gpuQueue({ spec }).spec })
  await time.advance(asked)
  return queue
}

async function changeQueue({ api, time }: HubCluster, name: string, spec: Partial<GpuQueueSpec>): Promise<void> {
  await api.mergePatch(gpuQueues, { ref: { name }, patch: { spec } })
  await time.advance(asked)
}

async function removeQueue({ api, time }: HubCluster, name: string): Promise<void> {
  await api.delete(gpuQueues, { name })
  await time.advance(asked)
}

/** `Admitted=False/QueueMissing` */
async function admitted({ api }: HubCluster, { metadata }: GpuJob): Promise<string> {
  const found = await api.get(gpuJobs, metadata)
  const { status, reason } = condition(found?.status?.conditions, 'Admitted') ?? {}
  return `${found?.status?.state} ${status}/${reason}`
}

async function statusOf({ api }: HubCluster, name: string): Promise<GpuQueueStatus | undefined> {
  return (await api.get(gpuQueues, { name }))?.status
}

async function ready(cluster: HubCluster, name: string): Promise<string> {
  const { status, reason } = condition((await statusOf(cluster, name))?.conditions, 'Ready') ?? {}
  return `${status}/${reason}`
}

/** Its agent goes on. */
async function minutes(cluster: HubCluster, count: number): Promise<void> {
  for (let i = 0; i < count * 6; i++) {
    await cluster.time.advance(10_000)
    await heartbeat(cluster)
  }
}

describe('a job', () => {
  test('waits for the queue that it names, and goes on by itself when that appears', async () => {
    const { cluster } = await federation()
    const job = await submit(cluster, { spec: { queue: 'later' } })
    expect(await admitted(cluster, job)).toBe('Refused False/QueueMissing')
    await makeQueue(cluster, 'later')
    expect([await admitted(cluster, job), await stateOf(cluster, job)]).toEqual([
      'Placed True/Admitted',
      'Placed run 1@acme',
    ])
  })

  test('keeps out of a queue of others until that lets it in', async () => {
    const { cluster } = await federation()
    await makeQueue(cluster, 'theirs', { namespaces: ['them'] })
    const job = await submit(cluster, { spec: { queue: 'theirs' } })
    expect(await admitted(cluster, job)).toBe('Refused False/QueueNotAllowed')
    await changeQueue(cluster, 'theirs', { namespaces: ['team'] })
    expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
  })

  test('that may change its queue goes on in another one', async () => {
    const { cluster, api, time } = await federation()
    await makeQueue(cluster, 'mine')
    const job = await submit(cluster, { spec: { queue: 'nobody' } })
    await api.mergePatch(gpuJobs, { ref: job.metadata, patch: { spec: { queue: 'mine' } } })
    await time.advance(0)
    expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
    expect((await api.get(gpuJobs, job.metadata))?.status?.placement?.queue).toBe('mine')
  })

  test('that waits has the reason when its queue is deleted, and one that runs runs on', async () => {
    const { cluster } = await federation()
    await makeQueue(cluster, 'mine', { namespaces: ['*'] })
    const runs = await submit(cluster, { name: 'runs', spec: { queue: 'mine', gpus: { count: 8 } } })
    await agentSays(cluster, runs, { state: 'Running' })
    const waits = await submit(cluster, { name: 'waits', spec: { queue: 'mine' } })
    expect(await stateOf(cluster, waits)).toBe('Waiting')
    await removeQueue(cluster, 'mine')
    expect([await stateOf(cluster, runs), await admitted(cluster, waits)]).toEqual([
      'Running run 1@acme',
      'Refused False/QueueMissing',
    ])
    await agentSays(cluster, runs, { state: 'Succeeded' })
    expect([await stateOf(cluster, runs), await admitted(cluster, waits)]).toEqual([
      'Succeeded run 1@acme',
      'Refused False/QueueMissing',
    ])
    await makeQueue(cluster, 'mine', { namespaces: ['*'] })
    expect(await stateOf(cluster, waits)).toBe('Placed run 1@acme')
  })

  test('that is suspended says that, whatever its queue is', async () => {
    const { cluster } = await federation()
    const job = await submit(cluster, { spec: { queue: 'later', suspend: true } })
    expect(await admitted(cluster, job)).toBe('Suspended False/Suspended')
  })

  test('runs no longer than its queue says where it says nothing itself', async () => {
    const { cluster } = await federation()
    await makeQueue(cluster, 'short', { defaults: { maxRuntimeSeconds: 60 } })
    const silent = await submit(cluster, { name: 'silent' })
    const own = await submit(cluster, { name: 'own', spec: { maxRuntimeSeconds: 7 } })
    const limits = [await runOf(cluster, silent), await runOf(cluster, own)].map((run) => run?.spec.maxRuntimeSeconds)
    expect(limits).toEqual([60, 7])
  })

  test('with Secrets that no queue takes has none of them looked at', async () => {
    const { cluster, api } = await federation()
    api.requests.splice(0)
    const containers = [{ name: 'main', image: 'example.com/a:1', envFrom: [{ secretRef: { name: 'token' } }] }]
    const job = await submit(cluster, { spec: { queue: 'later', template: { spec: { containers } } } })
    expect([await admitted(cluster, job), api.requests.filter((one) => one.includes('secrets'))]).toEqual([
      'Refused False/QueueMissing',
      [],
    ])
    await makeQueue(cluster, 'later')
    expect(await admitted(cluster, job)).toBe('Refused False/SourceMissing')
  })
})

describe('the status of a queue', () => {
  test('says at once whether it is ready, also when others change', async () => {
    const { cluster } = await federation()
    await makeQueue(cluster, 'part', { parent: 'whole', quota: [{ model: 'X9', guaranteed: 1 }] })
    expect(await ready(cluster, 'part')).toBe('False/ParentMissing')
    await makeQueue(cluster, 'whole')
    expect([await ready(cluster, 'part'), await ready(cluster, 'whole')]).toEqual(['True/ModelUnknown', 'True/Ready'])
    await changeQueue(cluster, 'whole', { parent: 'part' })
    expect([await ready(cluster, 'part'), await ready(cluster, 'whole')]).toEqual(['False/Cycle', 'False/Cycle'])
    await removeQueue(cluster, 'whole')
    expect(await ready(cluster, 'part')).toBe('False/ParentMissing')
  })

  test('counts what runs and waits in it, once a minute at the most', async () => {
    const { cluster, api } = await federation()
    await makeQueue(cluster, 'mine', { quota: [{ model: 'H100', guaranteed: 8 }] })
    api.requests.splice(0)
    const writes = () => api.requests.filter((one) => one.startsWith('PUT gpuqueues')).length
    await submit(cluster, { name: 'a', spec: { gpus: { count: 6 } } })
    await submit(cluster, { name: 'b', spec: { gpus: { count: 4 }, priority: 3 } })
    expect([(await statusOf(cluster, 'mine'))?.used, writes()]).toEqual(['H100 0/8', 0])
    await minutes(cluster, 1)
    expect(await statusOf(cluster, 'mine')).toMatchObject({
      used: 'H100 6/8',
      usage: [{ model: 'H100', gpus: 6 }],
      running: 1,
      waiting: 1,
      pending: [{ priority: 3, jobs: 1 }],
    })
    expect(writes()).toBe(1)
  })

  test('is not written where nothing happens', async () => {
    const { cluster, api } = await federation()
    await makeQueue(cluster, 'mine')
    api.requests.splice(0)
    await minutes(cluster, 3)
    expect(api.requests.filter((one) => one.startsWith('PUT gpuqueues'))).toEqual([])
  })

  test('tells the next hub what the queue has used in the past', async () => {
    const { cluster, api, hub } = await federation()
    await makeQueue(cluster, 'mine')
    hub.stop()
    const { share } = (await statusOf(cluster, 'mine')) ?? {}
    const past = { share: { ...share, average: 0.5 } }
    await api.mergePatch(
      gpuQueues,
      { ref: { name: 'mine' }, patch: { status: past } },
      {
        subresource: 'status',
      },
    )
    const next = await startHub(cluster)
    expect(next.scheduling.queues().get('mine')?.averageShare).toBeCloseTo(0.5, 3)
  })
})
