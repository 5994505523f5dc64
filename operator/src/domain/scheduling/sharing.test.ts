import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases as tried } from '../../../../test/builders/cases.ts'
import { booking, jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine } from './engine.ts'
import type { JobFact, NodeFact } from './facts.ts'
import { groundOf } from './ground.ts'
import { preempt } from './preemption.ts'
import { reserve } from './reservation.ts'
import { partsOf } from './sharing.ts'

const fourths: Partial<NodeFact> = { slices: 4, slicesPerWorker: 1 }
const slices: Partial<NodeFact> = { model: 'H100-MIG-1g.10gb' }

function saysOf(
  job: Partial<JobFact> & { readonly gpus?: number },
  node: Partial<NodeFact>,
  trust?: 'Verified',
): string {
  const engine = createEngine()
  engine.setProvider(providerFact({ trust }))
  engine.setNode(nodeFact(node))
  engine.wait(jobFact(job))
  const [choice] = engine.decide({ nowMs: 0 })
  return choice
    ? rendered(choice)
    : (engine
        .explain('job')
        ?.reasons.map(({ reason }) => reason)
        .join() ?? '')
}

describe('a part of a GPU', () => {
  const cases: { name: string; gpus: number; node: Partial<NodeFact>; says: string }[] = [
    { name: 'is had where GPUs are shared', gpus: 0.25, node: fourths, says: 'job@acme:n1×1' },
    { name: 'may be more than is asked for', gpus: 0.1, node: fourths, says: 'job@acme:n1×1' },
    { name: 'may not be less', gpus: 0.5, node: fourths, says: 'FractionTooLarge' },
    {
      name: 'is had in several parts where these are of one GPU',
      gpus: 0.5,
      node: { slices: 4 },
      says: 'job@acme:n1×1',
    },
    { name: 'is not had of whole GPUs', gpus: 0.5, node: {}, says: 'NoFractions' },
    { name: 'is not a slice, which is had by its model', gpus: 0.1, node: slices, says: 'SlicesUnnamed' },
  ]
  test.each(cases)('$name', ({ gpus, node, says }) => {
    expect(saysOf({ gpus }, node)).toBe(says)
  })

  test.each([
    [0.25, 4, 1],
    [0.3, 4, 2],
    [0.1 + 0.2, 10, 3],
    [0.007, 1000, 7],
    [0.001, 2, 1],
  ])('%d of %d parts are %d', (fraction, of, parts) => {
    expect(partsOf(fraction, of)).toBe(parts)
  })
})

/** As many jobs as may be placed on one node, one after the other. */
function placedOf(jobs: readonly number[], node: Partial<NodeFact>) {
  const engine = createEngine()
  engine.setProvider(providerFact())
  engine.setNode(nodeFact(node))
  for (const [i, gpus] of jobs.entries()) engine.wait(jobFact({ uid: `job-${i}`, gpus, createdMs: i }))
  return { engine, placed: engine.decide({ nowMs: 0 }).length }
}

const same = (count: number, gpus: number) => Array.from({ length: count }, () => gpus)

