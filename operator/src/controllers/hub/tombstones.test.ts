import { expect, test } from '@jest/globals'
import { keptRun } from '../../../../test/builders/kept.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import type { Seen } from '../../domain/lifecycle/tombstone-steps.ts'
import { tombstoneReconciler } from './tombstones.ts'

const stopped = keptRun({
  spec: { stop: { reason: 'JobDeleted', requestedAt: BEGINNING } },
  status: { cleanedAt: BEGINNING },
})

test.each<{ name: string; found: Partial<Seen> | undefined; says: string; recheckMs?: number }>([
  { name: 'nothing of a run that is gone', found: undefined, says: '' },
  { name: 'nothing while its job lives', found: { job: 'Lives' }, says: '' },
  { name: 'the order to stop', found: {}, says: 'stopRun' },
  { name: 'nothing before its time, and looks again', found: { run: stopped }, says: '', recheckMs: 500_000 },
  { name: 'its burial', found: { run: stopped, tombstoneSeconds: 100 }, says: 'deleteRun' },
])('one pass over a tombstone does $name', async ({ found, says, recheckMs }) => {
  const done: string[] = []
  const reconcile = tombstoneReconciler({
    read: async () => found && { run: keptRun(), job: 'Gone', jobsUid: 'jobs-uid', tombstoneSeconds: 600, ...found },
    carryOut: async (_, effect) => void done.push(effect.do),
    now: () => Date.parse(BEGINNING) + 100_000,
  })
  expect(await reconcile('provider-acme/train')).toEqual(recheckMs === undefined ? {} : { recheckMs })
  expect(done.join()).toBe(says)
})
