import { describe, expect, test } from '@jest/globals'
import { isConflict } from '../../operator/src/adapters/kubernetes/errors.ts'
import {
  jobs,
  namespaces,
  pods,
  type Secret,
  secrets,
  serviceAccounts,
} from '../../operator/src/adapters/kubernetes/resources.ts'
import { type Bench, eventually, refusal, widgets } from './kubernetes-bench.ts'

/** Some of it is done in time, by the real one's controllers. */
const collectedWithinMs = 90_000

const otherUid = '11111111-1111-4111-8111-111111111111'

export function deletionRows(bench: () => Promise<Bench>): void {
  describe('a deletion', () => deletion(bench))
  describe('what an object owns', () => ownership(bench))
  describe('a pod', () => podDeletion(bench))
}

function deletion(bench: () => Promise<Bench>): void {
  test('says whether there was something to delete', async () => {
    const { client, namespace } = await bench()
    const { metadata } = await client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} })
    expect(await client.delete(widgets, metadata, { uid: otherUid })).toBe('otherUid')
    expect(await client.get(widgets, metadata)).toBeDefined()
    expect(await client.delete(widgets, metadata, { uid: metadata.uid })).toBe('deleted')
    expect(await client.delete(widgets, metadata, { uid: metadata.uid })).toBe('absent')
    expect(await client.delete(widgets, metadata)).toBe('absent')
  })

  test('of a version that is no longer conflicts', async () => {
    const { client, namespace } = await bench()
    const { metadata } = await client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} })
    await client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 2 } } })
    const { uid, resourceVersion } = metadata
    expect(isConflict(await refusal(client.delete(widgets, metadata, { resourceVersion })))).toBe(true)
    expect(isConflict(await refusal(client.delete(widgets, metadata, { uid, resourceVersion })))).toBe(true)
    expect(await client.get(widgets, metadata)).toBeDefined()
  })

  test('waits for finalizers', async () => {
    const { client, namespace } = await bench()
    const { metadata } = await client.create(widgets, {
      metadata: { namespace, name: 'a', finalizers: ['gpucommons.io/test'] },
      spec: {},
    })
    expect(await client.delete(widgets, metadata)).toBe('deleted')
    const leaving = await client.get(widgets, metadata)
    expect(leaving?.metadata.deletionTimestamp).toMatch(/^\d{4}-/)
    await client.mergePatch(widgets, { ref: metadata, patch: { metadata: { finalizers: null } } })
    expect(await client.get(widgets, metadata)).toBeUndefined()
  })

  test(
    'of a namespace takes all that is in it along',
    async () => {
      const { server, client, namespace } = await bench()
      const { metadata } = await client.create(widgets, { metadata: { namespace, name: 'a' }, spec: {} })
      expect(await client.delete(namespaces, { name: namespace })).toBe('deleted')
      await eventually(server, async () => !(await client.get(namespaces, { name: namespace })))
      expect(await client.get(widgets, metadata)).toBeUndefined()
    },
    collectedWithinMs,
  )
}

function ownership(bench: () => Promise<Bench>): void {
  /** Secrets a and b, and a secret owned by those that are named. */
  async function owned({ client, namespace }: Bench, owners: readonly string[]) {
    const refs = []
    for (const name of ['a', 'b']) {
      const { metadata } = await client.create(secrets, { metadata: { namespace, name } })
      if (owners.includes(name)) refs.push({ apiVersion: 'v1', kind: 'Secret', name, uid: metadata.uid })
    }
    const metadata = { namespace, name: 'child', ownerReferences: refs }
    const child = await client.create(secrets, { metadata })
    const ownersLeft = async () =>
      (await client.get(secrets, child.metadata))?.metadata.ownerReferences?.map(({ name }) => name)
    const exists = async () => (await client.get(secrets, child.metadata)) !== undefined
    return { ownersLeft, exists }
  }

  test(
    'goes with it in the end',
    async () => {
      const on = await bench()
      const { exists } = await owned(on, ['a'])
      await on.client.delete(secrets, { namespace: on.namespace, name: 'a' }, { propagationPolicy: 'Background' })
      await eventually(on.server, async () => !(await exists()))
    },
    collectedWithinMs,
  )

  test(
    'stays while it has another owner',
    async () => {
      const on = await bench()
      const { ownersLeft, exists } = await owned(on, ['a', 'b'])
      await on.client.delete(secrets, { namespace: on.namespace, name: 'a' })
      await eventually(on.server, async () => (await ownersLeft())?.join() === 'b')
      await on.client.delete(secrets, { namespace: on.namespace, name: 'b' })
      await eventually(on.server, async () => !(await exists()))
    },
    collectedWithinMs,
  )

  test(
    'is let go when it shall be orphaned',
    async () => {
      const on = await bench()
      const { ownersLeft, exists } = await owned(on, ['a'])
      await on.client.delete(secrets, { namespace: on.namespace, name: 'a' }, { propagationPolicy: 'Orphan' })
      await eventually(on.server, async () => (await ownersLeft()) === undefined)
      expect(await exists()).toBe(true)
    },
    collectedWithinMs,
  )

  test(
    'of a Job is let go unless its deletion says otherwise',
    async () => {
      const on = await bench()
      const { client, namespace, server } = on
      const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }] } }
      const job = await client.create(jobs, { metadata: { namespace, name: 'a' }, spec: { suspend: true, template } })
      expect(job.metadata.generation).toBe(1)
      expect(job.status).toEqual({})
      const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'a', uid: job.metadata.uid }
      const child: Secret = await client.create(secrets, {
        metadata: { namespace, name: 'c', ownerReferences: [owner] },
      })
      await client.delete(jobs, job.metadata)
      await eventually(server, async () => {
        const found = await client.get(secrets, child.metadata)
        return found && !found.metadata.ownerReferences
      })
      await eventually(server, async () => !(await client.get(jobs, job.metadata)))
    },
    collectedWithinMs,
  )
}

function podDeletion(bench: () => Promise<Bench>): void {
  async function pod({ server, client, namespace }: Bench, nodeName?: string) {
    await eventually(server, () => client.get(serviceAccounts, { namespace, name: 'default' }))
    const spec = { ...(nodeName ? { nodeName } : {}), containers: [{ name: 'main', image: 'none' }] }
    return client.create(pods, { metadata: { namespace, name: 'p' }, spec })
  }

  test('is pending when it is born, and found by its node', async () => {
    const on = await bench()
    const { metadata, status } = await pod(on, 'n1')
    expect(status?.phase).toBe('Pending')
    const { items } = await on.client.list(pods, { namespace: on.namespace, fieldSelector: 'spec.nodeName=n1' })
    expect(items.map(({ metadata }) => metadata.uid)).toEqual([metadata.uid])
  })

  test('on a node is given time to end', async () => {
    const on = await bench()
    const { metadata } = await pod(on, 'n1')
    await on.client.delete(pods, metadata, { uid: metadata.uid })
    expect((await on.client.get(pods, metadata))?.metadata.deletionTimestamp).toBeDefined()
    await on.client.delete(pods, metadata, { gracePeriodSeconds: 0 })
    expect(await on.client.get(pods, metadata)).toBeUndefined()
  })

  test('on no node goes at once', async () => {
    const on = await bench()
    const { metadata } = await pod(on)
    await on.client.delete(pods, metadata)
    expect(await on.client.get(pods, metadata)).toBeUndefined()
  })
}
