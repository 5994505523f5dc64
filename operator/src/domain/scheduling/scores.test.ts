import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { createDemand, type Pricing } from './demand.ts'
import { idealCpuMilli, lackingCpu } from './scores.ts'

const like = (cpuMilliPerGpu: number, spread: number): Pricing => ({
  ...createDemand(0).pricing(),
  cpuMilliPerGpu,
  spread,
})

describe('the GPUs that lack CPU', () => {
  test.each([
    { gpus: 4, cpuMilli: 16_000, lacking: 2 },
    { gpus: 4, cpuMilli: 32_000, lacking: 0 },
    { gpus: 4, cpuMilli: 64_000, lacking: 0 },
    { gpus: 0, cpuMilli: 0, lacking: 0 },
  ])('are those beyond what its CPU suffices for: $gpus with $cpuMilli', ({ gpus, cpuMilli, lacking }) => {
    expect(lackingCpu(gpus, cpuMilli, like(8000, 0))).toBe(lacking)
  })

  test('are none where nobody asks for CPU', () => {
    expect(lackingCpu(4, 0, like(0, 0))).toBe(0)
  })

  test('are the mean over what may come', () => {
    const pricing = like(8000, 0.5)
    const steps = 10_000
    const sigma = 0.5 * Math.sqrt(4)
    for (const cpuMilli of [0, 20_000, 28_000, 32_000, 36_000, 44_000]) {
      let all = 0
      for (let i = 0; i < steps; i += 1) {
        all += Math.max(0, 4 - cpuMilli / 8000 + sigma * ((2 * i + 1) / steps - 1))
      }
      expect(lackingCpu(4, cpuMilli, pricing)).toBeCloseTo(all / steps, 4)
    }
  })
})

test('with the ideal CPU least is lost, and the more the farther from it on either side', () => {
  const whole = fc.integer({ min: 1, max: 16 })
  const world = fc.record({
    gpus: whole,
    takes: fc.oneof(fc.constant(0), fc.constant(0.25), whole),
    cpuMilli: fc.integer({ min: 0, max: 64_000 }),
    cpuMilliPerGpu: fc.integer({ min: 0, max: 20_000 }),
    spread: fc.constantFrom(0, 0.01, 0.5, 2),
    some: fc.tuple(fc.nat(400_000), fc.nat(400_000)),
  })
  fc.assert(
    fc.property(world, ({ gpus, takes, cpuMilli, cpuMilliPerGpu, spread, some }) => {
      const left = Math.max(0, gpus - takes)
      const pricing = like(cpuMilliPerGpu, spread)
      const ideal = idealCpuMilli(gpus, left, { cpuMilli, pricing })
      const lost = (free: number) => lackingCpu(left, free - cpuMilli, pricing) - lackingCpu(gpus, free, pricing)
      const [less = 0, more = 0] = some.map((each) => each + cpuMilli).toSorted((a, b) => a - b)
      const isRising = less < ideal || lost(less) <= lost(more) + 1e-9
      const isFalling = more > ideal || lost(more) <= lost(less) + 1e-9
      expect({ isRising, isFalling }).toEqual({ isRising: true, isFalling: true })
    }),
    { numRuns: cases },
  )
})
