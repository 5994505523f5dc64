import { describe, expect, test } from '@jest/globals'
import { defaultWeights, weightsOf } from './weights.ts'

describe('the weights of what speaks against a provider', () => {
  test('are as written, and the usual ones where nothing is', () => {
    expect(weightsOf('')).toEqual(defaultWeights)
    expect(weightsOf(' price=2.5, moving=0 ')).toEqual([
      { name: 'price', weight: 2.5 },
      { name: 'losses', weight: 0.5 },
      { name: 'moving', weight: 0 },
      { name: 'breaking', weight: 0.125 },
    ])
  })

  test.each([
    ['beauty=1', 'beauty is none of price, losses, moving, breaking'],
    ['constructor=1', 'constructor is none of price, losses, moving, breaking'],
    ['price', 'price is not a number from 0 to 1000'],
    ['price=-1', 'price=-1 is not a number from 0 to 1000'],
    ['price=1e3', 'price=1e3 is not a number from 0 to 1000'],
    ['price=1001', 'price=1001 is not a number from 0 to 1000'],
  ])('%s is refused', (written, says) => {
    expect(() => weightsOf(written)).toThrow(new Error(says))
  })
})
