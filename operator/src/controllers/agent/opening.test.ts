import { expect, test } from '@jest/globals'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { Opening } from './opening.ts'

const from = '00:01'
const hours = { timeZone: 'UTC', windows: [{ days: ['Thu'] as const, from, to: '00:03' }] }

test('who asks to hear it hears when the hours begin and end, once each', async () => {
  const { clock, timers, advance } = fakeTime() // A Thursday begins.
  const stop = new AbortController()
  const opening = new Opening({ hours }, clock)
  const heard: boolean[] = []
  opening.subscribe(() => heard.push(opening.isOpen), stop.signal)
  void opening.keep(timers, stop.signal)
  expect(opening.isOpen).toBe(false)
  await advance(59_999)
  expect(heard).toEqual([])
  await advance(1)
  expect(heard).toEqual([true])
  await advance(119_999)
  expect(heard).toEqual([true])
  await advance(600_000)
  expect(heard).toEqual([true, false])
  stop.abort()
})

test('without hours it is always open, and nothing is looked at', async () => {
  const { clock, timers } = fakeTime()
  const opening = new Opening({}, clock)
  expect(opening.isOpen).toBe(true)
  await opening.keep(timers, new AbortController().signal)
})
