// Two hundred jobs while hub and agents are killed again and again, each at a random moment of its life. What must hold is
// counted on the API servers, by watches that nobody restarts. `npm run chaos` does the same many times.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ChaosOutcome, chaosRun } from '../chaos/chaos-run.ts'
import { type ChaosStage, openChaosStage } from '../chaos/chaos-stage.ts'
import { chaosPlan } from '../chaos/plan.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000))
const journal: string[] = []

let stage: ChaosStage
let outcome: ChaosOutcome

beforeAll(async () => {
  stage = await openChaosStage('restarts')
  const plan = chaosPlan({ seed, jobs: 200, kills: 25, providers: [...stage.sides.keys()], hasScarce: true })
  const write = (line: object) => void journal.push(JSON.stringify({ at: new Date().toISOString(), ...line }))
  outcome = await chaosRun(stage, { plan, namespace: 'restarts', operator: stage.supervised, journal: write })
  process.stdout.write(`${JSON.stringify({ suite: 'restarts', ...outcome })}\n`)
  if (!outcome.ok) await writeFile(join('.results', 'restarts', 'journal.jsonl'), journal.join('\n'))
}, 900_000)

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
}, 30_000)

describe(`25 SIGKILLs of the hub and 25 of agents, with SEED=${seed}`, () => {
  test('were done', () => {
    expect(outcome).toMatchObject({ jobs: 200, hubKills: 25, agentKills: 25 })
  })

  test('every job ended once and as it must, nothing healthy was taken down, nothing ran twice, nothing is left', () => {
    expect(outcome.breaches).toEqual([])
  })
})
