import { describe, expect, test } from '@jest/globals'
import { countLine, type JestResults, sum, tallyOfJest } from './tally.ts'

const green: JestResults = {
  numPassedTests: 7,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 0,
}

describe('what a run of jest counts for', () => {
  const cases = [
    { name: 'counts what passed', results: green, exitCode: 0, says: '7 passed, 0 failed' },
    {
      name: 'counts skipped and todo tests as skipped',
      results: { ...green, numPendingTests: 2, numTodoTests: 1 },
      exitCode: 0,
      says: '7 passed, 0 failed, 3 skipped',
    },
    {
      name: 'counts a file that broke as one failure',
      results: { ...green, numFailedTests: 1, numRuntimeErrorTestSuites: 2 },
      exitCode: 1,
      says: '7 passed, 3 failed',
    },
    { name: 'is red when jest is, without a failed test', results: green, exitCode: 1, says: '7 passed, 1 failed' },
    { name: 'is red when jest wrote nothing', results: undefined, exitCode: 0, says: '0 passed, 1 failed' },
  ]
  test.each(cases)('$name', ({ results, exitCode, says }) => {
    expect(countLine(tallyOfJest(results, exitCode))).toBe(says)
  })
})

test('the closing line is the sum of all suites', () => {
  const tallies = [
    { passed: 3, failed: 0, skipped: 1 },
    { passed: 0, failed: 2, skipped: 0 },
  ]
  expect(countLine(sum(tallies))).toBe('3 passed, 2 failed, 1 skipped')
})
