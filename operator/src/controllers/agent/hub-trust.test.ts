import { describe, expect, test } from '@jest/globals'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { LeaseIdentity, Remembered } from '../../domain/lifecycle/hub-identity.ts'
import { HubTrust, type Memory } from './hub-trust.ts'

const hub: LeaseIdentity = { hubUid: 'hub-uid', runsUid: 'runs-uid', providerUid: 'acme-uid', version: '10' }
const met: Remembered = {
  hubUid: 'hub-uid',
  runsUid: 'runs-uid',
  providerUid: 'acme-uid',
  version: '10',
  setBack: false,
}

/** An agent with what it remembers; `memory` is what lies on its own cluster. */
function agent(remembered?: Remembered) {
  const time = fakeTime()
  const memory: { is: Memory | undefined; away?: boolean } = { is: remembered && { remembered } }
  const log: string[] = []
  let questions = 0
  const trust = new HubTrust({
    nonce: () => `question-${++questions}`,
    load: async () => memory.is,
    save: async (next) => {
      if (memory.away) throw new Error('its own cluster is away')
      memory.is = { ...memory.is, remembered: next }
      log.push(`saved ${next.version}${next.setBack ? ' set back' : ''}`)
    },
    timers: time.timers,
    lookMs: 5000,
    onChange: (distrust) => void log.push(distrust?.change ?? 'trusted'),
    onError: (error) => void log.push((error as Error).message),
  })
  const stop = new AbortController()
  const may = () => {
    try {
      trust.assertTrusted()
      return true
    } catch {
      return false
    }
  }
  return { trust, time, memory, log, stop, may }
}

/** One that has met its hub and obeys it. */
async function obedient() {
  const world = agent(met)
  world.trust.see({ ...hub, version: '11' })
  await world.trust.look()
  const session = await world.trust.session(world.stop.signal)
  world.log.splice(0)
  return { ...world, session }
}

describe('an agent obeys', () => {
  test('the first hub that it meets, once that is written down', async () => {
    const { trust, memory, may, log } = agent()
    trust.see(hub)
    memory.away = true
    await expect(trust.look()).rejects.toThrow('away')
    expect(may()).toBe(false)
    memory.away = false
    await trust.look()
    expect([may(), log, memory.is?.remembered]).toEqual([true, ['saved 10', 'trusted'], met])
  })

  test('nobody before it has looked what it remembers', async () => {
    const { trust, may } = agent(met)
    trust.see({ ...hub, version: '11' })
    expect(may()).toBe(false)
    await trust.look()
    expect(may()).toBe(true)
  })

  test('the hub that it remembers, and writes down how far that has come with every beat, if it has', async () => {
    const { trust, time, log, stop } = await obedient()
    const keeping = trust.keep(stop.signal)
    await time.advance(60_000)
    for (const version of ['12', '13']) {
      trust.see({ ...hub, version })
      await time.advance(5000)
    }
    stop.abort()
    await time.advance(0)
    await keeping
    expect(log).toEqual(['saved 12', 'saved 13'])
  })

  test('a Provider to which the home was handed over', async () => {
    const { trust, may, memory } = await obedient()
    trust.see({ ...hub, providerUid: 'acme-uid-2', formerProviderUid: 'acme-uid', version: '12' })
    await trust.look()
    expect([may(), memory.is?.remembered.providerUid]).toEqual([true, 'acme-uid-2'])
  })
})

describe('an agent stops obeying', () => {
  test.each([
    { name: 'another hub', seen: { ...hub, hubUid: 'other' }, says: 'OtherHub' },
    { name: 'a hub that was set back', seen: { ...hub, version: '9' }, says: 'SetBack' },
    { name: 'a hub that has lost the Lease', seen: 'Gone', says: 'LeaseGone' },
  ] as const)('$name, at once', async ({ seen, says }) => {
    const { trust, may, session, log } = await obedient()
    trust.see(seen)
    expect([may(), session?.signal.aborted, log]).toEqual([false, true, [says]])
  })

  test('a hub whose list was older than what it had seen', async () => {
    const { trust, may, log } = await obedient()
    trust.setBack()
    trust.see({ ...hub, version: '2000' })
    await trust.look()
    expect([may(), log]).toEqual([false, ['SetBack', 'saved 11 set back']])
  })

  test('also after a restart, however far the version has grown', async () => {
    const { memory, trust } = await obedient()
    trust.setBack()
    await trust.look()
    const next = agent(memory.is?.remembered)
    next.trust.see({ ...hub, version: '2000' })
    await next.trust.look()
    expect([next.may(), next.log]).toEqual([false, ['SetBack']])
  })
})

describe('an agent obeys again', () => {
  test('by itself when the hub that it remembers is there again', async () => {
    const { trust, may, log } = await obedient()
    trust.see({ ...hub, hubUid: 'other', version: '3' })
    await trust.look()
    trust.see({ ...hub, version: '12' })
    expect(may()).toBe(false)
    await trust.look()
    expect([may(), log]).toEqual([true, ['OtherHub', 'saved 12', 'trusted']])
  })

  test.each([
    { who: 'its owner', seen: { ...hub, hubUid: 'other' }, byOwner: true, says: true },
    { who: 'the other hub itself', seen: { ...hub, hubUid: 'other' }, byOwner: false, says: false },
    { who: 'its owner', seen: { ...hub, version: '3' }, byOwner: true, says: true },
    { who: 'the hub that was set back', seen: { ...hub, version: '3' }, byOwner: false, says: true },
  ])('when $who accepts $seen.hubUid at $seen.version: $says', async ({ seen, byOwner, says }) => {
    const { trust, memory, may } = await obedient()
    trust.see(seen)
    await trust.look()
    const accepted = trust.distrust?.fingerprint
    if (byOwner && memory.is) memory.is = { ...memory.is, accepted }
    else trust.see({ ...seen, accepted })
    await trust.look()
    expect(may()).toBe(says)
  })

  test('in a new session, with the identity that it accepted', async () => {
    const { trust, memory, stop } = await obedient()
    const next = trust.session(stop.signal)
    trust.see({ ...hub, hubUid: 'other' })
    await trust.look()
    if (memory.is) memory.is = { ...memory.is, accepted: trust.distrust?.fingerprint }
    const waiting = trust.session(stop.signal)
    await trust.look()
    expect([(await next)?.hubUid, (await waiting)?.hubUid]).toEqual(['hub-uid', 'other'])
  })
})

describe('the hub vouches for itself', () => {
  test('in answer to a question that was asked after the call, and one answer is for all who asked before it was sent', async () => {
    const { trust, stop } = await obedient()
    const answers: string[] = []
    const ask = (who: string) => void trust.vouched(stop.signal).then(() => answers.push(who))
    ask('a')
    ask('b')
    const sent = trust.question()
    ask('late')
    trust.see({ ...hub, version: '12', vouched: 'of another time' })
    await Promise.resolve()
    expect(answers).toEqual([])
    trust.see({ ...hub, version: '13', vouched: sent })
    await new Promise(setImmediate)
    expect(answers).toEqual(['a', 'b'])
    trust.see({ ...hub, version: '14', vouched: trust.question() })
    await new Promise(setImmediate)
    expect(answers).toEqual(['a', 'b', 'late'])
  })

  test('in vain when it is another one by then, and nobody waits longer than the session', async () => {
    const { trust, session } = await obedient()
    const asked = trust.vouched(session?.signal ?? new AbortController().signal)
    trust.see({ ...hub, version: '12', runsUid: 'other', vouched: trust.question() })
    await expect(asked).rejects.toThrow('KindMadeAgain')
  })
})
