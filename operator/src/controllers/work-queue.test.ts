import { describe, expect, test } from '@jest/globals'
import { fakeTime } from '../../../test/fakes/time.ts'
import { type Outcome, type Pass, settled, workQueue } from './work-queue.ts'

/** A queue whose passes are written down and end only when the test says how. */
function bench({ concurrency = 1, random = (): number => 1 } = {}) {
  const time = fakeTime()
  const stop = new AbortController()
  const log: string[] = []
  const passes: Pass[] = []
  const open = new Map<string, { resolve: (outcome: Outcome) => void; reject: (error: Error) => void }>()
  const queue = workQueue({
    name: 'jobs',
    concurrency,
    clock: time.clock,
    timers: time.timers,
    random,
    reconcile: (key) => {
      log.push(`${key} at ${time.clock.boot()}`)
      return new Promise((resolve, reject) => open.set(key, { resolve, reject }))
    },
    onError: (error, key) => log.push(`${key}: ${(error as Error).message}`),
    observe: (pass) => passes.push(pass),
  })
  const running = queue.run(stop.signal)
  const end = async (key: string, how: Outcome | Error = settled) => {
    const ends = open.get(key)
    if (!ends) throw new Error(`${key} is not under way`)
    open.delete(key)
    if (how instanceof Error) ends.reject(how)
    else ends.resolve(how)
    await time.turn()
  }
  return { queue, time, stop, running, log, passes, end }
}

