// The engine's properties on many more cases than `make verify` has time for.
import { spawnSync } from 'node:child_process'
import type { Figures } from './figures.ts'

const cases = 10_000
const suites = ['operator/src/domain/scheduling/engine.properties.test.ts']

export function propertiesBench(): Figures {
  const started = performance.now()
  const env = { ...process.env, GPU_COMMONS_CASES: String(cases) }
  const { status } = spawnSync('npm', ['run', '-s', 'jest', '--', ...suites], { env, stdio: ['ignore', 2, 2] })
  const seconds = Math.round((performance.now() - started) / 1000)
  return { bench: 'properties', ok: status === 0, cases, suites, seconds }
}
