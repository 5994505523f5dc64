import { afterEach, describe, expect, test } from '@jest/globals'
import {
  addProvider,
  agentSays,
  type HubCluster,
  hubCluster,
  runOf,
  startHub,
  stateOf,
  stopHubs,
  submit,
} from '../../../../../test/builders/hub-world.ts'
import { base64 } from '../../../../../test/builders/kubelet.ts'
import type { GpuJob } from '../../../api/gpujob.ts'
import { opened } from '../../../domain/workload/payload-content.ts'
import { ApiError } from '../errors.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'
import { secrets } from '../resources.ts'

afterEach(stopHubs)

const ref = { name: 'key', namespace: 'team' }
const labels = { 'gpucommons.io/may-travel': 'true' }
const envFrom = [{ secretRef: { name: 'key' } }]
const template = { spec: { containers: [{ name: 'main', image: 'i', envFrom }] } }
const cut = new Error('cut')

/** A tenant with one Secret, a provider with room, and a hub. */
async function tenantAndHub() {
  const world = hubCluster()
  await world.api.create(secrets, { metadata: { ...ref, labels }, data: { A: base64('before') } })
  const hub = await startHub(world)
  await addProvider(world)
  return { world, hub }
}

const submitted = (world: HubCluster) => submit(world, { spec: { template } })

function change({ api }: HubCluster): Promise<unknown> {
  return api.mergePatch(secrets, { ref, patch: { data: { A: base64('after') } } })
}

/** What the agent of run `number` would find: `before`, `nothing`. */
async function delivered({ api }: HubCluster, job: GpuJob, number = 1): Promise<string> {
  const run = await runOf({ api, time: undefined as never }, job, number)
  const found = run && (await api.get(secrets, run.metadata))
  const [content] = opened(found?.data) ?? []
  return content ? Buffer.from(content.data.get('A') ?? '', 'base64').toString() : 'nothing'
}

/** Ends the hub in the pass that failed, before it can try again. */
async function killedAt(world: HubCluster, hub: Awaited<ReturnType<typeof startHub>>): Promise<void> {
  for (let ms = 0; ms < 1000 && hub.errors.length === 0; ms++) await world.time.advance(1)
  expect(new Set(hub.errors)).toEqual(new Set(['cut']))
  hub.stop()
}

describe('the payload of a run', () => {
  test('lies beside its GpuRun, which owns it', async () => {
    const { world } = await tenantAndHub()
    const job = await submitted(world)
    const run = await runOf(world, job)
    expect([await delivered(world, job), run?.spec.payload?.name]).toEqual(['before', run?.metadata.name])
    const found = await world.api.get(secrets, { ...ref, ...run?.metadata })
    expect(found).toMatchObject({
      immutable: true,
      metadata: { ownerReferences: [{ kind: 'GpuRun', uid: run?.metadata.uid }] },
    })
  })

  test.each([
    {
      name: 'over',
      end: (world: HubCluster, job: GpuJob) => agentSays(world, job, { state: 'Succeeded', reason: 'Completed' }),
    },
    {
      name: 'rejected',
      end: (world: HubCluster, job: GpuJob) => agentSays(world, job, { state: 'Rejected', reason: 'PayloadMissing' }),
    },
    {
      name: 'told to stop, because its job is gone',
      end: async ({ api, time }: HubCluster, job: GpuJob) => {
        await api.delete(gpuJobs, job.metadata)
        await time.advance(100)
      },
    },
  ])('goes when the run is $name', async ({ end }) => {
    const { world } = await tenantAndHub()
    const job = await submitted(world)
    await end(world, job)
    expect(await delivered(world, job)).toBe('nothing')
  })

  test('goes before the outcome is settled: afterwards nobody would look', async () => {
    const { world, hub } = await tenantAndHub()
    const job = await submitted(world)
    world.api.fail(/^DELETE secrets/, { with: cut })
    await agentSays(world, job, { state: 'Succeeded', reason: 'Completed' })
    await killedAt(world, hub)
    expect(await stateOf(world, job)).toBe('Placed run 1@acme')
    await startHub(world)
    await world.time.advance(100)
    expect([await stateOf(world, job), await delivered(world, job)]).toEqual(['Succeeded run 1@acme', 'nothing'])
  })

  test('a provider is not to blame for a payload that did not come', async () => {
    const { world } = await tenantAndHub()
    const job = await submitted(world)
    await agentSays(world, job, { state: 'Rejected', reason: 'PayloadMissing' })
    await world.time.advance(10_000)
    expect(await stateOf(world, job)).toBe('Placed run 2@acme')
  })
})

