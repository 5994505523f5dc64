// The hub as a whole, on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import { gpuRun } from '../../../../../test/builders/gpurun.ts'
import {
  addProvider,
  agentSays,
  federation,
  type HubCluster,
  heartbeat,
  hubCluster,
  runOf,
  startHub,
  stateOf,
  stopHubs,
  submit,
} from '../../../../../test/builders/hub-world.ts'
import type { GpuJob } from '../../../api/gpujob.ts'
import { EXPLAIN_ANNOTATION } from '../../../api/labels.ts'
import { condition } from '../../../domain/lifecycle/claims.ts'
import type { MergePatch } from '../client.ts'
import { ApiError } from '../errors.ts'
import { customResourceDefinitions, gpuJobs, gpuNodes, gpuRuns, providers } from '../kinds.ts'
import { leases } from '../resources.ts'

afterEach(stopHubs)

const suspend = (suspended: boolean): MergePatch<GpuJob> => ({ spec: { suspend: suspended } })

describe('a job on the hub', () => {
  test('is recorded, ordered, runs and succeeds, in four writes of the hub', async () => {
    const { cluster, api, hub } = await federation()
    api.requests.splice(0)
    const job = await submit(cluster)
    expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
    await agentSays(cluster, job, { state: 'Running' })
    expect(await stateOf(cluster, job)).toBe('Running run 1@acme')
    await agentSays(cluster, job, { state: 'Succeeded' })
    expect(await stateOf(cluster, job)).toBe('Succeeded run 1@acme')
    const writes = api.requests
      .filter((one) => /^(POST|PUT|PATCH|DELETE)/.test(one))
      .map((one) => one.split(' ').slice(0, 2).join(' '))
    expect(writes).toEqual([
      'POST gpujobs',
      'PUT gpujobs/status',
      'POST gpuruns',
      'PATCH gpuruns/status',
      'PUT gpujobs/status',
      'PATCH gpuruns/status',
      'PUT gpujobs/status',
    ])
    expect(hub.errors).toEqual([])
  })

  test('the order says all of the job, and whose it is', async () => {
    const { cluster } = await federation()
    const gpus = { count: 2 }
    const job = await submit(cluster, { spec: { workers: 2, gpus, maxRuntimeSeconds: 60 } })
    const run = await runOf(cluster, job)
    expect(run?.spec).toMatchObject({
      job: { namespace: 'team', name: 'train', uid: job.metadata.uid },
      run: 1,
      workers: 2,
      gpus,
      maxRuntimeSeconds: 60,
      nodes: [{ name: 'node-1', workers: 2 }],
      template: job.spec.template,
    })
    const [jobsKind] = (await cluster.api.list(customResourceDefinitions)).items
    expect(run?.metadata.labels).toEqual({
      'gpucommons.io/gpujobs-uid': jobsKind?.metadata.uid,
      'gpucommons.io/provider': 'acme',
      'gpucommons.io/job': 'train',
      'gpucommons.io/job-uid': job.metadata.uid,
      'gpucommons.io/run-number': '1',
    })
  })

  test.each(['lives on', 'is started again meanwhile'])(
    'that its provider took the GPUs back from goes to another one, where the hub %s',
    async (how) => {
      const { cluster, hub } = await federation()
      await addProvider(cluster, { name: 'bolt' })
      const job = await submit(cluster)
      expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
      if (how !== 'lives on') hub.stop()
      await agentSays(cluster, job, { state: 'Reclaimed', reason: 'Preempted' })
      if (how !== 'lives on') await startHub(cluster)
      await heartbeat(cluster, 'acme')
      await heartbeat(cluster, 'bolt')
      expect(await stateOf(cluster, job)).toBe('Placed run 2@bolt')
    },
  )

  test('that somebody asks about is looked at by itself, and the engine has no work with it', async () => {
    const { cluster, api, hub, time } = await federation()
    const { metadata } = await submit(cluster, { spec: { gpus: { count: 9 } } })
    const annotate = async (annotations: Record<string, string>) => {
      await api.mergePatch(gpuJobs, { ref: metadata, patch: { metadata: { annotations } } })
      await time.advance(0)
    }
    const answered = async () => (await api.get(gpuJobs, metadata))?.status?.explanation?.asked
    await annotate({ [EXPLAIN_ANNOTATION]: 'first' })
    expect(await answered()).toBe('first')
    const told: string[] = []
    Object.assign(hub.scheduling, { jobChanged: (uid: string) => void told.push(uid) })
    await annotate({ [EXPLAIN_ANNOTATION]: 'second' })
    expect([await answered(), told]).toEqual(['first', []])
    await annotate({ 'looked-at': 'now' })
    expect(told).toEqual([metadata.uid])
    await time.advance(2000)
    expect(await answered()).toBe('second')
  })

  test('that fails runs again, after a while', async () => {
    const { cluster, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Failed', reason: 'NonZeroExit', exitCode: 1 })
    expect(await stateOf(cluster, job)).toBe('Waiting')
    await time.advance(9000)
    await heartbeat(cluster)
    expect(await runOf(cluster, job, 2)).toBeUndefined()
    await time.advance(1000)
    expect([await stateOf(cluster, job), (await runOf(cluster, job, 2))?.spec.run]).toEqual(['Placed run 2@acme', 2])
  })

  test('waits for the GPUs of another one, and gets them', async () => {
    const { cluster, api } = await federation()
    const first = await submit(cluster, { spec: { gpus: { count: 8 } } })
    const second = await submit(cluster, { name: 'second', spec: { gpus: { count: 8 } } })
    expect([await stateOf(cluster, second), (await api.get(gpuJobs, second.metadata))?.status?.why]).toEqual([
      'Waiting',
      expect.stringContaining('NotEnoughFreeGpus'),
    ])
    await agentSays(cluster, first, { state: 'Succeeded' })
    expect(await stateOf(cluster, second)).toBe('Placed run 1@acme')
  })

  test('is suspended and resumed', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await api.mergePatch(gpuJobs, { ref: job.metadata, patch: suspend(true) })
    await time.advance(0)
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('Suspended')
    await agentSays(cluster, job, { state: 'Stopped' })
    expect(await stateOf(cluster, job)).toBe('Suspended')
    await api.mergePatch(gpuJobs, { ref: job.metadata, patch: suspend(false) })
    await time.advance(0)
    expect(await stateOf(cluster, job)).toBe('Placed run 2@acme')
  })

  test('leaves when its time is over, and its run after it', async () => {
    const { cluster, time } = await federation()
    const job = await submit(cluster, { spec: { ttlSecondsAfterFinished: 100 } })
    await agentSays(cluster, job, { state: 'Succeeded' })
    await time.advance(100_000)
    expect([await stateOf(cluster, job), (await runOf(cluster, job))?.spec.stop?.reason]).toEqual([
      'gone',
      'JobDeleted',
    ])
    await agentSays(cluster, job, { cleanedAt: '2026-01-01T00:02:00Z' })
    await time.advance(499_000)
    expect(await runOf(cluster, job)).toBeDefined()
    await time.advance(1000)
    expect(await runOf(cluster, job)).toBeUndefined()
  })
})

