import { describe, expect, test } from '@jest/globals'
import { isAlreadyExists, isConflict, isInvalid, isNotFound } from '../../operator/src/adapters/kubernetes/errors.ts'
import { type Lease, leases, namespaces, pods, secrets } from '../../operator/src/adapters/kubernetes/resources.ts'
import { type Bench, refusal, type Widget, widgets } from './kubernetes-bench.ts'

const otherUid = '11111111-1111-4111-8111-111111111111'

export function objectRows(bench: () => Promise<Bench>): void {
  describe('an object', () => creation(bench))
  describe('an object of the core', () => coreKinds(bench))
  describe('a replacement', () => {
    replacement(bench)
    putStatus(bench)
  })
  describe('a merge patch', () => mergePatch(bench))
  describe('a list', () => {
    lists(bench)
    selections(bench)
  })
  describe('a client', () => clients(bench))
}

function creation(bench: () => Promise<Bench>): void {
  test('that was created has an identity, a version and a first generation', async () => {
    const { client, namespace } = await bench()
    const made = await client.create(widgets, {
      metadata: { namespace, name: 'a', labels: { x: 'y' } },
      spec: { size: 1 },
    })
    expect(made).toMatchObject({ apiVersion: 'contract.gpucommons.io/v1', kind: 'Widget', spec: { size: 1 } })
    expect(made.metadata).toMatchObject({ namespace, name: 'a', labels: { x: 'y' }, generation: 1 })
    expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    expect(made.metadata.resourceVersion).toMatch(/^\d+$/)
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(await client.get(widgets, { namespace, name: 'a' })).toEqual(made)
  })

  test('is undefined where there is none', async () => {
    const { client, namespace } = await bench()
    expect(await client.get(widgets, { namespace, name: 'a' })).toBeUndefined()
  })

  test('of a name that is taken is refused', async () => {
    const { client, namespace } = await bench()
    await client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} })
    const error = await refusal(client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} }))
    expect(isAlreadyExists(error) && !isConflict(error)).toBe(true)
    expect((error as Error).message).toBe(
      `POST widgets ${namespace}/a: widgets.contract.gpucommons.io "a" already exists (409 AlreadyExists)`,
    )
  })

  test('in a namespace that does not exist is refused', async () => {
    const { client } = await bench()
    const error = await refusal(client.create(widgets, { metadata: { namespace: 'nowhere', name: 'a' }, spec: {} }))
    expect(isNotFound(error)).toBe(true)
    expect((error as Error).message).toContain('namespaces "nowhere" not found')
  })

  test('is born without the status that its creator wrote', async () => {
    const { client, namespace } = await bench()
    const draft = { metadata: { namespace, name: 'a' }, spec: {}, status: { phase: 'Done' } }
    expect((await client.create(widgets, draft)).status).toBeUndefined()
  })
}

