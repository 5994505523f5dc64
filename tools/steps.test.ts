import { expect, test } from '@jest/globals'
import { type Running, runSteps, type Step } from './steps.ts'
import { countLine, sum } from './tally.ts'

/** What the terminal shows, with the seconds left out. */
async function shown(steps: readonly Step[], running: Partial<Running> = {}): Promise<string[]> {
  const lines: string[] = []
  const print = (line: string) => lines.push(line.replace(/ +[\d.]+ s$/, '').trim())
  const { signal } = new AbortController()
  const tallies = await runSteps(steps, { atOnce: 1, output: 'Held', signal, print, ...running })
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

const forEver = 'setInterval(() => {}, 1000)'

test('ends the running step when told to stop, and lets none after it pass', async () => {
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 100)
  const seen = await shown([step('for ever', forEver), step('next', '')], { signal: stop.signal })
  expect(seen.at(-1)).toBe('0 passed, 2 failed')
})

test('ends a step that takes too long, and says so', async () => {
  const patience = { stepSeconds: 0.5, leaveSeconds: 30 }
  expect(await shown([step('for ever', forEver)], { patience })).toEqual([
    'failed  for ever',
    'for ever: did not end in 0.5 s, and was killed',
    '0 passed, 1 failed',
  ])
})

test('ends a suite that has written its results and stays, and counts both', async () => {
  const results = '.results/leaky.json'
  const counts = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
  const written = JSON.stringify({ ...counts, numRuntimeErrorTestSuites: 0 })
  const script = `fs.writeFileSync(${JSON.stringify(results)}, ${JSON.stringify(written)}); ${forEver}`
  const patience = { stepSeconds: 30, leaveSeconds: 0.5 }
  expect(await shown([{ ...step('leaky', script), results }], { patience })).toEqual([
    'failed  leaky',
    'leaky: was done and did not end in 0.5 s: a test left something open; it was killed',
    '3 passed, 1 failed',
  ])
})
