import { describe, expect, test } from '@jest/globals'
import { booking, jobFact, nodeFact, providerFact, queueFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, JobFact, NodeFact, QueueFact, Quota } from './facts.ts'

const week = 7 * 24 * 3_600_000

interface World {
  readonly queues?: readonly QueueFact[]
  readonly nodes?: readonly NodeFact[]
  readonly bookings?: readonly Booking[]
  readonly jobs?: readonly JobFact[]
}

/** One provider with eight GPUs. */
function engineOf({ queues = [], nodes = [nodeFact()], bookings = [], jobs = [] }: World): Engine {
  return createEngine({ providers: [providerFact()], nodes, queues, bookings, waiting: jobs, usages: [] })
}

/** `a` stands in queue `a`, and so does `a2`. */
function job(uid: string, change: Parameters<typeof jobFact>[0] = {}): JobFact {
  return jobFact({ uid, queue: uid.slice(0, 1), ...change })
}

function taken(queue: string, gpus: number, change: Partial<Booking> = {}): Booking {
  const perWorker = { gpus, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
  return booking({ uid: `on-${queue}`, queue, perWorker, model: 'H100', ...change })
}

function ofAny(guaranteed: number, limits: Partial<Quota> = {}): QueueFact['quota'] {
  return { '*': { guaranteed, ...limits } }
}

const root = queueFact({ name: 'r', quota: ofAny(0) })
const [a, b] = [queueFact({ name: 'a' }), queueFact({ name: 'b' })]

const cases: (World & { readonly name: string; readonly says: readonly string[] })[] = [
  {
    name: 'of two queues, the one goes first that has less',
    queues: [a, b],
    bookings: [taken('a', 2), taken('b', 1)],
    jobs: [job('a'), job('b', { createdMs: 9 })],
    says: ['b', 'a'],
  },
  {
    name: 'less for its weight',
    queues: [{ ...a, weight: 3 }, b],
    bookings: [taken('a', 2), taken('b', 1)],
    jobs: [job('b'), job('a', { createdMs: 9 })],
    says: ['a', 'b'],
  },
  {
    name: 'priority comes before what queues have',
    queues: [a, b],
    bookings: [taken('a', 6)],
    jobs: [job('a', { priority: 1 }), job('b')],
    says: ['a', 'b'],
  },
  {
    name: 'a queue without weight gets what no other wants',
    queues: [{ ...a, weight: 0 }, b],
    bookings: [taken('b', 6)],
    jobs: [job('a'), job('b'), job('b2')],
    says: ['b', 'b2'],
  },
  {
    name: 'queues of one parent share what is its part',
    queues: [a, b, queueFact({ name: 'c', parent: 'a' }), queueFact({ name: 'd', parent: 'a' })],
    bookings: [taken('c', 3), taken('b', 2)],
    jobs: [job('d'), job('b', { createdMs: 9 })],
    says: ['b', 'd'],
  },
  {
    name: 'a burst of one queue comes after the first job of another',
    queues: [a, b],
    nodes: [nodeFact({ gpus: 2 })],
    jobs: [...['a1', 'a2', 'a3', 'a4'].map((uid) => job(uid)), job('b', { createdMs: 9 })],
    says: ['a1', 'b'],
  },
  {
    name: 'the share is that of which a queue has most: CPU here',
    queues: [a, b],
    bookings: [taken('a', 1, { perWorker: { gpus: 1, cpuMilli: 64_000, memoryMiB: 0, storageMiB: 0 } }), taken('b', 2)],
    jobs: [job('a'), job('b', { createdMs: 9 })],
    says: ['b', 'a'],
  },
  {
    name: 'no more runs than maxRunning, in all queues below it',
    queues: [
      { ...root, quota: {}, maxRunning: 2 },
      { ...a, parent: 'r' },
      { ...b, parent: 'r' },
    ],
    jobs: [job('a'), job('b'), job('a2')],
    says: ['a', 'b'],
  },
  {
    name: 'a queue borrows what another leaves',
    queues: [root, { ...a, parent: 'r', quota: ofAny(2) }, { ...b, parent: 'r', quota: ofAny(2) }],
    jobs: ['a1', 'a2', 'a3', 'a4', 'a5'].map((uid) => job(uid)),
    says: ['a1', 'a2', 'a3', 'a4'],
  },
  {
    name: 'no more than it may borrow',
    queues: [root, { ...a, parent: 'r', quota: ofAny(2, { borrowLimit: 1 }) }, { ...b, parent: 'r', quota: ofAny(2) }],
    jobs: ['a1', 'a2', 'a3', 'a4'].map((uid) => job(uid)),
    says: ['a1', 'a2', 'a3'],
  },
  {
    name: 'no more than the other lends',
    queues: [root, { ...a, parent: 'r', quota: ofAny(2) }, { ...b, parent: 'r', quota: ofAny(2, { lendLimit: 0 }) }],
    jobs: ['a1', 'a2', 'a3'].map((uid) => job(uid)),
    says: ['a1', 'a2'],
  },
  {
    name: 'a root that names no quota has as much as there is',
    queues: [
      { ...root, quota: {} },
      { ...a, parent: 'r', quota: ofAny(1, { borrowLimit: 2 }) },
    ],
    jobs: ['a1', 'a2', 'a3', 'a4'].map((uid) => job(uid)),
    says: ['a1', 'a2', 'a3'],
  },
  {
    name: 'a job goes to the model of which its queue may have more',
    queues: [{ ...a, quota: { H100: { guaranteed: 0 } } }],
    nodes: [nodeFact(), nodeFact({ name: 'n2', model: 'A100' })],
    jobs: [job('a', { models: ['H100', 'A100'] }), job('a2', { models: ['H100'] })],
    says: ['a@n2'],
  },
  {
    name: 'a quota of a model that nobody has harms nobody',
    queues: [{ ...a, quota: { Z9: { guaranteed: 5 } } }],
    jobs: [job('a')],
    says: ['a'],
  },
  {
    name: 'a gang takes quota for all its workers',
    queues: [{ ...a, quota: ofAny(3) }],
    jobs: [job('a', { workers: 4 }), job('a2', { workers: 3 })],
    says: ['a2'],
  },
  {
    name: 'queues in a ring, and below one, take no new jobs; others do',
    queues: [
      { ...a, parent: 'b' },
      { ...b, parent: 'a' },
      queueFact({ name: 'c', parent: 'a' }),
      queueFact({ name: 'd' }),
    ],
    jobs: ['a', 'b', 'c', 'd'].map((uid) => job(uid)),
    says: ['d'],
  },
  {
    name: 'a queue whose parent nobody knows takes no new jobs, nor does the one below it',
    queues: [
      { ...a, parent: 'nobody' },
      { ...b, parent: 'a' },
    ],
    jobs: [job('a'), job('b')],
    says: [],
  },
  {
    name: 'a job whose queue is gone waits; one that names none goes on',
    queues: [a],
    jobs: [job('b'), jobFact({ uid: 'unnamed' })],
    says: ['unnamed'],
  },
  {
    name: 'a weight of a billion takes all that it can use, and breaks nothing',
    queues: [{ ...a, weight: 1e9 }, b],
    bookings: [taken('a', 5), taken('b', 1)],
    jobs: [job('b'), job('a', { createdMs: 9 }), job('a2', { createdMs: 9 })],
    says: ['a', 'a2'],
  },
]

test.each(cases)('$name', ({ says, ...world }) => {
  const choices = engineOf(world).decide({ nowMs: 0 })
  const texts = choices.map((choice) => (says.some((each) => each.includes('@')) ? rendered(choice) : choice.uid))
  expect(texts.map((text) => text.replace('acme:', '').replace('×1', ''))).toEqual(says)
})

describe('a job that its queue keeps out', () => {
  test('is let in when something is given back in its tree', () => {
    const queues = [root, { ...a, parent: 'r', quota: ofAny(1) }, { ...b, parent: 'r', quota: ofAny(1) }]
    const engine = engineOf({ queues, bookings: [taken('b', 2)], jobs: [job('a')] })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.release('on-b', 1)
    expect(engine.decide({ nowMs: 0 }).map(({ uid }) => uid)).toEqual(['a'])
  })

  test('when a run ends that its queue counted', () => {
    const engine = engineOf({ queues: [{ ...a, maxRunning: 1 }], bookings: [taken('a', 1)], jobs: [job('a')] })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.release('on-a', 1)
    expect(engine.decide({ nowMs: 0 })).toHaveLength(1)
  })

  test('when its queue comes, or is mended', () => {
    const engine = engineOf({ queues: [b], jobs: [job('a')] })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.setQueue({ ...a, quota: ofAny(0) })
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    engine.setQueue(a)
    expect(engine.decide({ nowMs: 0 })).toHaveLength(1)
  })

  test.each([
    ['QueueUnknown', [b]],
    ['QueueBroken', [{ ...a, parent: 'a' }]],
    ['MaxRunning', [{ ...a, maxRunning: 0 }]],
    ['QuotaExceeded', [{ ...a, quota: ofAny(0) }]],
  ] as const)('hears %s', (reason, queues) => {
    const engine = engineOf({ queues, jobs: [job('a')] })
    engine.decide({ nowMs: 0 })
    expect(engine.explain('a')).toEqual({ verdict: 'Waits', reasons: [{ reason, count: 1 }] })
  })

  test('keeps no other from a place that both need', () => {
    const engine = engineOf({ queues: [{ ...a, quota: ofAny(0) }, b], jobs: [job('a'), job('b')] })
    expect(engine.decide({ nowMs: 0 }).map(({ uid }) => uid)).toEqual(['b'])
  })
})

describe('what a queue had', () => {
  test('counts half after a week', () => {
    const engine = engineOf({ queues: [a] })
    engine.setUsage({ name: 'a', share: 0.5, atMs: 0 })
    expect(engine.queues(week)[0]?.averageShare).toBeCloseTo(0.25, 12)
  })

  test('moves towards what it has', () => {
    const engine = engineOf({ queues: [a], bookings: [taken('a', 8)] })
    engine.decide({ nowMs: 0 })
    expect(engine.queues(2 * week)[0]?.averageShare).toBeCloseTo(0.75, 12)
  })

  test('stays when the run ends, and puts it behind one that had nothing', () => {
    const queues = [a, b]
    const engine = engineOf({ queues, bookings: [taken('a', 8)], jobs: [job('a'), job('b', { createdMs: 9 })] })
    engine.decide({ nowMs: 0 })
    engine.decide({ nowMs: week })
    engine.release('on-a', 1)
    expect(engine.decide({ nowMs: week, limit: 1 })[0]?.uid).toBe('b')
  })

  test('survives in a snapshot', () => {
    const engine = engineOf({ queues: [a], bookings: [taken('a', 8)] })
    engine.decide({ nowMs: 0 })
    engine.decide({ nowMs: week })
    engine.release('on-a', 1)
    expect(createEngine(engine.snapshot()).queues(week)).toEqual(engine.queues(week))
    expect(engine.queues(week)[0]?.averageShare).toBeCloseTo(0.5, 12)
  })
})

test('says how each queue stands', () => {
  const queues = [root, { ...a, parent: 'r', quota: ofAny(2) }, { ...b, parent: 'r', quota: ofAny(6), weight: 3 }]
  const engine = engineOf({
    queues,
    bookings: [taken('a', 4), taken('x', 1)],
    jobs: [job('b', { priority: 5, gpus: 9 })],
  })
  const [stateA, stateB, stateR] = engine.queues(0)
  expect(stateA).toEqual({
    name: 'a',
    parent: 'r',
    state: 'Active',
    usage: { H100: 4 },
    share: 0.5,
    averageShare: 0,
    fairShare: 0.25,
    pending: {},
    running: 1,
    borrowed: { '*': 2 },
    lent: {},
  })
  expect(stateB).toMatchObject({ fairShare: 0.75, pending: { 5: 1 }, lent: { '*': 2 }, borrowed: {} })
  expect(stateR).toMatchObject({ name: 'r', usage: { H100: 4 }, running: 1, pending: { 5: 1 }, fairShare: 1 })
})

test('counts GPUs of a model whatever its name', () => {
  const bookings = ['constructor', '__proto__'].map((model, i) => taken('a', 1, { uid: `on-${i}`, model }))
  const { usage } = engineOf({ queues: [a], bookings }).queues(0)[0] ?? {}
  expect(Object.entries(usage ?? {})).toEqual([
    ['constructor', 1],
    ['__proto__', 1],
  ])
})

test('says what is wrong with the tree', () => {
  const queues = [{ ...a, parent: 'b' }, { ...b, parent: 'a' }, queueFact({ name: 'c', parent: 'nobody' })]
  const states = engineOf({ queues })
    .queues(0)
    .map(({ name, state }) => `${name} ${state}`)
  expect(states).toEqual(['a Cycle', 'b Cycle', 'c ParentMissing'])
})

test('the runs of a queue that is deleted go on, and count for nobody', () => {
  const engine = engineOf({ queues: [a, b], bookings: [taken('a', 7)], jobs: [job('a'), job('b'), job('b2')] })
  engine.removeQueue('a')
  expect(engine.decide({ nowMs: 0 }).map(({ uid }) => uid)).toEqual(['b'])
  expect(engine.queues(0).map(({ name, running }) => `${name} ${running}`)).toEqual(['b 1'])
  engine.release('on-a', 1)
  expect(engine.decide({ nowMs: 0 }).map(({ uid }) => uid)).toEqual(['b2'])
})