function coreKinds(bench: () => Promise<Bench>): void {
  test('that is a lease has no generation and keeps microseconds', async () => {
    const { client, namespace } = await bench()
    const spec = { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.123000Z' }
    const lease = await client.create(leases, { metadata: { namespace, name: 'a' }, spec })
    expect(lease.spec).toEqual(spec)
    expect(lease.metadata.generation).toBeUndefined()
  })

  test('that is a lease can be given back: its holder may be empty', async () => {
    const { client, namespace } = await bench()
    const spec = { holderIdentity: 'me', leaseDurationSeconds: 15 }
    const lease = await client.create(leases, { metadata: { namespace, name: 'a' }, spec })
    const given = await client.replace(leases, { ...lease, spec: { holderIdentity: '', leaseDurationSeconds: 1 } })
    expect(given.spec?.holderIdentity).toBe('')
  })

  test('that is a lease is made anew by a replacement when it is gone, unless that names its uid', async () => {
    const { client, namespace } = await bench()
    const gone = await client.create(leases, { metadata: { namespace, name: 'a' }, spec: { holderIdentity: 'me' } })
    await client.delete(leases, gone.metadata)
    expect(isConflict(await refusal(client.replace(leases, gone)))).toBe(true)
    const { uid: _, ...metadata } = gone.metadata
    const anew = await client.replace(leases, { ...gone, metadata } as unknown as Lease)
    expect(anew.metadata.uid).not.toBe(gone.metadata.uid)
  })

  test('that is a secret takes plain text and keeps base64', async () => {
    const { client, namespace } = await bench()
    const secret = await client.create(secrets, {
      metadata: { namespace, name: 'a' },
      stringData: { word: 'größe' },
      data: { other: 'YQ==' },
    })
    expect(secret.data).toEqual({ word: 'Z3LDtsOfZQ==', other: 'YQ==' })
    expect(secret.stringData).toBeUndefined()
  })

  test('that is a namespace is active', async () => {
    const { client, namespace } = await bench()
    expect((await client.get(namespaces, { name: namespace }))?.status?.phase).toBe('Active')
  })
}

async function widget({ client, namespace }: Bench, spec: Widget['spec'] = { size: 1 }, name = 'a'): Promise<Widget> {
  return client.create(widgets, { metadata: { namespace, name }, spec })
}

function replacement(bench: () => Promise<Bench>): void {
  test('of the version that was read succeeds, of an older one conflicts', async () => {
    const on = await bench()
    const first = await widget(on)
    const second = await on.client.replace(widgets, { ...first, spec: { size: 2 } })
    expect(second.spec).toEqual({ size: 2 })
    expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion)
    const error = await refusal(on.client.replace(widgets, { ...first, spec: { size: 3 } }))
    expect(isConflict(error) && !isAlreadyExists(error)).toBe(true)
  })

  test('without a version is refused', async () => {
    const on = await bench()
    const { resourceVersion: _, ...metadata } = (await widget(on)).metadata
    const error = await refusal(on.client.replace(widgets, { metadata, spec: {} } as unknown as Widget))
    expect(isInvalid(error)).toBe(true)
  })

  test('of what is gone is not found', async () => {
    const on = await bench()
    const gone = await widget(on)
    await on.client.delete(widgets, gone.metadata)
    expect(isNotFound(await refusal(on.client.replace(widgets, { ...gone, spec: { size: 2 } })))).toBe(true)
  })

  test('of another uid conflicts', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const other = { metadata: { ...metadata, uid: otherUid }, spec: { size: 2 } }
    expect(isConflict(await refusal(on.client.replace(widgets, other)))).toBe(true)
  })

  test('moves the generation with the spec, not with labels or status', async () => {
    const on = await bench()
    const first = await widget(on)
    const labelled = await on.client.replace(widgets, { ...first, metadata: { ...first.metadata, labels: { x: 'y' } } })
    const judged = await on.client.replace(
      widgets,
      { ...labelled, status: { phase: 'Done' } },
      { subresource: 'status' },
    )
    const grown = await on.client.replace(widgets, { ...judged, spec: { size: 2 } })
    expect([labelled, judged, grown].map(({ metadata }) => metadata.generation)).toEqual([1, 1, 2])
  })

  test('that changes nothing writes nothing', async () => {
    const on = await bench()
    const first = await widget(on)
    const again = await on.client.replace(widgets, first)
    expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
  })

  test('of the object leaves the status alone, of the status leaves all else alone', async () => {
    const on = await bench()
    const first = await widget(on)
    const judged = await on.client.replace(
      widgets,
      { metadata: { ...first.metadata, labels: { x: 'y' } }, spec: { size: 9 }, status: { phase: 'Done' } },
      { subresource: 'status' },
    )
    expect(judged).toMatchObject({ spec: { size: 1 }, status: { phase: 'Done' } })
    expect(judged.metadata.labels).toBeUndefined()
    const grown = await on.client.replace(widgets, { ...judged, spec: { size: 2 }, status: { phase: 'Undone' } })
    expect(grown).toMatchObject({ spec: { size: 2 }, status: { phase: 'Done' } })
    const { status: _, ...bare } = grown
    expect(await on.client.replace(widgets, { ...bare, spec: { size: 3 } })).toMatchObject({
      status: { phase: 'Done' },
    })
  })
}

