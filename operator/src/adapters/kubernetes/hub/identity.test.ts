import { describe, expect, test } from '@jest/globals'
import { makeKind } from '../../../../../test/builders/hub-world.ts'
import { type FakeKubeApi, fakeKubeApi } from '../../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../../test/fakes/time.ts'
import { customResourceDefinitions } from '../kinds.ts'
import { namespaces } from '../resources.ts'
import { guardIdentity, hubIdentity, kindReader } from './identity.ts'

const jobsKind = { name: 'gpujobs.gpucommons.io' }

async function world({ kinds = ['gpujobs', 'gpuruns'], system = 'kube-system' } = {}) {
  const time = fakeTime()
  const api = fakeKubeApi({ ...time, namespaces: [system] })
  for (const plural of kinds) await makeKind({ api }, plural)
  const stop = new AbortController()
  const said: string[] = []
  const options = { timers: time.timers, signal: stop.signal, onWait: (what: string) => void said.push(what) }
  return { time, api, stop, said, read: () => hubIdentity(api, 'gpu-commons', options) }
}

async function makeJobsKindAgain(api: FakeKubeApi): Promise<void> {
  await api.delete(customResourceDefinitions, jobsKind)
  await makeKind({ api }, 'gpujobs')
}

describe('the identity of a hub', () => {
  test('is that of its cluster and its kinds, and its own namespace is made', async () => {
    const { api, read } = await world()
    const identity = await read()
    expect(identity).toEqual({
      hubUid: (await api.get(namespaces, { name: 'kube-system' }))?.metadata.uid,
      jobsUid: (await api.get(customResourceDefinitions, jobsKind))?.metadata.uid,
      runsUid: (await api.get(customResourceDefinitions, { name: 'gpuruns.gpucommons.io' }))?.metadata.uid,
    })
    expect(await api.get(namespaces, { name: 'gpu-commons' })).toBeDefined()
    expect(await read()).toEqual(identity)
  })

  test('cannot be told without kube-system', async () => {
    await expect((await world({ system: 'other' })).read()).rejects.toThrow('no namespace kube-system')
  })

  test('waits for kinds that are not there yet, and says how they come', async () => {
    const { api, time, said, read } = await world({ kinds: ['gpuruns'] })
    const reading = read()
    await time.advance(3000)
    expect(said).toEqual([expect.stringContaining('kubectl apply --server-side -f crds/')])
    await makeKind({ api }, 'gpujobs')
    await time.advance(1000)
    expect((await reading).jobsUid).toBeDefined()
  })
})

describe('a hub that runs', () => {
  async function guarded() {
    const { api, time, stop, read } = await world()
    const identity = await read()
    const said: string[] = []
    const on = {
      onChanged: (why: Error) => void said.push(why.message),
      onError: (error: unknown) => void said.push(String(error)),
    }
    void guardIdentity({ client: api, identity, timers: time.timers, signal: stop.signal, ...on })
    await time.turn()
    return { api, time, stop, said }
  }

  test('says nothing while it is the same hub, nor while a kind is missing', async () => {
    const { api, time, stop, said } = await guarded()
    await time.advance(20_000)
    await api.delete(customResourceDefinitions, jobsKind)
    await time.advance(20_000)
    stop.abort()
    expect(said).toEqual([])
  })

  test('begins anew when a kind was made again', async () => {
    const { api, time, stop, said } = await guarded()
    await makeJobsKindAgain(api)
    await time.advance(5000)
    stop.abort()
    expect(said).toEqual([expect.stringContaining('gpujobs was made anew')])
  })

  test('does not take an API server that is away for another one', async () => {
    const { api, time, stop, said } = await guarded()
    api.fail(/^GET namespaces/, { with: new Error('away') })
    await time.advance(10_000)
    stop.abort()
    expect(said).toEqual(['Error: away'])
  })
})

test('the kind GpuJob is read after it was asked for, and once for many who ask at once', async () => {
  const { api } = await world()
  const read = kindReader(api, 'gpujobs')
  const before = (await api.get(customResourceDefinitions, jobsKind))?.metadata.uid
  api.requests.splice(0)
  const first = read()
  await makeJobsKindAgain(api)
  const [one, ...others] = await Promise.all([first, read(), read(), read()])
  const after = (await api.get(customResourceDefinitions, jobsKind))?.metadata.uid
  expect([before, after]).toContain(one)
  expect(others).toEqual([after, after, after])
  await api.delete(customResourceDefinitions, jobsKind)
  expect(await read()).toBeUndefined()
})
