import { describe, expect, test } from '@jest/globals'
import { type FakeTime, fakeTime } from '../../../../test/fakes/time.ts'
import { type HeartbeatPorts, keepLease, type LeaseSeen, LeaseTaken, takeLease } from './heartbeat.ts'

/** The Lease on the hub, which takes a write only of who has seen its latest version. */
function hub(durationSeconds = 15) {
  let version = 1
  let holder: string | undefined
  let renewals = 0
  let away = false
  const seen = (): LeaseSeen => {
    if (away) throw new Error('the hub is away')
    return { resourceVersion: String(version), holder, renewTime: `renewal ${renewals}`, durationSeconds }
  }
  return {
    seen,
    holder: () => holder,
    setAway: (is: boolean) => {
      away = is
    },
    /** Somebody writes without asking: a label, or another agent. */
    touch: (by = holder) => {
      version++
      holder = by
    },
    write: (identity: string, { resourceVersion }: LeaseSeen): LeaseSeen | undefined => {
      if (seen().resourceVersion !== resourceVersion) return undefined
      version++
      renewals++
      holder = identity
      return seen()
    },
  }
}

type Hub = ReturnType<typeof hub>

function agent(identity: string, { of, time }: { of: Hub; time: FakeTime }) {
  const told: string[] = []
  let standsBy = false
  const ending = new AbortController()
  const ports: HeartbeatPorts = {
    read: async () => of.seen(),
    write: async (lease) => of.write(identity, lease),
    release: async () => {},
    identity,
    beatMs: 5000,
    clock: time.clock,
    timers: time.timers,
    onStandBy: (is) => {
      standsBy = is
    },
    onRenewed: () => void told.push('renewed'),
    onSilent: () => void told.push('silent'),
    onHeard: () => void told.push('heard'),
    onError: (error) => void told.push((error as Error).message),
  }
  const take = async () => {
    const lease = await takeLease(ports, ending.signal)
    told.push('taken')
    return lease
  }
  const live = async () => keepLease(ports, await take(), ending.signal)
  return { told, standsBy: () => standsBy, take, live, stop: () => ending.abort(new Error('told to end')) }
}

function federation(durationSeconds?: number) {
  const time = fakeTime()
  const of = hub(durationSeconds)
  return { time, of, agent: (identity: string) => agent(identity, { of, time }) }
}

describe('taking the Lease', () => {
  test('a free one is taken at once', async () => {
    const { agent: start, time, of } = federation()
    void start('a').take()
    await time.turn()
    expect(of.holder()).toBe('a')
  })

  test('one that is ours already, too: an agent that was started again', async () => {
    const { agent: start, time, of } = federation()
    of.touch('a')
    const again = start('a')
    void again.take()
    await time.turn()
    expect(again.told).toEqual(['taken'])
  })

  test('of two agents one has it, and the other waits while the first renews', async () => {
    const { agent: start, time, of } = federation()
    const [first, second] = [start('a'), start('b')]
    void first.live()
    void second.live()
    await time.advance(60_000)
    expect(of.holder()).toBe('a')
    expect([second.told, first.told.length]).toEqual([[], 13])
    expect([first.standsBy(), second.standsBy()]).toEqual([false, true])
  })

  test('a silent holder is replaced after as long as the Lease says, by our own clock', async () => {
    const { agent: start, time, of } = federation()
    of.touch('dead')
    const next = start('b')
    void next.take()
    await time.advance(14_000)
    time.jumpWall(3_600_000)
    expect(of.holder()).toBe('dead')
    await time.advance(1000)
    expect(of.holder()).toBe('b')
  })

  test('a machine that slept has not listened, but its clock has counted', async () => {
    const { agent: start, time, of } = federation()
    of.touch('dead')
    void start('b').take()
    await time.turn()
    time.sleep(60_000)
    await time.advance(5000)
    expect(of.holder()).toBe('b')
  })

  test('silence of the hub is not silence of the holder', async () => {
    const { agent: start, time, of } = federation()
    of.touch('alive')
    const next = start('b')
    void next.take()
    await time.turn()
    of.setAway(true)
    await time.advance(60_000)
    expect(next.standsBy()).toBe(false)
    of.setAway(false)
    await time.advance(10_000)
    expect([of.holder(), next.told[0]]).toEqual(['alive', 'the hub is away'])
  })

  test('a third one that was faster is waited for again', async () => {
    const { time, of } = federation()
    of.touch('dead')
    const next = agent('b', { of: { ...of, write: () => (of.touch('c'), undefined) }, time })
    void next.take()
    await time.advance(15_000)
    expect(of.holder()).toBe('c')
    await time.advance(14_000)
    expect([of.holder(), next.told]).toEqual(['c', []])
  })

  test('an agent that is told to end while it waits, ends', async () => {
    const { agent: start, time, of } = federation()
    of.touch('a')
    const next = start('b')
    const taking = next.take()
    await time.turn()
    next.stop()
    await expect(taking).rejects.toThrow('stopped while waiting for the Lease')
    expect(time.pending()).toBe(0)
  })
})

describe('keeping the Lease', () => {
  test('it is renewed with each beat', async () => {
    const { agent: start, time } = federation()
    const one = start('a')
    void one.live()
    await time.advance(15_000)
    expect(one.told).toEqual(['taken', 'renewed', 'renewed', 'renewed'])
  })

  test('told to end, it gives the last version, so that the Lease can be given back', async () => {
    const { agent: start, time, of } = federation()
    const one = start('a')
    const living = one.live()
    await time.advance(5000)
    one.stop()
    expect(await living).toEqual(of.seen())
    expect(time.pending()).toBe(0)
  })

  test('a hub that is away is no reason to end; the agent goes on when it is back', async () => {
    const { agent: start, time, of } = federation()
    const one = start('a')
    void one.live()
    await time.turn()
    of.setAway(true)
    await time.advance(600_000)
    of.setAway(false)
    await time.advance(10_000)
    expect(one.told.filter((what) => what !== 'the hub is away')).toEqual([
      'taken',
      'silent',
      'renewed',
      'heard',
      'renewed',
    ])
    expect(of.holder()).toBe('a')
  })

  test('it says that it is silent when the Lease has run out, from the last renewal that was sent', async () => {
    const { agent: start, time, of } = federation()
    const one = start('a')
    void one.live()
    await time.advance(5000)
    of.setAway(true)
    await time.advance(14_999)
    expect(one.told).not.toContain('silent')
    await time.advance(1)
    expect(one.told.at(-1)).toBe('silent')
  })

  test('a write whose answer was lost, or a label of somebody, costs one beat', async () => {
    const { agent: start, time, of } = federation()
    const one = start('a')
    void one.live()
    await time.turn()
    of.touch()
    await time.advance(10_000)
    expect(one.told).toEqual(['taken', 'renewed'])
  })

  test('another holder ends it: there is one agent of a provider', async () => {
    const { agent: start, time, of } = federation()
    const one = start('a')
    const living = one.live().catch((error: unknown) => error)
    await time.turn()
    of.touch('b')
    await time.advance(5000)
    const why = await living
    expect(why).toBeInstanceOf(LeaseTaken)
    expect(String(why)).toContain('another agent (b)')
  })
})
