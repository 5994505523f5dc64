import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { booking, jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, Choice, JobFact, QueueFact } from './facts.ts'
import { patienceMs } from './reservation.ts'

const nowMs = 3_600_000
const minute = 60_000

function queue(name: string, change: Partial<QueueFact> = {}): QueueFact {
  const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 0 } as const
  return { name, weight: 1, quota: { '*': { guaranteed: 8 } }, preemption, ...change }
}

/** A run that began ten minutes ago. */
function run(uid: string, on: string, { gpus = 8, ...more }: Partial<Booking> & { gpus?: number } = {}): Booking {
  const nodes = [{ name: on, workers: 1 }]
  const perWorker = { ...booking().perWorker, gpus }
  return booking({ uid, nodes, perWorker, queue: 'a', priority: 0, startedMs: nowMs - 10 * minute, ...more })
}

interface World {
  readonly nodes?: readonly string[]
  readonly bookings?: readonly Booking[]
  readonly queues?: readonly QueueFact[]
  readonly jobs: readonly JobFact[]
}

function engineOf({ nodes = ['n1'], bookings = [], queues = [], jobs }: World): Engine {
  return createEngine({
    providers: [providerFact()],
    nodes: nodes.map((name) => nodeFact({ name })),
    bookings,
    waiting: jobs,
    queues,
    usages: [],
  })
}

