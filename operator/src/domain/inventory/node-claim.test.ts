import { describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { gpuNodeSpecSchema } from '../../api/gpunode.ts'
import { nodeClaim, type ProviderNode, type ProviderPod } from './node-claim.ts'
import { nodeFact } from './node-fact.ts'

const h100 = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3', 'nvidia.com/gpu.memory': '81559' }
const resources = { cpu: '128', memory: '1000Gi', 'ephemeral-storage': '900Gi' }
const ready = [{ type: 'Ready', status: 'True' }]

function node({
  labels = h100,
  spec = {},
  gpus = { 'nvidia.com/gpu': '8' },
  healthy = gpus,
  conditions = ready,
}: {
  labels?: Record<string, string>
  spec?: NonNullable<ProviderNode['spec']>
  gpus?: Record<string, string>
  healthy?: Record<string, string>
  conditions?: { type: string; status: string }[]
} = {}): ProviderNode {
  return {
    metadata: { name: 'gpu-1', labels },
    spec,
    status: { capacity: { ...resources, ...gpus }, allocatable: { ...resources, ...healthy }, conditions },
  }
}

function pod(change: { labels?: Record<string, string>; phase?: string; on?: string } = {}): ProviderPod {
  const requests = { cpu: '1500m', memory: '10Gi', 'ephemeral-storage': '1Gi', 'nvidia.com/gpu': '2' }
  return {
    metadata: { labels: change.labels },
    spec: { nodeName: change.on ?? 'gpu-1', containers: [{ resources: { requests } }] },
    status: { phase: change.phase },
  }
}

function by(strategy: string): Record<string, string> {
  return { 'nvidia.com/gpu.replicas': '4', 'nvidia.com/gpu.sharing-strategy': strategy }
}

function isOurs({ metadata }: ProviderPod): boolean {
  return metadata.labels?.['ours'] !== undefined
}

function claim(seen: ProviderNode, pods: readonly ProviderPod[] = [], keptGpus = 0) {
  return nodeClaim({ node: seen, pods, isOurs, keptGpus, rackLabel: 'topology.kubernetes.io/rack' })
}

describe('the claim', () => {
  test('of a healthy node says what it has, and keeps to the schema', () => {
    const spec = claim(node())
    expect(gpuNodeSpecSchema.parse(spec)).toEqual(spec)
    expect(spec).toEqual({
      node: 'gpu-1',
      allocatable: { cpu: '128', memory: '1000Gi', ephemeralStorage: '900Gi' },
      usedByOthers: { cpu: '0m', memory: '0Mi', ephemeralStorage: '0Mi', gpus: 0 },
      devices: [
        {
          source: 'DevicePlugin',
          resource: 'nvidia.com/gpu',
          model: 'H100',
          product: 'NVIDIA-H100-80GB-HBM3',
          memoryMiB: 81_920,
          count: 8,
          healthy: 8,
        },
      ],
      keptGpus: 0,
      labels: h100,
      taints: [],
      offer: 'Offered',
    })
  })

  test('says how many GPUs the owner keeps, and withholds a node of which the owner keeps all', () => {
    const offers = [0, 7, 8].map((kept) => claim(node(), [], kept)).map((one) => [one?.keptGpus, one?.withheldBecause])
    expect(offers).toEqual([
      [0, undefined],
      [7, undefined],
      [8, 'KeptByOwner'],
    ])
  })

  test.each([
    { name: "the owner's pods take the kept ones first", kept: 2, used: 1, gpus: 6, others: 0 },
    { name: 'and then of the others', kept: 2, used: 3, gpus: 6, others: 1 },
    { name: 'more than are healthy cannot be kept', kept: 9, used: 0, gpus: 0, others: 0 },
  ])('of the GPUs that are kept: $name', ({ kept, used, gpus, others }) => {
    const { spec } = gpuNode({ spec: { keptGpus: kept, usedByOthers: { cpu: '0', memory: '0', gpus: used } } })
    expect(nodeFact('acme', spec)).toMatchObject({ gpus, usedByOthers: { gpus: others } })
  })

  test('of an agent that does not say what disk others use has all of the disk free', () => {
    const { spec } = gpuNode({ spec: { usedByOthers: { cpu: '0', memory: '0', gpus: 0 } } })
    expect(nodeFact('acme', spec)).toMatchObject({ storageMiB: 2 * 1024 * 1024, usedByOthers: { storageMiB: 0 } })
  })

  test('is not made of a node without GPUs', () => {
    expect(claim(node({ labels: {}, gpus: {} }))).toBeUndefined()
  })

  const offers: { name: string; node: ProviderNode; says: string }[] = [
    { name: 'a node with one sick GPU', node: node({ healthy: { 'nvidia.com/gpu': '7' } }), says: 'Offered' },
    { name: 'a node with no healthy GPU', node: node({ healthy: { 'nvidia.com/gpu': '0' } }), says: 'Unhealthy' },
    { name: 'a node whose device plugin is gone', node: node({ gpus: { 'nvidia.com/gpu': '0' } }), says: 'NoGpu' },
    { name: 'a node that only says it has GPUs', node: node({ gpus: {} }), says: 'NoGpu' },
    { name: 'a cordoned node', node: node({ spec: { unschedulable: true } }), says: 'Cordoned' },
    { name: 'a node that says nothing of being ready', node: node({ conditions: [] }), says: 'NotReady' },
    {
      name: 'a node that is lost',
      node: node({ conditions: [{ type: 'Ready', status: 'Unknown' }] }),
      says: 'NotReady',
    },
    {
      name: 'a node with shared GPUs that does not say by how many',
      node: node({ labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe-SHARED' } }),
      says: 'TimeSlicing',
    },
    {
      name: 'a node with replicas under the name of whole GPUs',
      node: node({ labels: { ...h100, 'nvidia.com/gpu.replicas': '4' } }),
      says: 'Offered',
    },
    {
      name: 'a node with MPS that does not say by how many',
      node: node({ labels: { ...h100, 'nvidia.com/gpu.sharing-strategy': 'mps' } }),
      says: 'TimeSlicing',
    },
    {
      name: 'a node with slices as GPUs',
      node: node({ labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe-MIG-1g.10gb' } }),
      says: 'Offered',
    },
    {
      name: 'a node with slices beside its GPUs',
      node: node({ gpus: { 'nvidia.com/gpu': '6', 'nvidia.com/mig-1g.10gb': '14' } }),
      says: 'Mig',
    },
    {
      name: 'a node with slices of two kinds',
      node: node({ gpus: { 'nvidia.com/mig-1g.10gb': '7', 'nvidia.com/mig-3g.40gb': '2' } }),
      says: 'Mig',
    },
    {
      name: 'a node with slices that are shared',
      node: node({
        labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe-MIG-1g.10gb', 'nvidia.com/gpu.replicas': '2' },
      }),
      says: 'TimeSlicing',
    },
    {
      name: 'a node with slices of one kind that are shared',
      node: node({
        labels: { ...h100, 'nvidia.com/mig-1g.10gb.replicas': '2' },
        gpus: { 'nvidia.com/mig-1g.10gb.shared': '14' },
      }),
      says: 'TimeSlicing',
    },
    {
      name: 'a node that could cut its GPUs and does not',
      node: node({ labels: { ...h100, 'nvidia.com/mig.capable': 'true', 'nvidia.com/mig.strategy': 'single' } }),
      says: 'Offered',
    },
    {
      name: 'a cordoned node with slices: the lasting reason first',
      node: node({
        gpus: { 'nvidia.com/gpu': '1', 'nvidia.com/mig-1g.10gb': '14' },
        spec: { unschedulable: true },
      }),
      says: 'Mig',
    },
  ]
  test.each(offers)('offers $name: $says', (row) => {
    const spec = claim(row.node)
    expect(spec?.withheldBecause ?? spec?.offer).toBe(row.says)
    expect(gpuNodeSpecSchema.safeParse(spec).success).toBe(true)
  })

  test('says which slices there are, as GPUs of a model of their own', () => {
    const spec = claim(node({ gpus: { 'nvidia.com/mig-1g.10gb': '14' } }))
    const slices = { resource: 'nvidia.com/mig-1g.10gb', model: 'H100-MIG-1g.10gb', memoryMiB: 10_240, count: 14 }
    expect(spec).toMatchObject({ sharing: { strategy: 'Mig' }, devices: [slices] })
    expect(spec && nodeFact('acme', spec)).toMatchObject({ model: 'H100-MIG-1g.10gb', gpus: 14, gpuMemoryMiB: 10_240 })
    expect(spec && nodeFact('acme', spec)).not.toHaveProperty('slices')
  })

  const shared: { name: string; node: ProviderNode; sharing: string; resource: string }[] = [
    {
      name: 'by time slicing, under the name of GPUs',
      node: node({
        labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe-SHARED', ...by('time-slicing') },
        gpus: { 'nvidia.com/gpu': '32' },
        healthy: { 'nvidia.com/gpu': '28' },
      }),
      sharing: 'TimeSlicing 4',
      resource: 'nvidia.com/gpu',
    },
    {
      name: 'by time slicing, under a name of their own, where whole ones were advertised before',
      node: node({
        labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe', ...by('time-slicing') },
        gpus: { 'nvidia.com/gpu': '0', 'nvidia.com/gpu.shared': '32' },
        healthy: { 'nvidia.com/gpu': '0', 'nvidia.com/gpu.shared': '28' },
      }),
      sharing: 'TimeSlicing 4',
      resource: 'nvidia.com/gpu.shared',
    },
    {
      name: 'by MPS',
      node: node({
        labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-PCIe-SHARED', ...by('mps') },
        gpus: { 'nvidia.com/gpu': '32' },
        healthy: { 'nvidia.com/gpu': '28' },
      }),
      sharing: 'Mps 4',
      resource: 'nvidia.com/gpu',
    },
  ]
  test.each(shared)('of GPUs that are shared $name counts each GPU once', ({ node: seen, sharing, resource }) => {
    const spec = claim(seen, [pod(), pod(), pod()], 1)
    expect(gpuNodeSpecSchema.parse(spec)).toEqual(spec)
    expect(`${spec?.sharing?.strategy} ${spec?.sharing?.replicas}`).toBe(sharing)
    expect(spec?.devices[0]).toMatchObject({ resource, model: 'H100', count: 8, healthy: 7 })
    // Six parts in use are a GPU and a half; the owner keeps one.
    const fact = { gpus: 6, slices: 4, slicesPerWorker: 1, usedByOthers: { gpus: 0.5 } }
    expect(spec && nodeFact('acme', spec)).toMatchObject(fact)
  })

  test.each([
    { what: 'zone and rack', labels: { 'topology.kubernetes.io/zone': 'a', 'topology.kubernetes.io/rack': 'r1' } },
    { what: 'its zone only', labels: { 'topology.kubernetes.io/zone': 'a' } },
    { what: 'nothing where the labels are empty', labels: { 'topology.kubernetes.io/rack': '' } },
  ])('says where the node lies: $what', ({ labels }) => {
    const { 'topology.kubernetes.io/zone': zone, 'topology.kubernetes.io/rack': rack } = labels as Record<
      string,
      string
    >
    const spec = claim(node({ labels: { ...h100, ...labels } }))
    expect(gpuNodeSpecSchema.parse(spec)).toEqual(spec)
    expect(spec?.topology).toEqual(zone ? { zone, ...(rack ? { rack } : {}) } : undefined)
    expect(spec && nodeFact('acme', spec).topology).toEqual(spec?.topology)
  })
})

describe('used by others', () => {
  test.each([
    { name: 'a running pod counts', pods: [pod({ phase: 'Running' })], gpus: 2 },
    { name: 'a pod that is bound and not started counts', pods: [pod({ phase: 'Pending' })], gpus: 2 },
    { name: 'pods add up', pods: [pod(), pod(), pod()], gpus: 6 },
    { name: 'pods that are over do not count', pods: [pod({ phase: 'Succeeded' }), pod({ phase: 'Failed' })], gpus: 0 },
    { name: 'our pods do not count', pods: [pod({ labels: { ours: 'yes' } })], gpus: 0 },
    { name: 'pods of other nodes do not count', pods: [pod({ on: 'gpu-2' })], gpus: 0 },
  ])('$name', ({ pods, gpus }) => {
    expect(claim(node(), pods)?.usedByOthers.gpus).toBe(gpus)
  })

  test('CPU, memory and disk are in units of the engine', () => {
    expect(claim(node(), [pod(), pod()])?.usedByOthers).toEqual({
      cpu: '3000m',
      memory: '20480Mi',
      ephemeralStorage: '2048Mi',
      gpus: 4,
    })
  })
})

describe('labels and taints', () => {
  test('keep what places jobs, and leave the noise', () => {
    const kept = { 'topology.kubernetes.io/zone': 'a', 'example.com/team': 'x', 'nvidia.com/gpu.family': 'hopper' }
    const noise = {
      'feature.node.kubernetes.io/cpu-cpuid.AVX': 'true',
      'nvidia.com/gpu.deploy.driver': 'true',
      'kubernetes.io/hostname': 'gpu-1',
    }
    expect(claim(node({ labels: { ...h100, ...noise, ...kept } }))?.labels).toEqual({ ...h100, ...kept })
  })

  test('are sorted and bounded, the place and the GPUs first', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`a.example/${i}`, 'x']))
    const labels = claim(node({ labels: { ...many, ...h100, 'topology.kubernetes.io/zone': 'z' } }))?.labels ?? {}
    expect(Object.keys(labels)).toHaveLength(64)
    expect(Object.keys(labels)).toEqual(Object.keys(labels).toSorted())
    expect(labels).toMatchObject({ ...h100, 'topology.kubernetes.io/zone': 'z' })
  })

  test('are bounded in all their characters, so that the hub takes the claim', () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${'a'.repeat(240)}.example/${i}`, 'x']))
    const spec = claim(node({ labels: { ...many, ...h100, 'topology.kubernetes.io/zone': 'z' } }))
    const characters = Object.entries(spec?.labels ?? {}).reduce(
      (sum, [key, value]) => sum + key.length + value.length,
      0,
    )
    expect(characters).toBeLessThanOrEqual(8192)
    expect(characters).toBeGreaterThan(7900)
    expect(spec?.labels).toMatchObject({ ...h100, 'topology.kubernetes.io/zone': 'z' })
  })

  test('taints are sorted, and have no empty value', () => {
    const taints = [
      { key: 'b', value: '', effect: 'NoSchedule' },
      { key: 'a', value: 'x', effect: 'NoExecute' },
    ]
    expect(claim(node({ spec: { taints } }))?.taints).toEqual([
      { key: 'a', value: 'x', effect: 'NoExecute' },
      { key: 'b', effect: 'NoSchedule' },
    ])
  })
})
