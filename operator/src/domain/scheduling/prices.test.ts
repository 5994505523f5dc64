import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { solver } from '../../../../test/builders/solver.ts'
import { type Cut, pricesOf } from './prices.ts'

const solve = await solver({ isExact: true })

describe('the price of a piece', () => {
  test('is its size where nothing is asked for, or only what is larger than the whole', () => {
    expect([...pricesOf([], 4)]).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect([...pricesOf([{ size: 5, amount: 3 }], 4)]).toEqual([0, 0.25, 0.5, 0.75, 1])
  })

  test('is nothing where no job is so small', () => {
    expect([...pricesOf([{ size: 4, amount: 1 }], 4)]).toEqual([0, 0, 0, 0, 1])
    expect([...pricesOf([{ size: 3, amount: 1 }], 4)]).toEqual([0, 0, 0, 1, 1])
  })

  test('of what fills the rest of another is low where there is plenty of it, and high where it is scarce', () => {
    const with3 = (amount: number) =>
      pricesOf(
        [
          { size: 7, amount: 10 },
          { size: 3, amount },
        ],
        10,
      )
    expect(with3(1)[3]).toBeCloseTo(0)
    expect(with3(1)[7]).toBeCloseTo(1)
    expect(with3(100)[3]).toBeCloseTo(1 / 3)
    expect(with3(100)[7]).toBeCloseTo(2 / 3)
  })

  test('of many sizes is that of fewer, which are a little larger', () => {
    const many = Array.from({ length: 199 }, (_, i) => ({ size: i + 1, amount: 1 }))
    const prices = pricesOf(many, 200)
    expect(prices[200]).toBe(1)
    expect(prices[100]).toBeCloseTo(0.5, 1)
    expect([...prices]).toEqual([...prices].toSorted((a, b) => a - b))
  })

  test('times what is asked for is in all the fewest wholes that can be cut up for it', () => {
    const cut = fc.record({ size: fc.integer({ min: 1, max: 12 }), amount: fc.integer({ min: 1, max: 50 }) })
    const cuts = fc.uniqueArray(cut, { minLength: 1, maxLength: 5, selector: ({ size }) => size })
    fc.assert(
      fc.property(cuts, (asked) => {
        const prices = pricesOf(asked, 12)
        const worth = asked.reduce((sum, { size, amount }) => sum + amount * (prices[size] ?? Number.NaN), 0)
        expect(worth).toBeCloseTo(fewestWholes(asked, 12), 5)
        expect([...prices]).toEqual([...prices].toSorted((a, b) => a - b))
      }),
      { numRuns: Math.min(cases, 200) },
    )
  })
})

/** By a linear program over all the ways in which a whole can be cut up. */
function fewestWholes(asked: readonly Cut[], units: number): number {
  const patterns = waysToCut(asked, units)
  const cover = asked.map(({ amount }, i) => {
    const terms = patterns.flatMap((pattern, p) => (pattern[i] ? [`${pattern[i]} p${p}`] : []))
    return `${terms.join('\n + ')} >= ${amount}`
  })
  return solve(`Minimize\n${patterns.map((_, p) => `p${p}`).join('\n + ')}\nSubject To\n${cover.join('\n')}\nEnd\n`)
}

function waysToCut([cut, ...others]: readonly Cut[], units: number): number[][] {
  if (!cut) return [[]]
  return Array.from({ length: Math.floor(units / cut.size) + 1 }, (_, many) =>
    waysToCut(others, units - many * cut.size).map((rest) => [many, ...rest]),
  ).flat()
}
