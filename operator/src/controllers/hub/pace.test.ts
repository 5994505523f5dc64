import { expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import { Pace, whenToLook } from './pace.ts'

function paceOf(chosen: number, at: number): Pace {
  const pace = new Pace()
  for (let i = 0; i < chosen; i += 1) pace.chosen(`uid-${i}`, at)
  return pace
}

test('so many may be chosen before the run of the first of them is ordered', () => {
  expect([0, 1, 32].map((chosen) => paceOf(chosen, 0).left(0))).toEqual([32, 31, 0])
})

test('one whose run is ordered makes room for the next', () => {
  const pace = paceOf(32, 0)
  pace.settled('uid-7')
  expect(pace.left(0)).toBe(1)
})

test('one whose run is not ordered for long holds nobody up', () => {
  const pace = paceOf(28, 0)
  pace.chosen('later', 4000)
  expect([pace.left(14_999), pace.left(15_000)]).toEqual([3, 31])
})

test('one that is chosen anew counts from then on', () => {
  const pace = paceOf(1, 0)
  pace.chosen('uid-0', 4000)
  expect(pace.left(15_000)).toBe(31)
})

test('says when the oldest holds nobody up any more', () => {
  const pace = paceOf(32, 1000)
  expect([pace.freesAfterMs(1000), pace.freesAfterMs(20_000), new Pace().freesAfterMs(0)]).toEqual([
    15_000,
    0,
    Infinity,
  ])
})

test('who holds GPUs that nothing runs on is looked at first: chosen, recorded, or told to end for another one', () => {
  const placement = {
    run: 1,
    provider: 'acme',
    nodes: [{ name: 'n1', workers: 1 }],
    recordedAt: '2026-01-01T00:00:00Z',
  }
  const placed = keptJob({ status: { placement } })
  const runs = [{ run: keptRun({ job: placed, status: { state: 'Succeeded' } }) }]
  expect(whenToLook(keptJob(), [], true)).toBe('First')
  expect(whenToLook(placed, [], false)).toBe('First')
  expect(whenToLook(placed, runs, true)).toBe('First')
  expect(whenToLook(placed, runs, false)).toBe('Now')
})

test('a pass rests for as long as thirty of it took, and no longer than a moment', () => {
  const pace = new Pace()
  expect(pace.restMs(0)).toBe(0)
  pace.passed(99.5, 100)
  expect([100, 104, 200].map((nowMs) => pace.restMs(nowMs))).toEqual([15, 11, 0])
  pace.passed(100, 1100)
  expect(pace.restMs(1100)).toBe(50)
})
