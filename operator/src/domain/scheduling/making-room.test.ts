import { describe, expect, test } from '@jest/globals'
import { engineOf, minute, nowMs, queue, run, told } from '../../../../test/builders/making-room.ts'
import { jobFact, nodeFact } from '../../../../test/builders/scheduling.ts'
import { type Engine } from './engine.ts'
import type { JobFact } from './facts.ts'
import { patienceMs } from './reservation.ts'

describe('who finds no room', () => {
  const high = jobFact({ queue: 'a', gpus: 8, priority: 5 })
  const low = run('low', 'n1')
  const free = queue('a', { quota: {} })

  test('gets the GPUs of a lower one where its queue says so', () => {
    const engine = engineOf({ bookings: [low], queues: [free], jobs: [high] })
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1 for low'])
  })

  test('does so too where one that needs the same, and is no higher, has been waiting for long', () => {
    const engine = engineOf({ bookings: [low], queues: [free], jobs: [{ ...high, uid: 'twin', priority: 0 }] })
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.wait(high)
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1 for low'])
  })

  test('does so when its own priority is raised while it waits', () => {
    const engine = engineOf({ bookings: [low], queues: [free], jobs: [{ ...high, priority: 0 }] })
    engine.decide({ nowMs })
    engine.wait(high)
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1 for low'])
  })

  test('is tried again when a guard is over, also where others were that may not any more', () => {
    const guarded = { withinQueue: 'LowerPriority', reclaim: 'Never', minRuntimeMs: 5 * minute } as const
    const others = [1, 2, 3, 4].map((gpus) => jobFact({ uid: `other-${gpus}`, queue: 'b', gpus, createdMs: nowMs }))
    const engine = engineOf({
      bookings: [run('low', 'n1', { startedMs: nowMs })],
      queues: [queue('a', { quota: {}, preemption: guarded }), queue('b', { quota: {}, preemption: guarded })],
      jobs: [{ ...high, createdMs: nowMs }, ...others],
    })
    engine.decide({ nowMs })
    engine.setQueue(queue('b', { quota: {}, preemption: { ...guarded, withinQueue: 'Never' } }))
    for (const passed of [1, 20_000, 4 * minute]) expect(told(engine.decide({ nowMs: nowMs + passed }))).toEqual([])
    expect(told(engine.decide({ nowMs: nowMs + 5 * minute }))).toEqual(['job@acme:n1×1 for low'])
  })

  test('does not without a GpuQueue', () => {
    const engine = engineOf({ bookings: [low], jobs: [high] })
    expect(told(engine.decide({ nowMs }))).toEqual([])
  })

  test('takes a free place rather than anybody’s', () => {
    const engine = engineOf({ nodes: ['n1', 'n2'], bookings: [low], queues: [free], jobs: [high] })
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n2×1'])
  })

  test('takes a free place and the quota of a lower one, where its queue has no more of it', () => {
    const engine = engineOf({ nodes: ['n1', 'n2'], bookings: [low], queues: [queue('a')], jobs: [high] })
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n2×1 for low'])
  })

  test('holds what it was promised until those before it are over: nobody else gets it', () => {
    const engine = engineOf({ bookings: [low], queues: [free], jobs: [high] })
    engine.decide({ nowMs })
    engine.wait(jobFact({ uid: 'other', queue: 'a', priority: 4 }))
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.release('low', 1)
    expect(told(engine.decide({ nowMs }))).toEqual([])
  })

  test('is not preempted itself before it has begun', () => {
    const higher = jobFact({ uid: 'higher', queue: 'a', gpus: 8, priority: 9, createdMs: 1 })
    const engine = engineOf({ bookings: [low], queues: [free], jobs: [high] })
    engine.decide({ nowMs })
    engine.wait(higher)
    expect(told(engine.decide({ nowMs }))).toEqual([])
  })

  test('gets them in one rack where all its workers have to be in one', () => {
    const racks = { n1: 'r1', n2: 'r1', n3: 'r2', n4: 'r2' }
    const bookings = [
      run('x', 'n1', { startedMs: nowMs - minute }),
      run('y', 'n3', { startedMs: nowMs - minute }),
      run('dear', 'n2'),
      run('dearest', 'n4', { startedMs: nowMs - 20 * minute }),
    ]
    const gang = { ...high, workers: 2, topology: { within: 'Rack', rule: 'Required' } } as const
    const engine = engineOf({ nodes: [], bookings, queues: [free], jobs: [gang] })
    for (const [name, rack] of Object.entries(racks)) engine.setNode(nodeFact({ name, topology: { rack } }))
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1,n2×1 for dear,x'])
  })

  test('finds the same again after a restart, of those who were told to end', () => {
    const nodes = ['n1', 'n2']
    const others = [run('x', 'n1', { startedMs: nowMs - minute }), { ...run('y', 'n2'), endingMs: nowMs - 5000 }]
    const engine = engineOf({ nodes, bookings: others, queues: [free], jobs: [high] })
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n2×1 for y'])
  })

  test('gets back what is guaranteed to its queue, from one that borrows', () => {
    const bookings = [run('b1', 'n1', { queue: 'b' }), run('b2', 'n2', { queue: 'b' })]
    const jobs = [jobFact({ queue: 'a', gpus: 8 })]
    const engine = engineOf({
      nodes: ['n1', 'n2'],
      bookings,
      queues: [queue('all', { quota: {} }), ...['a', 'b'].map((name) => queue(name, { parent: 'all' }))],
      jobs,
    })
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1 for b1'])
    engine.wait(jobFact({ uid: 'more', queue: 'a', gpus: 8 }))
    expect(told(engine.decide({ nowMs }))).toEqual([])
  })
})

