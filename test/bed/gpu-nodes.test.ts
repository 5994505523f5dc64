import { expect, test } from '@jest/globals'
import { type GpuNodeOptions, gpuNode, mixedNodes } from './gpu-nodes.ts'

const h100: GpuNodeOptions = { name: 'n', card: 'H100', gpus: 8 }
const label = (name: string) => `nvidia.com/${name}`

/** What a node offers, and how it describes itself. */
function offer(options: GpuNodeOptions): object {
  const { metadata, status } = gpuNode(options)
  const nvidia = Object.entries(status.allocatable).filter(([resource]) => resource.startsWith('nvidia.com/'))
  return {
    product: metadata.labels[label('gpu.product')],
    count: metadata.labels[label('gpu.count')],
    replicas: metadata.labels[label('gpu.replicas')],
    allocatable: nvidia.map(([resource, amount]) => `${resource}=${amount}`).join(' '),
  }
}

const product = 'NVIDIA-H100-80GB-HBM3'
test.each([
  {
    name: 'whole cards',
    node: h100,
    offers: { product, count: '8', replicas: '1', allocatable: 'nvidia.com/gpu=8' },
  },
  {
    name: 'broken cards are counted but not to be had',
    node: { ...h100, unhealthy: 3 },
    offers: { product, count: '8', replicas: '1', allocatable: 'nvidia.com/gpu=5' },
  },
  {
    name: 'time-slicing multiplies them and says so',
    node: { ...h100, gpus: 2, sharing: { by: 'TimeSlicing', replicas: 4 } },
    offers: { product: `${product}-SHARED`, count: '2', replicas: '4', allocatable: 'nvidia.com/gpu=8' },
  },
  {
    name: 'MIG, strategy single: pieces under the name of cards',
    node: { ...h100, gpus: 2, sharing: { by: 'MigSingle', profile: '1g.10gb', perCard: 7 } },
    offers: { product: `${product}-MIG-1g.10gb`, count: '14', replicas: '1', allocatable: 'nvidia.com/gpu=14' },
  },
  {
    name: 'MIG, strategy mixed: pieces under names of their own',
    node: { ...h100, gpus: 1, sharing: { by: 'MigMixed', slices: [{ profile: '3g.40gb', count: 2 }] } },
    offers: { product, count: '1', replicas: '1', allocatable: 'nvidia.com/mig-3g.40gb=2' },
  },
] as const satisfies readonly { name: string; node: GpuNodeOptions; offers: object }[])('$name', ({ node, offers }) => {
  expect(offer(node)).toEqual(offers)
})

test('a provider with mixed machines has four whole H100 nodes first, and names, racks and zones', () => {
  const nodes = mixedNodes(10, { prefix: 'acme', region: 'eu-west' })
  const cards = nodes.map(({ metadata }) => metadata.labels[label('gpu.product')]?.split('-')[1])
  expect(cards.join(' ')).toBe('H100 H100 H100 H100 L40S L40S A100 GeForce T4 H100')
  expect(nodes[9]?.metadata).toMatchObject({
    name: 'acme-9',
    labels: { 'topology.kubernetes.io/zone': 'eu-west-2', 'topology.kubernetes.io/rack': 'rack-3' },
  })
})
