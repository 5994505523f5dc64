import { afterEach, describe, expect, test } from '@jest/globals'
import { fakeTime } from '../../../../test/fakes/time.ts'
import {
  type Answer,
  type CredentialPorts,
  type Held,
  type Kept,
  keepCredential,
  obtainCredential,
} from './credential.ts'

const day = 24 * 3600 * 1000

const stops: AbortController[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort(new Error('over'))
})

function agent({ kept = {}, invite }: { kept?: Kept; invite?: string } = {}) {
  const time = fakeTime()
  const stop = new AbortController()
  stops.push(stop)
  const world = {
    kept,
    invite,
    answers: new Map<string, Answer>(),
    asked: [] as string[],
    used: [] as string[],
    told: [] as (string | undefined)[],
    errors: [] as string[],
    renewals: 0,
    failing: undefined as Error | undefined,
  }
  const held = (token: string, inviteId = 'one'): Held => ({
    inviteId,
    token,
    obtainedAt: time.clock.now(),
    lifeMs: 7 * day,
  })
  const ports: CredentialPorts = {
    ...time,
    random: () => 0.5,
    load: async () => world.kept,
    save: async (next) => {
      world.kept = { held: next }
    },
    begin: async (inviteId) => {
      const asked = { inviteId, requestKey: `key of ${inviteId}` }
      world.kept = { ...world.kept, asked }
      return asked.requestKey
    },
    inviteId: async () => world.invite,
    ask: async ({ inviteId, requestKey }) => {
      if (world.failing) throw world.failing
      world.asked.push(`${inviteId} with ${requestKey}`)
      return world.answers.get(inviteId) ?? { state: 'NotYet' }
    },
    renew: async () => {
      if (world.failing) throw world.failing
      world.renewals++
      return held(`renewed ${world.renewals}`)
    },
    use: ({ token }) => world.used.push(token),
    tell: (what) => void world.told.push(what),
    onError: (error) => world.errors.push((error as Error).message),
  }
  const grant = (id: string) =>
    world.answers.set(id, { state: 'Granted', held: held(`token of ${id}`, id) } satisfies Answer)
  const start = () => {
    const obtaining = obtainCredential(ports, stop.signal)
    obtaining.catch(() => {})
    return obtaining
  }
  const obtain = async () => {
    const obtaining = start()
    await time.turn()
    return obtaining
  }
  return { world, time, ports, stop, held, grant, obtain, start }
}

describe('an agent', () => {
  test('that has a credential uses it, and asks nobody', async () => {
    const { world, held, obtain } = agent({ invite: 'one' })
    world.kept = { held: held('kept') }
    expect((await obtain()).token).toBe('kept')
    expect([world.asked, world.used, world.told]).toEqual([[], ['kept'], []])
  })

  test('asks with its invite until there is an answer, always with the same key', async () => {
    const { world, time, grant, start } = agent({ invite: 'one' })
    const obtaining = start()
    await time.advance(1000)
    grant('one')
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of one')
    expect(new Set(world.asked)).toEqual(new Set(['one with key of one']))
    expect(world.kept).toMatchObject({ held: { inviteId: 'one', token: 'token of one' } })
  })

  test('that ended between question and answer reads the answer with the key of before', async () => {
    const { world, grant, obtain } = agent({
      invite: 'one',
      kept: { asked: { inviteId: 'one', requestKey: 'earlier' } },
    })
    grant('one')
    await obtain()
    expect(world.asked).toEqual(['one with earlier'])
  })

  test('without invite and credential says what it waits for', async () => {
    const { world, time, grant, start } = agent()
    const obtaining = start()
    await time.turn()
    expect(world.told).toEqual(['an invite to the federation'])
    world.invite = 'one'
    grant('one')
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of one')
  })

  test('whose invite is refused says why, asks no more with it, and takes the next one', async () => {
    const { world, time, grant, start } = agent({ invite: 'one' })
    world.answers.set('one', { state: 'Refused', why: 'InviteExpired' })
    const obtaining = start()
    await time.advance(5000)
    expect([world.asked.length, world.told]).toEqual([1, ['another invite: the hub refused one: InviteExpired']])
    world.invite = 'two'
    grant('two')
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of two')
  })

  test('uses an invite that was given to it anew, and what it has where that is refused', async () => {
    const { world, time, held, grant, obtain, start } = agent({ invite: 'two' })
    world.kept = { held: held('kept') }
    grant('two')
    expect((await obtain()).token).toBe('token of two')
    world.invite = 'three'
    world.answers.set('three', { state: 'Refused', why: 'AgentAlive' })
    const obtaining = start()
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of two')
  })

  test('that is denied at first asks again, and gives up after a while', async () => {
    const { world, time, grant, start } = agent({ invite: 'one' })
    world.answers.set('one', { state: 'Denied', why: 'cannot get' })
    const obtaining = start()
    await time.advance(5000)
    expect(world.told).toEqual([])
    await time.advance(15_000)
    const asked = world.asked.length
    expect(world.told).toEqual(['another invite: the hub refused one: cannot get'])
    await time.advance(10_000)
    expect(world.asked).toHaveLength(asked)
    world.invite = 'two'
    grant('two')
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of two')
  })

  test('that has a credential goes on with it, where a new invite is not answered within a minute', async () => {
    const { world, time, held, start } = agent({ invite: 'two' })
    world.kept = { held: held('kept') }
    const obtaining = start()
    await time.advance(61_000)
    expect((await obtaining).token).toBe('kept')
  })

  test('tries again when the hub cannot be asked', async () => {
    const { world, time, grant, start } = agent({ invite: 'one' })
    world.failing = new Error('no route')
    const obtaining = start()
    await time.advance(2000)
    world.failing = undefined
    grant('one')
    await time.advance(1000)
    expect((await obtaining).token).toBe('token of one')
    expect(new Set(world.errors)).toEqual(new Set(['no route']))
  })
})

