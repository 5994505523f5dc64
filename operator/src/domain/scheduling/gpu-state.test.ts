import { describe, expect, test } from '@jest/globals'
import { createDemand, type Pricing } from './demand.ts'
import { dividedState, sharedState, stateKey, taking, wholeState, workersIn } from './gpu-state.ts'

/** Halves and wholes are asked for, as many of the one as of the other. */
function pricing(breaking = 0): Pricing {
  const demand = createDemand(breaking)
  demand.count({ gpus: 0.5, cpuMilli: 0 }, 8)
  demand.count({ gpus: 1, cpuMilli: 0 }, 8)
  demand.renew(8)
  return demand.pricing()
}

describe('the state of a node', () => {
  test.each([
    { state: wholeState(5, 8), gpus: 2, fit: 2 },
    { state: wholeState(5, 8), gpus: 0.5, fit: 0 },
    { state: wholeState(0, 8), gpus: 0, fit: Infinity },
    { state: sharedState(7, 4, 2), gpus: 0.5, fit: 3 },
    { state: sharedState(7, 4, 2), gpus: 1, fit: 1 },
    // Two halves that lie apart are no whole one.
    { state: dividedState([5, 5, 10], 10), gpus: 1, fit: 1 },
    { state: dividedState([5, 5, 10], 10), gpus: 0.5, fit: 4 },
    { state: dividedState([5, 5, 10], 10), gpus: 0.6, fit: 1 },
    { state: dividedState([1, 0], 1), gpus: 0.5, fit: 1 },
    { state: sharedState(2, 1, 2), gpus: 0.5, fit: 2 },
  ])('$state has room for $fit workers with $gpus', ({ state, gpus, fit }) => {
    expect(workersIn(state, gpus)).toBe(fit)
    expect(taking(state, { gpus, workers: Math.min(fit, 3) || 1 }, pricing()) !== undefined).toBe(fit > 0)
    expect(taking(state, { gpus, workers: fit + 1 }, pricing()) === undefined).toBe(fit !== Infinity)
  })

  test('is the same key for what is the same, whichever GPUs it are', () => {
    expect(stateKey(dividedState([5, 10, 3], 10))).toBe(stateKey(dividedState([3, 5, 10], 10)))
    expect(stateKey(dividedState([10, 0], 10))).not.toBe(stateKey(dividedState([5, 5], 10)))
    expect(stateKey(wholeState(4, 8))).not.toBe(stateKey(wholeState(4, 4)))
    expect(stateKey(wholeState(1, 1))).not.toBe(stateKey(sharedState(1, 1, 1)))
    expect(stateKey(sharedState(1, 4, 1))).not.toBe(stateKey(dividedState([1], 4)))
  })
})

describe('who takes a part of a GPU', () => {
  test('takes it where nothing is lost, of the fullest GPU', () => {
    const state = dividedState([7, 5, 10], 10)
    expect(taking(state, { gpus: 0.5, workers: 1 }, pricing())).toMatchObject({ lost: 0, from: [0.5], left: 1.7 })
    expect(taking(state, { gpus: 0.5, workers: 2 }, pricing())?.from).toEqual([0.5, 0.7])
  })

  test('loses what is left over and too small for anybody', () => {
    expect(taking(dividedState([10], 10), { gpus: 0.8, workers: 1 }, pricing())?.lost).toBeCloseTo(0.2)
    // Of seven tenths only a half was of use before.
    expect(taking(dividedState([7], 10), { gpus: 0.7, workers: 1 }, pricing())?.lost).toBeCloseTo(-0.2)
  })

  test('comes to begun GPUs and begun nodes first where all else is equal', () => {
    const order = (free: readonly number[]) =>
      taking(dividedState(free, 10), { gpus: 0.5, workers: 1 }, pricing())?.order
    const orders = [order([5, 10]), order([0, 10]), order([0, 10, 10]), order([10])]
    expect(orders).toEqual(orders.toSorted((a = 0, b = 0) => a - b))
    expect(new Set(orders).size).toBe(orders.length)
  })
})

test('an untouched node that is broken up costs what that weighs, and one that is taken whole nothing', () => {
  const lost = (gpus: number, state = wholeState(8, 8)) => taking(state, { gpus, workers: 1 }, pricing(0.125))?.lost
  expect(lost(1)).toBeCloseTo(0.125)
  expect(lost(8)).toBeCloseTo(0)
  expect(lost(1, wholeState(8, 16))).toBeCloseTo(0)
  expect(lost(0)).toBeCloseTo(0)
})
