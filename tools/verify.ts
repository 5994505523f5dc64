// `make verify`: everything that can be known without starting a control plane.
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { jestStep, runSteps, type Step, untilSignalled } from './steps.ts'
import { countLine, sum } from './tally.ts'

/** Longest first, because they run two at a time. */
export function verifySteps(): Step[] {
  const node = process.execPath
  return [
    jestStep('unit tests', globSync(['operator/src/**/*.test.ts', 'tools/**/*.test.ts', 'test/house/**/*.test.ts']), 1),
    { name: 'lint', command: ['node_modules/.bin/oxlint'] },
    { name: 'types', command: ['node_modules/.bin/tsc', '--project', '.'] },
    { name: 'direction', command: ['node_modules/.bin/depcruise', 'operator/src', 'test', 'tools'] },
    { name: 'dead code', command: ['node_modules/.bin/knip', '--no-progress'] },
    { name: 'format', command: ['node_modules/.bin/biome', 'check', '--colors=off'] },
    { name: 'generated', command: [node, 'operator/src/api/generate-crds.ts', '--check'] },
    { name: 'lockfile', command: [node, 'tools/complete-lockfile.ts', '--check'] },
  ]
}

async function main(): Promise<void> {
  const running = { atOnce: 2, output: 'Held', signal: untilSignalled(), print: console.log } as const
  const total = sum(await runSteps(verifySteps(), running))
  console.log(countLine(total))
  process.exitCode = total.failed > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
