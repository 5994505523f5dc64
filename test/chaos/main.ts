// npm run chaos -- --runs 50 --seed 7: the restarts test again and again, each time with another seed, on the same control
// planes. One line of JSON a run and a last one for all; exit 1 where a rule was broken.

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { secondsSince } from '../federation/figures.ts'
import { type ChaosOutcome, chaosRun } from './chaos-run.ts'
import { openChaosStage } from './chaos-stage.ts'
import { chaosPlan } from './plan.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '50' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '200' },
    kills: { type: 'string', default: '25' },
  },
})
const runs = Number(values.runs)
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const dir = join('.results', 'chaos-journals')

async function chaos(): Promise<boolean> {
  const begun = performance.now()
  const outcomes: ChaosOutcome[] = []
  await mkdir(dir, { recursive: true })
  await using stage = await openChaosStage('chaos')
  for (let run = 0; run < runs; run++) {
    const seed = firstSeed + run
    const plan = chaosPlan({
      seed,
      jobs: Number(values.jobs),
      kills: Number(values.kills),
      providers: [...stage.sides.keys()],
      hasScarce: true,
    })
    const file = join(dir, `seed-${seed}.jsonl`)
    const out = createWriteStream(file)
    const journal = (line: object) => void out.write(`${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`)
    const outcome = await chaosRun(stage, { plan, namespace: `chaos-${run}`, operator: stage.supervised, journal })
    out.end()
    await once(out, 'close')
    // What nothing went wrong in is of no use later.
    if (outcome.ok) await rm(file)
    outcomes.push(outcome)
    console.log(JSON.stringify({ run: run + 1, ...outcome, ...(outcome.ok ? {} : { journal: file }) }))
  }
  const broken = outcomes.filter(({ ok }) => !ok)
  const sum = (of: (outcome: ChaosOutcome) => number) => outcomes.reduce((total, one) => total + of(one), 0)
  const ok = broken.length === 0
  console.log(
    JSON.stringify({
      bench: 'chaos',
      ok,
      runs,
      firstSeed,
      jobs: sum(({ jobs }) => jobs),
      hubKills: sum(({ hubKills }) => hubKills),
      agentKills: sum(({ agentKills }) => agentKills),
      endedByThemselves: sum(({ endedByThemselves }) => endedByThemselves),
      brokenRuns: broken.length,
      brokenSeeds: broken.map(({ seed }) => seed),
      seconds: secondsSince(begun),
    }),
  )
  return ok
}

if (!(runs >= 1) || !Number.isInteger(firstSeed)) {
  console.error('npm run chaos -- --runs N --seed S [--jobs N] [--kills N]: whole numbers')
  process.exitCode = 2
} else {
  process.exitCode = (await chaos()) ? 0 : 1
}
