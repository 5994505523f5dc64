import { describe, expect, test } from '@jest/globals'
import { orphanReconciler } from './orphans.ts'

const job = {
  uid: 'job-1',
  runId: 'train.1',
  createdMs: 0,
  deleting: false,
  failed: undefined,
  complete: false,
  podsCounted: 0,
}

const cases = [
  { name: 'gone or ordered is left alone', sinceBoot: undefined, ordered: false, says: [], recheckMs: undefined },
  { name: 'that lost its order is left alone for a while', sinceBoot: 0, ordered: false, says: [], recheckMs: 500 },
  {
    name: 'whose order only the watch missed is left alone',
    sinceBoot: -500,
    ordered: true,
    says: ['asks'],
    recheckMs: 600,
  },
  {
    name: 'that has had none for long is removed',
    sinceBoot: -500,
    ordered: false,
    says: ['asks', 'removes job-1'],
    recheckMs: undefined,
  },
  {
    name: 'is left alone when the hub is not to be trusted',
    sinceBoot: -500,
    ordered: undefined,
    says: ['asks'],
    recheckMs: undefined,
  },
]

describe('a Job', () => {
  test.each(cases)('$name', async ({ sinceBoot, ordered, says, recheckMs }) => {
    const done: string[] = []
    const reconcile = orphanReconciler({
      read: () => (sinceBoot === undefined ? undefined : { job, sinceBoot }),
      isOrdered: async () => {
        done.push('asks')
        if (ordered === undefined) throw new Error('the hub has changed')
        return ordered
      },
      remove: async (_, { uid }) => void done.push(`removes ${uid}`),
      boot: () => 100,
      orphanAfterMs: 600,
    })
    const pass = reconcile('gpc/train-1')
    const outcome = await pass.catch((error: Error) => error.message)
    expect(outcome).toEqual(
      ordered === undefined ? 'the hub has changed' : recheckMs === undefined ? {} : { recheckMs },
    )
    expect(done).toEqual(says)
  })
})
