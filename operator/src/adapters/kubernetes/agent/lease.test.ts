import { describe, expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import type { Distrust } from '../../../controllers/agent/hub-trust.ts'
import { leases } from '../resources.ts'
import { leasePorts } from './lease.ts'

const namespace = 'provider-acme'
const ref = { name: 'agent', namespace }

const identity = { hubUid: 'hub-uid', runsUid: 'runs-uid', providerUid: 'acme-uid' }
const labels = {
  'gpucommons.io/hub-uid': 'hub-uid',
  'gpucommons.io/gpuruns-uid': 'runs-uid',
  'gpucommons.io/provider-uid': 'acme-uid',
}

/** The hub with a Lease, and an agent on it. */
async function world(on: Record<string, string> = labels) {
  const { hub, time } = clusters()
  await hub.create(leases, { metadata: { ...ref, labels: on }, spec: { leaseDurationSeconds: 20 } })
  const seen: unknown[] = []
  const distrust: { is: Distrust | undefined } = { is: undefined }
  const onSeen = (one: unknown) => void seen.push(one)
  const ports = (holder: string) =>
    leasePorts({
      hub,
      namespace,
      identity: holder,
      now: time.clock.now,
      onSeen,
      distrust: () => distrust.is,
      question: () => undefined,
    })
  return { hub, time, ports, seen, distrust }
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

describe('which hub it is', () => {
  test.each([
    { name: 'all three uids', without: '', says: { ...identity, version: expect.any(String) } },
    { name: 'nothing, where the hub has not said who it is', without: 'gpucommons.io/hub-uid', says: 'Gone' },
    { name: 'nothing, where it has not said it of its kinds', without: 'gpucommons.io/gpuruns-uid', says: 'Gone' },
  ])('stands on the Lease: $name', async ({ without, says }) => {
    const kept = Object.entries(labels).filter(([key]) => key !== without)
    const { ports, seen } = await world(Object.fromEntries(kept))
    const { read, write } = ports('a')
    await write(await read())
    expect(seen).toEqual([says, says])
  })

  test('that there is no Lease is an answer, with a way out', async () => {
    const { hub, ports, seen } = await world()
    const { read, write } = ports('a')
    const lease = await read()
    await hub.delete(leases, ref)
    await expect(write(lease)).rejects.toThrow('404')
    await expect(read()).rejects.toThrow('is there a Provider of this name')
    expect(seen.slice(1)).toEqual(['Gone', 'Gone'])
  })

  test('that it is not the one that is remembered is told with the next renewal, and taken back', async () => {
    const { hub, ports, distrust } = await world()
    const { read, write } = ports('a')
    const told = async () => (await hub.get(leases, ref))?.metadata.annotations ?? {}
    distrust.is = { change: 'SetBack', fingerprint: 'f-1' }
    const lease = await write(await read())
    expect(await told()).toEqual({ 'gpucommons.io/hub-changed': 'SetBack', 'gpucommons.io/hub-fingerprint': 'f-1' })
    distrust.is = undefined
    if (lease) await write(lease)
    expect(await told()).toEqual({})
  })
})
