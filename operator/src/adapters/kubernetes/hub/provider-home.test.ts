import { describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../../test/builders/gpunode.ts'
import { gpuRun } from '../../../../../test/builders/gpurun.ts'
import { joinRequest } from '../../../../../test/builders/joinrequest.ts'
import { provider } from '../../../../../test/builders/provider.ts'
import { fakeKubeApi } from '../../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../../test/fakes/time.ts'
import type { KubeObject, Resource } from '../client.ts'
import { ApiError } from '../errors.ts'
import { gpuNodes, gpuRuns, joinRequests } from '../kinds.ts'
import { leases, namespaces, resourceQuotas, roleBindings, secrets, serviceAccounts } from '../resources.ts'
import { closeHome, makeHome } from './provider-home.ts'
import { agentRules } from './rights.ts'

const namespace = 'provider-acme'
const acme = provider()
const ours = {
  'gpucommons.io/hub-uid': 'hub-uid',
  'gpucommons.io/provider': 'acme',
  'gpucommons.io/provider-uid': acme.metadata.uid,
}
const identity = { hubUid: 'hub-uid', runsUid: 'runs-uid' }
const agent = { name: 'agent', namespace }
const quota = { name: 'gpc-provider', namespace }
const binding = { name: 'gpc-provider-agent', namespace }
const parts: readonly { readonly kind: string; readonly part: Resource<KubeObject>; readonly ref: typeof agent }[] = [
  { kind: 'ServiceAccount', part: serviceAccounts, ref: agent },
  { kind: 'RoleBinding', part: roleBindings, ref: binding },
  { kind: 'ResourceQuota', part: resourceQuotas, ref: quota },
  { kind: 'Lease', part: leases, ref: agent },
]

const api = () => fakeKubeApi(fakeTime())
type Api = ReturnType<typeof api>

const homeFor = (client: Api, of = acme, hub = identity) =>
  makeHome({ client, timers: fakeTime().timers, signal: new AbortController().signal }, of, hub)

async function homeOn(hub: Api) {
  const home = await homeFor(hub)
  return home.state === 'Taken' ? home.what : home.state
}

describe('the home of a Provider', () => {
  test('is a namespace, an identity with rights in it, and a Lease, all of them ours', async () => {
    const hub = api()
    expect(await homeOn(hub)).toBe('Made')
    expect(await hub.get(namespaces, { name: namespace })).toMatchObject({ metadata: { labels: ours } })
    for (const { part, ref } of parts) expect(await hub.get(part, ref)).toMatchObject({ metadata: { labels: ours } })
    expect((await hub.get(leases, agent))?.spec).toEqual({ leaseDurationSeconds: 15 })
  })

  test('tells the uid of its namespace', async () => {
    const hub = api()
    const home = await homeFor(hub)
    const { uid } = (await hub.get(namespaces, { name: namespace }))?.metadata ?? {}
    expect(home).toEqual({ state: 'Made', namespaceUid: uid })
  })

  test('made twice is made once', async () => {
    const hub = api()
    await homeOn(hub)
    await hub.mergePatch(leases, { ref: agent, patch: { spec: { holderIdentity: 'a' } } })
    expect([await homeOn(hub), (await hub.get(leases, agent))?.spec?.holderIdentity]).toEqual(['Made', 'a'])
  })

  test('what is missing of it is made again', async () => {
    const hub = api()
    await homeOn(hub)
    await hub.delete(roleBindings, binding)
    expect([await homeOn(hub), await hub.get(roleBindings, binding)]).toEqual(['Made', expect.anything()])
  })

  test.each([
    { name: 'of nobody', labels: {}, by: 'Stranger' },
    { name: 'of another hub', labels: { ...ours, 'gpucommons.io/hub-uid': 'other' }, by: 'Stranger' },
    {
      name: 'of an earlier Provider of this name',
      labels: { ...ours, 'gpucommons.io/provider-uid': 'other' },
      by: 'EarlierProvider',
    },
  ])('a namespace $name is left alone, and nothing is made in it', async ({ labels, by }) => {
    const hub = api()
    await hub.create(namespaces, { metadata: { name: namespace, labels } })
    expect(await homeFor(hub)).toEqual({ state: 'Taken', what: 'Namespace provider-acme', by })
    expect((await hub.get(namespaces, { name: namespace }))?.metadata.labels).toEqual(labels)
    for (const { part, ref } of parts) expect(await hub.get(part, ref)).toBeUndefined()
  })

  test.each(parts)('a $kind that is not ours is named and stays', async ({ part, ref }) => {
    const hub = api()
    await hub.create(namespaces, { metadata: { name: namespace, labels: ours } })
    const theirs = await hub.create(part, { metadata: { ...ref } })
    expect(await homeOn(hub)).toBe(`an object named ${ref.name} in namespace provider-acme`)
    expect(await hub.get(part, ref)).toEqual(theirs)
  })

  test('a namespace that is handed over to the new Provider keeps its agent', async () => {
    const hub = api()
    await homeOn(hub)
    const uid = 'of-the-new-one'
    await hub.mergePatch(namespaces, {
      ref: { name: namespace },
      patch: { metadata: { labels: { 'gpucommons.io/provider-uid': uid } } },
    })
    const home = await homeFor(hub, provider({ metadata: { uid } }))
    expect(home.state).toBe('Made')
    expect((await hub.get(leases, agent))?.metadata).toMatchObject({
      labels: { ...ours, 'gpucommons.io/provider-uid': uid },
      annotations: { 'gpucommons.io/former-provider-uid': acme.metadata.uid },
    })
  })

  test('its Lease tells the agent when the kinds were made anew', async () => {
    const hub = api()
    await homeOn(hub)
    await homeFor(hub, acme, { ...identity, runsUid: 'made-again' })
    const { metadata } = (await hub.get(leases, agent)) ?? {}
    expect(metadata?.labels).toEqual({ ...ours, 'gpucommons.io/gpuruns-uid': 'made-again' })
    expect(metadata?.annotations ?? {}).toEqual({})
  })

  test('has a quota of what agents make and of nothing that the hub makes, counted at once', async () => {
    const hub = api()
    await homeOn(hub)
    const found = await hub.get(resourceQuotas, quota)
    const hard = {
      'count/gpunodes.gpucommons.io': '5000',
      'count/providerreports.gpucommons.io': '1',
      'count/joinrequests.gpucommons.io': '100',
    }
    expect(found?.spec).toEqual({ hard })
    expect(found?.status?.hard).toEqual(hard)
    expect(Object.values(found?.status?.used ?? {})).toEqual(['0', '0', '0'])
  })

  test('from before there were quotas gets one, in which what is there is counted', async () => {
    const hub = api()
    await homeOn(hub)
    await hub.delete(resourceQuotas, quota)
    await hub.create(gpuNodes, { metadata: { name: 'node-1', namespace }, spec: gpuNode().spec })
    await homeOn(hub)
    expect((await hub.get(resourceQuotas, quota))?.status?.used).toMatchObject({ 'count/gpunodes.gpucommons.io': '1' })
  })

  test('keeps the quota that a person gave it', async () => {
    const hub = api()
    await homeOn(hub)
    const hard = { 'count/gpunodes.gpucommons.io': '9000' }
    await hub.mergePatch(resourceQuotas, { ref: quota, patch: { spec: { hard } } })
    await homeOn(hub)
    expect((await hub.get(resourceQuotas, quota))?.spec.hard).toMatchObject(hard)
  })

  test('has its quota counted also where Kubernetes has looked first, and did not know the kinds', async () => {
    const hub = api()
    const changed = new ApiError('', { status: 409, reason: 'Conflict', message: 'changed' })
    hub.fail(/PATCH resourcequotas/, { with: changed })
    expect(await homeOn(hub)).toBe('Made')
    await hub.mergePatch(resourceQuotas, { ref: quota, patch: { status: { used: null } } }, { subresource: 'status' })
    await homeOn(hub)
    expect((await hub.get(resourceQuotas, quota))?.status?.used).toMatchObject({ 'count/gpunodes.gpucommons.io': '0' })
  })

  test('any other error is thrown', async () => {
    const hub = api()
    hub.fail(/POST rolebindings/, { with: new Error('the API server is away') })
    await expect(homeOn(hub)).rejects.toThrow('away')
  })
})

describe('the home of a Provider that is revoked', () => {
  const taker = (client: Api) => ({ client, timers: fakeTime().timers, signal: new AbortController().signal })

  test('has nothing more that lets anybody in, and keeps what was ordered', async () => {
    const hub = api()
    await homeOn(hub)
    await hub.create(secrets, { metadata: { namespace, name: 'agent-token' } })
    const labels = { 'gpucommons.io/invite': 'abc' }
    await hub.create(serviceAccounts, { metadata: { namespace, name: 'invite-abc', labels } })
    await hub.create(serviceAccounts, { metadata: { namespace, name: 'default' } })
    const request = await hub.create(joinRequests, { metadata: { namespace, name: 'abc' }, spec: joinRequest().spec })
    const { metadata, spec } = gpuRun()
    await hub.create(gpuRuns, { metadata: { namespace, name: metadata.name }, spec })
    const closing = { runs: [], requests: [request], hubUid: 'hub-uid' }
    expect(await closeHome(taker(hub), acme, closing)).toEqual({ state: 'Closed' })
    expect((await hub.list(serviceAccounts)).items.map((one) => one.metadata.name)).toEqual(['default'])
    const gone = [await hub.get(secrets, { namespace, name: 'agent-token' }), await hub.get(roleBindings, binding)]
    expect([...gone, (await hub.list(joinRequests)).items, (await hub.list(gpuRuns)).items.length]).toEqual([
      undefined,
      undefined,
      [],
      1,
    ])
    expect(await homeOn(hub)).toBe('Made')
  })

  test('is left alone where the namespace is a stranger’s', async () => {
    const hub = api()
    await hub.create(namespaces, { metadata: { name: namespace } })
    await hub.create(serviceAccounts, { metadata: agent })
    await closeHome(taker(hub), acme, { runs: [], requests: [], hubUid: 'hub-uid' })
    expect(await hub.get(serviceAccounts, agent)).toBeDefined()
  })
})

describe('the rights of an agent on the hub', () => {
  const may = (verb: string, resource: string) =>
    agentRules.some(({ verbs, resources }) => verbs.includes(verb) && resources?.includes(resource))

  test.each([
    ['watch', 'gpuruns', true],
    ['update', 'gpuruns/status', true],
    ['patch', 'gpuruns/status', true],
    ['create', 'gpunodes', true],
    ['update', 'providerreports', true],
    ['patch', 'leases', true],
    ['update', 'gpuruns', false],
    ['patch', 'gpuruns', false],
    ['create', 'gpuruns', false],
    ['delete', 'gpuruns', false],
    ['patch', 'gpunodes/status', false],
    ['get', 'secrets', true],
    ['list', 'secrets', false],
    ['watch', 'secrets', false],
    ['create', 'secrets', false],
    ['create', 'leases', false],
    ['get', 'gpujobs', false],
  ])('%s %s: %s', (verb, resource, says) => {
    expect(may(verb, resource)).toBe(says)
  })

  test('are bound in its own namespace alone, and to nothing else', async () => {
    const hub = api()
    await homeOn(hub)
    expect(await hub.get(roleBindings, binding)).toMatchObject({
      roleRef: { kind: 'ClusterRole', name: 'gpc-provider-agent' },
      subjects: [{ kind: 'ServiceAccount', name: 'agent', namespace }],
    })
    expect((await hub.list(roleBindings)).items).toHaveLength(1)
  })
})