function putStatus(bench: () => Promise<Bench>): void {
  test('of a status alone leaves the rest as it is, also what it does not name', async () => {
    const on = await bench()
    const first = await widget(on)
    const labels = { x: 'y' }
    const { metadata } = await on.client.replace(widgets, { ...first, metadata: { ...first.metadata, labels } })
    const { name, namespace, uid, resourceVersion } = metadata
    const status = { phase: 'Done' }
    const alone = { metadata: { name, namespace, uid, resourceVersion }, status } as unknown as typeof first
    const judged = await on.client.replace(widgets, alone, { subresource: 'status' })
    expect(judged).toMatchObject({ metadata: { labels }, spec: first.spec, status })
    expect(isConflict(await refusal(on.client.replace(widgets, alone, { subresource: 'status' })))).toBe(true)
  })
}

function mergePatch(bench: () => Promise<Bench>): void {
  test('keeps what it does not name, removes what it names null, replaces lists', async () => {
    const on = await bench()
    const { metadata } = await widget(on, { size: 1, colour: 'red', parts: ['a', 'b'], options: { k: 'v', l: 'w' } })
    const patch = { spec: { colour: null, parts: ['c'], options: { k: null, m: 'x' } } }
    const patched = await on.client.mergePatch(widgets, { ref: metadata, patch })
    expect(patched.spec).toEqual({ size: 1, parts: ['c'], options: { l: 'w', m: 'x' } })
    expect(patched.metadata.generation).toBe(2)
  })

  test('with another resourceVersion conflicts', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const patch = { metadata: { resourceVersion: '1' }, spec: { size: 2 } }
    expect(isConflict(await refusal(on.client.mergePatch(widgets, { ref: metadata, patch })))).toBe(true)
  })

  test('with another uid is refused, as an attempt to change it', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const patch = { metadata: { uid: otherUid }, spec: { size: 2 } }
    expect(isInvalid(await refusal(on.client.mergePatch(widgets, { ref: metadata, patch })))).toBe(true)
  })

  test('with the resourceVersion and uid that are succeeds', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const { resourceVersion, uid } = metadata
    const patch = { metadata: { resourceVersion, uid }, spec: { size: 2 } }
    expect((await on.client.mergePatch(widgets, { ref: metadata, patch })).spec.size).toBe(2)
  })

  test('of the status touches only the status, of the object never the status', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const patch = { spec: { size: 5 }, status: { phase: 'Done', seen: 1 } }
    const judged = await on.client.mergePatch(widgets, { ref: metadata, patch }, { subresource: 'status' })
    expect(judged).toMatchObject({ spec: { size: 1 }, status: { phase: 'Done', seen: 1 } })
    const grown = await on.client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 2 }, status: null } })
    expect(grown).toMatchObject({ spec: { size: 2 }, status: { phase: 'Done', seen: 1 } })
  })

  test('that changes nothing writes nothing', async () => {
    const on = await bench()
    const { metadata } = await widget(on)
    const same = await on.client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 1 } } })
    expect(same.metadata.resourceVersion).toBe(metadata.resourceVersion)
  })

  test('of what does not exist is not found', async () => {
    const { client, namespace } = await bench()
    const error = await refusal(client.mergePatch(widgets, { ref: { namespace, name: 'a' }, patch: { spec: {} } }))
    expect(isNotFound(error)).toBe(true)
  })
}

function namesOf(items: readonly Widget[]): string[] {
  return items.map(({ metadata }) => metadata.name)
}

function lists(bench: () => Promise<Bench>): void {
  test('is in the order of names, of one namespace or of all', async () => {
    const [one, two] = [await bench(), await bench()]
    for (const name of ['b', 'c', 'a']) await widget(one, {}, name)
    await widget(two, {}, 'z')
    const { items, resourceVersion } = await one.client.list(widgets, { namespace: one.namespace })
    expect(namesOf(items)).toEqual(['a', 'b', 'c'])
    expect(Number(resourceVersion)).toBeGreaterThan(0)
    const all = await one.client.list(widgets)
    expect(namesOf(all.items)).toEqual(expect.arrayContaining(['a', 'b', 'c', 'z']))
  })

  test('comes in pages that together are what was when the first was read', async () => {
    const on = await bench()
    for (const name of ['a', 'b', 'c', 'd', 'e']) await widget(on, {}, name)
    const { client, namespace } = on
    const first = await client.list(widgets, { namespace, limit: 2 })
    await widget(on, {}, 'bb')
    await client.delete(widgets, { namespace, name: 'd' })
    const second = await client.list(widgets, { namespace, limit: 2, continue: first.continue })
    const third = await client.list(widgets, { namespace, limit: 2, continue: second.continue })
    expect([first, second, third].map(({ items }) => namesOf(items).join(''))).toEqual(['ab', 'cd', 'e'])
    expect(third.continue).toBeUndefined()
    expect(new Set([first, second, third].map(({ resourceVersion }) => resourceVersion)).size).toBe(1)
  })
}