/** `job@acme:n1×1 for low` */
function told(choices: readonly Choice[]): readonly string[] {
  return choices.map((choice) => {
    const victims = choice.preempts?.map(({ uid }) => uid).join()
    return rendered(choice) + (victims === undefined ? '' : ` for ${victims}`)
  })
}

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

  test('keeps nothing for itself in its first minutes', () => {
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

describe('a gang whose start nobody knows', () => {
  const hour = 60 * minute
  const gang = jobFact({ uid: 'gang', workers: 2, gpus: 8, createdMs: nowMs - patienceMs })
  const nodes = ['n1', 'n2']
  const endless = run('endless', 'n1')

  function afterFirstPass(...jobs: JobFact[]): Engine {
    const engine = engineOf({ nodes, bookings: [endless], jobs: [gang] })
    engine.decide({ nowMs })
    for (const job of jobs) engine.wait(job)
    return engine
  }

  test.each([
    { who: 'one that is over in an hour', job: { maxRuntimeMs: hour }, says: ['job@acme:n2×1'] },
    { who: 'none that is over later', job: { maxRuntimeMs: hour + 1 }, says: [] },
    { who: 'none that has not said', job: {}, says: [] },
  ])('lets $who have what is kept', ({ job, says }) => {
    expect(told(afterFirstPass(jobFact({ createdMs: nowMs, ...job })).decide({ nowMs: nowMs + 1 }))).toEqual(says)
  })

  test('lets anybody have it after an hour, for an hour', () => {
    const engine = afterFirstPass(jobFact({ createdMs: nowMs }))
    expect(told(engine.decide({ nowMs: nowMs + hour - 1 }))).toEqual([])
    expect(told(engine.decide({ nowMs: nowMs + hour }))).toEqual(['job@acme:n2×1'])
    engine.release('job', 1)
    engine.wait(jobFact({ createdMs: nowMs }))
    expect(told(engine.decide({ nowMs: nowMs + 2 * hour }))).toEqual([])
  })

  test('leaves its turn to the next in line meanwhile', () => {
    const bookings = [endless, run('long', 'n3')]
    const next = { ...gang, uid: 'next', createdMs: gang.createdMs + 1 }
    const jobs = [{ ...gang, workers: 3 }, next, jobFact({ gpus: 8, createdMs: nowMs })]
    const engine = engineOf({ nodes: ['n1', 'n2', 'n3'], bookings, jobs })
    for (const passed of [0, hour, 2 * hour - 1]) expect(told(engine.decide({ nowMs: nowMs + passed }))).toEqual([])
    engine.release('long', 1)
    expect(told(engine.decide({ nowMs: nowMs + 2 * hour - 1 }))).toEqual(['next@acme:n2×1,n3×1'])
  })

  test('is placed after finitely many, however long each of them runs', () => {
    const engine = engineOf({ nodes: ['n1', 'n2', 'n3'], jobs: [] })
    const running = new Map<string, number>()
    let time = nowMs
    let isPlaced = false
    for (let i = 0; i < 300 && !isPlaced; i += 1) {
      if (i === 40) engine.wait({ ...gang, workers: 3, createdMs: time })
      if (engine.snapshot().waiting.length < 4) engine.wait(jobFact({ uid: `s${i}`, gpus: 8, createdMs: time }))
      for (const [uid, sinceMs] of running) {
        if (time - sinceMs < 5 * hour) continue
        running.delete(uid)
        engine.release(uid, 1)
      }
      for (const { uid } of engine.decide({ nowMs: time })) {
        running.set(uid, time)
        isPlaced ||= uid === 'gang'
      }
      time += 10 * minute
    }
    expect(isPlaced).toBe(true)
  })

  test('makes nobody be tried again while nothing changes', () => {
    const tried = new Set<string>()
    const jobs = [
      jobFact({ uid: 'long', gpus: 8, createdMs: nowMs }),
      jobFact({ uid: 'short', workers: 2, gpus: 8, createdMs: nowMs, maxRuntimeMs: hour }),
    ]
    const engine = afterFirstPass(...jobs.map((job) => watched(job, tried)))
    engine.decide({ nowMs: nowMs + minute })
    expect([...tried].toSorted()).toEqual(['long', 'short'])
    tried.clear()
    engine.decide({ nowMs: nowMs + 2 * minute })
    expect([...tried]).toEqual([])
  })

  test('makes room for one that comes before the next for whom the same is kept', () => {
    const between = jobFact({ gpus: 8, createdMs: gang.createdMs + 1 })
    const engine = engineOf({
      nodes,
      bookings: [endless],
      jobs: [gang, between, { ...gang, uid: 'next', createdMs: gang.createdMs + 2 }],
    })
    expect(told(engine.decide({ nowMs: nowMs + minute }))).toEqual([])
    engine.withdraw('gang')
    expect(told(engine.decide({ nowMs: nowMs + 2 * minute }))).toEqual(['job@acme:n2×1'])
  })

  test('lets one be tried for whom what is kept and what is free beside it are enough together', () => {
    const short = jobFact({ gpus: 8, createdMs: nowMs, maxRuntimeMs: hour })
    const engine = engineOf({ nodes, bookings: [endless, run('half', 'n2', { gpus: 4 })], jobs: [gang, short] })
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.release('half', 1)
    expect(told(engine.decide({ nowMs: nowMs + minute }))).toEqual(['job@acme:n2×1'])
  })
})

/** Says who is looked at. */
function watched(job: JobFact, seen: Set<string>): JobFact {
  const { perWorker } = job
  return Object.defineProperty({ ...job }, 'perWorker', {
    enumerable: true,
    get: () => {
      seen.add(job.uid)
      return perWorker
    },
  })
}

describe('many that fit nowhere', () => {
  const seen = new Set<string>()
  const misfits = Array.from({ length: 40 }, (_, i) => watched(jobFact({ uid: `m${i}`, gpus: 9 + i }), seen))
  const gang = jobFact({ uid: 'gang', workers: 2, gpus: 8, createdMs: 1 })
  const nodes = ['n1', 'n2']

  function afterSomePasses(): Engine {
    const bookings = nodes.map((name) => run(name, name, { gpus: 1 }))
    const engine = engineOf({ nodes, bookings, jobs: [...misfits, gang] })
    for (let i = 0; i < 8; i += 1) engine.decide({ nowMs: nowMs + i })
    return engine
  }

  test('are looked at a few before each pass, and only where something has changed', () => {
    const engine = afterSomePasses()
    for (const uid of ['a', 'b', 'c']) {
      seen.clear()
      engine.book(run(uid, 'n1', { gpus: 1 }))
      engine.decide({ nowMs: nowMs + 9 })
      expect(seen.size).toBeGreaterThan(0)
      expect(seen.size).toBeLessThanOrEqual(8)
    }
    for (let i = 0; i < 6; i += 1) {
      seen.clear()
      engine.decide({ nowMs: nowMs + 10 })
    }
    expect(seen.size).toBe(0)
  })

  test('do not keep the one behind them from its turn', () => {
    const engine = afterSomePasses()
    engine.wait(jobFact({ gpus: 7, createdMs: nowMs }))
    expect(told(engine.decide({ nowMs: nowMs + 9 }))).toEqual([])
  })
})

/** Small ones without end: as soon as one leaves another one comes. Nobody says how long it runs, or each says so. */
test('a big gang is placed after finitely many, under an endless stream of small ones', () => {
  const stream = fc.record({
    gpus: fc.constantFrom(1, 2, 3, 4, 8),
    workers: fc.constantFrom(1, 2, 3),
    leaves: fc.array(fc.nat(99), { minLength: 1, maxLength: 20 }),
    declares: fc.constantFrom('Never', 'Always', 'Sometimes'),
  })
  fc.assert(
    fc.property(stream, ({ gpus, workers, leaves, declares }) => {
      const engine = engineOf({ nodes: ['n1', 'n2', 'n3'], jobs: [] })
      const running: { uid: string; since: number }[] = []
      let time = nowMs
      let made = 0
      const small = () => {
        const says = declares === 'Always' || (declares === 'Sometimes' && made % 2 === 0)
        made += 1
        return jobFact({
          uid: `s${made}`,
          gpus: 1 + (made % 2),
          createdMs: time,
          ...(says && { maxRuntimeMs: 20 * minute }),
        })
      }
      const stepOn = () => {
        for (let i = 0; i < 3; i += 1) engine.wait(small())
        for (const { uid } of engine.decide({ nowMs: time })) {
          if (uid === 'gang') return true
          running.push({ uid, since: time })
        }
        // Some leaves now, and everybody by its time.
        const leave = leaves[made % leaves.length] ?? 0
        for (const [i, one] of [...running].entries()) {
          if (i !== leave % running.length && time - one.since < 20 * minute) continue
          running.splice(running.indexOf(one), 1)
          engine.release(one.uid, 1)
        }
        time += minute
        return false
      }
      for (let i = 0; i < 30; i += 1) stepOn()
      engine.wait(jobFact({ uid: 'gang', gpus, workers, createdMs: time }))
      let steps = 0
      while (!stepOn() && steps < 200) steps += 1
      expect(steps).toBeLessThan(200)
    }),
    { numRuns: cases },
  )
})