describe('of GPUs that are shared', () => {
  const one = { ...fourths, gpus: 1 }
  const four = { ...fourths, gpus: 4 }
  const used = { gpus: 0.5, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
  const tenth = { slices: 10, slicesPerWorker: 10, gpus: 1 }
  test.each([
    { name: 'every part is had', jobs: same(5, 0.25), node: one, fit: 4 },
    { name: 'who wants less than a part has all of it', jobs: same(40, 0.1), node: four, fit: 16 },
    { name: 'what pods of others have is not had', jobs: same(5, 0.25), node: { ...one, usedByOthers: used }, fit: 2 },
    { name: 'parts add up', jobs: [0.3, 0.3, 0.1, 0.3, 0.1], node: tenth, fit: 4 },
    { name: 'a whole one is had as long as no part of it is', jobs: [0.1, 1, 1], node: { slices: 4, gpus: 2 }, fit: 2 },
  ])('$name', ({ jobs, node, fit }) => {
    const { engine, placed } = placedOf(jobs, node)
    expect(placed).toBe(fit)
    expect(engine.explain(`job-${jobs.length - 1}`)).toEqual({
      verdict: 'Waits',
      reasons: [{ reason: 'NotEnoughFreeGpus', count: 1 }],
    })
  })

  test('a part that is given back is had again', () => {
    const { engine } = placedOf(same(5, 0.25), one)
    engine.release('job-2', 1)
    expect(engine.decide({ nowMs: 0 }).map(({ uid }) => uid)).toEqual(['job-4'])
  })

  test('one GPU is filled before the next node is begun', () => {
    const engine = createEngine()
    engine.setProvider(providerFact())
    for (const name of ['n1', 'n2']) engine.setNode(nodeFact({ ...one, name }))
    engine.book(
      booking({ uid: 'other', nodes: [{ name: 'n2', workers: 1 }], perWorker: jobFact({ gpus: 0.1 }).perWorker }),
    )
    for (let i = 0; i < 4; i += 1) engine.wait(jobFact({ uid: `job-${i}`, gpus: 0.25, createdMs: i }))
    expect(engine.decide({ nowMs: 0 }).map(({ nodes }) => nodes[0]?.name)).toEqual(['n2', 'n2', 'n2', 'n1'])
  })

  test('others give way for the parts that they have, and not for less', () => {
    const node = nodeFact(one)
    const runs = ['a', 'b', 'c', 'd'].map((uid) => {
      return booking({ uid, perWorker: { ...booking().perWorker, gpus: 0.1 }, startedMs: 0 })
    })
    const rights = { mayTake: () => true, mayHave: () => true }
    const seen = { provider: 'acme', model: 'H100', nodes: [groundOf(node, runs)] }
    const job = jobFact({ gpus: 0.2 })
    expect(preempt({ job, rights, nowMs: 0 }, [seen])?.preempts).toEqual([{ uid: 'a', run: 1 }])
    expect(reserve(job, [seen], { nowMs: 0 })?.mayStart).toBe(false)
  })
})

describe('of any runs on a node that shares', () => {
  const fraction = fc.constantFrom(0.1, 0.2, 0.25, 0.3, 0.5, 0.7)
  const any = fc.record({
    node: fc.record({
      gpus: fc.integer({ min: 1, max: 3 }),
      slices: fc.integer({ min: 1, max: 10 }),
      others: fc.constantFrom(0, 0, 0.25, 1, 1 / 3),
    }),
    runs: fc.array(fc.record({ gpus: fraction, workers: fc.integer({ min: 1, max: 3 }) }), { maxLength: 8 }),
    gpus: fraction,
  })

  test('the place, the reason, what is kept and who gives way are reckoned alike', () => {
    fc.assert(
      fc.property(any, ({ node: { gpus: all, slices: of, others }, runs, gpus }) => {
        const usedByOthers = { gpus: others, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
        const fact = nodeFact({ gpus: all, slices: of, slicesPerWorker: of, usedByOthers })
        const job = jobFact({ gpus })
        const booked = runs.map(({ workers, ...some }, i) => {
          const perWorker = { gpus: some.gpus, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }
          return booking({ uid: `run-${i}`, nodes: [{ name: 'n1', workers }], perWorker, startedMs: 0 })
        })
        const engine = createEngine()
        engine.setProvider(providerFact())
        // Bookings come before and after what is said of their node, and some are over.
        for (const one of booked) engine.book(one)
        engine.setNode(fact)
        for (const one of booked.filter((_, i) => i % 3 === 2)) engine.release(one.uid, one.run)
        const there = booked.filter((_, i) => i % 3 !== 2)
        engine.wait(job)
        const reasons = engine.explain('job')?.reasons
        const isPlaced = engine.decide({ nowMs: 0 }).length === 1

        const inParts = (room: { readonly gpus: number }) => Math.ceil(room.gpus * of - 1e-6)
        const taken = there.flatMap(({ nodes, perWorker }) => nodes.map(({ workers }) => workers * inParts(perWorker)))
        const parts = taken.reduce((sum, each) => sum + each, inParts({ gpus }))
        expect(isPlaced).toBe(parts <= (all - others) * of + 1e-6)
        expect(reasons).toEqual(isPlaced ? [] : [{ reason: 'NotEnoughFreeGpus', count: 1 }])
        const seen = { provider: 'acme', model: 'H100', nodes: [groundOf(fact, there)] }
        expect(reserve(job, [seen], { nowMs: 0 })?.mayStart ?? false).toBe(isPlaced)
        const rights = { mayTake: () => true, mayHave: () => true }
        const victims = preempt({ job, rights, nowMs: 0 }, [seen])?.preempts.length ?? 0
        const canEverFit = inParts({ gpus }) <= (all - others) * of + 1e-6
        expect(victims > 0).toBe(!isPlaced && canEverFit)
      }),
      { numRuns: tried },
    )
  })
})

describe('of GPUs that are counted one by one', () => {
  const two = nodeFact({ gpus: 2, slices: 4 })
  const gpus = (count: number) => ({ gpus: count, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 })
  const on = (...named: number[]) => [{ name: 'n1', workers: 1, gpus: named }]

  test.each([
    { name: 'each is had once', booked: [{ nodes: on(0), perWorker: gpus(1) }], whole: 1 },
    {
      name: 'halves of two are no whole one',
      booked: [
        { nodes: on(0), perWorker: gpus(0.5) },
        { nodes: on(1), perWorker: gpus(0.5) },
      ],
      whole: 0,
    },
    { name: 'one that is named twice stands for two', booked: [{ nodes: on(0, 0), perWorker: gpus(2) }], whole: 0 },
    {
      name: 'who names too many hides nobody',
      booked: [
        { nodes: on(0, 0, 0, 0, 0), perWorker: gpus(0.25) },
        { nodes: [{ name: 'n1', workers: 1 }], perWorker: gpus(1) },
      ],
      whole: 0,
    },
    { name: 'one that is not there is not had of another', booked: [{ nodes: on(7), perWorker: gpus(1) }], whole: 1 },
  ])('$name', ({ booked, whole }) => {
    const engine = createEngine({ providers: [providerFact()], nodes: [two] })
    for (const [i, one] of booked.entries()) engine.book(booking({ uid: `other-${i}`, ...one }))
    for (const uid of ['a', 'b', 'c']) engine.wait(jobFact({ uid }))
    expect(engine.decide({ nowMs: 0 })).toHaveLength(whole)
  })

  test('a job says which of them it gets', () => {
    const engine = createEngine({ providers: [providerFact()], nodes: [two] })
    for (const [i, part] of [0.5, 1, 0.25, 0.25].entries())
      engine.wait(jobFact({ uid: `job-${i}`, gpus: part, createdMs: i }))
    expect(engine.decide({ nowMs: 0 }).map(({ nodes }) => nodes[0]?.gpus)).toEqual([[0], [1], [0], [0]])
  })

  test('a job that wants none is woken by the CPU that gets free', () => {
    const engine = createEngine({ providers: [providerFact()], nodes: [two] })
    engine.book(booking({ perWorker: { ...gpus(0), cpuMilli: 128_000 } }))
    engine.wait(jobFact({ gpus: 0 }))
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    expect(engine.explain('job')?.reasons).toEqual([{ reason: 'NotEnoughFreeCpu', count: 1 }])
    engine.release('other', 1)
    expect(engine.decide({ nowMs: 0 })).toHaveLength(1)
  })
})

describe('a whole GPU', () => {
  test('is not had where a device may be a part of one', () => {
    expect(saysOf({ gpus: 1 }, fourths)).toBe('SharedGpus')
  })

  test('may be had where all parts of one are', () => {
    expect(saysOf({ gpus: 1 }, { slices: 4 })).toBe('job@acme:n1×1')
  })

  test('is a slice only for who names its model', () => {
    expect(saysOf({ gpus: 1 }, slices)).toBe('SlicesUnnamed')
    expect(saysOf({ gpus: 2, models: ['H100-MIG-1g.10gb'] }, slices)).toBe('job@acme:n1×1')
    expect(saysOf({ gpus: 1, models: ['H100'] }, slices)).toBe('WrongModel')
  })
})

test('a job that wants a verified provider waits for one', () => {
  expect(saysOf({ trust: 'Verified' }, {})).toBe('NotVerified')
  expect(saysOf({ trust: 'Verified' }, {}, 'Verified')).toBe('job@acme:n1×1')
  expect(saysOf({ trust: 'Unverified' }, {})).toBe('job@acme:n1×1')
})
