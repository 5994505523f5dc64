import { describe, expect, test } from '@jest/globals'
import { type Clusters, clusters, hubUid } from '../../../../../test/builders/agent-world.ts'
import { noRules } from '../../../api/owner-rules.ts'
import { providerReports } from '../kinds.ts'
import { type Job, jobs, namespaces, networkPolicies } from '../resources.ts'
import { type ProbeWorld, probeIsolation } from './isolation-probe.ts'
import { report } from './start-up.ts'

const namespace = 'provider-acme'
const probes = 'gpc-probe-hub-ui'
const told = { agentVersion: '0.1.0', kubernetesVersion: 'v1.34.4', rules: noRules, intake: 'Open' } as const

async function world({ hub, provider, time }: Clusters, given: Partial<ProbeWorld> = {}) {
  const said: string[] = []
  const signal = new AbortController().signal
  const log = { info: () => undefined, warn: ({ why }: { why: string }) => said.push(why) }
  const { networkIsolation } = await report(hub, namespace, told)
  const probing = probeIsolation(
    {
      hub,
      provider,
      hubUid,
      rules: noRules,
      namespace,
      timers: time.timers,
      signal,
      surroundings: async () => ({ nameservers: [], apiServers: [], closedRanges: [] }),
      nonce: () => 'nonce',
      probeImage: 'gpu-commons:1',
      log: log as never,
      ...given,
    },
    networkIsolation,
  )
  probing.catch(() => undefined)
  return { said, probing }
}

const complete = { type: 'Complete', status: 'True' } as const
const closed = { type: 'Failed', status: 'True', reason: 'PodFailurePolicy', message: 'exit code 10' } as const
const broken = { type: 'Failed', status: 'True', reason: 'DeadlineExceeded', message: 'too long' } as const

/** What the cluster makes of the Jobs. */
async function end({ provider, time }: Clusters, walled: object, letThrough: object): Promise<void> {
  await time.turn()
  const { items } = await provider.list<Job>(jobs, { namespace: probes })
  expect(items.map(({ metadata }) => metadata.name).toSorted()).toEqual([
    'probe-let-through-nonce',
    'probe-walled-nonce',
  ])
  for (const { metadata } of items) {
    const conditions = [metadata.name.includes('walled') ? walled : letThrough] as never
    await provider.mergePatch(jobs, { ref: metadata, patch: { status: { conditions } } }, { subresource: 'status' })
  }
  await time.advance(2000)
}

async function isolation({ hub }: Clusters) {
  return (await hub.get(providerReports, { name: 'self', namespace }))?.spec.networkIsolation
}

describe('the probe of the network', () => {
  const cases = [
    { name: 'is Enforced where only the one without walls gets through', walled: closed, says: 'Enforced', log: [] },
    { name: 'is NotEnforced where both get through', walled: complete, says: 'NotEnforced', log: [] },
    {
      name: 'is Unknown, with a word in the log, where one did not run',
      walled: broken,
      says: 'Unknown',
      log: ['the walled probe did not work: too long'],
    },
  ]
  test.each(cases)('$name', async ({ walled, says, log }) => {
    const both = clusters()
    const { probing, said } = await world(both)
    await end(both, walled, complete)
    await probing
    expect([await isolation(both), said]).toEqual([says, log])
  })

  test("runs in a namespace that is made as a tenant's, and leaves no Job there", async () => {
    const both = clusters()
    const { probing } = await world(both)
    await end(both, closed, complete)
    await probing
    const { provider } = both
    expect((await provider.list(jobs)).items).toEqual([])
    expect((await provider.get(namespaces, { name: probes }))?.metadata.labels).toMatchObject({
      'gpucommons.io/hub-uid': hubUid,
      'gpucommons.io/job-namespace': '',
    })
    const policies = (await provider.list(networkPolicies, { namespace: probes })).items
    expect(policies.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      'gpu-commons-probe',
      'gpu-commons-tenant',
    ])
  })

  test('waits as long as it takes, and looks now and then', async () => {
    const both = clusters()
    const { probing } = await world(both)
    await both.time.advance(60_000)
    expect(await isolation(both)).toBe('Unknown')
    await end(both, closed, complete)
    await probing
    expect(await isolation(both)).toBe('Enforced')
  })

  test('is not made again by an agent of the same version, and is by one of another', async () => {
    const both = clusters()
    const first = await world(both)
    await end(both, closed, complete)
    await first.probing
    const made = () => both.provider.requests.filter((one) => one.startsWith('POST jobs')).length
    const second = await world(both)
    await second.probing
    expect([made(), await isolation(both)]).toEqual([2, 'Enforced'])
    await report(both.hub, namespace, { ...told, agentVersion: '0.2.0' })
    expect(await isolation(both)).toBe('Unknown')
  })

  test('is not made without an image', async () => {
    const both = clusters()
    const { probing } = await world(both, { probeImage: undefined })
    await probing
    expect([both.provider.requests, await isolation(both)]).toEqual([[], 'Unknown'])
  })

  test('of a Job that somebody removes says so', async () => {
    const both = clusters()
    const { probing, said } = await world(both)
    await both.time.turn()
    for (const { metadata } of (await both.provider.list(jobs)).items) await both.provider.delete(jobs, metadata)
    await both.time.advance(2000)
    await probing
    expect(said).toEqual(['the let-through probe did not work: its Job was removed'])
  })
})
