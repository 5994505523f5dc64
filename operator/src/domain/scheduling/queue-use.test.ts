import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { booking, queueFact } from '../../../../test/builders/scheduling.ts'
import type { Booking, QueueFact } from './facts.ts'
import { createQueueUse, queuePaths } from './queue-use.ts'

const names = ['a', 'b', 'c', 'd', 'e'] as const

function run(uid: string, queue: string, change: Partial<Booking> & { readonly gpus?: number } = {}): Booking {
  const { gpus = 1, ...more } = change
  return booking({ uid, queue, model: 'H100', perWorker: { ...booking().perWorker, gpus }, ...more })
}

/** `below` names the parent of each queue. */
function world(below: Readonly<Record<string, string | undefined>>, runs: readonly Booking[] = []) {
  const facts = new Map<string, QueueFact>()
  const booked = new Map(runs.map((one) => [one.uid, one]))
  let plantings = 0
  let looks = 0
  function set(name: string, parent: string | undefined): void {
    plantings += 1
    facts.set(name, queueFact({ name, ...(parent === undefined ? {} : { parent }) }))
  }
  for (const [name, parent] of Object.entries(below)) set(name, parent)
  const use = createQueueUse({
    queues: { facts, plantings: () => plantings },
    bookings: () => {
      looks += 1
      return booked.values()
    },
    booked: (key) => booked.get(key.split('/')[0] ?? ''),
  })
  return {
    use,
    facts,
    booked,
    set,
    looks: () => looks,
    book: (one: Booking) => {
      booked.set(one.uid, one)
      use.count(one, 1)
    },
    release: (uid: string) => {
      const one = booked.get(uid)
      booked.delete(uid)
      if (one) use.count(one, -1)
    },
  }
}

describe('what queues use', () => {
  test('knows who is told to end, and whom somebody takes the place of, until they are over', () => {
    const { use, book, release } = world({ a: undefined }, [
      run('x', 'a', { endingMs: 1 }),
      run('y', 'a'),
      run('z', 'a'),
    ])
    const leaving = () =>
      use
        .now()
        .leaving()
        .map(({ uid }) => uid)
    expect(leaving()).toEqual(['x'])
    book(
      run('new', 'a', {
        preempts: [
          { uid: 'x', run: 1 },
          { uid: 'y', run: 1 },
        ],
      }),
    )
    expect(leaving()).toEqual(['x', 'y'])
    release('x')
    expect(leaving()).toEqual(['y'])
    release('new')
    expect(leaving()).toEqual([])
  })

  test('is used by those above them too, of that model and of any', () => {
    const { use } = world({ a: undefined, b: 'a', c: 'a' }, [
      run('x', 'b', { gpus: 4 }),
      run('y', 'c', { model: 'A100' }),
      run('z', 'c', { model: undefined }),
    ])
    const { used } = use.now()
    expect([used('a', '*'), used('a', 'H100'), used('b', '*'), used('c', '*'), used('c', 'H100')]).toEqual([
      6, 4, 4, 2, 0,
    ])
  })

  test('of a queue that nobody knows, or in a ring, counts as well', () => {
    const { use } = world({ a: 'b', b: 'a' }, [run('x', 'a'), run('y', 'nobody'), run('z', 'b')])
    const { used } = use.now()
    expect([used('a', '*'), used('b', '*'), used('nobody', '*')]).toEqual([2, 2, 1])
  })

  test('parts of GPUs come to whole ones', () => {
    const runs = Array.from({ length: 10 }, (_, i) => run(`x${i}`, 'a', { gpus: 0.1 }))
    expect(world({ a: undefined }, runs).use.now().used('a', '*')).toBe(1)
  })

  test('costs one look at all bookings, until the queues change', () => {
    const { use, book, release, set, looks } = world({ a: undefined, b: undefined }, [run('x', 'b')])
    use.now()
    book(run('y', 'b'))
    release('x')
    book(run('z', 'b'))
    expect([use.now().used('b', '*'), looks()]).toEqual([2, 1])
    set('b', 'a')
    release('z')
    expect([use.now().used('a', '*'), looks()]).toEqual([1, 2])
  })

  test('is always what a sum over all bookings says', () => {
    const name = fc.constantFrom(...names)
    const step = fc.oneof(
      fc.record({ set: name, parent: fc.option(name, { nil: undefined }) }),
      fc.record({ book: fc.nat(9), queue: name, gpus: fc.constantFrom(0.1, 0.3, 1, 8) }),
      fc.record({ release: fc.nat(9) }),
      fc.constant('ask' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { use, facts, booked, set, book, release } = world({ a: undefined })
        for (const one of steps) {
          if (one === 'ask') use.now()
          else if ('set' in one) set(one.set, one.parent)
          else if ('release' in one) release(`r${one.release}`)
          else {
            release(`r${one.book}`)
            book(run(`r${one.book}`, one.queue, { gpus: one.gpus }))
          }
        }
        const { pathOf } = queuePaths(facts)
        for (const queue of names) {
          const below = booked.values().filter((one) => pathOf(one.queue ?? '').includes(queue))
          const sum = below.reduce((all, { perWorker: { gpus } }) => all + gpus, 0)
          expect(use.now().used(queue, 'H100')).toBeCloseTo(sum, 9)
        }
      }),
      { numRuns: cases },
    )
  })
})
