import { describe, expect, test } from '@jest/globals'
import { engineOf, minute, nowMs, queue, run, told } from '../../../../test/builders/making-room.ts'
import { jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { createEngine, type Engine } from './engine.ts'
import type { JobFact, NodeFact, QueueFact } from './facts.ts'
import { firstTurnMs, patienceMs } from './reservation.ts'

const never = { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 } as const
const nodes = ['n1', 'n2', 'n3']
const old = nowMs - patienceMs

function leaf(name: string, change: Partial<QueueFact> = {}): QueueFact {
  return queue(name, { preemption: never, ...change })
}

const small = jobFact({ uid: 'small', queue: 'a', createdMs: nowMs })
const big = jobFact({ uid: 'big', queue: 'a', gpus: 8, createdMs: old })

/** Queue `a` may have 8 GPUs, of which a run has 5; there is room for more on the nodes. */
function waiting(jobs: readonly JobFact[], queues: readonly QueueFact[] = [leaf('a')]): Engine {
  return engineOf({ nodes, bookings: [run('x', 'n1', { gpus: 5, model: 'H100' })], queues, jobs })
}

test('a job that had quota kept and is gone is not chosen when there is room for it', () => {
  const engine = engineOf({
    nodes: ['n1', 'n2'],
    bookings: ['n1', 'n2'].map((name) => run(name, name, { queue: 'b' })),
    queues: [leaf('a'), leaf('b')],
    jobs: [big],
  })
  expect(told(engine.decide({ nowMs }))).toEqual([])
  engine.withdraw('big')
  engine.release('n1', 1)
  engine.release('n2', 1)
  expect(told(engine.decide({ nowMs, limit: 3 }))).toEqual([])
})

test('quota is kept for the first 16 of a tree, and the others find it as it is', () => {
  const names = Array.from({ length: 17 }, (_, i) => `q${i}`)
  const engine = engineOf({
    nodes,
    bookings: names.map((name) => run(`run-${name}`, 'gone', { gpus: 1, queue: name })),
    queues: [
      leaf('all', { quota: { '*': { guaranteed: 0 } } }),
      ...names.map((name) => leaf(name, { parent: 'all', quota: { '*': { guaranteed: 8, borrowLimit: 0 } } })),
    ],
    jobs: names.flatMap((queue, i) => [
      { ...big, uid: `big-${queue}`, queue, createdMs: old + i },
      { ...small, uid: `small-${queue}`, queue },
    ]),
  })
  expect(told(engine.decide({ nowMs: nowMs + 100 }))).toEqual(['small-q16@acme:n1×1'])
})

describe('while more jobs that wait for quota need a look than are had in a pass', () => {
  const others = Array.from({ length: 8 }, (_, i) => `q${i}`)
  const other = (change: Partial<NodeFact> = {}) => nodeFact({ name: 'other', model: 'A100', ...change })
  const nodesOf = (names: readonly string[], gpus: number) => names.map((name) => nodeFact({ name, gpus }))

  /** In each of eight queues a run has all of its quota, and a job of a need of its own waits, before `big`. */
  function crowded(here: readonly NodeFact[]): Engine {
    const room = (i: number) => ({ gpus: 1, cpuMilli: 1000 + i, memoryMiB: 1, storageMiB: 0 })
    return createEngine({
      providers: [providerFact()],
      nodes: [...here, other()],
      queues: [leaf('a'), ...others.map((name) => leaf(name, { quota: { '*': { guaranteed: 1 } } }))],
      usages: [],
      bookings: [
        run('x', 'small', { gpus: 4, model: 'H100' }),
        run('y', 'small-2', { gpus: 1, model: 'H100' }),
        ...others.map((queue) => run(`run-${queue}`, 'gone', { gpus: 1, queue, model: 'A100' })),
      ],
      waiting: [
        { ...big, models: ['H100'] },
        ...others.map((queue, i) =>
          jobFact({ uid: queue, queue, priority: 1, models: ['A100'], createdMs: old, perWorker: room(i) }),
        ),
      ],
    })
  }

  let cpuMilli = 100_000
  /** Nodes change before each pass. Gives what the last one chooses. */
  function passes(engine: Engine, count: number): readonly string[] {
    const all = Array.from({ length: count }, () => {
      cpuMilli += 1
      engine.setNode(other({ cpuMilli }))
      return told(engine.decide({ nowMs }))
    })
    return all.at(-1) ?? []
  }

  test('each of them has a look some time: one that fits on a new node has its quota kept', () => {
    const engine = crowded(nodesOf(['small', 'small-2'], 4))
    passes(engine, 3)
    engine.setNode(nodeFact({ name: 'large' }))
    passes(engine, 3)
    engine.wait(small)
    expect(passes(engine, 1)).toEqual([])
  })

  test('each of them has a look some time: one that fits nowhere any more holds nothing', () => {
    const engine = crowded([...nodesOf(['small', 'small-2'], 4), nodeFact({ name: 'large' })])
    passes(engine, 3)
    engine.removeNode('acme', 'large')
    passes(engine, 3)
    engine.wait(small)
    expect(passes(engine, 1)).toEqual(['small@acme:small-2×1'])
  })
})

describe('a job that its queue lets have nothing yet', () => {
  test('has what is left of its quota kept: a lower one of its queue does not get it', () => {
    expect(told(waiting([big, small]).decide({ nowMs }))).toEqual([])
  })

  test('has nothing kept in its first seconds', () => {
    const young = { ...big, createdMs: old + 1 }
    expect(told(waiting([young, small]).decide({ nowMs }))).toEqual(['small@acme:n1×1'])
  })

  test('starts when others of its queue are over, under an endless stream of small ones', () => {
    const engine = waiting([big, small])
    for (let i = 0; i < 5; i += 1) {
      engine.wait({ ...small, uid: `small-${i}`, key: `small-${i}` })
      expect(told(engine.decide({ nowMs: nowMs + i * minute }))).toEqual([])
    }
    engine.release('x', 1)
    expect(told(engine.decide({ nowMs: nowMs + 5 * minute }))).toEqual(['big@acme:n1×1'])
    engine.release('big', 1)
    const after = engine.decide({ nowMs: nowMs + 6 * minute })
    expect(after).toHaveLength(6)
  })

  test('starts before a younger one, which would fit into what is left', () => {
    const engine = waiting([big, jobFact({ uid: 'younger', queue: 'a', gpus: 3, createdMs: old + 1 })])
    expect(told(engine.decide({ nowMs: nowMs + minute }))).toEqual([])
    engine.release('x', 1)
    expect(told(engine.decide({ nowMs: nowMs + minute }))).toEqual(['big@acme:n1×1'])
  })

  test('is passed by what comes before it in line', () => {
    expect(told(waiting([big, { ...small, priority: 1 }]).decide({ nowMs }))).toEqual(['small@acme:n1×1'])
  })

  test('is passed by what comes before it in line and waited for quota as well, when there is some', () => {
    const high = jobFact({ uid: 'high', queue: 'a', gpus: 4, priority: 1, createdMs: nowMs })
    const engine = engineOf({
      nodes,
      bookings: [run('x', 'n1', { gpus: 3 }), run('y', 'n2', { gpus: 2 })],
      queues: [leaf('a')],
      jobs: [big, high],
    })
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.release('y', 1)
    expect(told(engine.decide({ nowMs }))).toEqual(['high@acme:n1×1'])
  })

  test('lets one pass that is over in the first hour', () => {
    const engine = waiting([big, { ...small, maxRuntimeMs: firstTurnMs }])
    expect(told(engine.decide({ nowMs }))).toEqual(['small@acme:n1×1'])
  })

  test('lets no one pass that is over later, however short it is', () => {
    const engine = waiting([big, { ...small, maxRuntimeMs: minute }])
    expect(told(engine.decide({ nowMs: nowMs + firstTurnMs - 1 }))).toEqual([])
  })

  test('has its turn for an hour, then others have theirs, and then it again for two', () => {
    const turns = [0, 1, 2, 3, 4].map((hour) => waiting([big, small]).decide({ nowMs: nowMs + hour * firstTurnMs }))
    expect(turns.map((choices) => told(choices).length)).toEqual([0, 1, 0, 0, 1])
  })

  test.each([
    { name: 'that has no node', job: { ...big, perWorker: { ...big.perWorker, gpus: 9 } }, guaranteed: 9 },
    { name: 'that its queue never lets have so much', job: big, guaranteed: 7 },
  ])('holds nothing back as one $name', ({ job, guaranteed }) => {
    const engine = waiting([job, small], [leaf('a', { quota: { '*': { guaranteed } } })])
    expect(told(engine.decide({ nowMs }))).toEqual(['small@acme:n1×1'])
  })

  test('holds nothing back where it is over', () => {
    const engine = waiting([big, small])
    engine.decide({ nowMs })
    engine.withdraw('big')
    expect(told(engine.decide({ nowMs }))).toEqual(['small@acme:n1×1'])
  })

  test('has quota of another model kept in its next turn', () => {
    const quota = { A100: { guaranteed: 8 }, H100: { guaranteed: 8 } }
    const chosenIn = (hour: number, model: string) => {
      const engine = createEngine({
        providers: [providerFact()],
        nodes: [nodeFact({ name: 'n1' }), nodeFact({ name: 'n2', model: 'A100' })],
        bookings: [run('x', 'n1', { gpus: 1, model: 'H100' }), run('y', 'n2', { gpus: 1, model: 'A100' })],
        queues: [leaf('a', { quota })],
        usages: [],
        waiting: [big, { ...small, models: [model] }],
      })
      return told(engine.decide({ nowMs: nowMs + hour * firstTurnMs })).length
    }
    expect([0, 2].map((hour) => ['A100', 'H100'].map((model) => chosenIn(hour, model)))).toEqual([
      [0, 1],
      [1, 0],
    ])
  })

  test('is why others wait, and not why those do who may use what is kept', () => {
    const engine = waiting([big, small, { ...small, uid: 'short', maxRuntimeMs: firstTurnMs }])
    engine.book(run('y', 'n2', { gpus: 3 }))
    engine.decide({ nowMs })
    const whyWaits = (uid: string) => engine.explain(uid)?.reasons.map(({ reason }) => reason)
    engine.release('y', 1)
    expect([whyWaits('small'), whyWaits('short')]).toEqual([['QuotaExceeded'], []])
    engine.withdraw('big')
    expect(told(engine.decide({ nowMs, limit: 1 }))).toEqual(['short@acme:n1×1'])
    expect(whyWaits('small')).toEqual([])
  })

  test('is why others wait also after queues have changed', () => {
    const engine = waiting([big, small])
    engine.decide({ nowMs })
    engine.setQueue(leaf('other'))
    engine.explain('small')
    engine.decide({ nowMs })
    expect(engine.explain('small')?.reasons.map(({ reason }) => reason)).toEqual(['QuotaExceeded'])
  })

  test('is counted by nobody between passes', () => {
    const engine = waiting([big, small])
    const before = engine.queues(nowMs)
    engine.decide({ nowMs })
    expect(engine.queues(nowMs)).toEqual(before)
    expect(engine.snapshot().bookings.map(({ uid }) => uid)).toEqual(['x'])
  })

  describe('beyond what is guaranteed to its queue', () => {
    const family = [
      leaf('all', { quota: { '*': { guaranteed: 0 } } }),
      leaf('a', { parent: 'all' }),
      leaf('b', { parent: 'all' }),
    ]
    const borrower = { ...big, workers: 2 }

    test('leaves another queue what is its own', () => {
      const engine = waiting([borrower, small, { ...small, uid: 'own', queue: 'b' }], family)
      expect(told(engine.decide({ nowMs }))).toEqual(['own@acme:n1×1'])
    })

    test('leaves another queue what is its own, also where that has some kept for itself', () => {
      const own = { ...big, uid: 'own', queue: 'b', createdMs: old + 1 }
      const engine = waiting([borrower, own], family)
      engine.book(run('y', 'n2', { gpus: 4 }))
      expect(told(engine.decide({ nowMs: nowMs + 1 }))).toEqual([])
      engine.release('y', 1)
      expect(told(engine.decide({ nowMs: nowMs + 1 }))).toEqual(['own@acme:n2×1'])
    })

    test('leaves another queue what is its own of a model that the job cannot have', () => {
      const quota = { '*': { guaranteed: 8 }, A100: { guaranteed: 8 } }
      const queues = [
        family[0],
        leaf('a', { parent: 'all', quota: { H100: { guaranteed: 8 } } }),
        leaf('b', { parent: 'all', quota }),
      ]
      const engine = createEngine({
        providers: [providerFact()],
        nodes: [nodeFact({ name: 'n1' }), ...['n2', 'n3'].map((name) => nodeFact({ name, model: 'A100' }))],
        bookings: [run('x', 'n2', { gpus: 4, queue: 'b', model: 'A100' })],
        queues: queues.filter((one) => one !== undefined),
        usages: [],
        waiting: [
          { ...big, models: ['H100'] },
          { ...small, uid: 'own', queue: 'b', models: ['A100'] },
        ],
      })
      expect(told(engine.decide({ nowMs }))).toEqual(['own@acme:n2×1'])
    })

    test('leaves a queue what is its own, however many of the others wait for more', () => {
      const none = { '*': { guaranteed: 0 } }
      const queues = [
        leaf('root', { quota: none }),
        leaf('l', { parent: 'root', quota: none }),
        leaf('ll', { parent: 'l' }),
        leaf('lr', { parent: 'l', quota: none }),
        leaf('r', { parent: 'root' }),
      ]
      const two = { ...big, workers: 2 }
      const engine = engineOf({
        nodes: ['n1', 'n2', 'n3', 'n4'],
        bookings: [run('x', 'n1', { queue: 'r' })],
        queues,
        jobs: [
          { ...two, uid: 'lr', queue: 'lr' },
          { ...two, uid: 'r', queue: 'r' },
          { ...small, uid: 'own', queue: 'll' },
        ],
      })
      expect(told(engine.decide({ nowMs }))).toEqual(['own@acme:n2×1'])
    })

    test('leaves another queue nothing beyond its own', () => {
      const engine = waiting([borrower, { ...small, uid: 'more', queue: 'b' }], family)
      engine.book(run('y', 'n2', { gpus: 8, queue: 'b' }))
      expect(told(engine.decide({ nowMs }))).toEqual([])
    })
  })

  test('has quota of a model kept where that is what is short', () => {
    const quota = { H100: { guaranteed: 8 }, '*': { guaranteed: 100 } }
    expect(told(waiting([big, small], [leaf('a', { quota })]).decide({ nowMs }))).toEqual([])
  })
})

test('a job that nodes are kept for has its quota kept as well', () => {
  const engine = engineOf({
    nodes: ['n1', 'n2'],
    bookings: [run('x', 'n1', { gpus: 4, queue: 'b' }), run('y', 'n2', { gpus: 4, queue: 'b' })],
    queues: [leaf('a'), leaf('b')],
    jobs: [big, small],
  })
  expect(told(engine.decide({ nowMs }))).toEqual([])
  engine.release('x', 1)
  expect(told(engine.decide({ nowMs }))).toEqual(['big@acme:n1×1'])
})

test('what is kept of one model for a job that gets another is for others in the same pass', () => {
  const guaranteed = { guaranteed: 8 }
  const engine = createEngine({
    providers: [providerFact()],
    nodes: [nodeFact({ name: 'n1' }), ...['n2', 'n3'].map((name) => nodeFact({ name, model: 'A100' }))],
    bookings: [
      run('victim', 'n1', { model: 'H100' }),
      ...['n2', 'n3'].map((name) => run(name, name, { gpus: 7, model: 'A100', queue: 'b', endsMs: nowMs + minute })),
    ],
    queues: [
      queue('a', { quota: { A100: guaranteed, H100: guaranteed } }),
      leaf('b', { quota: { A100: { guaranteed: 16 } } }),
    ],
    usages: [],
    waiting: [
      { ...big, priority: 1 },
      { ...small, models: ['A100'] },
    ],
  })
  expect(told(engine.decide({ nowMs }))).toEqual(['big@acme:n1×1 for victim', 'small@acme:n3×1'])
})
