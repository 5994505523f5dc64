import { expect, test } from '@jest/globals'
import { Pace } from './pace.ts'

function paceOf(chosen: number, at: number): Pace {
  const pace = new Pace()
  for (let i = 0; i < chosen; i += 1) pace.chosen(`uid-${i}`, at)
  return pace
}

test('so many may be chosen before the first of them is recorded', () => {
  expect([0, 1, 64].map((chosen) => paceOf(chosen, 0).left(0))).toEqual([64, 63, 0])
})

test('one that is recorded makes room for the next', () => {
  const pace = paceOf(64, 0)
  pace.settled('uid-7')
  expect(pace.left(0)).toBe(1)
})

test('one that is not recorded for long holds nobody up', () => {
  const pace = paceOf(60, 0)
  pace.chosen('later', 4000)
  expect([pace.left(14_999), pace.left(15_000)]).toEqual([3, 63])
})

test('one that is chosen anew counts from then on', () => {
  const pace = paceOf(1, 0)
  pace.chosen('uid-0', 4000)
  expect(pace.left(15_000)).toBe(63)
})

test('says when the oldest holds nobody up any more', () => {
  const pace = paceOf(64, 1000)
  expect([pace.freesAfterMs(1000), pace.freesAfterMs(20_000), new Pace().freesAfterMs(0)]).toEqual([
    15_000,
    0,
    Infinity,
  ])
})
