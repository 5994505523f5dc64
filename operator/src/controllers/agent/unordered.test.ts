import { expect, test } from '@jest/globals'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { tellUnordered } from './unordered.ts'

async function world() {
  const { clock, timers, advance } = fakeTime()
  const stop = new AbortController()
  const state = {
    here: ['b.1', 'a.1'] as readonly string[],
    told: [] as readonly string[],
    distrusted: true,
    looks: 0,
    hubUid: 'hub-uid' as string | undefined,
  }
  const errors: string[] = []
  const done = tellUnordered(
    {
      find: async () => {
        state.looks++
        return state.here
      },
      told: async () => state.told,
      tell: async (ids) => void (state.told = ids),
      hubUid: () => state.hubUid,
      isDistrusted: () => state.distrusted,
      clock,
      timers,
      lookMs: 5000,
      onError: (error) => void errors.push(String(error)),
    },
    stop.signal,
  )
  await advance(0)
  const end = async () => {
    stop.abort()
    await advance(0)
    await done
  }
  return { state, advance, errors, end }
}

test('what computes without an order is told, in the same order each time', async () => {
  const { state, end } = await world()
  await end()
  expect(state.told).toEqual(['a.1', 'b.1'])
})

test('it is told until nothing of it is left, and then nobody is asked any more', async () => {
  const { state, advance, end } = await world()
  state.distrusted = false
  await advance(5000)
  state.here = []
  await advance(5000)
  const looks = state.looks
  await advance(60_000)
  await end()
  expect([state.told, looks, state.looks]).toEqual([[], 3, 3])
})

test('while the hub is distrusted it looks again and again', async () => {
  const { state, advance, end } = await world()
  state.here = []
  await advance(10_000)
  state.here = ['c.2']
  await advance(5000)
  await end()
  expect(state.told).toEqual(['c.2'])
})

test('another cluster is told nothing', async () => {
  const { state, advance, end } = await world()
  state.hubUid = undefined
  state.here = []
  await advance(60_000)
  await end()
  expect([state.looks, state.told]).toEqual([1, ['a.1', 'b.1']])
})
