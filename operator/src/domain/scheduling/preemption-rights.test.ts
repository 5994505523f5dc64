import { describe, expect, test } from '@jest/globals'
import { booking, jobFact } from '../../../../test/builders/scheduling.ts'
import type { Booking, JobFact, QueueFact } from './facts.ts'
import { type QueueBook, rightsOf } from './preemption-rights.ts'
import { queuePaths } from './queue-use.ts'

const nowMs = 3_600_000

function queue(name: string, change: Partial<QueueFact> = {}): QueueFact {
  const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 0 } as const
  return { name, weight: 1, quota: { '*': { guaranteed: 8 } }, preemption, ...change }
}

function rules(change: Partial<QueueFact['preemption']>): Pick<QueueFact, 'preemption'> {
  return { preemption: { ...queue('').preemption, ...change } }
}

/** A run of eight H100 that began ten minutes ago. */
function run(change: Partial<Booking> = {}): Booking {
  const perWorker = { ...booking().perWorker, gpus: 8 }
  return booking({ perWorker, queue: 'b', priority: 0, model: 'H100', startedMs: nowMs - 600_000, ...change })
}

interface Case {
  readonly name: string
  readonly job?: Partial<JobFact>
  readonly queues?: readonly QueueFact[]
  readonly run?: Partial<Booking>
  readonly used?: Readonly<Record<string, number>>
  readonly ended?: readonly Booking[]
  readonly leaving?: readonly Booking[]
  readonly says: boolean
}

const cases: readonly Case[] = [
  { name: 'a queue that has more than its own gives it to one that has less', says: true },
  { name: 'not what is its own', used: { b: 8 }, says: false },
  { name: 'not to one that would borrow itself', used: { a: 4, b: 16 }, says: false },
  { name: 'not more than it has too much', ended: [run()], says: false },
  { name: 'nor what another one takes of it already', leaving: [run({ uid: 'x' })], says: false },
  { name: 'who leaves and is over counts once', used: { b: 24 }, leaving: [run()], ended: [run()], says: true },
  {
    name: 'one that does not end, on a node that is lost, is there',
    leaving: [run({ uid: 'x', endingMs: nowMs - 600_000 })],
    says: true,
  },
  {
    name: 'where the queue of the job says Never it takes nothing',
    queues: [queue('a', rules({ reclaim: 'Never' }))],
    says: false,
  },
  {
    name: 'where it says LowerPriority it takes from the lower',
    queues: [queue('a', rules({ reclaim: 'LowerPriority' })), queue('b')],
    job: { priority: 1 },
    says: true,
  },
  {
    name: 'and not from its equals',
    queues: [queue('a', rules({ reclaim: 'LowerPriority' })), queue('b')],
    says: false,
  },
  {
    name: 'a run that is younger than the guard of its queue is left alone',
    queues: [queue('a'), queue('b', rules({ minRuntimeMs: 600_001 }))],
    says: false,
  },
  {
    name: 'and may go from then on',
    queues: [queue('a'), queue('b', rules({ minRuntimeMs: 600_000 }))],
    says: true,
  },
  { name: 'within a queue the lower goes', run: { queue: 'a' }, job: { priority: 1 }, says: true },
  { name: 'and no equal', run: { queue: 'a' }, says: false },
  {
    name: 'and nobody where the queue says Never',
    queues: [queue('a', rules({ withinQueue: 'Never' }))],
    run: { queue: 'a' },
    job: { priority: 1 },
    says: false,
  },
  {
    name: 'without a GpuQueue priorities alone take nothing from anybody',
    queues: [],
    job: { priority: 9 },
    says: false,
  },
  { name: 'what stands in no GpuQueue has only what others leave', queues: [queue('a')], says: true },
  {
    name: 'a queue without a quota has only what others leave',
    queues: [queue('a'), queue('b', { quota: {} })],
    says: true,
  },
  {
    name: 'a queue that is guaranteed nothing reclaims nothing',
    queues: [queue('a', { quota: {} }), queue('b')],
    says: false,
  },
  { name: 'what has not begun is left alone', run: { startedMs: undefined }, says: false },
  { name: 'so is what nobody knows the priority of', run: { priority: undefined }, says: false },
  {
    name: 'a branch that as a whole has no more than its own gives nothing away',
    queues: [queue('a'), queue('b', { parent: 'all' }), queue('all', { quota: { '*': { guaranteed: 16 } } })],
    used: { b: 16, all: 16 },
    says: false,
  },
  {
    name: 'but one of its queues does to another',
    queues: [
      queue('a', { parent: 'all' }),
      queue('b', { parent: 'all' }),
      queue('all', { quota: { '*': { guaranteed: 16 } } }),
    ],
    used: { b: 16, all: 16 },
    says: true,
  },
  {
    name: 'a ring of queues is no trouble',
    queues: [queue('a'), queue('b', { parent: 'c' }), queue('c', { parent: 'b' })],
    used: { b: 16, c: 16 },
    says: true,
  },
  {
    name: 'quota of another model says nothing of this one',
    queues: [queue('a', { quota: { A100: { guaranteed: 8 } } }), queue('b')],
    says: false,
  },
]

describe('whom a job may take GPUs from', () => {
  test.each(cases)(
    '$name',
    ({ job = {}, queues = [queue('a'), queue('b')], run: change = {}, used, ended = [], leaving = [], says }) => {
      const facts = new Map(queues.map((fact) => [fact.name, fact]))
      const book: QueueBook = {
        ...queuePaths(facts),
        facts,
        used: (name) => (used ?? { b: 16 })[name] ?? 0,
        leaving: () => leaving,
        mayHave: () => true,
      }
      const one = jobFact({ queue: 'a', gpus: 8, ...job })
      expect(rightsOf(one, book, nowMs).mayTake(run(change), ended)).toBe(says)
    },
  )

  test('is asked of the queues once for all runs of one queue and model', () => {
    const facts = new Map([queue('a'), queue('b')].map((fact) => [fact.name, fact]))
    let asked = 0
    const used = (name: string) => {
      asked += 1
      return { b: 16 }[name] ?? 0
    }
    const rights = rightsOf(
      jobFact({ queue: 'a', gpus: 8 }),
      { ...queuePaths(facts), facts, used, leaving: () => [], mayHave: () => true },
      nowMs,
    )
    const runs = Array.from({ length: 1000 }, (_, i) => run({ uid: `r${i}` }))
    expect(runs.every((one) => rights.mayTake(one, []))).toBe(true)
    expect(asked).toBe(2)
  })
})
