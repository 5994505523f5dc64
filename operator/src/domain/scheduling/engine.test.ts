import { describe, expect, test } from '@jest/globals'
import { booking, jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine } from './engine.ts'
import type { Booking, JobFact, NodeFact, ProviderFact } from './facts.ts'

interface World {
  readonly providers?: readonly ProviderFact[]
  readonly nodes?: readonly NodeFact[]
  readonly bookings?: readonly Booking[]
  readonly jobs?: readonly JobFact[]
}

/** One connected provider with one empty node, and one job with one GPU, where the test says nothing else. */
function engineOf({ providers = [providerFact()], nodes = [nodeFact()], bookings = [], jobs = [jobFact()] }: World) {
  return createEngine({ providers, nodes, bookings, waiting: jobs, queues: [], usages: [] })
}

function named(...names: readonly string[]): readonly NodeFact[] {
  return names.map((name) => nodeFact({ name }))
}

function takes(name: string, gpus: number): Booking {
  return booking({ uid: `on-${name}`, nodes: [{ name, workers: gpus }] })
}

const cases: (World & { readonly name: string; readonly says: readonly string[] })[] = [
  { name: 'a job starts where there is room', says: ['job@acme:n1×1'] },
  {
    name: 'the highest priority goes first, then the oldest',
    nodes: [nodeFact({ gpus: 2 })],
    jobs: [
      jobFact({ uid: 'young', createdMs: 2 }),
      jobFact({ uid: 'old', createdMs: 1 }),
      jobFact({ uid: 'urgent', createdMs: 3, priority: 1 }),
    ],
    says: ['urgent@acme:n1×1', 'old@acme:n1×1'],
  },
  {
    name: 'a job that fits is not held up by one that does not',
    jobs: [jobFact({ uid: 'huge', priority: 9, workers: 2, gpus: 8 }), jobFact({ uid: 'small' })],
    says: ['small@acme:n1×1'],
  },
  {
    name: 'a single GPU goes to a node that is broken already',
    nodes: named('n1', 'n2', 'n3'),
    bookings: [takes('n3', 1)],
    says: ['job@acme:n3×1'],
  },
  {
    name: 'of the broken nodes, to the one that it fills best',
    nodes: named('n1', 'n2', 'n3'),
    bookings: [takes('n1', 2), takes('n2', 6), takes('n3', 5)],
    jobs: [jobFact({ gpus: 2 })],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'a node of the same size is filled rather than a larger one broken',
    nodes: [nodeFact(), nodeFact({ name: 'n2', gpus: 4 })],
    jobs: [jobFact({ gpus: 4 })],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'GPUs that others use are not given away',
    nodes: [
      nodeFact({ usedByOthers: { gpus: 8, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }),
      nodeFact({ name: 'n2' }),
    ],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'a node with GPUs but no CPU left is passed over',
    nodes: [
      nodeFact({ usedByOthers: { gpus: 4, cpuMilli: 127_500, memoryMiB: 0, storageMiB: 0 } }),
      nodeFact({ name: 'n2' }),
    ],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'a gang takes one node where it fits into one',
    nodes: named('n1', 'n2', 'n3', 'n4'),
    jobs: [jobFact({ workers: 4, gpus: 2 })],
    says: ['job@acme:n1×4'],
  },
  {
    name: 'a gang of four nodes takes four nodes',
    nodes: named('n1', 'n2', 'n3', 'n4', 'n5'),
    bookings: [takes('n2', 1)],
    jobs: [jobFact({ workers: 4, gpus: 8 })],
    says: ['job@acme:n1×1,n3×1,n4×1,n5×1'],
  },
  {
    name: 'a gang splits evenly, though another split would be possible: 3+3, not 5+1',
    nodes: named('n1', 'n2'),
    bookings: [takes('n1', 3), takes('n2', 5)],
    jobs: [jobFact({ workers: 6, gpus: 1 })],
    says: ['job@acme:n1×3,n2×3'],
  },
  {
    name: 'a gang of which no even split fits waits',
    nodes: named('n1', 'n2'),
    bookings: [takes('n1', 4), takes('n2', 7)],
    jobs: [jobFact({ workers: 5, gpus: 1 })],
    says: [],
  },
  {
    name: 'a gang stays with one provider',
    providers: [providerFact(), providerFact({ name: 'bolt' })],
    nodes: [nodeFact(), nodeFact({ provider: 'bolt' })],
    jobs: [jobFact({ workers: 2, gpus: 8 })],
    says: [],
  },
  {
    name: 'a gang gets GPUs of one model',
    nodes: [nodeFact(), nodeFact({ name: 'n2', model: 'A100' }), nodeFact({ name: 'n3', model: 'A100' })],
    jobs: [jobFact({ workers: 2, gpus: 8 })],
    says: ['job@acme:n2×1,n3×1'],
  },
  {
    name: 'a gang may use nodes of different taints',
    nodes: [nodeFact(), nodeFact({ name: 'n2', taints: [{ key: 'team', effect: 'NoSchedule' }] })],
    jobs: [jobFact({ workers: 2, gpus: 8, tolerations: [{ key: 'team', operator: 'Exists' }] })],
    says: ['job@acme:n1×1,n2×1'],
  },
  {
    name: 'on equal terms the provider with most free GPUs of the kind is chosen',
    providers: [providerFact(), providerFact({ name: 'bolt' })],
    nodes: [nodeFact(), nodeFact({ provider: 'bolt' }), nodeFact({ provider: 'bolt', name: 'n2' })],
    says: ['job@bolt:n1×1'],
  },
  {
    name: 'promises on a node that is not known yet count when it appears',
    nodes: [nodeFact()],
    bookings: [takes('n1', 8), booking({ uid: 'far', provider: 'nowhere' })],
    says: [],
  },
  {
    name: 'more promised than there is leaves nothing, and harms nobody else',
    nodes: named('n1', 'n2'),
    bookings: [takes('n1', 20)],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'a provider counts no less than nothing free where too much is promised',
    providers: [providerFact(), providerFact({ name: 'bolt' })],
    nodes: [...named('n1', 'n2'), nodeFact({ provider: 'bolt' })],
    bookings: [takes('n1', 20)],
    says: ['job@acme:n2×1'],
  },
  {
    name: 'GPUs of a broken node are taken before a whole node of another provider',
    providers: [providerFact(), providerFact({ name: 'bolt' })],
    nodes: [nodeFact({ gpus: 4 }), nodeFact({ provider: 'bolt' })],
    bookings: [booking({ provider: 'bolt', nodes: [{ name: 'n1', workers: 4 }] })],
    jobs: [jobFact({ gpus: 4 })],
    says: ['job@bolt:n1×1'],
  },
  {
    name: 'the name decides between nodes that differ only in taints',
    nodes: [nodeFact({ name: 'n2' }), nodeFact({ name: 'n1', taints: [{ key: 'team', effect: 'NoSchedule' }] })],
    jobs: [jobFact({ tolerations: [{ key: 'team', operator: 'Exists' }] })],
    says: ['job@acme:n1×1'],
  },
  {
    name: 'an urgent job overtakes, also where one of its kind waits already',
    nodes: [nodeFact({ gpus: 2 })],
    jobs: [jobFact({ uid: 'a' }), jobFact({ uid: 'b', gpus: 2, priority: 1 }), jobFact({ uid: 'c', priority: 2 })],
    says: ['c@acme:n1×1', 'a@acme:n1×1'],
  },
  {
    name: 'a run that is booked already does not start again',
    bookings: [booking({ uid: 'job', run: 1 })],
    says: [],
  },
  {
    name: 'a later run of a job starts beside an earlier one that still holds its GPUs',
    bookings: [booking({ uid: 'job', run: 1, nodes: [{ name: 'n1', workers: 7 }] })],
    jobs: [jobFact({ run: 2 })],
    says: ['job@acme:n1×1'],
  },
  {
    name: 'no node is believed to have thousands of GPUs',
    nodes: [nodeFact({ gpus: 1_000_000_000 })],
    jobs: [jobFact({ gpus: 129 })],
    says: [],
  },
]

test.each(cases)('$name', ({ says, ...world }) => {
  expect(engineOf(world).decide({ nowMs: 0 }).map(rendered)).toEqual(says)
})

describe('explain', () => {
  const used = { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
  const team = { key: 'team', effect: 'NoSchedule' }
  const rows: (World & { readonly says: string })[] = [
    { nodes: [], says: 'NeverFits NoNodes 0' },
    { providers: [], says: 'Waits NotConnected 1' },
    { providers: [providerFact({ state: 'Disconnected' })], says: 'Waits NotConnected 1' },
    { providers: [providerFact({ state: 'NotReady' })], says: 'Waits ProviderNotReady 1' },
    { providers: [providerFact({ state: 'Cordoned' })], says: 'Waits ProviderCordoned 1' },
    { jobs: [jobFact({ providerSelector: { region: 'eu' } })], says: 'NeverFits ProviderSelector 1' },
    { jobs: [jobFact({ excludedProviders: ['acme'] })], says: 'NeverFits ProviderExcluded 1' },
    { jobs: [jobFact({ models: ['H200', 'B200'] })], says: 'NeverFits WrongModel 1' },
    { jobs: [jobFact({ gpuMemoryMiB: 141 * 1024 })], says: 'NeverFits TooLittleGpuMemory 1' },
    {
      providers: [providerFact({ pricesPerGpuHour: { H100: 2_000_000 } })],
      jobs: [jobFact({ maxPrice: 1_999_999 })],
      says: 'NeverFits TooExpensive 1',
    },
    { jobs: [jobFact({ nodeSelector: { disk: 'fast' } })], says: 'NeverFits NodeSelector 1' },
    { jobs: [jobFact({ avoidNodes: ['acme/n1'] })], says: 'NeverFits NodeAvoided 1' },
    { nodes: [nodeFact({ taints: [team] })], says: 'NeverFits Taint 1' },
    {
      providers: [providerFact({ tolerates: [] })],
      nodes: [nodeFact({ taints: [team] })],
      jobs: [jobFact({ tolerations: [{ operator: 'Exists' }] })],
      says: 'NeverFits Taint 1',
    },
    { jobs: [jobFact({ gpus: 9 })], says: 'NeverFits NodeTooSmall 1' },
    { nodes: [nodeFact({ cpuMilli: 999 })], says: 'NeverFits NodeTooSmall 1' },
    { nodes: [nodeFact({ withheld: 'Mig' })], says: 'NeverFits Withheld:Mig 1' },
    { nodes: [nodeFact({ withheld: 'Unhealthy', gpus: 0 })], says: 'NeverFits Withheld:Unhealthy 1' },
    {
      nodes: [
        nodeFact({ withheld: 'Cordoned', taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] }),
      ],
      says: 'NeverFits Withheld:Cordoned 1',
    },
    { bookings: [takes('n1', 8)], says: 'Waits NotEnoughFreeGpus 1' },
    { nodes: [nodeFact({ usedByOthers: { ...used, cpuMilli: 127_001 } })], says: 'Waits NotEnoughFreeCpu 1' },
    { nodes: [nodeFact({ usedByOthers: { ...used, memoryMiB: 2 ** 20 } })], says: 'Waits NotEnoughFreeMemory 1' },
    {
      nodes: [nodeFact({ usedByOthers: { ...used, storageMiB: 2 ** 20 } })],
      jobs: [jobFact({ perWorker: { ...used, gpus: 1, storageMiB: 1 } })],
      says: 'Waits NotEnoughFreeStorage 1',
    },
    { jobs: [jobFact({ workers: 2, gpus: 8 })], says: 'NeverFits GangDoesNotFit 1' },
    {
      nodes: named('n1', 'n2', 'n3', 'n4'),
      bookings: [takes('n3', 1), takes('n4', 1)],
      jobs: [jobFact({ workers: 3, gpus: 8 })],
      says: 'Waits GangDoesNotFit 2, NotEnoughFreeGpus 2',
    },
    {
      nodes: [...named('n1', 'n2'), nodeFact({ name: 'n3', withheld: 'Mig' })],
      jobs: [jobFact({ models: ['H200'] })],
      says: 'NeverFits WrongModel 3',
    },
  ]
  test.each(rows)('$says', ({ says, ...world }) => {
    const engine = engineOf(world)
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    const { verdict, reasons = [] } = engine.explain('job') ?? {}
    expect(`${verdict} ${reasons.map(({ reason, count }) => `${reason} ${count}`).join(', ')}`).toBe(says)
  })

  test('says nothing of a job that does not wait', () => {
    const engine = engineOf({})
    engine.decide({ nowMs: 0 })
    expect(engine.explain('job')).toBeUndefined()
    expect(engine.explain('nobody')).toBeUndefined()
  })
})

describe('what is said of one job of a shape is said of all, until something changes:', () => {
  const full = () => engineOf({ bookings: [takes('n1', 8)], jobs: [jobFact({ uid: 'a' }), jobFact({ uid: 'b' })] })
  const changes: { name: string; change: (engine: ReturnType<typeof full>) => void; says: string }[] = [
    { name: 'nothing', change: () => {}, says: 'NotEnoughFreeGpus' },
    { name: 'room', change: (engine) => engine.release('on-n1', 1), says: '' },
    { name: 'a node', change: (engine) => engine.removeNode('acme', 'n1'), says: 'NoNodes' },
    {
      name: 'a provider',
      change: (engine) => engine.setProvider(providerFact({ state: 'Cordoned' })),
      says: 'ProviderCordoned',
    },
  ]
  test.each(changes)('$name', ({ change, says }) => {
    const engine = full()
    engine.explain('a')
    change(engine)
    const said = engine.explain('b')?.reasons.map(({ reason }) => reason)
    expect(said?.join()).toBe(says)
  })

  test('the nodes are looked at once', () => {
    const engine = full()
    expect(engine.explain('b')).toBe(engine.explain('a'))
  })
})

describe('a job is not taken for another that differs in', () => {
  const team = { key: 'team', effect: 'NoSchedule' }
  const sort = { name: 'n1', labels: { disk: 'slow' }, taints: [team] }
  const likeable = { tolerations: [{ operator: 'Exists' }], maxPrice: 5 }
  const providers = [providerFact({ pricesPerGpuHour: { H100: 3 } })]
  test.each<readonly [string, Partial<JobFact>]>([
    ['its workers', { workers: 2 }],
    ['what a worker needs', { perWorker: { gpus: 9, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }],
    ['its models', { models: ['H200'] }],
    ['the memory of its GPUs', { gpuMemoryMiB: 10 ** 6 }],
    ['its price', { maxPrice: 1 }],
    ['its selector of providers', { providerSelector: { region: 'eu' } }],
    ['its selector of nodes', { nodeSelector: { disk: 'fast' } }],
    ['its tolerations', { tolerations: [] }],
    ['the providers that it leaves out', { excludedProviders: ['acme'] }],
    ['the nodes that it avoids', { avoidNodes: ['acme/n1'] }],
  ])('%s', (_, change) => {
    const jobs = [
      jobFact({ ...likeable, gpus: 8 }),
      jobFact({ uid: 'odd', priority: 1, ...likeable, gpus: 8, ...change }),
    ]
    const engine = engineOf({ providers, nodes: [nodeFact(sort)], jobs: jobs.toReversed() })
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n1×1'])
  })
})

describe('as time goes by', () => {
  test.each<{ readonly what: string; readonly before: Partial<NodeFact>; readonly after: Partial<NodeFact> }>([
    { what: 'is labelled', before: {}, after: { labels: { disk: 'fast' } } },
    { what: 'loses its taint', before: { taints: [{ key: 'team', effect: 'NoSchedule' }] }, after: {} },
    { what: 'is offered again', before: { withheld: 'Cordoned' }, after: {} },
    { what: 'gets more memory', before: { memoryMiB: 10 }, after: {} },
    { what: 'gets more ephemeral storage', before: { storageMiB: 10 }, after: {} },
    { what: 'turns out to be another model', before: { model: 'L4' }, after: {} },
  ])('a job starts when a node $what', ({ before, after }) => {
    const fast = { disk: 'fast' }
    const full = nodeFact({
      name: 'full',
      labels: fast,
      usedByOthers: { gpus: 8, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
    })
    const node = { labels: 'labels' in after ? {} : fast }
    const jobs = [jobFact({ nodeSelector: fast, models: ['H100'] })]
    const engine = engineOf({ nodes: [full, nodeFact({ ...node, ...before })], jobs })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.setNode(nodeFact({ ...node, ...after }))
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n1×1'])
  })

  test('a waiting job starts as soon as a booking ends', () => {
    const engine = engineOf({ bookings: [takes('n1', 8)] })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.release('on-n1', 1)
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n1×1'])
  })

  test('a job that never fitted starts when a fitting node appears', () => {
    const engine = engineOf({ jobs: [jobFact({ models: ['H200'] })] })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.setNode(nodeFact({ name: 'n9', model: 'H200' }))
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n9×1'])
  })

  test('what really runs replaces what was planned', () => {
    const engine = engineOf({ nodes: named('n1', 'n2'), jobs: [jobFact({ workers: 2, gpus: 4 })] })
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n1×2'])
    engine.book(booking({ uid: 'job', nodes: [{ name: 'n2', workers: 2 }], perWorker: jobFact({ gpus: 4 }).perWorker }))
    engine.wait(jobFact({ uid: 'next', gpus: 8 }))
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['next@acme:n1×1'])
  })

  test('the limit holds, and the rest goes on in the next round', () => {
    const engine = engineOf({ jobs: ['a', 'b', 'c'].map((uid) => jobFact({ uid })) })
    expect(engine.decide({ nowMs: 0, limit: 2 })).toHaveLength(2)
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['c@acme:n1×1'])
  })

  test('a job that changes its mind is placed by what it says last, and one that leaves not at all', () => {
    const engine = engineOf({ jobs: [jobFact({ gpus: 9 }), jobFact({ uid: 'gone' })] })
    engine.wait(jobFact({ gpus: 8 }))
    engine.withdraw('gone')
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['job@acme:n1×1'])
  })

  test('bookings of a node outlive its absence', () => {
    const engine = engineOf({ bookings: [takes('n1', 8)] })
    engine.removeNode('acme', 'n1')
    engine.setNode(nodeFact())
    expect(engine.decide({ nowMs: 0 })).toEqual([])
  })
})