describe('a job that is deleted', () => {
  test('while it runs, leaves its run with the order to stop', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await api.delete(gpuJobs, job.metadata)
    await time.advance(0)
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('JobDeleted')
  })

  test('and made again under its name is another job', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await api.delete(gpuJobs, job.metadata)
    const again = await submit(cluster)
    await time.advance(0)
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('JobDeleted')
    expect((await runOf(cluster, again))?.spec.stop).toBeUndefined()
  })

  test('while the hub is away, is found by the next one', async () => {
    const { cluster, api, hub } = await federation()
    const job = await submit(cluster)
    hub.stop()
    await api.delete(gpuJobs, job.metadata)
    await startHub(cluster)
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('JobDeleted')
  })

  test('is not taken for gone where only the watch of this hub lags', async () => {
    const { cluster, api, time } = await federation()
    api.cutWatches()
    api.fail(/^(WATCH|LIST) gpujobs/, { with: new Error('still broken'), times: 10 })
    const job = await submit(cluster)
    const { metadata, spec } = gpuRun({ job })
    await api.create(gpuRuns, { metadata: { name: metadata.name, namespace: 'provider-acme' }, spec })
    await time.advance(2000)
    expect((await runOf(cluster, job))?.spec.stop).toBeUndefined()
    expect(api.requests).toContain('GET gpujobs team/train')
  })
})

