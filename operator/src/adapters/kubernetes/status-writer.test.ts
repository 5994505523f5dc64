import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { GpuJob, GpuJobStatus } from '../../api/gpujob.ts'
import type { Condition } from '../../api/meta.ts'
import { ApiError } from './errors.ts'
import { gpuJobs } from './kinds.ts'
import { happeningOf, statusWriter, type Transition, telling } from './status-writer.ts'

const condition = (type: string, status: Condition['status'], reason: string): Condition => {
  return { type, status, reason, message: `${reason} it is`, lastTransitionTime: '2026-01-01T00:00:00Z' }
}
const waiting = condition('Placed', 'False', 'Waiting')
const recorded = condition('Placed', 'True', 'Recorded')
const running = condition('Running', 'True', 'Running')

function status(...conditions: Condition[]): GpuJobStatus {
  return { observedGeneration: 1, state: 'Waiting', lastRun: 0, failures: 0, conditions }
}

/** A job on the hub, and a writer of its status. */
async function world() {
  const api = fakeKubeApi({ ...fakeTime(), namespaces: ['team'] })
  const { metadata, spec } = gpuJob()
  const job = await api.create(gpuJobs, { metadata: { name: metadata.name, namespace: 'team' }, spec })
  const told: string[] = []
  const writer = statusWriter(
    api,
    ({ kind, condition: { type, status: is, reason } }) => void told.push(`${kind} ${type}=${is}/${reason}`),
  )
  const read = async (): Promise<GpuJob | undefined> => api.get(gpuJobs, job.metadata)
  api.requests.splice(0)
  return { api, job, told, writer, read }
}

describe('writing a status', () => {
  test('tells of each condition that is new or changed', async () => {
    const { job, told, writer, read } = await world()
    const first = await writer.write(gpuJobs, job, status(waiting))
    await writer.write(gpuJobs, first ?? job, status(recorded, running))
    expect(told).toEqual(['GpuJob Placed=False/Waiting', 'GpuJob Placed=True/Recorded', 'GpuJob Running=True/Running'])
    expect((await read())?.status).toEqual(status(recorded, running))
  })

  test('another message alone is written, and is no news', async () => {
    const { job, told, writer, read } = await world()
    const first = await writer.write(gpuJobs, job, status(waiting))
    told.splice(0)
    await writer.write(gpuJobs, first ?? job, status({ ...waiting, message: 'other words' }))
    expect([told, (await read())?.status?.conditions[0]?.message]).toEqual([[], 'other words'])
  })

  test('what stands there already costs no request', async () => {
    const { api, job, writer } = await world()
    const first = await writer.write(gpuJobs, job, status(waiting))
    expect(await writer.write(gpuJobs, first ?? job, status(waiting))).toBeUndefined()
    expect(api.requests).toEqual(['PUT gpujobs/status team/train'])
  })

  test('patches a job of whose metadata it does not hold all', async () => {
    const { api, job, writer, read } = await world()
    const held = { ...job, metadata: { ...job.metadata, isCut: true as const } }
    await writer.write(gpuJobs, held, status(recorded))
    expect([api.requests[0], (await read())?.status]).toEqual(['PATCH gpujobs/status team/train', status(recorded)])
  })

  test.each([{}, { isCut: true } as const])('of another job of that name nothing is written: %j', async (more) => {
    const { api, job, writer, read } = await world()
    await api.delete(gpuJobs, job.metadata)
    const { spec } = gpuJob()
    await api.create(gpuJobs, { metadata: { name: job.metadata.name, namespace: 'team' }, spec })
    const held = { ...job, metadata: { ...job.metadata, ...more } }
    expect(await writer.write(gpuJobs, held, status(recorded))).toBeUndefined()
    expect((await read())?.status).toBeUndefined()
  })

  test('a job that has changed meanwhile is not written to, and nothing is told', async () => {
    const { api, job, told, writer, read } = await world()
    await api.mergePatch(gpuJobs, { ref: job.metadata, patch: { spec: { suspend: true } } })
    expect(await writer.write(gpuJobs, job, status(recorded))).toBeUndefined()
    expect([told, (await read())?.status]).toEqual([[], undefined])
  })

  test('nor is one that is gone', async () => {
    const { api, job, told, writer } = await world()
    await api.delete(gpuJobs, job.metadata)
    expect([await writer.write(gpuJobs, job, status(recorded)), told]).toEqual([undefined, []])
  })

  test('any other refusal is thrown', async () => {
    const { api, job, writer, told } = await world()
    api.fail(/PUT/, { with: new ApiError('PUT', { status: 500, reason: 'InternalError', message: 'etcd' }) })
    await expect(writer.write(gpuJobs, job, status(recorded))).rejects.toThrow('etcd')
    expect(told).toEqual([])
  })
})

describe('the news of a transition', () => {
  const transition = (one: Condition): Transition => ({ kind: 'GpuJob', object: gpuJob().metadata, condition: one })
  test.each([
    { says: 'Warning NeverFits', one: condition('Placed', 'False', 'NeverFits') },
    { says: 'Normal Suspended', one: condition('Admitted', 'False', 'Suspended') },
    { says: 'Warning StartTrouble', one: condition('Running', 'False', 'StartTrouble') },
    // The Provider has an event of its own: one, not one for each of its jobs.
    { says: 'nothing', one: condition('Running', 'Unknown', 'ProviderSilent') },
    { says: 'Warning RunLost', one: condition('Running', 'Unknown', 'RunLost') },
    { says: 'nothing', one: recorded },
    { says: 'nothing', one: condition('Finished', 'True', 'Succeeded') },
  ])('$one.reason: $says', ({ one, says }) => {
    const happening = happeningOf(transition(one))
    expect(happening ? `${happening.type} ${happening.reason}` : 'nothing').toBe(says)
  })

  test('is recorded where it is news, and every transition is counted', () => {
    const told: string[] = []
    const tell = telling({ record: ({ reason }) => told.push(`event ${reason}`) }, (one) =>
      told.push(`counted ${one.condition.reason}`),
    )
    for (const one of [recorded, condition('Placed', 'False', 'NeverFits')]) tell(transition(one))
    expect(told).toEqual(['counted Recorded', 'counted NeverFits', 'event NeverFits'])
  })

  test('names the object by its uid', () => {
    expect(happeningOf(transition(condition('Placed', 'False', 'NeverFits')))?.regarding).toEqual({
      apiVersion: 'gpucommons.io/v1alpha1',
      kind: 'GpuJob',
      namespace: 'team',
      name: 'train',
      uid: gpuJob().metadata.uid,
    })
  })
})