describe('a hub that ended between the run and its payload', () => {
  test.each([
    { name: 'nothing of it was written', answerLost: false },
    { name: 'it was written', answerLost: true },
  ])('is followed by one that delivers, where $name', async ({ answerLost }) => {
    const { world, hub } = await tenantAndHub()
    world.api.fail(/^POST secrets provider-acme/, { with: cut, answerLost, times: answerLost ? 1 : 2 })
    const job = await submitted(world)
    await killedAt(world, hub)
    expect(await delivered(world, job)).toBe(answerLost ? 'before' : 'nothing')
    await startHub(world)
    await world.time.advance(100)
    expect([await delivered(world, job), await stateOf(world, job)]).toEqual(['before', 'Placed run 1@acme'])
  })

  test('is followed by one that orders another run, where the content has changed', async () => {
    const { world, hub } = await tenantAndHub()
    // The order and the look that the watch brings about.
    world.api.fail(/^POST secrets provider-acme/, { with: cut, times: 2 })
    const job = await submitted(world)
    await killedAt(world, hub)
    await change(world)
    await startHub(world)
    await world.time.advance(100)
    expect((await runOf(world, job))?.spec.stop?.reason).toBe('PayloadGone')
    expect(await delivered(world, job)).toBe('nothing')
    await agentSays(world, job, { state: 'Stopped', reason: 'Stopped' })
    await world.time.advance(100)
    expect([await delivered(world, job, 2), await stateOf(world, job)]).toEqual(['after', 'Placed run 2@acme'])
  })

  test('what was written is kept, although the content has changed', async () => {
    const { world, hub } = await tenantAndHub()
    world.api.fail(/^POST secrets provider-acme/, { with: cut, answerLost: true })
    const job = await submitted(world)
    await killedAt(world, hub)
    await change(world)
    await startHub(world)
    await world.time.advance(100)
    expect([await delivered(world, job), await stateOf(world, job)]).toEqual(['before', 'Placed run 1@acme'])
  })
})

test('what may not travel any more when the run begins orders a run that only stops', async () => {
  const { world, hub } = await tenantAndHub()
  world.api.fail(/^POST gpuruns/, { with: cut })
  const job = await submitted(world)
  await killedAt(world, hub)
  const unlabelled = { metadata: { labels: { 'gpucommons.io/may-travel': null } } } as never
  await world.api.mergePatch(secrets, { ref, patch: unlabelled })
  await startHub(world)
  await world.time.advance(100)
  expect((await runOf(world, job))?.spec).toMatchObject({ stop: { reason: 'PayloadGone' } })
  expect(await delivered(world, job)).toBe('nothing')
  await agentSays(world, job, { state: 'Stopped', reason: 'Stopped' })
  await world.time.advance(100)
  expect((await world.api.get(gpuJobs, job.metadata))?.status?.why).toContain('lacks the label')
})

test('two hubs that both think they lead: one run, one payload, of one moment', async () => {
  const { world } = await tenantAndHub()
  await startHub(world)
  const job = await submitted(world)
  await world.time.advance(1000)
  expect([await delivered(world, job), (await world.api.list(gpuRuns)).items.length]).toEqual(['before', 1])
  expect((await runOf(world, job))?.spec.stop).toBeUndefined()
})

test('a GpuRun that was deleted by hand gets a payload of its own when it is made again', async () => {
  const { world } = await tenantAndHub()
  const job = await submitted(world)
  const first = await runOf(world, job)
  await change(world)
  await world.api.delete(gpuRuns, first?.metadata ?? ref)
  await world.time.advance(1000)
  const again = await runOf(world, job)
  expect([await delivered(world, job), again?.metadata.uid === first?.metadata.uid]).toEqual(['after', false])
})

test("a stranger's Secret of that name stays, and another run is ordered", async () => {
  const { world } = await tenantAndHub()
  world.api.fail(/^POST gpuruns/, { with: cut })
  const job = await submitted(world)
  const name = `train-${job.metadata.uid.slice(0, 8)}-1`
  const theirs = await world.api.create(secrets, { metadata: { name, namespace: 'provider-acme' } })
  await world.time.advance(100)
  expect((await runOf(world, job))?.spec.stop?.reason).toBe('PayloadGone')
  await agentSays(world, job, { state: 'Stopped', reason: 'Stopped' })
  await world.time.advance(100)
  expect(await delivered(world, job, 2)).toBe('before')
  expect(await world.api.get(secrets, theirs.metadata)).toEqual(theirs)
})

test('what the hub may not read is said', async () => {
  const { world } = await tenantAndHub()
  const no = new ApiError('GET', { status: 403, reason: 'Forbidden', message: 'no' })
  world.api.fail(/^GET secrets team/, { with: no, times: 99 })
  const job = await submitted(world)
  expect((await world.api.get(gpuJobs, job.metadata))?.status?.why).toContain('the hub may not read Secret key')
})

test('a job without Secrets costs no request more', async () => {
  const { world } = await tenantAndHub()
  const job = await submit(world)
  await agentSays(world, job, { state: 'Succeeded', reason: 'Completed' })
  expect(await stateOf(world, job)).toBe('Succeeded run 1@acme')
  expect(world.api.requests.filter((one) => / (secrets|configmaps) provider| (GET|LIST) secrets/.test(one))).toEqual([])
})
