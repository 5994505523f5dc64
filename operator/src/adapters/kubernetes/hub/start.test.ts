// A hub that starts on what is stored, on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
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
import { gpuJobs, gpuRuns } from '../kinds.ts'

afterEach(stopHubs)

describe('a hub that starts on what is stored', () => {
  test('places a job before it has looked at any home', async () => {
    const { cluster, api, hub } = await federation()
    hub.stop()
    const job = await submit(cluster)
    api.fail(/^GET namespaces provider-acme/, { with: new Error('slow'), times: 5 })
    await startHub(cluster)
    expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
  })

  test('asks nothing about the runs of jobs that live, and tells those who wait nothing new', async () => {
    const { cluster, api, hub } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Succeeded' })
    const waiting = await submit(cluster, { name: 'waiting', spec: { gpus: { count: 8 }, workers: 2 } })
    expect(await stateOf(cluster, waiting)).toBe('Waiting')
    hub.stop()
    api.requests.splice(0)
    api.fail(/^GET namespaces provider-acme/, { with: new Error('slow'), times: 5 })
    await startHub(cluster)
    expect(api.requests.filter((one) => /^(POST|PUT|PATCH|DELETE) gpu|^GET gpu/.test(one))).toEqual([])
  })
})

describe('a hub that starts, while what is over is not read yet', () => {
  /** Its hub reads what is over of this kind when it is told to. */
  async function startingHub({ api, time }: HubCluster, plural = /gpujobs|gpuruns/) {
    const rest = Promise.withResolvers<void>()
    const watch: typeof api.watch = async function* (resource, options) {
      const isRest = plural.test(resource.plural) && /^status.state=/.test(options.fieldSelector ?? '')
      if (isRest) await rest.promise
      yield* api.watch(resource, options)
    }
    await startHub({ api: { ...api, watch }, time })
    return {
      readRest: async () => {
        rest.resolve()
        await time.advance(0)
      },
    }
  }
  const writes = ({ api }: HubCluster) => api.requests.filter((one) => /^(POST|PUT|PATCH|DELETE) gpu/.test(one))

  test('places what waits, beside what runs', async () => {
    const { cluster, hub } = await federation()
    const running = await submit(cluster, { spec: { gpus: { count: 6 } } })
    await agentSays(cluster, running, { state: 'Running' })
    hub.stop()
    const fits = await submit(cluster, { name: 'fits', spec: { gpus: { count: 2 } } })
    const waits = await submit(cluster, { name: 'waits', spec: { gpus: { count: 1 } } })
    await startingHub(cluster)
    await heartbeat(cluster)
    expect([await stateOf(cluster, fits), await stateOf(cluster, waits)]).toEqual(['Placed run 1@acme', 'Waiting'])
  })

  test.each([
    { what: 'an order that failed at first', fails: /^POST gpuruns/, answerLost: false },
    { what: 'an order of which it did not hear the answer', fails: /^POST gpuruns/, answerLost: true },
    { what: 'a placement of which it did not hear the answer', fails: /^PUT gpujobs.status/, answerLost: true },
  ])('goes on with $what', async ({ fails, answerLost }) => {
    const { cluster, api, time, hub } = await federation()
    hub.stop()
    const job = await submit(cluster)
    api.fail(fails, { with: new Error('reset'), answerLost })
    await startingHub(cluster)
    await heartbeat(cluster)
    await time.advance(10_000)
    expect((await runOf(cluster, job))?.spec.run).toBe(1)
    expect((await api.list(gpuRuns)).items).toHaveLength(1)
  })

  test('leaves a placement alone whose run has ended meanwhile, and settles it then', async () => {
    const { cluster, api, hub } = await federation()
    const job = await submit(cluster, { spec: { gpus: { count: 8 } } })
    await agentSays(cluster, job, { state: 'Running' })
    hub.stop()
    await agentSays(cluster, job, { state: 'Succeeded' })
    const next = await submit(cluster, { name: 'next', spec: { gpus: { count: 8 } } })
    api.requests.splice(0)
    const { readRest } = await startingHub(cluster)
    await heartbeat(cluster)
    expect(writes(cluster)).toEqual(['PUT gpujobs/status team/next'])
    expect([await stateOf(cluster, job), await stateOf(cluster, next)]).toEqual(['Running run 1@acme', 'Waiting'])
    await readRest()
    expect([await stateOf(cluster, job), await stateOf(cluster, next)]).toEqual([
      'Succeeded run 1@acme',
      'Placed run 1@acme',
    ])
    expect((await api.list(gpuRuns)).items).toHaveLength(2)
  })

  test('takes no job for deleted that it has not read, and looks at its run no more when it has', async () => {
    const { cluster, api, hub } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Succeeded' })
    hub.stop()
    api.requests.splice(0)
    const { readRest } = await startingHub(cluster, /gpujobs/)
    await readRest()
    expect(api.requests.filter((one) => /^(?!WATCH)\w+ gpu(jobs|runs)/.test(one))).toEqual([])
  })

  test('finds a job deleted whose run it has read, once it has read all', async () => {
    const { cluster, api, hub } = await federation()
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    hub.stop()
    await api.delete(gpuJobs, job.metadata)
    const { readRest } = await startingHub(cluster)
    expect((await runOf(cluster, job))?.spec.stop).toBeUndefined()
    await readRest()
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('JobDeleted')
  })

  test('ends a finished job in its time that it has read before its run', async () => {
    const { cluster, time, hub } = await federation()
    const job = await submit(cluster, { spec: { ttlSecondsAfterFinished: 100 } })
    await agentSays(cluster, job, { state: 'Succeeded' })
    hub.stop()
    const { readRest } = await startingHub(cluster, /gpuruns/)
    await readRest()
    expect(await stateOf(cluster, job)).toBe('Succeeded run 1@acme')
    await time.advance(100_000)
    expect(await stateOf(cluster, job)).toBe('gone')
  })

  test('ends a finished job whose time is over, once it has read it', async () => {
    const { cluster, time, hub } = await federation()
    const job = await submit(cluster, { spec: { ttlSecondsAfterFinished: 100 } })
    await agentSays(cluster, job, { state: 'Succeeded' })
    hub.stop()
    await time.advance(100_000)
    const { readRest } = await startingHub(cluster)
    await readRest()
    expect(await stateOf(cluster, job)).toBe('gone')
  })
})
