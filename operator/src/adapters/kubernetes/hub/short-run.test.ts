// What is said of a run that is over in a moment.
import { afterEach, expect, test } from '@jest/globals'
import { federation, runOf, stateOf, stopHubs, submit } from '../../../../../test/builders/hub-world.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'

afterEach(stopHubs)

test('a job that is over within two seconds is never said to run, and says when it did', async () => {
  const { cluster, api } = await federation()
  const job = await submit(cluster)
  const { metadata } = (await runOf(cluster, job)) ?? job
  const say = async (status: object) => {
    await api.mergePatch(gpuRuns, { ref: metadata, patch: { status } }, { subresource: 'status' })
    await cluster.time.advance(1999)
  }
  api.requests.splice(0)
  await say({ observedGeneration: 1, state: 'Running', startedAt: '2026-01-01T00:00:00Z' })
  expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
  await say({ state: 'Succeeded' })
  const { startedAt } = (await api.get(gpuJobs, job.metadata))?.status ?? {}
  expect([await stateOf(cluster, job), startedAt]).toEqual(['Succeeded run 1@acme', '2026-01-01T00:00:00Z'])
  expect(api.requests.filter((one) => one.startsWith('PUT gpujobs/status'))).toHaveLength(1)
})
