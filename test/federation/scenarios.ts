/** Stories that do not disturb each other and mostly wait: they run side by side, and each is a test of its own. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { countOutcomes } from './outcomes.ts'
import { openStage, type Stage, type StageOptions } from './stage.ts'

export type Scenarios = Readonly<Record<string, (stage: Stage) => Promise<void>>>

/** How long each may take from the moment when all of them begin. */
const scenarioMs = 150_000

/** Opens a stage, begins all scenarios on it at once, and makes a test of each. */
export function testScenarios(options: StageOptions, scenarios: Scenarios): void {
  const outcomes = new Map<string, Promise<PromiseSettledResult<void>[]>>()
  let stage: Stage | undefined

  beforeAll(async () => {
    const opened = (stage = await openStage(options))
    countOutcomes(opened)
    for (const [name, play] of Object.entries(scenarios)) outcomes.set(name, Promise.allSettled([play(opened)]))
  }, 120_000)

  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]()
  }, 30_000)

  test.each(Object.keys(scenarios))(
    '%s',
    async (name) => {
      const [outcome] = (await outcomes.get(name)) ?? []
      if (outcome?.status === 'rejected') throw outcome.reason
      expect(outcome?.status).toBe('fulfilled')
    },
    scenarioMs,
  )
}
