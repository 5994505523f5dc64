import { describe, expect, test } from '@jest/globals'
import { chaosPlan, type PlanOptions } from './plan.ts'

const options = (seed: number): PlanOptions => ({ seed, jobs: 200, kills: 25, providers: ['acme', 'borealis'] })

describe('the plan of a chaos run', () => {
  test('is the same for the same seed and another for another one', () => {
    expect(chaosPlan(options(7))).toEqual(chaosPlan(options(7)))
    expect(chaosPlan(options(7)).jobs).not.toEqual(chaosPlan(options(8)).jobs)
  })

  test('has as many kills of the hub as of all agents together, and jobs in every life of the hub', () => {
    const { hub, agents, jobs } = chaosPlan(options(7))
    expect(hub).toHaveLength(25)
    expect([...agents.values()].flat()).toHaveLength(25)
    expect(new Set(jobs.map(({ batch }) => batch)).size).toBe(25)
  })

  test('has jobs of every kind of end, and one hub with a new identity', () => {
    const { hub, jobs } = chaosPlan(options(7))
    expect(new Set(jobs.map(({ ends }) => ends))).toEqual(new Set(['Succeeded', 'Failed', 'Gone']))
    expect(new Set(jobs.map(({ act }) => act?.do))).toEqual(new Set([undefined, 'delete', 'suspend']))
    expect(hub.filter(({ next }) => next === 'New')).toHaveLength(1)
  })
})
