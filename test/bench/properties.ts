// The engine's properties, on many more cases than `make verify` has time for: `npm run bench -- properties [NAME …]`.
import { spawnSync } from 'node:child_process'
import type { Figures } from './figures.ts'

const cases = 10_000
const folder = 'operator/src/domain/scheduling'

interface Property {
  /** `<file>.properties.test.ts` → what the names of its tests begin with. */
  readonly [file: string]: readonly string[]
}

export const properties: Readonly<Record<string, Property>> = {
  inputOrder: { engine: ['cares not for the order of the facts'] },
  nothingOverCommitted: {
    engine: ['promises nothing twice', 'lets no queue have more than its quota'],
    'making-room': ['never two run on a GPU', 'never more run on GPUs that are shared'],
  },
  guaranteedRecoverable: { 'making-room': ['what is guaranteed to a queue can be had again'] },
  borrowingEnds: { 'making-room': ['who lends has nothing lent any more'] },
  preemptionNeverWorse: { 'making-room': ['who preempts had found no place', 'nobody goes who is guarded'] },
  replay: { replay: ['a replay of the snapshot decides as the engine did'] },
  incremental: { replay: ['an engine that is told all facts at once'] },
  adviceFollowed: { advice: ['places the job where it is followed', 'asks for nothing that could be left out'] },
  reference: {
    engine: ['decides as one would who tries every set', 'says NeverFits of exactly', 'places in the end every job'],
    advice: ['there is some for every job', 'leaves the engine as it was', 'counts of each provider'],
  },
}

export function propertiesBench(): Figures {
  const started = performance.now()
  const asked = process.argv.slice(3)
  const names = asked.length > 0 ? asked : Object.keys(properties)
  const byProperty = Object.fromEntries(names.map((name) => [name, tried(name)]))
  const ok = Object.values(byProperty).every((result) => result === cases)
  const seconds = Math.round((performance.now() - started) / 1000)
  return { bench: 'properties', ok, cases, byProperty, seconds }
}

/** How many cases held, or what failed. */
function tried(name: string): number | string {
  const property = properties[name]
  if (!property) return `There is no such property: ${Object.keys(properties).join()}`
  const failures = Object.entries(property).flatMap(([file, tests]) =>
    tests.flatMap((test) => failureOf(`${folder}/${file}.properties.test.ts`, test)),
  )
  return failures.length === 0 ? cases : failures.join('; ')
}

/** A jest of its own for each, so that none waits for all. */
function failureOf(file: string, test: string): readonly string[] {
  const started = performance.now()
  const args = ['run', '-s', 'jest', '--', '--runTestsByPath', file, '--testNamePattern', test]
  const env = { ...process.env, GPU_COMMONS_CASES: String(cases) }
  const { stderr } = spawnSync('npm', args, { env, encoding: 'utf8', maxBuffer: 2 ** 28 })
  const held = /^Tests: .* 1 passed/m.test(stderr) && !/^Tests: .* failed/m.test(stderr)
  console.error(`${held ? 'holds' : 'FAILS'} ${Math.round((performance.now() - started) / 1000)} s: ${test}`)
  if (held) return []
  console.error(stderr)
  return [`${test}: ${/seed: .*path: "[^"]*"/.exec(stderr)?.[0] ?? 'see above'}`]
}
