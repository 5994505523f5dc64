// A hub that starts on many stored jobs places what waits, and nothing that it or another hub has placed before.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { coldStart, settled } from '../bench/scale.ts'
import { type Fleet, startFleet } from '../bench/scale-fleet.ts'

const report = (line: string) => void process.stderr.write(`cold-start: ${line}\n`)

/** 2,000 stored jobs: 96 of them run and fill 12 nodes; agents and pods are simulated. */
const size = { providers: 20, nodes: 12, freeNodes: 4, stock: { finished: 1700, waiting: 164, suspended: 40 } }

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ ...size, name: 'cold-start', report })
  await settled(fleet)
}, 240_000)
afterAll(async () => fleet?.[Symbol.asyncDispose](), 60_000)

/** Job states, counted. */
function states(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status } of fleet.agents.jobs.values()) {
    const state = status?.state ?? 'New'
    counts[state] = (counts[state] ?? 0) + 1
  }
  return counts
}

test('the first start places nothing where all is full', () => {
  expect(fleet.faults()).toEqual({ overCommittedNodes: 0, dispatchedTwice: 0 })
  expect(states()).toMatchObject({ Running: 96, Waiting: 164, Suspended: 41, Succeeded: 1702 })
})

test.each(['stop', 'kill'] as const)(
  'after a %s the next hub fills what came free, once',
  async (end) => {
    await fleet[end]()
    const before = fleet.agents.runs.size
    await coldStart(fleet)
    expect(fleet.faults()).toEqual({ overCommittedNodes: 0, dispatchedTwice: 0 })
    expect(fleet.agents.runs.size).toBe(before + 20)
  },
  240_000,
)

test('jobs that come after all of it run and end', async () => {
  const { agents } = fleet
  const before = agents.runs.size
  await fleet.carry(50, 50)
  expect(agents.runs.size).toBe(before + 50)
  expect(fleet.faults()).toEqual({ overCommittedNodes: 0, dispatchedTwice: 0 })
}, 120_000)