function selections(bench: () => Promise<Bench>): void {
  test('selects by labels and fields', async () => {
    const { client, namespace } = await bench()
    for (const [name, labels] of Object.entries({ a: { tier: 'x', hot: '' }, b: { tier: 'y' }, c: {} })) {
      await client.create(widgets, { metadata: { namespace, name, labels }, spec: {} })
    }
    const selected: Record<string, string> = {}
    for (const labelSelector of [
      'tier=x',
      'tier!=x',
      'tier in (x,y)',
      'tier notin (x)',
      'hot',
      '!hot',
      'tier==y,!hot',
    ]) {
      selected[labelSelector] = namesOf((await client.list(widgets, { namespace, labelSelector })).items).join('')
    }
    const over = { ref: { namespace, name: 'c' }, patch: { status: { phase: 'Over' } } }
    await client.mergePatch(widgets, over, { subresource: 'status' })
    for (const fieldSelector of [
      'metadata.name=b',
      'metadata.name!=b',
      `metadata.namespace=${namespace}`,
      'status.phase=Over',
      'status.phase!=Over,status.phase!=Lost',
    ]) {
      selected[fieldSelector] = namesOf((await client.list(widgets, { namespace, fieldSelector })).items).join('')
    }
    expect(selected).toEqual({
      'tier=x': 'a',
      'tier!=x': 'bc',
      'tier in (x,y)': 'ab',
      'tier notin (x)': 'bc',
      hot: 'a',
      '!hot': 'bc',
      'tier==y,!hot': 'b',
      'metadata.name=b': 'b',
      'metadata.name!=b': 'ac',
      [`metadata.namespace=${namespace}`]: 'abc',
      'status.phase=Over': 'c',
      'status.phase!=Over,status.phase!=Lost': 'ab',
    })
  })

  test.each([{ labelSelector: 'a=(' }, { fieldSelector: 'spec.size=1' }])('refuses %j', async (selection) => {
    const { client, namespace } = await bench()
    expect(isInvalid(await refusal(client.list(widgets, { namespace, ...selection })))).toBe(true)
  })

  test('of pods selects by node', async () => {
    const { client, namespace } = await bench()
    const { items } = await client.list(pods, { namespace, fieldSelector: 'spec.nodeName=n1,status.phase!=Failed' })
    expect(items).toEqual([])
  })
}

function clients(bench: () => Promise<Bench>): void {
  test('is asked before each write, never before a read', async () => {
    const { server, namespace } = await bench()
    let asked = 0
    await using client = await server.clientWith({ beforeWrite: () => asked++ })
    const on = { server, client, namespace }
    const counts: number[] = []
    const { metadata } = await widget(on)
    counts.push(asked)
    await client.replace(widgets, { metadata, spec: { size: 2 } })
    counts.push(asked)
    await client.mergePatch(widgets, { ref: metadata, patch: { status: { seen: 1 } } }, { subresource: 'status' })
    counts.push(asked)
    await client.get(widgets, metadata)
    await client.list(widgets, { namespace })
    counts.push(asked)
    await client.delete(widgets, metadata)
    counts.push(asked)
    expect(counts).toEqual([1, 2, 3, 3, 4])
  })

  test('writes nothing when that throws, and says so', async () => {
    const { server, namespace } = await bench()
    const stop = () => {
      throw new Error('not the leader')
    }
    await using client = await server.clientWith({ beforeWrite: stop })
    const error = (await refusal(widget({ server, client, namespace }))) as Error
    expect(`${error.message} ${(error.cause as Error | undefined)?.message}`).toContain('not the leader')
    expect((await client.list(widgets, { namespace })).items).toEqual([])
  })

  test('asks nothing on a signal that has aborted', async () => {
    const { client, namespace } = await bench()
    const signal = AbortSignal.abort(new Error('enough'))
    await refusal(client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} }, { signal }))
    expect(await client.get(widgets, { namespace, name: 'a' })).toBeUndefined()
  })
}
