import { describe, expect, test } from '@jest/globals'
import { booking, jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine } from './engine.ts'
import type { JobFact, NodeFact, Topology } from './facts.ts'

/** Nodes of 8 GPUs: `a b@r1/z1` are two in rack r1 of zone z1; without an `@` they do not say where they are. */
function nodesOf(text: string): NodeFact[] {
  return text.split(', ').flatMap((group) => {
    const [names = '', place = ''] = group.split('@')
    const [rack, zone] = place.split('/').map((part) => part || undefined)
    return names.split(' ').map((name) => nodeFact({ name, topology: { rack, zone } }))
  })
}

function engineOf({ nodes, job }: { readonly nodes: readonly NodeFact[]; readonly job: JobFact }) {
  const engine = createEngine()
  engine.setProvider(providerFact())
  for (const node of nodes) engine.setNode(node)
  engine.wait(job)
  return engine
}

/** `2×8 Required Rack`: two workers of eight GPUs. */
function gang(text: string): JobFact {
  const [size = '', rule, within] = text.split(' ')
  const [workers, gpus] = size.split('×').map(Number)
  return jobFact({ workers: workers ?? 1, gpus: gpus ?? 1, topology: { rule, within } as Topology })
}

describe('workers that have to be together', () => {
  const cases: { name: string; nodes: string; job: string; says: string }[] = [
    { name: 'go into one rack', nodes: 'a b@r1/z, c d@r2/z', job: '2×8 Required Rack', says: 'a×1,b×1' },
    { name: 'pass a rack that is too small', nodes: 'a@r1/z, b c@r2/z', job: '2×8 Required Rack', says: 'b×1,c×1' },
    {
      name: 'wait where no rack is large enough',
      nodes: 'a@r1/z, b@r2/z',
      job: '2×8 Required Rack',
      says: 'NeverFits TopologyDoesNotFit 2',
    },
    {
      name: 'do not take racks of two zones for one because of their name',
      nodes: 'a@r1/z1, b@r1/z2',
      job: '2×8 Required Rack',
      says: 'NeverFits TopologyDoesNotFit 2',
    },
    { name: 'go into one zone over racks', nodes: 'a@r1/z, b@r2/z', job: '2×8 Required Zone', says: 'a×1,b×1' },
    {
      name: 'are not together on nodes that do not say where they are',
      nodes: 'a b',
      job: '2×8 Required Zone',
      says: 'NeverFits TopologyDoesNotFit 2',
    },
    { name: 'are together on one node, wherever it is', nodes: 'a b', job: '2×4 Required Rack', says: 'a×2' },
    {
      name: 'wait for one node',
      nodes: 'a b@r1/z',
      job: '2×8 Required Node',
      says: 'NeverFits TopologyDoesNotFit 2',
    },
    { name: 'take one node', nodes: 'a b@r1/z', job: '2×4 Required Node', says: 'a×2' },
    {
      name: 'hear first of a gang that fits nowhere',
      nodes: 'a b@r1/z',
      job: '3×8 Required Rack',
      says: 'NeverFits GangDoesNotFit 2',
    },
  ]
  test.each(cases)('$name', ({ nodes, job, says }) => {
    expect(saysOf({ nodes: nodesOf(nodes), job: gang(job) })).toBe(says)
  })
})

describe('workers that are better together', () => {
  const cases: { name: string; nodes: string; job: string; says: string }[] = [
    { name: 'go into one rack', nodes: 'a@r1/z, b c@r2/z', job: '2×8 Preferred Rack', says: 'b×1,c×1' },
    { name: 'else into one zone', nodes: 'a@r1/z1, b@r2/z2, c@r3/z2', job: '2×8 Preferred Rack', says: 'b×1,c×1' },
    { name: 'else anywhere', nodes: 'a@r1/z1, b@r2/z2', job: '2×8 Preferred Rack', says: 'a×1,b×1' },
    { name: 'else on nodes that say nothing', nodes: 'a b', job: '2×8 Preferred Node', says: 'a×1,b×1' },
    {
      name: 'would have a rack for one node each and not one node: then the rack',
      nodes: 'a@r1/z, b c@r2/z',
      job: '2×8 Preferred Node',
      says: 'b×1,c×1',
    },
  ]
  test.each(cases)('$name', ({ nodes, job, says }) => {
    expect(saysOf({ nodes: nodesOf(nodes), job: gang(job) })).toBe(says)
  })
})

test('of two racks the one is taken whose whole nodes are spared', () => {
  const job = { ...gang('2×4 Required Rack'), perWorker: { gpus: 4, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }
  const engine = engineOf({ nodes: nodesOf('a b@r1/z, c d@r2/z'), job })
  const half = { perWorker: { gpus: 6, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }
  for (const name of ['a', 'c', 'd']) engine.book(booking({ uid: name, nodes: [{ name, workers: 1 }], ...half }))
  expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:b×2'])
})

test('a gang starts when a node turns out to be in the rack of another', () => {
  const engine = engineOf({ nodes: nodesOf('a@r1/z, b@r2/z'), job: gang('2×8 Required Rack') })
  expect(engine.decide({ nowMs: 0 })).toEqual([])
  for (const node of nodesOf('b@r1/z')) engine.setNode(node)
  expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:a×1,b×1'])
})

test('a gang that may be apart is not taken for one that may not', () => {
  const engine = engineOf({ nodes: nodesOf('a@r1/z, b@r2/z'), job: gang('2×8 Required Rack') })
  engine.wait({ ...gang('2×8 Preferred Rack'), uid: 'free', key: 'ml/free', createdMs: 1 })
  expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['free@acme:a×1,b×1'])
})

test('others give way in one rack only to a gang that has to be in one', () => {
  const engine = engineOf({ nodes: nodesOf('a@r1/z, b c@r2/z'), job: { ...gang('2×8 Required Rack'), priority: 5 } })
  const preemption = { withinQueue: 'LowerPriority', reclaim: 'Never', minRuntimeMs: 0 } as const
  engine.setQueue({ name: 'default', weight: 1, quota: { '*': { guaranteed: 24 } }, preemption })
  const perWorker = { gpus: 8, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
  for (const [uid, priority] of [
    ['a', 0],
    ['b', 1],
    ['c', 1],
  ] as const) {
    engine.book(
      booking({ uid, nodes: [{ name: uid, workers: 1 }], perWorker, queue: 'default', priority, startedMs: 0 }),
    )
  }
  const [choice] = engine.decide({ nowMs: 3_600_000 })
  expect(choice?.preempts?.map(({ uid }) => uid).toSorted()).toEqual(['b', 'c'])
})

function saysOf(world: Parameters<typeof engineOf>[0]): string {
  const engine = engineOf(world)
  const [choice] = engine.decide({ nowMs: 0 })
  if (choice) return choice.nodes.map(({ name, workers }) => `${name}×${workers}`).join()
  const { verdict, reasons } = engine.explain('job') ?? {}
  return `${verdict} ${reasons?.map(({ reason, count }) => `${reason} ${count}`).join(', ')}`
}