describe('a hub that lags or fails', () => {
  test('between record and run: the next one gives the order', async () => {
    const { cluster, api, hub } = await federation()
    api.fail(/^POST gpuruns/, { with: new Error('the line was cut') })
    const job = await submit(cluster)
    hub.stop()
    expect([await stateOf(cluster, job), await runOf(cluster, job)]).toEqual(['Placed run 1@acme', undefined])
    await startHub(cluster)
    expect((await runOf(cluster, job))?.spec.run).toBe(1)
  })

  test('a record that another hub has changed meanwhile is not acted upon', async () => {
    const { cluster, api, time } = await federation()
    api.fail(/^POST gpuruns/, { with: new Error('the line was cut') })
    const job = await submit(cluster)
    api.cutWatches()
    api.fail(/^(WATCH|LIST) gpujobs/, { with: new Error('still broken'), times: 10 })
    await api.mergePatch(
      gpuJobs,
      { ref: job.metadata, patch: { status: { placement: null } } },
      { subresource: 'status' },
    )
    await time.advance(1000)
    expect((await api.list(gpuRuns)).items).toEqual([])
  })

  test('a finished job whose run was removed is not run again by a hub that has not heard of its end', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    const run = await runOf(cluster, job)
    api.cutWatches()
    api.fail(/^(WATCH|LIST) gpujobs/, { with: new Error('still broken'), times: 10 })
    const conditions = [
      {
        type: 'Finished',
        status: 'True',
        reason: 'Succeeded',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ] as const
    await api.mergePatch(gpuJobs, { ref: job.metadata, patch: { status: { conditions } } }, { subresource: 'status' })
    await api.delete(gpuRuns, run?.metadata ?? { name: '' })
    await time.advance(1000)
    expect((await api.list(gpuRuns)).items).toEqual([])
  })

  test('an order whose answer was lost is one order', async () => {
    const { cluster, api, hub, time } = await federation()
    api.fail(/^POST gpuruns/, { with: new Error('the line was cut'), answerLost: true })
    const job = await submit(cluster)
    await time.advance(1000)
    expect([hub.errors, (await api.list(gpuRuns)).items.length, await stateOf(cluster, job)]).toEqual([
      ['the line was cut'],
      1,
      'Placed run 1@acme',
    ])
  })

  test('of two hubs that think they lead, each job has one run', async () => {
    const cluster = hubCluster()
    await startHub(cluster)
    await addProvider(cluster)
    await startHub(cluster)
    await heartbeat(cluster)
    const jobs = []
    for (const name of ['a', 'b', 'c', 'd']) jobs.push(await submit(cluster, { name, spec: { gpus: { count: 2 } } }))
    const runs = (await cluster.api.list(gpuRuns)).items
    expect(runs.map(({ spec }) => `${spec.job.name} ${spec.run}`).toSorted()).toEqual(['a 1', 'b 1', 'c 1', 'd 1'])
    expect(await Promise.all(jobs.map((job) => stateOf(cluster, job)))).toEqual(jobs.map(() => 'Placed run 1@acme'))
  })

  test('started again, it books what runs before it decides anything', async () => {
    const { cluster, hub } = await federation()
    const job = await submit(cluster, { spec: { gpus: { count: 8 } } })
    await agentSays(cluster, job, { state: 'Running' })
    hub.stop()
    const second = await submit(cluster, { name: 'second', spec: { gpus: { count: 1 } } })
    await startHub(cluster)
    await heartbeat(cluster)
    expect([await stateOf(cluster, job), await stateOf(cluster, second)]).toEqual(['Running run 1@acme', 'Waiting'])
  })
})

