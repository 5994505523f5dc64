import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { createDemand } from './demand.ts'

const worker = (gpus: number, cpuMilli = gpus * 8000) => ({ gpus, cpuMilli })

function pricedWith(count: (demand: ReturnType<typeof createDemand>) => void, largest = 8) {
  const demand = createDemand(0.125)
  count(demand)
  demand.renew(largest)
  return demand
}

describe('the demand', () => {
  test('makes nothing of what nobody has asked for', () => {
    const { lostOfPart, lostOfNode, cpuMilliPerGpu, brokenNode } = pricedWith(() => {}).pricing()
    expect([...lostOfPart, ...lostOfNode].filter((lost) => Math.abs(lost) > 1e-9)).toEqual([])
    expect({ cpuMilliPerGpu, brokenNode }).toEqual({ cpuMilliPerGpu: 0, brokenNode: 0.125 })
  })

  test('says what is lost of parts of a GPU, and of GPUs of a node', () => {
    const { lostOfPart, lostOfNode } = pricedWith(({ count }) => {
      count(worker(0.5), 3)
      count(worker(8), 2)
    }).pricing()
    expect([0.25, 0.5, 0.75, 1].map((part) => lostOfPart[part * 200])).toEqual([0.25, 0, 0.25, 0])
    // Three halves fill a GPU and a half, of which a node of eight has room for nearly six times as many: one GPU is worth one.
    expect(lostOfNode[8]).toBeCloseTo(0)
    expect(lostOfNode[0]).toBeCloseTo(0)
  })

  test('knows the mean CPU of a GPU, and how far it spreads', () => {
    const { cpuMilliPerGpu, spread } = pricedWith(({ count }) => {
      count(worker(1, 4000), 6)
      count(worker(2, 24_000), 3)
    }).pricing()
    expect(cpuMilliPerGpu).toBe(8000)
    expect(spread).toBeCloseTo(0.5)
  })

  test('is priced anew when it is another one, and not before', () => {
    const demand = pricedWith(({ count }) => count(worker(1), 100))
    const before = demand.pricing()
    demand.count(worker(1), 50)
    demand.count(worker(2), 1)
    demand.renew(8)
    expect(demand.pricing()).toBe(before)
    demand.count(worker(2), 2)
    expect(demand.pricing()).toBe(before)
    demand.renew(8)
    expect(demand.pricing()).not.toBe(before)
    expect(demand.priced().map(({ gpus, workers }) => [gpus, workers])).toEqual([
      [1, 150],
      [2, 3],
    ])
  })

  test('is priced anew when a GPU gets other CPU, or a node has more GPUs', () => {
    const demand = pricedWith(({ count }) => count(worker(1), 100))
    const before = demand.pricing()
    demand.count(worker(1, 12_000), 10)
    demand.renew(8)
    const after = demand.pricing()
    expect(after.cpuMilliPerGpu).toBeGreaterThan(before.cpuMilliPerGpu)
    demand.renew(16)
    expect(demand.pricing().lostOfNode.length).toBe(17)
  })

  test('stays what it was when nobody asks any more', () => {
    const demand = pricedWith(({ count }) => count(worker(0.5), 4))
    const before = demand.pricing()
    demand.count(worker(0.5), -4)
    demand.renew(8)
    expect(demand.pricing()).toBe(before)
  })

  test('does not mind what nobody can have', () => {
    const demand = pricedWith(({ count }) => {
      for (const gpus of [-1, 0, 129, 1e9, Number.NaN]) count(worker(gpus), 1)
    })
    expect(demand.priced()).toEqual([])
  })

  test('is the same in whatever order it came, and when it is told again', () => {
    const size = fc.constantFrom(0.001, 0.1, 1 / 3, 0.47, 0.5, 0.999, 1, 2, 7, 8, 128)
    const some = fc.record({
      gpus: size,
      cpuMilli: fc.integer({ min: 0, max: 1e9 }),
      workers: fc.integer({ min: 1, max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(some, { maxLength: 20 }), fc.array(some, { maxLength: 5 }), (all, gone) => {
        const one = pricedWith(({ count }) => {
          for (const { workers, ...each } of [...gone, ...all]) count(each, workers)
          for (const { workers, ...each } of gone) count(each, -workers)
        })
        const other = pricedWith(({ count }) => {
          for (const { workers, ...each } of all.toReversed()) count(each, workers)
        })
        expect(other.priced()).toEqual(one.priced())
        expect(other.pricing()).toEqual(one.pricing())
        const again = createDemand(0.125)
        again.setPriced(one.priced())
        again.renew(8)
        expect(again.pricing()).toEqual(one.pricing())
      }),
      { numRuns: Math.min(cases, 300) },
    )
  })
})
