import { describe, expect, test } from '@jest/globals'
import { type FakeKubeApi, fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { type FakeTime, fakeTime } from '../../../../test/fakes/time.ts'
import { ApiError } from './errors.ts'
import { elect } from './leader-election.ts'
import { leases } from './resources.ts'

const lease = { namespace: 'hub', name: 'leader' }

function server() {
  const time = fakeTime()
  return { time, api: fakeKubeApi({ ...time, namespaces: ['hub'] }) }
}

/** One replica; its own view of time may differ from that of others. */
function contender(
  identity: string,
  { api, time }: { api: Pick<FakeKubeApi, 'get' | 'create' | 'replace'>; time: FakeTime },
) {
  const stop = new AbortController()
  const log: string[] = []
  const client = { get: api.get, create: api.create, replace: api.replace }
  const leadership = elect({
    client,
    lease,
    identity,
    clock: time.clock,
    timers: time.timers,
    random: () => 0,
    signal: stop.signal,
    onLost: (why) => log.push(why.message),
    onError: (error) => log.push(`${error.message}: ${(error.cause as Error).message}`),
  })
  leadership.acquired.then(
    () => log.push(`leads at ${time.clock.boot()}`),
    () => log.push('never led'),
  )
  return { ...leadership, client, stop, log }
}

const holder = async (api: FakeKubeApi) => (await api.get(leases, lease))?.spec?.holderIdentity

describe('a leader election', () => {
  test('is won at once where nobody leads, and the lease says who, since when, with six digits', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    expect(a.log).toEqual(['leads at 0'])
    expect(a.held()).toBe(true)
    expect((await api.get(leases, lease))?.spec).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 0,
    })
  })

  test('lets the second wait as long as the first renews', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    const b = contender('b', { api, time })
    await time.advance(120_000)
    expect([a.held(), b.held(), await holder(api)]).toEqual([true, false, 'a'])
    expect((await api.get(leases, lease))?.spec?.renewTime).toBe('2026-01-01T00:02:00.000000Z')
    expect(b.log).toEqual([])
  })

  test('is given to the second soon after the first gave the lease back', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    const b = contender('b', { api, time })
    await time.advance(10_000)
    a.stop.abort()
    await a.done
    expect([a.held(), await holder(api)]).toEqual([false, ''])
    await time.advance(2_000)
    expect([b.held(), await holder(api)]).toEqual([true, 'b'])
    expect((await api.get(leases, lease))?.spec?.leaseTransitions).toBe(1)
    expect(a.log).toEqual(['leads at 0'])
  })

  test('never has two leaders when the first is cut off: it stops before the second may begin', async () => {
    const { time, api } = server()
    let cut = false
    const get: FakeKubeApi['get'] = (...args) => (cut ? Promise.reject(new Error('no route')) : api.get(...args))
    const replace: FakeKubeApi['replace'] = (...args) =>
      cut ? Promise.reject(new Error('no route')) : api.replace(...args)
    const a = contender('a', { api: { get, replace, create: api.create }, time })
    await time.turn()
    const b = contender('b', { api, time })
    await time.advance(20_000)
    cut = true
    const held: string[] = []
    for (let second = 0; second < 30; second++) {
      await time.advance(1000)
      held.push(`${a.held() ? 'a' : ''}${b.held() ? 'b' : ''}`)
    }
    expect(held.join(' ').replace(/\s+/g, ' ')).toBe(`${'a '.repeat(9)}${'b '.repeat(15)}`.trim())
    expect(a.log.filter((line) => !line.startsWith('asking'))).toEqual(['leads at 0', 'the lease leader was lost'])
    expect(() => a.assertHeld()).toThrow('the lease hub/leader is not held')
  })

  test('does not believe the times that others write, only that nothing changes', async () => {
    const { time, api } = server()
    const spec = { holderIdentity: 'old', leaseDurationSeconds: 15, renewTime: '2019-01-01T00:00:00.000000Z' }
    await api.create(leases, { metadata: lease, spec })
    const a = contender('a', { api, time })
    await time.advance(14_000)
    expect(a.held()).toBe(false)
    await time.advance(2_000)
    expect(a.held()).toBe(true)
  })

  test('waits longer where the holder said it may be silent for longer', async () => {
    const { time, api } = server()
    await api.create(leases, { metadata: lease, spec: { holderIdentity: 'old', leaseDurationSeconds: 60 } })
    const a = contender('a', { api, time })
    await time.advance(58_000)
    expect(a.held()).toBe(false)
    await time.advance(4_000)
    expect(a.held()).toBe(true)
  })

  test('is not moved by a wall clock that jumps', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    const b = contender('b', { api, time })
    await time.advance(4_000)
    time.jumpWall(3_600_000)
    expect(a.held()).toBe(true)
    await time.advance(20_000)
    time.jumpWall(-7_200_000)
    await time.advance(20_000)
    expect([a.held(), b.held()]).toEqual([true, false])
  })

  test('is not held by one who slept, until it has renewed; and it may go on if nobody else came', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.advance(4_000)
    time.sleep(60_000)
    expect(a.held()).toBe(false)
    expect(() => a.assertHeld()).toThrow('the lease hub/leader is not held')
    await time.advance(2_000)
    expect(a.held()).toBe(true)
    expect(a.log).toEqual(['leads at 0'])
  })

  test('is lost by one who slept while another took over', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.advance(4_000)
    time.sleep(60_000)
    const found = await api.get(leases, lease)
    if (!found) throw new Error('there is no lease')
    await api.replace(leases, { ...found, spec: { holderIdentity: 'b', leaseDurationSeconds: 15 } })
    await time.advance(2_000)
    expect([a.held(), await holder(api)]).toEqual([false, 'b'])
    expect(a.log).toEqual(['leads at 0', 'the lease leader was lost'])
  })

  test('is lost for good when the API server was set back, whoever the older lease names', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    const older = (await api.get(leases, lease))?.metadata.resourceVersion ?? ''
    await time.advance(2000)
    const conflict = new ApiError('PUT', { status: 409, reason: 'Conflict', message: 'changed' })
    const found = await api.get(leases, lease)
    const get = async () => found && { ...found, metadata: { ...found.metadata, resourceVersion: older } }
    Object.assign(a.client, { get, replace: () => Promise.reject(conflict) })
    await time.advance(2000)
    expect([a.held(), a.log.at(-1)]).toEqual([false, expect.stringContaining('was set back')])
  })

  test('is not won twice by two who ask at once', async () => {
    const { time, api } = server()
    const both = [contender('a', { api, time }), contender('b', { api, time })]
    await time.advance(60_000)
    expect(both.map(({ held }) => held())).toEqual([true, false])
  })

  test('survives an answer that was lost: the lease is ours all the same', async () => {
    const { time, api } = server()
    const a = contender('a', { api, time })
    await time.turn()
    api.fail(/PUT leases/, { with: new Error('reset'), answerLost: true })
    await time.advance(20_000)
    expect(a.held()).toBe(true)
    expect(a.log).toEqual(['leads at 0', 'asking for the lease as a: reset'])
  })

  test('is not held up by a request that hangs', async () => {
    const { time, api } = server()
    let hangs = false
    const replace: FakeKubeApi['replace'] = (resource, object, options) => {
      if (!hangs) return api.replace(resource, object, options)
      return new Promise((_resolve, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error))
      })
    }
    const a = contender('a', { api: { ...api, replace }, time })
    await time.advance(4_000)
    hangs = true
    await time.advance(12_000)
    expect(a.log).toEqual(['leads at 0', 'asking for the lease as a: no answer in time', 'the lease leader was lost'])
  })

  test('can be given up by one who never led', async () => {
    const { time, api } = server()
    contender('a', { api, time })
    await time.turn()
    const b = contender('b', { api, time })
    await time.advance(5_000)
    b.stop.abort()
    await b.done
    await time.turn()
    expect(b.log).toEqual(['never led'])
    expect(await holder(api)).toBe('a')
  })
})
