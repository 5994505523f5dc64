import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../../test/builders/gpujob.ts'
import { gpuRun } from '../../../../../test/builders/gpurun.ts'
import { fakeKubeApi } from '../../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../../test/fakes/time.ts'
import { keptJob } from '../../../domain/lifecycle/kept.ts'
import { ApiError } from '../errors.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'
import { statusWriter } from '../status-writer.ts'
import { gpuJobPorts, orderStop } from './gpujob-ports.ts'

const stop = { reason: 'Suspended', requestedAt: '2026-01-01T00:00:00Z' } as const
const refused = new ApiError('PATCH', { status: 422, reason: 'Invalid', message: 'stays once it is given' })

async function world() {
  const api = fakeKubeApi({ ...fakeTime(), namespaces: ['team', 'provider-acme'] })
  const { metadata, spec } = gpuRun()
  const run = await api.create(gpuRuns, { metadata: { name: metadata.name, namespace: 'provider-acme' }, spec })
  const stopped = async () => (await api.get(gpuRuns, run.metadata))?.spec.stop
  return { api, run, stopped }
}

describe('an order to stop', () => {
  test('is given', async () => {
    const { api, run, stopped } = await world()
    await orderStop(api, run, stop)
    expect(await stopped()).toEqual(stop)
  })

  test('given before is no error', async () => {
    const { api, run } = await world()
    await orderStop(api, run, stop)
    api.fail(/PATCH/, { with: refused })
    await expect(orderStop(api, run, stop)).resolves.toBeUndefined()
  })

  test('that is refused for another reason is an error', async () => {
    const { api, run } = await world()
    api.fail(/PATCH/, { with: refused })
    await expect(orderStop(api, run, stop)).rejects.toThrow('stays once it is given')
  })

  test('to a run that is gone is no error', async () => {
    const { api, run } = await world()
    await api.delete(gpuRuns, run.metadata)
    await expect(orderStop(api, run, stop)).resolves.toBeUndefined()
  })

  test('does not stop another run of the same name', async () => {
    const { api, run, stopped } = await world()
    const before = { ...run, metadata: { ...run.metadata, uid: 'the one before' } }
    await orderStop(api, before, stop)
    expect(await stopped()).toBeUndefined()
  })
})

test('advice is looked for in pieces, for one job at a time', async () => {
  const { clock, timers, advance } = fakeTime()
  const advice = ['acme', 'bolt'].map((provider) => ({ provider, reasons: [], fits: false, options: [] }))
  const scheduling = { choiceOf: () => undefined, explain: () => undefined }
  const world = {
    caches: {},
    scheduling,
    engine: { advise: () => advice },
    identity: {},
    statuses: {},
    client: {},
    now: () => 0,
    clock,
    timers,
  }
  const { advise } = gpuJobPorts(world as never)
  const first = advise(keptJob(gpuJob()))
  expect(await advise(keptJob(gpuJob()))).toBe('Busy')
  await advance(0)
  expect(await first).toEqual(advice)
  const again = advise(keptJob(gpuJob()))
  await advance(0)
  expect(await again).toEqual(advice)
})

test('a job that was made again under its name is not deleted for the one before', async () => {
  const { api } = await world()
  const { metadata, spec } = gpuJob()
  await api.create(gpuJobs, { metadata: { name: metadata.name, namespace: 'team' }, spec })
  const scheduling = {
    choiceOf: () => undefined,
    preemptedOf: () => undefined,
    explain: () => undefined,
    standingOf: () => ({ queue: 'default' }),
    counted: <J>(job: J) => job,
  }
  const ports = gpuJobPorts({
    client: api,
    caches: {} as never,
    scheduling,
    engine: { advise: () => [] },
    statuses: statusWriter(api, () => {}),
    identity: { hubUid: 'hub-uid', jobsUid: 'jobs-uid' },
    now: () => 0,
    ...fakeTime(),
  })
  await ports.carryOut(keptJob(gpuJob()), { do: 'deleteJob' })
  expect(await api.get(gpuJobs, metadata)).toBeDefined()
})
