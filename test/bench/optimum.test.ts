import { expect, test } from '@jest/globals'
import { solver } from '../builders/solver.ts'
import { bars, compareAll, figuresOf } from './optimum.ts'

test('of jobs that are sent at once the engine places nearly what an integer program does, and never more', async () => {
  const { isPossible, valuePercentMean } = figuresOf(compareAll(8, await solver()))
  expect(isPossible).toBe(true)
  expect(valuePercentMean).toBeGreaterThanOrEqual(bars.valuePercentMean)
}, 60_000)
