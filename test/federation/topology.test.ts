// Where jobs go by what nodes say of themselves: racks and zones, disks, GPUs that are shared or cut.
// Each story has a card, or a machine, of its own.
import { expect } from '@jest/globals'
import type { GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import { JOB_UID_LABEL } from '../../operator/src/api/labels.ts'
import { type Card, gpuNode } from '../bed/gpu-nodes.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { testScenarios } from './scenarios.ts'
import { type Stage, sideOf } from './stage.ts'

const namespace = 'places'

const inRack = (name: string, card: Card, [rack, zone]: readonly [string, string]) =>
  gpuNode({ name, card, gpus: 8, rack, zone })

const machines = [
  inRack('a1', 'H100', ['r1', 'z1']),
  inRack('b1', 'H100', ['r2', 'z1']),
  inRack('b2', 'H100', ['r2', 'z1']),
  inRack('p1', 'H200', ['r1', 'z1']),
  inRack('q1', 'H200', ['r2', 'z2']),
  inRack('q2', 'H200', ['r3', 'z2']),
  gpuNode({ name: 'disk', card: 'T4', gpus: 2 }),
  gpuNode({
    name: 'shared',
    card: 'L40S',
    gpus: 2,
    sharing: { by: 'TimeSlicing', replicas: 4, resource: 'nvidia.com/gpu.shared' },
  }),
  gpuNode({
    name: 'sliced',
    card: 'A100-80GB',
    gpus: 1,
    sharing: { by: 'MigMixed', slices: [{ profile: '1g.10gb', count: 7 }] },
  }),
]

testScenarios(
  { name: 'topology', providers: 1, nodes: () => machines, namespaces: [namespace] },
  {
    'a gang that has to be together goes into one rack, and waits where none is large enough': together,
    'a gang that is better together goes into one zone where no rack has room': better,
    'a job waits for room on the disk of a node': disk,
    'a part of a GPU is one share of what the node offers': part,
    'a slice is a GPU of a model of its own': slice,
  },
)

function order(stage: Stage, name: string, rest: Omit<Order, 'namespace' | 'name'>): Promise<OrderedJob> {
  return orderJob(stage, { namespace, name, ...rest })
}

function gang(workers: number, model: string, topology: NonNullable<GpuJobSpec['topology']>): Pick<Order, 'spec'> {
  return { spec: { workers, gpus: { count: 8, models: [model] }, topology } }
}

async function nodesOf(job: OrderedJob): Promise<string> {
  const { status } = await job.is('Succeeded')
  return status?.placement?.nodes.map(({ name }) => name).join() ?? ''
}

async function together(stage: Stage): Promise<void> {
  const nodes = [...stage.nodes.all.values()].map(({ spec }) => `${spec.node} ${spec.topology?.rack}`)
  expect(nodes).toEqual(expect.arrayContaining(['a1 r1', 'b1 r2', 'b2 r2']))

  const pair = await order(stage, 'pair', gang(2, 'H100', { within: 'Rack', rule: 'Required' }))
  expect(await nodesOf(pair)).toBe('b1,b2')
  const three = await order(stage, 'three', gang(3, 'H100', { within: 'Rack', rule: 'Required' }))
  expect((await three.says('Placed=False/NeverFits')).status?.why).toContain('TopologyDoesNotFit')
  const zone = await order(stage, 'zone', gang(3, 'H100', { within: 'Zone', rule: 'Required' }))
  expect(await nodesOf(zone)).toBe('a1,b1,b2')
}

async function better(stage: Stage): Promise<void> {
  const pair = await order(stage, 'better', gang(2, 'H200', { within: 'Rack', rule: 'Preferred' }))
  expect(await nodesOf(pair)).toBe('q1,q2')
  const all = await order(stage, 'anywhere', gang(3, 'H200', { within: 'Rack', rule: 'Preferred' }))
  expect(await nodesOf(all)).toBe('p1,q1,q2')
}

async function disk(stage: Stage): Promise<void> {
  const spec = { gpus: { count: 1, models: ['T4'] } }
  const pod = (size: string): Pick<Order, 'pod'> => ({
    pod: { containers: [{ name: 'main', image: 'a', resources: { limits: { 'ephemeral-storage': size } } }] },
  })
  const first = await order(stage, 'fills-disk', { spec, ...pod('1500Gi'), simulate: { how: 'hang' } })
  await first.is('Running')
  const second = await order(stage, 'waits-for-disk', { spec, ...pod('1Ti') })
  await second.until('to wait for disk', ({ status }) => status?.why?.includes('NotEnoughFreeStorage') ?? false)
  await first.remove()
  await second.is('Succeeded')
}

async function part(stage: Stage): Promise<void> {
  const quarter = { spec: { gpus: { fraction: '0.25', models: ['L40S'] } }, simulate: { how: 'hang' } }
  const jobs = await Promise.all(['one-part', 'other-part'].map((name) => order(stage, name, quarter)))
  for (const job of jobs) {
    const { metadata, status } = await job.is('Running')
    expect(status?.placement?.nodes).toEqual([{ name: 'shared', workers: 1 }])
    expect(await limitsOf(stage, metadata.uid)).toMatchObject({ 'nvidia.com/gpu.shared': '1' })
    expect(await limitsOf(stage, metadata.uid)).not.toHaveProperty(['nvidia.com/gpu'])
  }
  const half = await order(stage, 'half', { spec: { gpus: { fraction: '0.5', models: ['L40S'] } } })
  expect((await half.says('Placed=False/NeverFits')).status?.why).toContain('FractionTooLarge')
  const whole = await order(stage, 'whole', { spec: { gpus: { count: 1, models: ['L40S'] } } })
  expect((await whole.says('Placed=False/NeverFits')).status?.why).toContain('SharedGpus')
  const ofWhole = await order(stage, 'part-of-whole', { spec: { gpus: { fraction: '0.5', models: ['T4'] } } })
  expect((await ofWhole.says('Placed=False/NeverFits')).status?.why).toContain('NoFractions')
}

async function slice(stage: Stage): Promise<void> {
  const gpus = { count: 2, models: ['A100-MIG-1g.10gb'] }
  const job = await order(stage, 'two-slices', { spec: { gpus }, simulate: { how: 'hang' } })
  const { metadata } = await job.is('Running')
  expect(await limitsOf(stage, metadata.uid)).toMatchObject({ 'nvidia.com/mig-1g.10gb': '2' })
  const whole = await order(stage, 'whole-a100', { spec: { gpus: { count: 1, models: ['A100'] } } })
  await whole.says('Placed=False/NeverFits')
}

async function limitsOf(stage: Stage, uid: string): Promise<Readonly<Record<string, string>> | undefined> {
  const { controlPlane } = sideOf(stage, 'acme')
  const { body } = await controlPlane.ask(`/api/v1/pods?labelSelector=${JOB_UID_LABEL}%3D${uid}`)
  const { items } = body as { items: { spec: { containers: { resources?: { limits?: Record<string, string> } }[] } }[] }
  return items[0]?.spec.containers[0]?.resources?.limits
}
