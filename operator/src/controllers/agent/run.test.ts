import { describe, expect, test } from '@jest/globals'
import { boot, now, runOnProvider, runSeen } from '../../../../test/builders/gpurun-seen.ts'
import { record, workerPod } from '../../../../test/builders/worker-pod.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import type { Seen } from '../../domain/lifecycle/gpurun-seen.ts'
import type { Refusal } from '../../domain/lifecycle/gpurun-start.ts'
import { runReconciler } from './run.ts'

/** One pass over this world, as the list of what was done to it, and the last status that was written. */
async function pass(some: Partial<Seen> | undefined, refusal?: Refusal) {
  const done: string[] = []
  let written: GpuRunStatus | undefined
  const reconcile = runReconciler({
    read: () => some && runSeen(some),
    carryOut: async (_, effect) => {
      done.push(effect.do)
      return refusal
    },
    writeStatus: async (_, status) => {
      written = status
      done.push(`${status.state ?? 'not begun'}/${status.reason}`)
    },
    now: () => now,
    boot: () => boot,
  })
  return { ...(await reconcile('provider-acme/train')), done, written }
}

describe('one pass over a GpuRun', () => {
  test('does nothing for a run that is gone', async () => {
    expect(await pass(undefined)).toEqual({ done: [], written: undefined })
  })

  test('acts once and says nothing of what it has only begun', async () => {
    expect(await pass({ job: undefined })).toMatchObject({ done: ['createJob'] })
  })

  test('looks again when the decision says so', async () => {
    expect(await pass({})).toMatchObject({ done: [], recheckMs: 5000 })
  })

  test('writes nothing that stands there already', async () => {
    const { written } = await pass({ workers: [record(workerPod())] })
    expect(await pass({ run: runOnProvider(written), workers: [record(workerPod())] })).toMatchObject({ done: [] })
  })

  const invalid: Refusal = { reason: 'Invalid', message: 'x'.repeat(3000) }

  test('a refusal is an intent to end, not yet an end', async () => {
    const { done, written } = await pass({ job: undefined }, invalid)
    expect(done).toEqual(['createJob', 'not begun/Invalid'])
    expect(written?.message).toHaveLength(1024)
  })

  test('which the next pass carries out', async () => {
    expect(await pass({ job: undefined, run: runOnProvider({ reason: 'Invalid' }) })).toMatchObject({
      done: ['Rejected/Invalid'],
    })
  })
})
