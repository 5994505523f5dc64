import { expect, test } from '@jest/globals'
import { fakeTime } from '../../../test/fakes/time.ts'
import { gathered } from './gathered.ts'

test('the first call is passed on at once, the others as one when the time is over, and so on', async () => {
  const { timers, advance } = fakeTime()
  const heard: string[] = []
  const add = gathered((key) => heard.push(key), { timers, ms: 1000 })
  for (const key of ['a', 'a', 'b', 'a']) add(key)
  expect(heard).toEqual(['a', 'b'])
  await advance(1000)
  expect(heard).toEqual(['a', 'b', 'a'])
  add('a')
  expect(heard).toEqual(['a', 'b', 'a'])
  await advance(1000)
  expect(heard).toEqual(['a', 'b', 'a', 'a'])
})

test('after a quiet time the next call is the first again', async () => {
  const { timers, advance } = fakeTime()
  const heard: string[] = []
  const add = gathered((key) => heard.push(key), { timers, ms: 1000 })
  add('a')
  await advance(1000)
  add('a')
  expect(heard).toEqual(['a', 'a'])
})
