import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { engineOf, minute, nowMs, queue, run, told } from '../../../../test/builders/making-room.ts'
import { jobFact } from '../../../../test/builders/scheduling.ts'
import { type Engine } from './engine.ts'
import type { JobFact } from './facts.ts'
import { patienceMs } from './reservation.ts'

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

  test('leaves what is free to who is older, also where both become so in one pass and a younger one needs the same', () => {
    const never = { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 } as const
    const queues = ['a', 'b', 'c'].map((name) => queue(name, { quota: {}, preemption: never }))
    const createdMs = nowMs - patienceMs + 5000
    const jobs = [
      jobFact({ uid: 'younger', queue: 'a', gpus: 8, createdMs: createdMs + 1 }),
      { ...gang, queue: 'c', createdMs },
      jobFact({ uid: 'older', queue: 'b', gpus: 8, createdMs: createdMs - 1 }),
    ]
    const bookings = [run('ends', 'n1', { queue: 'c' }), run('endless', 'n2', { queue: 'b' })]
    const engine = engineOf({ nodes, bookings, queues, jobs })
    expect(told(engine.decide({ nowMs }))).toEqual([])
    engine.release('ends', 1)
    expect(told(engine.decide({ nowMs: nowMs + 5000 }))).toEqual(['older@acme:n1×1'])
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

/** Says who is looked at: a place for the job is asked for. */
function watched(job: JobFact, seen: Set<string>): JobFact {
  const { nodeSelector } = job
  return Object.defineProperty({ ...job }, 'nodeSelector', {
    enumerable: true,
    get: () => {
      seen.add(job.uid)
      return nodeSelector
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