describe('a work queue', () => {
  test('takes keys first in, first out, each once', async () => {
    const { queue, log, end } = bench()
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key)
    expect(queue.depth()).toBe(3) // The first `a` is under way, the second waits.
    await end('a')
    await end('b')
    await end('a')
    await end('c')
    expect(log).toEqual(['a at 0', 'b at 0', 'a at 0', 'c at 0'])
  })

  test('never runs a key twice at once, and runs it again when it was added meanwhile', async () => {
    const { queue, log, end } = bench({ concurrency: 5 })
    queue.add('a')
    queue.add('a')
    queue.add('b')
    expect(log).toEqual(['a at 0', 'b at 0'])
    await end('a')
    expect(log).toEqual(['a at 0', 'b at 0', 'a at 0'])
  })

  test('runs as many at once as it may, no more', async () => {
    const { queue, log, end } = bench({ concurrency: 2 })
    for (const key of ['a', 'b', 'c']) queue.add(key)
    expect(log).toEqual(['a at 0', 'b at 0'])
    await end('b')
    expect(log).toEqual(['a at 0', 'b at 0', 'c at 0'])
  })

  test('takes few at leisure at once, however many wait', async () => {
    const { queue, log, end } = bench({ concurrency: 64 })
    for (const key of ['a', 'b', 'c']) queue.add(key, 'AtLeisure')
    expect(log).toEqual(['a at 0', 'b at 0'])
    queue.add('d')
    await end('a')
    expect(log).toEqual(['a at 0', 'b at 0', 'd at 0', 'c at 0'])
  })

  test('takes as few at leisure while others wait, and no fewer', async () => {
    const { queue, log, end } = bench({ concurrency: 32 })
    for (let i = 0; i < 40; i += 1) queue.add(`now-${i}`)
    for (const key of ['a', 'b', 'c']) queue.add(key, 'AtLeisure')
    for (let i = 0; i < 3; i += 1) await end(`now-${i}`)
    expect(log.slice(32)).toEqual(['a at 0', 'now-32 at 0', 'now-33 at 0'])
  })

  test('takes what is at leisure last where it can take only a few at once', async () => {
    const { queue, log, end } = bench()
    queue.add('a')
    queue.add('b', 'AtLeisure')
    queue.add('c')
    expect(queue.depth()).toBe(2)
    await end('a')
    await end('c')
    expect(log).toEqual(['a at 0', 'c at 0', 'b at 0'])
  })

  test('takes what comes first before all others', async () => {
    const { queue, log, end } = bench()
    for (const key of ['a', 'b', 'c']) queue.add(key)
    queue.add('c', 'First')
    queue.add('c')
    await end('a')
    await end('c')
    expect(log).toEqual(['a at 0', 'c at 0', 'b at 0'])
  })

  test('leaves a quarter of its passes to the others, however many come first', async () => {
    const { queue, log, end } = bench({ concurrency: 4 })
    for (let i = 0; i < 8; i += 1) queue.add(`first-${i}`, 'First')
    for (let i = 0; i < 3; i += 1) queue.add(`now-${i}`)
    for (let i = 0; i < 4; i += 1) await end(`first-${i}`)
    expect(log.slice(4).map((line) => line.replace(' at 0', ''))).toEqual(['now-0', 'first-4', 'first-5', 'first-6'])
  })

  test('takes a key now that was at leisure and is wanted now, once', async () => {
    const { queue, log, end } = bench()
    queue.add('a')
    for (const when of ['AtLeisure', 'Now', 'AtLeisure'] as const) queue.add('b', when)
    queue.add('c')
    await end('a')
    await end('b')
    await end('c')
    expect(log).toEqual(['a at 0', 'b at 0', 'c at 0'])
  })

  test('looks again at leisure where the pass that asked for it was at leisure', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a', 'AtLeisure')
    await end('a', { recheckMs: 500 })
    queue.add('b')
    await time.advance(500)
    queue.add('c')
    await end('b')
    await end('c')
    expect(log).toEqual(['a at 0', 'b at 0', 'c at 500', 'a at 500'])
  })

  test('looks soon at what comes soon: two seconds after it was first said, and not before', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a', 'Soon')
    await time.advance(1999)
    queue.add('a', 'Soon')
    expect(log).toEqual([])
    await time.advance(1)
    await end('a')
    await time.advance(5000)
    expect(log).toEqual(['a at 2000'])
  })

  test('looks now at what comes soon and is wanted now, once', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a', 'Soon')
    queue.add('a')
    await end('a')
    await time.advance(5000)
    expect(log).toEqual(['a at 0'])
  })

  test('looks soon where the pass under way asks for a later look, and where one comes at leisure', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a')
    queue.add('a', 'Soon')
    await end('a', { recheckMs: 60_000 })
    await time.advance(2000)
    queue.add('b', 'AtLeisure')
    queue.add('b', 'Soon')
    await end('a')
    expect(log).toEqual(['a at 0', 'a at 2000', 'b at 2000'])
  })

  test('looks before that where the pass asked for it', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a')
    await end('a', { recheckMs: 500 })
    queue.add('a', 'Soon')
    await time.advance(500)
    expect(log).toEqual(['a at 0', 'a at 500'])
  })

  test('looks at once, when it begins, at what came soon before that', async () => {
    const time = fakeTime()
    const log: string[] = []
    const reconcile = async (key: string) => {
      log.push(`${key} at ${time.clock.boot()}`)
      return settled
    }
    const { clock, timers } = time
    const queue = workQueue({
      name: 'jobs',
      concurrency: 1,
      clock,
      timers,
      random: () => 1,
      reconcile,
      onError: () => {},
    })
    queue.add('a', 'Soon')
    void queue.run(new AbortController().signal)
    await time.turn()
    expect(log).toEqual(['a at 0'])
  })

  test('looks again when the pass asked for it', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a')
    await end('a', { recheckMs: 500 })
    await time.advance(499)
    expect(log).toEqual(['a at 0'])
    await time.advance(1)
    expect(log).toEqual(['a at 0', 'a at 500'])
  })

  test('forgets the recheck when the key is added before', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a')
    await end('a', { recheckMs: 500 })
    queue.add('a')
    await end('a')
    await time.advance(1000)
    expect(log).toEqual(['a at 0', 'a at 0'])
  })

  test('backs off per key, twice as long each time up to a minute, and starts anew after a success', async () => {
    const { queue, time, log, end } = bench()
    queue.add('a')
    const waits: number[] = []
    for (let failed = 0; failed < 16; failed++) {
      const before = time.clock.boot()
      await end('a', new Error('no'))
      await time.advanceToNext()
      waits.push(time.clock.boot() - before)
    }
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40])
    expect(waits.at(-1)).toBe(60_000)
    expect(log.filter((line) => line === 'a: no')).toHaveLength(16)
    await end('a')
    queue.add('a')
    const before = time.clock.boot()
    await end('a', new Error('no'))
    await time.advanceToNext()
    expect(time.clock.boot() - before).toBe(5)
  })

  test('jitters the back-off down to half', async () => {
    const { queue, time, end } = bench({ random: () => 0 })
    queue.add('a')
    await end('a', new Error('no'))
    await time.advanceToNext()
    expect(time.clock.boot()).toBe(2.5)
  })

  test('survives a reconcile that throws before it returns a promise', async () => {
    const time = fakeTime()
    const errors: unknown[] = []
    const queue = workQueue({
      name: 'jobs',
      concurrency: 1,
      ...time,
      random: () => 1,
      reconcile: () => {
        throw new Error('at once')
      },
      onError: (error) => errors.push(error),
    })
    void queue.run(new AbortController().signal)
    queue.add('a')
    await time.turn()
    await time.advanceToNext()
    expect(errors).toHaveLength(2)
  })

  test('tells how each pass ended and how long it took', async () => {
    const { queue, time, passes, end } = bench()
    queue.add('a')
    await time.advance(250)
    await end('a', { recheckMs: 1 })
    await time.advance(1)
    await end('a', new Error('no'))
    await time.advanceToNext()
    await end('a')
    expect(passes).toEqual([
      { name: 'jobs', seconds: 0.25, outcome: 'recheck' },
      { name: 'jobs', seconds: 0, outcome: 'failed' },
      { name: 'jobs', seconds: 0, outcome: 'settled' },
    ])
  })

  test('lets passes under way finish when it is stopped, and starts no other', async () => {
    const { queue, time, stop, running, log, end } = bench({ concurrency: 2 })
    for (const key of ['a', 'b', 'c']) queue.add(key)
    let ended = false
    void running.then(() => {
      ended = true
    })
    stop.abort()
    queue.add('d')
    await end('a', { recheckMs: 5 })
    expect(ended).toBe(false)
    await end('b', new Error('no'))
    expect(ended).toBe(true)
    expect(time.pending()).toBe(0)
    expect(log).toEqual(['a at 0', 'b at 0', 'b: no'])
  })

  test('keeps what was added before it ran', async () => {
    const time = fakeTime()
    const keys: string[] = []
    const reconcile = (key: string) => {
      keys.push(key)
      return Promise.resolve(settled)
    }
    const queue = workQueue({ name: 'jobs', concurrency: 1, ...time, random: () => 1, reconcile, onError: () => {} })
    queue.add('a')
    expect(keys).toEqual([])
    void queue.run(new AbortController().signal)
    await time.turn()
    expect(keys).toEqual(['a'])
  })
})
