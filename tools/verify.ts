// `make verify`: everything that can be known without starting a control plane.
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { jestStep, runSteps, type Step, untilSignalled } from './steps.ts'
import { countLine, sum } from './tally.ts'

/** The tests that need no control plane. */
export function unitTests(): string[] {
  return globSync([
    'operator/src/**/*.test.ts',
    'tools/**/*.test.ts',
    'test/{house,builders,crds,fakes,chaos,simulation,snapshots,bench}/**/*.test.ts',
  ])
}

/** Longest first, because they run two at a time. */
export function verifySteps(): Step[] {
  return [
    jestStep('unit tests', unitTests(), 1),
    scriptStep('lint'),
    scriptStep('types'),
    scriptStep('direction'),
    scriptStep('dead-code'),
    scriptStep('format'),
    scriptStep('crds', '--check'),
    scriptStep('charts', '--check'),
    scriptStep('lockfile', '--check'),
  ]
}

/** A script of package.json. */
function scriptStep(name: string, ...args: readonly string[]): Step {
  return { name, command: ['npm', 'run', '--silent', name, '--', ...args] }
}

async function main(): Promise<void> {
  const running = { atOnce: 2, output: 'Held', signal: untilSignalled(), print: console.log } as const
  const total = sum(await runSteps(verifySteps(), running))
  console.log(countLine(total))
  process.exitCode = total.failed > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
