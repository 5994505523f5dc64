import { expect, test } from '@jest/globals'
import { runSteps, type Step } from './steps.ts'
import { countLine, sum } from './tally.ts'

/** What the terminal shows, with the seconds left out. */
async function shown(steps: readonly Step[], signal = new AbortController().signal): Promise<string[]> {
  const lines: string[] = []
  const print = (line: string) => lines.push(line.replace(/ +[\d.]+ s$/, '').trim())
  const tallies = await runSteps(steps, { atOnce: 1, output: 'Held', signal, print })
  return [...lines, countLine(sum(tallies))]
}

function step(name: string, script: string): Step {
  return { name, command: [process.execPath, '-e', script] }
}

const cases: { name: string; steps: Step[]; says: string[] }[] = [
  {
    name: 'says nothing of what a good step wrote',
    steps: [step('good', 'console.log("noise")')],
    says: ['ok      good', '1 passed, 0 failed'],
  },
  {
    name: 'shows all that a failed step wrote, and goes on',
    steps: [step('bad', 'console.log("line 3"); console.error("is wrong"); process.exitCode = 2'), step('good', '')],
    says: ['failed  bad', 'line 3\nis wrong', 'ok      good', '1 passed, 1 failed'],
  },
  {
    name: 'takes a step that was killed for a failed one',
    steps: [step('killed', 'process.kill(process.pid, "SIGKILL")')],
    says: ['failed  killed', '0 passed, 1 failed'],
  },
  {
    name: 'names a program that does not exist',
    steps: [{ name: 'nowhere', command: ['no-such-program'] }],
    says: ['failed  nowhere', 'no-such-program: spawn no-such-program ENOENT', '0 passed, 1 failed'],
  },
  {
    name: 'takes a suite that left no results for a failed one',
    steps: [{ ...step('jest', ''), results: '.results/never-written.json' }],
    says: ['failed  jest', '0 passed, 1 failed'],
  },
]
test.each(cases)('$name', async ({ steps, says }) => {
  expect(await shown(steps)).toEqual(says)
})

test('ends the running step when told to stop, and lets none after it pass', async () => {
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 100)
  const seen = await shown([step('for ever', 'setInterval(() => {}, 1000)'), step('next', '')], stop.signal)
  expect(seen.at(-1)).toBe('0 passed, 2 failed')
})
