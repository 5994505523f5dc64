import { describe, expect, test } from '@jest/globals'
import type { GpuJobOptions } from '../../../../test/builders/gpujob.ts'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import { EXPLAIN_ANNOTATION } from '../../api/labels.ts'
import type { Seen } from '../../domain/lifecycle/gpujob-steps.ts'
import { type GpuJobPorts, gpuJobReconciler } from './gpujob.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const placement = { run: 1, provider: 'acme', nodes: [{ name: 'node-1', workers: 1 }], recordedAt: BEGINNING }

/** One pass over this world, as the list of what was done to it. */
async function pass(some: Partial<Seen> | undefined, broken: Partial<GpuJobPorts> = {}) {
  const done: string[] = []
  const seen = { job: keptJob(), run: undefined, choice: undefined, explain: () => undefined, ...some }
  const reconcile = gpuJobReconciler({
    read: () => (some ? seen : undefined),
    lookAtPayload: async () => void done.push('looked at the payload'),
    advise: async () => (done.push('looked for advice'), 'Busy'),
    carryOut: async (job, effect) => void done.push(`${effect.do} of ${job.metadata.name}`),
    writeStatus: async (_, status) => void done.push(`status ${status.state}`),
    now: () => now,
    ...broken,
  })
  const { recheckMs } = await reconcile('team/train')
  return { done, recheckMs }
}

const placed: GpuJobOptions = { status: { placement, lastRun: 1 } }

describe('one pass over a GpuJob', () => {
  test('does nothing for a job that is gone', async () => {
    expect(await pass(undefined)).toEqual({ done: [], recheckMs: undefined })
  })

  test('writes the status once and looks again when it is said', async () => {
    expect(await pass({})).toEqual({ done: ['status Waiting'], recheckMs: 60_000 })
  })

  test('looks for advice only for who asked', async () => {
    const { metadata, ...job } = keptJob()
    const asking = { ...job, metadata: { ...metadata, annotations: { [EXPLAIN_ANNOTATION]: 'why' } } }
    expect((await pass({ job: asking })).done).toEqual(['looked for advice', 'status Waiting'])
  })

  test('a record and its run are never of one pass', async () => {
    const choice = { uid: '', key: '', perWorker: { gpus: 1, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }, ...placement }
    expect((await pass({ choice })).done).toEqual(['status Placed'])
    expect((await pass({ job: keptJob(placed) })).done).toEqual(['createRun of train'])
  })

  test('writes nothing that stands there already', async () => {
    const world = { job: keptJob(placed), run: keptRun({ status: { state: 'Running' } }) }
    let job = world.job
    await pass(world, { writeStatus: async (_, status) => void (job = { ...job, status }) })
    expect((await pass({ ...world, job })).done).toEqual([])
  })

  test('what cannot be done is not claimed: the queue tries again', async () => {
    const carryOut = () => Promise.reject(new Error('the API server is away'))
    const done: string[] = []
    const writeStatus = async () => void done.push('status')
    await expect(pass({ job: keptJob(placed) }, { carryOut, writeStatus })).rejects.toThrow('away')
    expect(done).toEqual([])
  })
})
