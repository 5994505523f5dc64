// A hub whose kinds are made anew, and one that an agent does not know, on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  addProvider,
  agentSays,
  federation,
  type HubCluster,
  heartbeat,
  makeKind,
  runOf,
  startHub,
  stateOf,
  stopHubs,
  submit,
} from '../../../../../test/builders/hub-world.ts'
import { reportSpec } from '../../../../../test/builders/providerreport.ts'
import type { GpuJob } from '../../../api/gpujob.ts'
import { customResourceDefinitions, gpuJobs, gpuRuns, providerReports, providers } from '../kinds.ts'
import { leases } from '../resources.ts'

afterEach(stopHubs)

describe('a hub whose kind GpuJob is deleted', () => {
  const runningJob = async () => {
    const world = await federation()
    const { cluster } = world
    const job = await submit(cluster)
    await agentSays(cluster, job, { state: 'Running' })
    return { ...world, job }
  }
  const deleteKind = async ({ api, time }: HubCluster, job: GpuJob) => {
    await api.delete(customResourceDefinitions, { name: 'gpujobs.gpucommons.io' })
    await api.delete(gpuJobs, job.metadata)
    await time.advance(0)
  }

  test('stops nothing of what runs', async () => {
    const { cluster, time, job, hub } = await runningJob()
    await deleteKind(cluster, job)
    await time.advance(60_000)
    expect([(await runOf(cluster, job))?.spec.stop, hub.errors]).toEqual([undefined, []])
  })

  test('and made again: what runs goes on, nothing new goes there, until a person says that it is to stop', async () => {
    const { cluster, api, time, job, hub } = await runningJob()
    await deleteKind(cluster, job)
    hub.stop()
    await makeKind(cluster, 'gpujobs')
    await startHub(cluster)
    await heartbeat(cluster)
    const next = await submit(cluster, { name: 'next', spec: { gpus: { count: 1 } } })
    expect([(await runOf(cluster, job))?.spec.stop, await stateOf(cluster, next)]).toEqual([undefined, 'Waiting'])

    const said = (await api.get(providers, { name: 'acme' }))?.status?.conditions
    const ready = said?.find(({ reason }) => reason === 'HubChanged')
    const [, accepted] = / (gpucommons\.io\/gpujobs-uid=[0-9a-f-]+) --overwrite$/.exec(ready?.message ?? '') ?? []
    const run = await runOf(cluster, job)
    await api.mergePatch(gpuRuns, {
      ref: run?.metadata ?? { name: '' },
      patch: { metadata: { labels: Object.fromEntries([accepted?.split('=') ?? []]) } },
    })
    await time.advance(0)
    expect((await runOf(cluster, job))?.spec.stop?.reason).toBe('JobDeleted')
    expect(await stateOf(cluster, next)).toBe('Placed run 1@acme')
  })
})

describe('a provider on the hub', () => {
  const said = async ({ api }: HubCluster) =>
    (await api.get(providers, { name: 'acme' }))?.status?.conditions
      .map(({ type, status, reason }) => `${type}=${status}/${reason}`)
      .join(' ')

  test('whose agent does not know this hub gets no new work, until a person accepts what the agent hears of', async () => {
    const { cluster, api, time } = await federation()
    const lease = { name: 'agent', namespace: 'provider-acme' }
    const told = { 'gpucommons.io/hub-changed': 'SetBack', 'gpucommons.io/hub-fingerprint': 'a-b-c-1' }
    await api.mergePatch(leases, { ref: lease, patch: { metadata: { annotations: told } } })
    await heartbeat(cluster)
    expect(await said(cluster)).toContain('Connected=False/HubChanged Ready=False/NotConnected')
    expect(await stateOf(cluster, await submit(cluster))).toBe('Waiting')

    const accept = async (fingerprint: string) => {
      const annotations = { 'gpucommons.io/accept-hub': fingerprint }
      await api.mergePatch(providers, { ref: { name: 'acme' }, patch: { metadata: { annotations } } })
      await time.advance(0)
      return (await api.get(leases, lease))?.metadata.annotations?.['gpucommons.io/accept-hub']
    }
    expect([await accept('of another time'), await accept('a-b-c-1')]).toEqual([undefined, 'a-b-c-1'])
  })

  test('vouches for its kinds when the agent asks, and not once they were made anew', async () => {
    const { cluster, api } = await federation()
    const ref = { name: 'agent', namespace: 'provider-acme' }
    const ask = async (question: string) => {
      const annotations = { 'gpucommons.io/identity-asked': question }
      await api.mergePatch(leases, { ref, patch: { metadata: { annotations } } })
      await heartbeat(cluster)
      return (await api.get(leases, ref))?.metadata.annotations?.['gpucommons.io/identity-vouched']
    }
    expect(await ask('a-1')).toBe('a-1')
    await api.delete(customResourceDefinitions, { name: 'gpuruns.gpucommons.io' })
    await makeKind(cluster, 'gpuruns')
    expect(await ask('a-2')).toBe('a-1')
  })

  test('words of an agent that are none of ours are not repeated', async () => {
    const { cluster, api } = await federation()
    const told = { 'gpucommons.io/hub-changed': 'rm -rf', 'gpucommons.io/hub-fingerprint': '$(reboot)' }
    const ref = { name: 'agent', namespace: 'provider-acme' }
    await api.mergePatch(leases, { ref, patch: { metadata: { annotations: told } } })
    await heartbeat(cluster)
    expect(await said(cluster)).toContain('Connected=True/Heartbeat')
  })

  /** A job that waits because acme says that it still runs it; and acme says something else. */
  async function forgottenJob() {
    const { cluster, api, time } = await federation()
    const cordoned = { ref: { name: 'acme' }, patch: { spec: { intake: 'Cordoned' } } } as const
    await api.mergePatch(providers, cordoned)
    await time.advance(0)
    const job = await submit(cluster)
    const tell = async (unordered: readonly string[]) => {
      const ref = { name: 'self', namespace: 'provider-acme' }
      const spec = reportSpec({ unordered })
      if (await api.get(providerReports, ref)) await api.mergePatch(providerReports, { ref, patch: { spec } })
      else await api.create(providerReports, { metadata: ref, spec })
      await time.advance(0)
    }
    await tell([`${job.metadata.uid}.1`])
    return { cluster, api, time, job, tell }
  }

  test('that still runs a job which this hub has forgotten: it is placed when that is over', async () => {
    const { cluster, api, time, job, tell } = await forgottenJob()
    await api.mergePatch(providers, { ref: { name: 'acme' }, patch: { spec: { intake: 'Open' } } })
    await time.advance(0)
    const found = await api.get(gpuJobs, job.metadata)
    expect([
      await stateOf(cluster, job),
      found?.status?.conditions.find(({ type }) => type === 'Placed')?.reason,
    ]).toEqual(['Waiting', 'HubChanged'])
    await tell([])
    expect(await stateOf(cluster, job)).toBe('Placed run 1@acme')
  })

  test('that is deleted says nothing of jobs any more: those that waited for it go on', async () => {
    const { cluster, api, time, job } = await forgottenJob()
    await addProvider(cluster, { name: 'borealis' })
    expect(await stateOf(cluster, job)).toBe('Waiting')
    await api.delete(providers, { name: 'acme' })
    await time.advance(1000)
    expect(await stateOf(cluster, job)).toBe('Placed run 1@borealis')
  })
})