describe('a credential', () => {
  async function keeping({ lifeMs = 7 * day } = {}) {
    const all = agent()
    const first = { ...all.held('first'), lifeMs }
    all.world.kept = { held: first }
    const { refused, done } = keepCredential(all.ports, first, all.stop.signal)
    await all.time.turn()
    return { ...all, refused, done }
  }

  test('is renewed after a seventh of its life, again and again', async () => {
    const { world, time } = await keeping()
    await time.advance(day - 60_000)
    expect(world.renewals).toBe(0)
    await time.advance(60_000)
    expect([world.renewals, world.used]).toEqual([1, ['renewed 1']])
    await time.advance(day)
    expect(world.used).toEqual(['renewed 1', 'renewed 2'])
    expect(world.kept).toMatchObject({ held: { token: 'renewed 2' } })
  })

  test('is renewed at once when the hub does not accept it', async () => {
    const { world, time, refused } = await keeping()
    refused()
    await time.turn()
    expect(world.used).toEqual(['renewed 1'])
  })

  test('that is never accepted is not renewed without a pause', async () => {
    const { world, time, refused } = await keeping()
    for (let second = 0; second < 20; second++) {
      refused()
      await time.advance(1000)
    }
    expect(world.renewals).toBeLessThanOrEqual(5)
  })

  test('that another replica has renewed is taken over', async () => {
    const { world, time, held } = await keeping()
    await time.advance(day - 60_000)
    world.kept = { held: held('by the other') }
    await time.advance(60_000)
    expect([world.renewals, world.used]).toEqual([0, ['by the other']])
  })

  test('that is older than its own is not taken over', async () => {
    const { world, time, held } = await keeping()
    world.kept = { held: { ...held('late'), obtainedAt: time.clock.now() - 1 } }
    await time.advance(day)
    expect(world.used).toEqual(['renewed 1'])
  })

  test('is renewed soon where the clock was set back', async () => {
    const { world, time } = await keeping()
    time.jumpWall(-30 * day)
    await time.advance(60_000)
    expect(world.used[0]).toBe('renewed 1')
  })

  test('that is good for nothing any more is replaced by a new invite, without a restart', async () => {
    const { world, time, grant, refused, ports } = await keeping()
    const renew = ports.renew
    Object.assign(ports, { renew: async () => 'Refused' })
    refused()
    await time.turn()
    // An API server that starts refuses everybody for a moment.
    expect(world.told).toEqual([])
    await time.advance(60_000)
    refused() // Each request is.
    await time.turn()
    expect(world.used).toEqual([])
    expect(world.told.at(-1)).toBe('another invite: the hub takes the credential of this agent no more')
    world.invite = 'two'
    grant('two')
    refused()
    await time.advance(60_000)
    expect([world.used, world.told.at(-1)]).toEqual([['token of two'], undefined])
    Object.assign(ports, { renew })
    await time.advance(day)
    expect(world.used.at(-1)).toMatch(/^renewed/)
  })

  test('is tried again while the hub is down, at longer and longer intervals', async () => {
    const { world, time } = await keeping()
    world.failing = new Error('down')
    await time.advance(day + 3600_000)
    const inAnHour = world.errors.length
    expect(inAnHour).toBeGreaterThan(5)
    expect(inAnHour).toBeLessThan(15)
    await time.advance(4 * day)
    world.failing = undefined
    await time.advance(600_000)
    expect(world.used).toEqual(['renewed 1'])
  })

  test.each([
    { life: 'a week', lifeMs: 7 * day },
    { life: 'an hour, which is the least that an API server can be set to', lifeMs: 3600_000 },
    { life: 'ten minutes', lifeMs: 600_000 },
  ])('is not lost to a hub that is away for nearly all of it: $life', async ({ lifeMs }) => {
    const { world, time } = await keeping({ lifeMs })
    await time.advance(lifeMs / 10)
    world.failing = new Error('down')
    await time.advance((lifeMs * 86) / 100)
    world.failing = undefined
    await time.advance((lifeMs * 2) / 100)
    expect(world.used).toEqual(['renewed 1'])
  })

  test('is renewed by a machine that wakes up after days', async () => {
    const { world, time } = await keeping()
    time.sleep(6 * day)
    await time.advance(30_000)
    expect(world.used).toEqual(['renewed 1'])
  })

  test('of an agent that ends leaves no timer behind', async () => {
    const { time, stop, done } = await keeping()
    stop.abort()
    await done
    expect(time.pending()).toBe(0)
  })
})
