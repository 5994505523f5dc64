import { describe, expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import { ApiError } from '../errors.ts'
import { priorityClasses } from '../kinds.ts'
import { deployments, leases, namespaces, pods, secrets } from '../resources.ts'
import { leave } from './leave.ts'

const namespace = 'gpu-commons'
const memory = { namespace, name: 'gpu-commons-agent-acme' }
const labels = { app: 'agent' }
const ofTenant = { 'gpucommons.io/hub-uid': 'h', 'gpucommons.io/job-namespace': 'team' }

/** A cluster that has joined, with two tenants' namespaces and one of its owner's; what a kubelet and an agent would do is done by the tests. */
async function joined() {
  const { provider: client, time } = clusters()
  const make = (name: string, own: Record<string, string>) =>
    client.create(namespaces, { metadata: { name, labels: own } })
  await make(namespace, {})
  await make('gpc-663303-team', ofTenant)
  await make('gpc-663303-other', ofTenant)
  await make('restored-from-gpc', ofTenant)
  // The cluster has a hub too.
  await make('provider-acme', { 'gpucommons.io/hub-uid': 'h' })
  await make('gpc-of-the-owner', {})
  await client.create(leases, { metadata: memory, spec: {} })
  await client.create(secrets, { metadata: { namespace, name: 'gpu-commons-hub' } })
  await client.create(priorityClasses, { metadata: { name: 'gpu-commons-federated' }, value: -1000 } as never)
  await client.create(deployments, {
    metadata: { namespace, name: 'agent' },
    spec: { replicas: 2, selector: { matchLabels: labels } },
  })
  const pod = await client.create(pods, { metadata: { namespace, name: 'agent-1', labels }, spec: { containers: [] } })
  const said: string[] = []
  const stop = new AbortController()
  const leaving = () =>
    leave({
      client,
      ...time,
      signal: stop.signal,
      provider: 'acme',
      namespace,
      deployment: 'agent',
      graceMs: 120_000,
      nonce: () => `try-${(tries += 1)}`,
      say: (what) => void said.push(what),
    })
  const annotations = async () => (await client.get(leases, memory))?.metadata.annotations
  let tries = 0
  const answer = () =>
    client.mergePatch(leases, {
      ref: memory,
      patch: { metadata: { annotations: { 'gpucommons.io/left': `try-${tries}` } } },
    })
  const left = async () => (await client.list(namespaces)).items.map(({ metadata }) => metadata.name)
  const endPod = () => client.delete(pods, pod.metadata)
  return { client, time, said, leaving, annotations, answer, left, endPod, stop }
}

const failureOf = (act: Promise<void>) =>
  act.then(
    () => 'none',
    (error: Error) => error.message,
  )

describe('leaving', () => {
  test('asks the agent, waits for its word, ends it, and removes what it has made and nothing else', async () => {
    const { client, time, leaving, annotations, answer, left, endPod } = await joined()
    const done = leaving()
    await time.advance(1000)
    expect(await annotations()).toMatchObject({ 'gpucommons.io/leaving': 'try-1' })
    expect(await left()).toContain('gpc-663303-team')
    await answer()
    await time.advance(1000)
    expect((await client.get(deployments, { namespace, name: 'agent' }))?.spec.replicas).toBe(0)
    // It would make them anew.
    expect(await left()).toContain('gpc-663303-team')
    await endPod()
    await time.advance(1000)
    await done
    expect((await left()).filter((name) => name.startsWith('gpc-'))).toEqual(['gpc-of-the-owner'])
    expect(await left()).toEqual(expect.arrayContaining(['provider-acme', 'restored-from-gpc']))
    expect([
      await client.get(secrets, { namespace, name: 'gpu-commons-hub' }),
      await client.get(leases, memory),
      await client.get(priorityClasses, { name: 'gpu-commons-federated' }),
    ]).toEqual([undefined, undefined, undefined])
  })

  test('does not wait for ever for an agent that does not answer, or whose hub is away', async () => {
    const { time, leaving, left, endPod, said } = await joined()
    const done = leaving()
    await endPod()
    await time.advance(125_000)
    await done
    expect(said.join()).toContain('the agent has not answered in time')
    expect(await left()).not.toContain('gpc-663303-team')
  })

  test('takes the answer to an earlier try for none', async () => {
    const { time, leaving, annotations, answer, stop, left } = await joined()
    await answer()
    const ended = failureOf(leaving())
    await time.advance(5000)
    expect(await left()).toContain('gpc-663303-team')
    stop.abort(new Error('enough'))
    await time.advance(1000)
    expect(await ended).toBe('enough')
    // Who keeps the chart has an agent again that works.
    expect(await annotations()).not.toHaveProperty(['gpucommons.io/leaving'])
  })

  test('says so where the pods of the agent do not end, and has removed nothing', async () => {
    const { time, leaving, answer, left } = await joined()
    const refused = failureOf(leaving())
    await time.advance(1000)
    await answer()
    await time.advance(125_000)
    expect(await refused).toBe('the pods of Deployment agent do not end')
    expect(await left()).toContain('gpc-663303-team')
  })

  test('of a cluster that has never joined removes what is there', async () => {
    const { client, time, leaving, endPod, said } = await joined()
    await client.delete(leases, memory)
    const done = leaving()
    await endPod()
    await time.advance(5000)
    await done
    expect(said).toContain('this cluster has never joined')
  })

  test('fails where a right is missing, and can be tried again', async () => {
    const { client, time, leaving, answer, endPod, left } = await joined()
    const forbidden = new ApiError('DELETE namespaces', { status: 403, reason: 'Forbidden', message: 'no' })
    client.fail(/^DELETE namespaces/, { with: forbidden })
    const first = failureOf(leaving())
    await time.advance(1000)
    await answer()
    await endPod()
    await time.advance(5000)
    expect(await first).toContain('no')
    // The agent is ended already: nobody is there to be asked.
    const again = leaving()
    await time.advance(5000)
    await again
    expect(await left()).not.toContain('gpc-663303-team')
  })
})
