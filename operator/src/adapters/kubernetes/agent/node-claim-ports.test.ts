import { afterEach, describe, expect, test } from '@jest/globals'
import { type Clusters, clusters, makePod, order, startAgent } from '../../../../../test/builders/agent-world.ts'
import { nodeClaimReconciler } from '../../../controllers/agent/node-claims.ts'
import { ApiError } from '../errors.ts'
import { gpuNodes } from '../kinds.ts'
import { nodes, pods } from '../resources.ts'
import { nodeClaimPorts } from './node-claim-ports.ts'

const agents: { readonly stop: () => void }[] = []
afterEach(() => {
  for (const { stop } of agents.splice(0)) stop()
})

const namespace = 'provider-acme'
const gpus = { 'nvidia.com/gpu': '8', cpu: '64', memory: '1Ti' }

/** A node of eight GPUs, and what happens when the agent looks at it. */
async function world() {
  const cluster: Clusters = clusters()
  const labels = {
    'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
    'nvidia.com/gpu.memory': '81559',
    'nvidia.com/gpu.count': '8',
  }
  const node = await cluster.provider.create(nodes, { metadata: { name: 'node-1', labels }, spec: {} })
  const conditions = [{ type: 'Ready', status: 'True' } as const]
  await cluster.provider.mergePatch(
    nodes,
    { ref: node.metadata, patch: { status: { capacity: gpus, allocatable: gpus, conditions } } },
    { subresource: 'status' },
  )
  const agent = await startAgent(cluster)
  agents.push(agent)
  const overQuota: number[] = []
  const onOverQuota = (nodes: number) => void overQuota.push(nodes)
  const reconcile = nodeClaimReconciler(nodeClaimPorts({ ...agent.world, namespace, onOverQuota }))
  const look = async () => {
    cluster.hub.requests.splice(0)
    await reconcile('node-1')
    await cluster.time.advance(0)
    return cluster.hub.requests.map((one) => one.split(' ')[0]).join()
  }
  const claim = async () => (await cluster.hub.get(gpuNodes, { name: 'node-1', namespace }))?.spec
  return { cluster, look, claim, overQuota }
}

describe('the claim of a node', () => {
  test('is made, and made once', async () => {
    const { look, claim } = await world()
    expect([await look(), (await claim())?.devices[0]?.model, await look()]).toEqual(['POST', 'H100', ''])
  })

  test('follows the pods of others, and not ours', async () => {
    const { cluster, look, claim } = await world()
    await look()
    await makePod(cluster, await order(cluster))
    expect(await look()).toBe('')
    const resources = { requests: { 'nvidia.com/gpu': '2' }, limits: { 'nvidia.com/gpu': '2' } }
    await cluster.provider.create(pods, {
      metadata: { name: 'theirs', namespace: 'default' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', resources }] },
    })
    await cluster.time.advance(0)
    expect([await look(), (await claim())?.usedByOthers.gpus]).toEqual(['PUT', 2])
  })

  test('is replaced without what a cache says of it, where somebody has annotated it', async () => {
    const { cluster, look } = await world()
    await look()
    const ref = { name: 'node-1', namespace }
    await cluster.hub.mergePatch(gpuNodes, { ref, patch: { metadata: { annotations: { a: 'b' } } } })
    const resources = { requests: { 'nvidia.com/gpu': '2' }, limits: { 'nvidia.com/gpu': '2' } }
    await cluster.provider.create(pods, {
      metadata: { name: 'theirs', namespace: 'default' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', resources }] },
    })
    await cluster.time.advance(0)
    const written = await look()
    expect([written, Object.keys((await cluster.hub.get(gpuNodes, ref))?.metadata ?? {})]).toEqual([
      'PUT',
      expect.not.arrayContaining(['isCut']),
    ])
  })

  test('a pod with our label, but of another hub, is one of the others', async () => {
    const { cluster, look, claim } = await world()
    const resources = { requests: { 'nvidia.com/gpu': '3' }, limits: { 'nvidia.com/gpu': '3' } }
    const labels = { 'gpucommons.io/hub-uid': 'other-hub', 'gpucommons.io/run': 'x' }
    await cluster.provider.create(pods, {
      metadata: { name: 'theirs', namespace: 'default', labels },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', resources }] },
    })
    await cluster.time.advance(0)
    await look()
    expect((await claim())?.usedByOthers.gpus).toBe(3)
  })

  test('for which the hub has no room is counted, until there is room or the node is gone', async () => {
    const { cluster, look, claim, overQuota } = await world()
    const message = 'gpunodes.gpucommons.io "node-1" is forbidden: exceeded quota: gpc-provider, requested: …'
    const full = new ApiError('POST gpunodes', { status: 403, reason: 'Forbidden', message })
    cluster.hub.fail(/POST gpunodes/, { with: full })
    expect([await look(), await claim(), await look(), overQuota]).toEqual(['POST', undefined, 'POST', [1, 0]])
  })

  test('that is refused for another reason is tried again', async () => {
    const { cluster, look, overQuota } = await world()
    const message = 'gpunodes.gpucommons.io is forbidden: User "agent" cannot create resource "gpunodes"'
    cluster.hub.fail(/POST gpunodes/, { with: new ApiError('POST', { status: 403, reason: 'Forbidden', message }) })
    await expect(look()).rejects.toThrow('cannot create')
    expect(overQuota).toEqual([])
  })

  test('leaves with the node', async () => {
    const { cluster, look, claim } = await world()
    await look()
    await cluster.provider.delete(nodes, { name: 'node-1' })
    await cluster.time.advance(0)
    expect([await look(), await claim()]).toEqual(['DELETE', undefined])
  })
})