describe('a gang that cannot start', () => {
  const old = nowMs - patienceMs
  const gang = jobFact({ uid: 'gang', workers: 2, gpus: 8, createdMs: old })
  const nodes = ['n1', 'n2']
  const halves = [
    run('x', 'n1', { gpus: 4, endsMs: nowMs + 10 * minute }),
    run('y', 'n2', { gpus: 8, endsMs: nowMs + minute }),
  ]

  function waiting(...jobs: JobFact[]): Engine {
    const engine = engineOf({ nodes, bookings: halves, jobs: [gang] })
    engine.decide({ nowMs })
    for (const job of jobs) engine.wait(job)
    return engine
  }

  test('has nodes kept, which one of unknown length does not get', () => {
    expect(told(waiting(jobFact({ createdMs: nowMs })).decide({ nowMs }))).toEqual([])
  })

  test('lets one pass that is over before it starts', () => {
    const engine = waiting(jobFact({ createdMs: nowMs, maxRuntimeMs: 10 * minute }))
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1'])
  })

  test('lets one pass that is over in time, though an older one of its kind is not', () => {
    const engine = waiting(
      jobFact({ uid: 'older', createdMs: nowMs - 1 }),
      jobFact({ createdMs: nowMs, maxRuntimeMs: minute }),
    )
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1'])
  })

  test('lets one pass that comes before it by age, though a younger one of its kind may not', () => {
    const engine = waiting(jobFact({ uid: 'younger', createdMs: nowMs }))
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.wait(jobFact({ uid: 'older', createdMs: old - 1 }))
    expect(told(engine.decide({ nowMs }))).toEqual(['older@acme:n1×1'])
  })

  test('lets no one pass that may be over later', () => {
    const engine = waiting(jobFact({ createdMs: nowMs, maxRuntimeMs: 11 * minute }))
    expect(told(engine.decide({ nowMs }))).toEqual([])
  })

  test('is passed by what comes before it in line', () => {
    expect(told(waiting(jobFact({ createdMs: nowMs, priority: 1 })).decide({ nowMs }))).toEqual(['job@acme:n1×1'])
  })

  test('keeps nothing for itself in its first seconds', () => {
    const young = engineOf({ nodes, bookings: halves, jobs: [{ ...gang, createdMs: nowMs }] })
    young.decide({ nowMs })
    young.wait(jobFact({ createdMs: nowMs + 1 }))
    expect(told(young.decide({ nowMs }))).toEqual(['job@acme:n1×1'])
  })

  test('starts when those on its nodes are over', () => {
    const engine = waiting(jobFact({ createdMs: nowMs }))
    engine.decide({ nowMs })
    engine.release('x', 1)
    engine.release('y', 1)
    expect(told(engine.decide({ nowMs }))).toEqual(['gang@acme:n1×1,n2×1'])
  })

  test('leaves what was kept to others when it goes', () => {
    const engine = waiting(jobFact({ createdMs: nowMs }))
    engine.decide({ nowMs })
    engine.withdraw('gang')
    expect(told(engine.decide({ nowMs }))).toEqual(['job@acme:n1×1'])
  })

  test('is not told of in a snapshot but as one that waits', () => {
    const engine = waiting()
    engine.decide({ nowMs })
    expect(engine.snapshot().bookings.map(({ uid }) => uid)).toEqual(['x', 'y'])
  })
})
