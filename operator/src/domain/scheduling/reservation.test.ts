import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases as tried } from '../../../../test/builders/cases.ts'
import { booking, jobFact, nodeFact } from '../../../../test/builders/scheduling.ts'
import type { Booking, JobFact } from './facts.ts'
import { type Grounds, groundOf, holds, leftBeside, less } from './ground.ts'
import { firstTurnMs, mayUseKept, reserve, shortMs, turnAt } from './reservation.ts'

const nowMs = 1_000_000

/** A run on one node that ends in so many seconds; absent: nobody knows. */
function run(uid: string, on: string, { gpus = 8, endsIn }: { gpus?: number; endsIn?: number } = {}): Booking {
  const ends = endsIn === undefined ? {} : { endsMs: nowMs + endsIn * 1000 }
  return booking({
    uid,
    nodes: [{ name: on, workers: 1 }],
    perWorker: { gpus, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
    ...ends,
  })
}

function grounds(runs: readonly Booking[], names: readonly string[]): Grounds {
  const on = (name: string) => runs.filter(({ nodes }) => nodes.some((node) => node.name === name))
  return {
    provider: 'acme',
    model: 'H100',
    nodes: names.map((name) => groundOf(nodeFact({ name }), on(name))),
  }
}

function gang(workers: number, gpus = 8): JobFact {
  return jobFact({ uid: 'gang', workers, perWorker: { gpus, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } })
}

/** `in 60 s: n1 keeps 4, n2 keeps 0` */
function rendered(job: JobFact, all: Grounds): string {
  const reservation = reserve(job, [all], { nowMs })
  if (!reservation) return 'never fits'
  const { startMs, kept } = reservation
  return `in ${(startMs - nowMs) / 1000} s: ${kept.map(({ node, room }) => `${node} keeps ${room.gpus}`).join(', ')}`
}

const cases: readonly {
  name: string
  job: JobFact
  runs: readonly Booking[]
  nodes: readonly string[]
  says: string
}[] = [
  {
    name: 'the nodes that are free soonest, and all of what is free on them',
    job: gang(2),
    runs: [run('a', 'n1', { gpus: 4, endsIn: 60 }), run('b', 'n2', { endsIn: 600 }), run('c', 'n3', { endsIn: 30 })],
    nodes: ['n1', 'n2', 'n3'],
    says: 'in 60 s: n3 keeps 0, n1 keeps 4',
  },
  {
    name: 'what nobody knows the end of comes last',
    job: gang(1),
    runs: [run('a', 'n1'), run('b', 'n2', { endsIn: 999_999 })],
    nodes: ['n1', 'n2'],
    says: 'in 999999 s: n2 keeps 0',
  },
  {
    name: 'of those nobody knows the end of, the fewest',
    job: gang(1),
    runs: [run('a', 'n1', { gpus: 4 }), run('b', 'n1', { gpus: 4 }), run('c', 'n2', { gpus: 6 })],
    nodes: ['n1', 'n2'],
    says: 'in 0 s: n2 keeps 2',
  },
  {
    name: 'what is left over when it has started is for anybody',
    job: gang(1, 4),
    runs: [run('a', 'n1', { gpus: 6, endsIn: 60 })],
    nodes: ['n1'],
    says: 'in 60 s: n1 keeps 0',
  },
  {
    name: 'and the rest is kept',
    job: gang(1, 7),
    runs: [run('a', 'n1', { gpus: 6, endsIn: 60 })],
    nodes: ['n1'],
    says: 'in 60 s: n1 keeps 1',
  },
  {
    name: 'what stays longer than its start leaves less to spare',
    job: gang(1, 4),
    runs: [run('a', 'n1', { gpus: 3, endsIn: 60 }), run('b', 'n1', { gpus: 3 })],
    nodes: ['n1'],
    says: 'in 60 s: n1 keeps 1',
  },
  {
    name: 'nothing is kept for what never fits',
    job: gang(1, 9),
    runs: [],
    nodes: ['n1'],
    says: 'never fits',
  },
  {
    name: 'nor for a gang that has not enough nodes',
    job: gang(3),
    runs: [],
    nodes: ['n1', 'n2'],
    says: 'never fits',
  },
  {
    name: 'what was told to stop is as good as over',
    job: gang(1),
    runs: [run('a', 'n1', { endsIn: 60 }), { ...run('b', 'n2'), endingMs: nowMs - 5000 }],
    nodes: ['n1', 'n2'],
    says: 'in 0 s: n2 keeps 0',
  },
]

describe('what is kept for a job that cannot start', () => {
  test.each(cases)('$name', ({ job, runs, nodes, says }) => {
    expect(rendered(job, grounds(runs, nodes))).toBe(says)
  })

  const keeper = { reserved: jobFact({ uid: 'gang', createdMs: 5 }), startMs: nowMs + 60_000, isKnown: true, nowMs }
  const users: readonly { name: string; job: Partial<JobFact>; says: boolean }[] = [
    { name: 'one that is over before may use it', job: { maxRuntimeMs: 60_000, createdMs: 9 }, says: true },
    { name: 'one that may be late may not', job: { maxRuntimeMs: 60_001, createdMs: 9 }, says: false },
    { name: 'one that has not said how long it runs may not', job: { createdMs: 9 }, says: false },
    { name: 'an older one comes first anyway', job: { createdMs: 4 }, says: true },
    { name: 'so does one of higher priority', job: { createdMs: 9, priority: 1 }, says: true },
  ]
  test.each(users)('$name', ({ job, says }) => {
    expect(mayUseKept(jobFact(job), keeper)).toBe(says)
  })

  test.each([
    { name: 'one that is over in an hour', maxRuntimeMs: shortMs, says: true },
    { name: 'none that is over later', maxRuntimeMs: shortMs + 1, says: false },
    { name: 'none that has not said', says: false },
  ])('lets in $name where nobody knows the start', ({ says, maxRuntimeMs }) => {
    const job = jobFact({ createdMs: 9, ...(maxRuntimeMs !== undefined && { maxRuntimeMs }) })
    expect(mayUseKept(job, { ...keeper, isKnown: false })).toBe(says)
  })

  test.each([
    { name: 'where all have said when they end', runs: [run('a', 'n1', { endsIn: 60 })], says: true },
    { name: 'not where one has not', runs: [run('a', 'n1')], says: false },
    { name: 'still where one is a bit late', runs: [run('a', 'n1', { endsIn: -600 })], says: true },
    {
      name: 'not where one is so late that it may stay for ever',
      runs: [run('a', 'n1', { endsIn: -601 })],
      says: false,
    },
  ])('has a start that is known $name', ({ runs, says }) => {
    expect(reserve(gang(1), [grounds(runs, ['n1'])], { nowMs })?.isKnown).toBe(says)
  })

  test('has turns that grow, and pauses as long', () => {
    const hours = Array.from({ length: 15 }, (_, i) => (turnAt(nowMs + i * firstTurnMs, nowMs).isOn ? '#' : '.'))
    expect(hours.join('')).toBe('#.##..####....#')
  })
})

const someRun = fc.record({
  on: fc.constantFrom('n1', 'n2', 'n3'),
  gpus: fc.integer({ min: 1, max: 5 }),
  endsIn: fc.constantFrom(undefined, 10, 20, 60),
})

describe('of any runs on any nodes', () => {
  test('who uses only what is not kept delays nobody', () => {
    const world = fc.record({
      runs: fc.array(someRun, { maxLength: 8 }),
      workers: fc.constantFrom(1, 2, 3, 4),
      gpus: fc.integer({ min: 1, max: 8 }),
    })
    fc.assert(
      fc.property(world, ({ runs, workers, gpus }) => {
        const names = ['n1', 'n2', 'n3']
        const fitting: Booking[] = []
        for (const [i, { on, endsIn, ...one }] of runs.entries()) {
          const next = run(`r${i}`, on, { ...one, ...(endsIn === undefined ? {} : { endsIn }) })
          const node = grounds(fitting, names).nodes.find(({ name }) => name === on)
          if (node && holds(leftBeside(node, node.runs), next.perWorker)) fitting.push(next)
        }
        const job = gang(workers, gpus)
        const before = reserve(job, [grounds(fitting, names)], { nowMs })
        if (!before) return

        // Somebody of unknown length takes all that is not kept of each node.
        const greedy = grounds(fitting, names).nodes.map((node) => {
          const kept = before.kept.find((one) => one.node === node.name)?.room ?? {
            gpus: 0,
            cpuMilli: 0,
            memoryMiB: 0,
            storageMiB: 0,
          }
          return run(`greedy-${node.name}`, node.name, { gpus: less(leftBeside(node, node.runs), kept).gpus })
        })
        const after = reserve(job, [grounds([...fitting, ...greedy], names)], { nowMs })
        expect(after?.startMs).toBe(before.startMs)
      }),
      { numRuns: tried },
    )
  })
})
