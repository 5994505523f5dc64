import { describe, expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import { leases } from '../resources.ts'
import { leasePorts, readHubUid } from './lease.ts'

const namespace = 'provider-acme'
const ref = { name: 'agent', namespace }

/** The hub with a Lease, and an agent on it. */
async function world(labels: Record<string, string> = { 'gpucommons.io/hub-uid': 'hub-uid' }) {
  const { hub, time } = clusters()
  await hub.create(leases, { metadata: { ...ref, labels }, spec: { leaseDurationSeconds: 20 } })
  const ports = (identity: string) => leasePorts({ hub, namespace, identity, now: time.clock.now })
  return { hub, time, ports }
}

describe('the Lease on the hub', () => {
  test('nobody holds a new one', async () => {
    const { ports } = await world()
    expect(await ports('a').read()).toMatchObject({ holder: undefined, renewTime: undefined, durationSeconds: 20 })
  })

  test('is taken and renewed by its version; the times have six digits', async () => {
    const { hub, time, ports } = await world()
    const { read, write } = ports('a')
    const taken = await write(await read())
    await time.advance(5000)
    const renewed = taken && (await write(taken))
    expect(renewed).toMatchObject({ holder: 'a', renewTime: '2026-01-01T00:00:05.000000Z' })
    expect((await hub.get(leases, ref))?.spec).toEqual({
      holderIdentity: 'a',
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:05.000000Z',
      leaseDurationSeconds: 20,
    })
  })

  test('of two agents that write, one is refused', async () => {
    const { ports } = await world()
    const [a, b] = [ports('a'), ports('b')]
    const seen = await a.read()
    expect([(await a.write(seen))?.holder, await b.write(seen)]).toEqual(['a', undefined])
  })

  test('is given back', async () => {
    const { ports } = await world()
    const { read, write, release } = ports('a')
    const taken = await write(await read())
    if (taken) await release(taken)
    expect((await read()).holder).toBeUndefined()
  })

  test('is not taken from another one when it is given back late', async () => {
    const { ports } = await world()
    const [a, b] = [ports('a'), ports('b')]
    const taken = await a.write(await a.read())
    await b.write(await b.read())
    if (taken) await a.release(taken)
    expect((await b.read()).holder).toBe('b')
  })

  test('a hub that is away is no conflict', async () => {
    const { hub, ports } = await world()
    const { read, write } = ports('a')
    const seen = await read()
    hub.fail(/PATCH/, { with: new Error('connection refused') })
    await expect(write(seen)).rejects.toThrow('connection refused')
  })
})

describe('the identity of the hub', () => {
  test('stands on the Lease', async () => {
    const { hub } = await world()
    expect(await readHubUid({ hub, namespace })).toBe('hub-uid')
  })

  test('that is missing is told, with who writes it', async () => {
    const { hub } = await world({})
    await expect(readHubUid({ hub, namespace })).rejects.toThrow("the hub's operator writes it")
  })

  test('without a Lease the way out is told', async () => {
    const { hub } = clusters()
    await expect(readHubUid({ hub, namespace })).rejects.toThrow('is there a Provider of this name')
  })
})
