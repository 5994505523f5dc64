import { describe, expect, test } from '@jest/globals'
import { keptJob } from '../../../../test/builders/kept.ts'
import { because, type JobClaim, withJobClaims } from './gpujob-status.ts'

const now = Date.parse('2026-01-01T00:00:00Z')
const suspended: JobClaim = { type: 'Admitted', status: 'False', reason: 'Suspended', message: 'spec.suspend is true' }
const refused: JobClaim = { type: 'Admitted', status: 'False', reason: 'SourceMissing', message: 'take out Secret a' }
const placed: JobClaim = { type: 'Placed', status: 'True', reason: 'Recorded', message: 'run 1 is placed' }
const waiting: JobClaim = { type: 'Placed', status: 'False', reason: 'NeverFits', message: 'no node' }
const starting: JobClaim = { type: 'Running', status: 'False', reason: 'Starting', message: 'not yet started' }
const running: JobClaim = { type: 'Running', status: 'True', reason: 'Running', message: 'all workers run' }
const lost: JobClaim = { type: 'Running', status: 'Unknown', reason: 'RunLost', message: 'node-1 is silent' }
const done: JobClaim = { type: 'Finished', status: 'True', reason: 'Succeeded', message: 'exit code 0' }
const failed: JobClaim = { type: 'Finished', status: 'True', reason: 'RetriesExhausted', message: 'too many failures' }

const cases: readonly { name: string; claims: readonly JobClaim[]; says: string }[] = [
  { name: 'nothing is known yet', claims: [], says: 'Waiting: Waiting: ' },
  { name: 'it waits, and why', claims: [waiting], says: 'Waiting: NeverFits: no node' },
  { name: 'it is placed and starts', claims: [placed, starting], says: 'Placed: not yet started' },
  { name: 'it runs: no word is needed', claims: [placed, running], says: 'Running: ' },
  { name: 'it may run', claims: [placed, lost], says: 'Running: node-1 is silent' },
  { name: 'suspension is told before waiting', claims: [waiting, suspended], says: 'Suspended: spec.suspend is true' },
  { name: 'so is a refusal', claims: [waiting, refused], says: 'Refused: take out Secret a' },
  { name: 'the end is told before all else', claims: [suspended, placed, lost, done], says: 'Succeeded: exit code 0' },
  { name: 'every other end is a failure', claims: [placed, failed], says: 'Failed: too many failures' },
]

describe('the columns that people see', () => {
  test.each(cases)('$name', ({ claims, says }) => {
    const { state, why } = withJobClaims(keptJob(), claims, { now })
    expect(`${state}: ${why}`).toBe(says)
  })

  test('a long reason is cut to what the column takes', () => {
    const { why } = withJobClaims(keptJob(), [{ ...refused, message: 'x'.repeat(300) }], { now })
    expect([why?.length, why?.at(-1)]).toEqual([256, '…'])
  })

  test('a status is of the generation that was read', () => {
    const job = keptJob({ metadata: { generation: 7 }, status: { observedGeneration: 3 } })
    expect(withJobClaims(job, [], { now }).observedGeneration).toBe(7)
  })

  test('fields that are not said stay as they were', () => {
    const job = keptJob({ status: { lastRun: 4, failures: 2 } })
    expect(withJobClaims(job, [placed], { now, change: { failures: 3 } })).toMatchObject({ lastRun: 4, failures: 3 })
  })

  test('a reason to wait that nobody gave is given', () => {
    expect([because.waits([]), because.neverFits([])]).toEqual([
      'waits for room: other jobs come first',
      'no node of any provider could ever take it: there are no nodes',
    ])
  })
})
