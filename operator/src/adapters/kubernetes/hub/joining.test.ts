// Invites and those who use them, on an API server in memory.
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  addProvider,
  federation,
  heartbeat,
  hubCluster,
  startHub,
  stopHubs,
} from '../../../../../test/builders/hub-world.ts'
import type { ProviderSpec } from '../../../api/provider.ts'
import { newRequestKey, requestKeyOf, sha256, signJoin } from '../../joining.ts'
import { type InviteWanted, makeInvite } from '../cli/invites.ts'
import { ApiError } from '../errors.ts'
import { joinRequests, providers } from '../kinds.ts'
import { leases, secrets, serviceAccounts } from '../resources.ts'

afterEach(stopHubs)

const namespace = 'provider-acme'
const ca = 'certificates'

async function joining(spec: Partial<ProviderSpec> = {}) {
  const { cluster, api, time, hub } = await federation()
  if (Object.keys(spec).length > 0) await api.mergePatch(providers, { ref: { name: 'acme' }, patch: { spec } })
  const invite = (how: Partial<InviteWanted> = {}) => {
    const inviting = { client: api, timers: time.timers, signal: new AbortController().signal }
    return makeInvite(inviting, { provider: 'acme', spec: {}, seconds: 3600, takeover: false, ca, ...how })
  }
  const ask = async (id: string, { owner, hubCa = ca }: { owner?: string; hubCa?: string } = {}) => {
    const key = await requestKeyOf(await newRequestKey())
    const signed = { provider: 'acme', hubCaSha256: sha256(hubCa), inviteId: id, publicKey: key.publicKey }
    const signature = owner === undefined ? {} : { signature: signJoin(owner, signed) }
    const spec = { publicKey: key.publicKey, agentVersion: '0.1.0', ...signature }
    await api.create(joinRequests, { metadata: { namespace, name: id }, spec })
    await time.advance(0)
    return key
  }
  const statusOf = async (id: string, where = namespace) =>
    (await api.get(joinRequests, { namespace: where, name: id }))?.status
  /** Encryption takes turns of the machine's own, and nobody knows how many. */
  const decided = async (id: string, where = namespace) => {
    for (let turn = 0; turn < 400; turn++) {
      const status = await statusOf(id, where)
      await time.advance(100)
      if (status) return status
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    throw new Error(`nothing was decided of ${id}`)
  }
  const secretUid = async () => (await api.get(secrets, { namespace, name: 'agent-token' }))?.metadata.uid
  return { cluster, api, time, hub, invite, ask, statusOf, decided, secretUid }
}

/** The agent of acme holds its Lease and renews it. */
async function agentLives({ api, cluster }: Pick<Awaited<ReturnType<typeof joining>>, 'api' | 'cluster'>) {
  await api.mergePatch(leases, { ref: { namespace, name: 'agent' }, patch: { spec: { holderIdentity: 'pod-1' } } })
  await heartbeat(cluster)
}

/** What is decided while the agent goes on to renew its Lease. The key is tried in a thread that no fake clock moves. */
async function decidedMeanwhile({ time, cluster, statusOf }: Awaited<ReturnType<typeof joining>>, id: string) {
  for (let beat = 0; beat < 60; beat++) {
    await time.advance(5000)
    await heartbeat(cluster)
    await new Promise((resolve) => setTimeout(resolve, 2))
    const status = await statusOf(id)
    if (status) return status
  }
  throw new Error(`nothing was decided of ${id}`)
}

describe('an invite', () => {
  test('gives one credential, which the one who asked can read, and is used up', async () => {
    const { api, time, invite, ask, decided, secretUid } = await joining()
    const { id, isNewProvider } = await invite()
    const key = await ask(id)
    const { state, reason, credential = '' } = await decided(id)
    expect([isNewProvider, state, reason]).toEqual([false, 'Granted', 'Joined'])
    const { token, ...rest } = await key.open(credential)
    expect(rest).toMatchObject({ provider: 'acme', inviteId: id })
    expect(token).toContain(`/${await secretUid()}/`)
    await time.advance(3_600_000)
    expect((await api.list(serviceAccounts, { namespace })).items.map(({ metadata }) => metadata.name)).toEqual([
      'agent',
    ])
  })

  test('makes the Provider where there is none, and waits for its home', async () => {
    const cluster = hubCluster()
    await startHub(cluster)
    const { api, time } = cluster
    const signal = new AbortController().signal
    const wanted = { provider: 'fresh', spec: { region: 'eu' }, seconds: 3600, takeover: false, ca }
    const making = makeInvite({ client: api, timers: time.timers, signal }, wanted)
    await time.advance(2000)
    expect(await making).toMatchObject({ provider: 'fresh', isNewProvider: true })
    expect((await api.get(providers, { name: 'fresh' }))?.spec).toEqual({ intake: 'Open', region: 'eu' })
  })

  test('ends the credential of before', async () => {
    const { time, invite, ask, decided, secretUid } = await joining()
    const join = async () => {
      const { id } = await invite()
      await ask(id)
      await decided(id)
    }
    await join()
    const first = await secretUid()
    await time.advance(60_000)
    await join()
    expect(await secretUid()).not.toBe(first)
  })

  test('gives a credential that is good, although the hub did not hear that it was written', async () => {
    const { api, invite, ask, decided, secretUid } = await joining()
    const { id } = await invite()
    api.fail(/^PATCH joinrequests/, { with: new Error('socket hang up'), answerLost: true })
    api.fail(/^WATCH joinrequests/, { with: new Error('refused'), times: 5 })
    api.cutWatches(new Error('reset'))
    const key = await ask(id)
    const { token } = await key.open((await decided(id)).credential ?? '')
    expect(token).toContain(`/${await secretUid()}/`)
  })

  test('asked with a key to which nothing can be encrypted is refused, and ends no credential', async () => {
    const { api, invite, decided, secretUid } = await joining()
    const { id } = await invite()
    const spec = { publicKey: 'A'.repeat(43), agentVersion: '0.1.0' }
    await api.create(joinRequests, { metadata: { namespace, name: id }, spec })
    expect([(await decided(id)).reason, await secretUid()]).toEqual(['KeyUnusable', undefined])
  })

  test('that nobody gave is good for nothing', async () => {
    const { ask, decided, secretUid } = await joining()
    await ask('0123456789')
    expect([(await decided('0123456789')).reason, await secretUid()]).toEqual(['InviteUnknown', undefined])
  })

  test('is no longer good after its time, and is removed when it is used then', async () => {
    const { api, time, invite, ask, decided } = await joining()
    const { id } = await invite({ seconds: 600 })
    await time.advance(601_000)
    await ask(id)
    expect((await decided(id)).reason).toBe('InviteExpired')
    await time.advance(3_600_000)
    expect(await api.get(serviceAccounts, { namespace, name: `invite-${id}` })).toBeUndefined()
  })

  test('of a Provider that is gone is refused', async () => {
    const { api, time, invite, ask, decided } = await joining()
    const { id } = await invite()
    await api.delete(providers, { name: 'acme' })
    await time.advance(0)
    await ask(id)
    expect((await decided(id)).reason).toBe('ProviderGone')
  })

  test('is answered once by two hubs that both lead, with a credential that is good', async () => {
    const { cluster, api, time, invite, ask, decided, secretUid } = await joining()
    await startHub(cluster)
    const asked: string[] = []
    for (let join = 0; join < 5; join++) {
      const { id } = await invite({ takeover: true })
      const key = await ask(id)
      const { token } = await key.open((await decided(id)).credential ?? '')
      await time.advance(60_000)
      asked.push(token.includes(`/${await secretUid()}/`) ? 'good' : 'lost')
      await api.mergePatch(leases, {
        ref: { namespace, name: 'agent' },
        patch: { spec: { acquireTime: '2026-01-01T00:00:00.000000Z' } },
      })
    }
    expect(asked).toEqual(['good', 'good', 'good', 'good', 'good'])
  })

  test('whose credential was made and not delivered, because the hub ended, gives another one, once', async () => {
    const { cluster, api, hub, invite, ask, decided, secretUid } = await joining()
    const { id } = await invite()
    api.fail(/^PATCH joinrequests/, { with: new ApiError('', { status: 500, reason: 'Internal', message: 'no' }) })
    const key = await ask(id)
    for (let turn = 0; hub.errors.length === 0 && turn < 400; turn++)
      await new Promise((resolve) => setImmediate(resolve))
    const lost = await secretUid()
    hub.stop()
    await startHub(cluster)
    const { token } = await key.open((await decided(id)).credential ?? '')
    expect([token.includes(`/${await secretUid()}/`), token.includes(`/${lost}/`)]).toEqual([true, false])
  })
})

test('an invite that nobody used is removed when its time is over, with an event on the Provider, and no other', async () => {
  const { api, time, hub, invite } = await joining()
  const accounts = async () =>
    (await api.list(serviceAccounts, { namespace })).items.map(({ metadata }) => metadata.name).toSorted()
  await api.create(serviceAccounts, { metadata: { namespace, name: 'of-somebody-else' } })
  const short = await invite({ seconds: 600 })
  const long = await invite({ seconds: 86_400 })
  await time.advance(600_000)
  expect(await accounts()).toContain(`invite-${short.id}`)
  await time.advance(1_300_000)
  expect(await accounts()).toEqual(['agent', `invite-${long.id}`, 'of-somebody-else'])
  expect(hub.happenings.map(({ reason, message }) => [reason, message.slice(0, 25)])).toEqual([
    ['InviteExpired', `invite ${short.id}: nobody`],
  ])
})

describe('while an agent of the provider lives, another one', () => {
  test('is refused, with an event on the Provider, and the first keeps its credential', async () => {
    const world = await joining()
    const { hub, invite, ask, decided, secretUid } = world
    const first = await invite()
    await ask(first.id)
    await decided(first.id)
    const before = await secretUid()
    await agentLives(world)
    const { id } = await invite()
    await ask(id)
    expect([(await decidedMeanwhile(world, id)).reason, await secretUid()]).toEqual(['AgentAlive', before])
    expect(hub.happenings.map(({ reason, message }) => [reason, message.slice(0, 20)])).toEqual([
      ['AgentAlive', `invite ${id}: a`],
    ])
  })

  test('is refused also by a hub whose watches are broken', async () => {
    const world = await joining()
    const { api, invite, ask } = world
    await agentLives(world)
    api.fail(/^WATCH leases/, { with: new Error('refused'), times: 99 })
    api.cutWatches(new Error('reset'))
    const { id } = await invite()
    await ask(id)
    expect((await decidedMeanwhile(world, id)).reason).toBe('AgentAlive')
  })

  test('is not let in after a time in which no agent could have renewed', async () => {
    const world = await joining()
    await agentLives(world)
    const { id } = await world.invite()
    await world.ask(id)
    world.time.sleep(60_000)
    await world.time.advance(2000)
    expect(await world.statusOf(id)).toBeUndefined()
  })

  test('is not let in while one that was let in just now has not begun', async () => {
    const { time, invite, ask, decided, statusOf } = await joining()
    const [one, other] = [await invite(), await invite()]
    await ask(one.id)
    await decided(one.id)
    await ask(other.id)
    await time.advance(30_000)
    expect(await statusOf(other.id)).toBeUndefined()
  })

  test('gets its place where the invite says so', async () => {
    const world = await joining()
    await agentLives(world)
    const { id } = await world.invite({ takeover: true })
    await world.ask(id)
    expect((await world.decided(id)).state).toBe('Granted')
  })

  test('gets its place when the first has been silent for long enough', async () => {
    const world = await joining()
    await agentLives(world)
    const { id } = await world.invite()
    await world.ask(id)
    expect(await world.statusOf(id)).toBeUndefined()
    await world.time.advance(16_000)
    expect((await world.decided(id)).state).toBe('Granted')
  })
})

describe('where the Provider pins the key of the owner', () => {
  const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
    key.export({ type: 'pkcs8', format: 'pem' }) as string
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const pinned = publicKey.export({ format: 'jwk' }).x ?? ''

  test.each([
    { who: 'the owner', how: { owner: pem(privateKey) }, says: 'Joined' },
    { who: 'a thief of the invite', how: {}, says: 'SignatureMissing' },
    { who: 'another key', how: { owner: pem(generateKeyPairSync('ed25519').privateKey) }, says: 'SignatureWrong' },
    { who: 'the owner, for another hub', how: { owner: pem(privateKey), hubCa: 'other' }, says: 'SignatureWrong' },
  ])('$who: $says', async ({ how, says }) => {
    const { invite, ask, decided } = await joining({ publicKey: pinned })
    const { id } = await invite()
    await ask(id, how)
    expect((await decided(id)).reason).toBe(says)
  })
})

test('two who race with one invite: one of them asks, the other is told that it is used', async () => {
  const { api, invite, ask, decided } = await joining()
  const { id } = await invite()
  const asked = await Promise.allSettled([ask(id), ask(id)])
  expect(asked.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect([(await decided(id)).state, (await api.list(joinRequests, { namespace })).items.length]).toEqual([
    'Granted',
    1,
  ])
})

test('a request in the namespace of another provider is of that provider', async () => {
  const { cluster, api, invite, decided } = await joining()
  await addProvider(cluster, { name: 'acmexyz' })
  const { id } = await invite()
  const other = { namespace: 'provider-acmexyz', name: id }
  await api.create(joinRequests, { metadata: other, spec: { publicKey: 'A'.repeat(43), agentVersion: '0' } })
  expect((await decided(id, other.namespace)).reason).toBe('InviteUnknown')
})