describe('a provider on the hub', () => {
  const said = async ({ api }: HubCluster) =>
    (await api.get(providers, { name: 'acme' }))?.status?.conditions
      .map(({ type, status, reason }) => `${type}=${status}/${reason}`)
      .join(' ')

  async function runningOf({ api }: HubCluster, { metadata }: GpuJob): Promise<string> {
    const { status, reason } = condition((await api.get(gpuJobs, metadata))?.status?.conditions, 'Running') ?? {}
    return `${status}/${reason}`
  }

  test('gets its home, and takes work once its agent was heard', async () => {
    const cluster = hubCluster()
    await startHub(cluster)
    await addProvider(cluster)
    expect(await said(cluster)).toBe('Connected=True/Heartbeat Ready=True/Ready Verified=Unknown/NotYet')
  })

  test('that falls silent gets no new work, and keeps what it has', async () => {
    const { cluster, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await time.advance(15_000)
    const second = await submit(cluster, { name: 'second' })
    expect(await said(cluster)).toBe('Connected=Unknown/Silent Ready=False/NotConnected Verified=Unknown/NotYet')
    expect([await stateOf(cluster, job), await stateOf(cluster, second)]).toEqual(['Running run 1@acme', 'Waiting'])
    await heartbeat(cluster)
    expect(await stateOf(cluster, second)).toBe('Placed run 1@acme')
  })

  test('that stays silent leaves its jobs without news, and they say so until it is back', async () => {
    const { cluster, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await time.advance(15_000)
    expect(await runningOf(cluster, job)).toBe('True/Running')
    await time.advance(30_000)
    expect(await runningOf(cluster, job)).toBe('Unknown/ProviderSilent')
    await heartbeat(cluster)
    expect(await runningOf(cluster, job)).toBe('True/Running')
  })

  test('whose Lease is deleted gets it again', async () => {
    const { api, time } = await federation()
    const lease = { name: 'agent', namespace: 'provider-acme' }
    await api.delete(leases, lease)
    await time.advance(1000)
    expect(await api.get(leases, lease)).toBeDefined()
  })

  test('that is deleted leaves its jobs without news, and they say so', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await api.delete(providers, { name: 'acme' })
    await time.advance(1000)
    expect(await runningOf(cluster, job)).toBe('Unknown/ProviderSilent')
  })

  test('that had just fallen silent and is deleted leaves them without news at once', async () => {
    const { cluster, api, time } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    await time.advance(15_000)
    expect(await runningOf(cluster, job)).toBe('True/Running')
    await api.delete(providers, { name: 'acme' })
    await time.advance(1000)
    expect(await runningOf(cluster, job)).toBe('Unknown/ProviderSilent')
  })

  test('that is cordoned gets no new work', async () => {
    const { cluster, api, time } = await federation()
    await api.mergePatch(providers, { ref: { name: 'acme' }, patch: { spec: { intake: 'Cordoned' } } })
    await time.advance(0)
    expect(await stateOf(cluster, await submit(cluster))).toBe('Waiting')
  })

  test('whose node is gone gets no work for it', async () => {
    const { cluster, api, time } = await federation()
    await api.delete(gpuNodes, { name: 'node-1', namespace: 'provider-acme' })
    await time.advance(0)
    expect(await stateOf(cluster, await submit(cluster))).toBe('Waiting')
  })

  test('a heartbeat costs no write of the hub', async () => {
    const { cluster, api } = await federation()
    api.requests.splice(0)
    await heartbeat(cluster)
    expect(api.requests).toEqual(['PATCH leases provider-acme/agent'])
  })
})

test('a status that cannot be written now is written later', async () => {
  const { cluster, api, hub, time } = await federation()
  api.fail(/^PUT gpujobs.status/, {
    with: new ApiError('PUT', { status: 500, reason: 'InternalError', message: 'etcd' }),
  })
  const job = await submit(cluster)
  await time.advance(1000)
  expect([hub.errors, await stateOf(cluster, job)]).toEqual([['PUT: etcd (500 InternalError)'], 'Placed run 1@acme'])
})
