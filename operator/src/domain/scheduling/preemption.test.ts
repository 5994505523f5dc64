import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases as tried } from '../../../../test/builders/cases.ts'
import { booking, jobFact, nodeFact } from '../../../../test/builders/scheduling.ts'
import type { Booking, JobFact } from './facts.ts'
import { type Grounds, groundOf, holds, leftBeside } from './ground.ts'
import { lossOf, type Preemption, preempt, type Rights } from './preemption.ts'
import { takenOn } from './sharing.ts'

const nowMs = 3_600_000
const anything: Rights = { mayTake: () => true, mayHave: () => true }

interface RunOptions {
  readonly on?: string | readonly string[]
  readonly gpus?: number
  readonly minutes?: number | undefined
  readonly more?: Partial<Booking>
}

/** One worker of it on each node, running for so many minutes. */
function run(uid: string, { on = 'n1', gpus = 1, minutes = 10, more = {} }: RunOptions = {}): Booking {
  const nodes = [on].flat().map((name) => ({ name, workers: 1 }))
  const perWorker = { ...booking().perWorker, gpus }
  return booking({ uid, nodes, perWorker, startedMs: nowMs - minutes * 60_000, ...more })
}

function grounds(runs: readonly Booking[], names: readonly string[] = ['n1'], provider = 'acme'): Grounds {
  const on = (name: string) => runs.filter(({ nodes }) => nodes.some((node) => node.name === name))
  return {
    provider,
    model: 'H100',
    nodes: names.map((name) => groundOf(nodeFact({ provider, name }), on(name))),
  }
}

/** `n1×1 without a,b` */
function rendered(preemption: Preemption | undefined): string {
  if (!preemption) return 'nothing'
  const nodes = preemption.nodes.map(({ name, workers }) => `${name}×${workers}`).join()
  return `${nodes} without ${preemption.preempts.map(({ uid }) => uid).join()}`
}

interface Case {
  readonly name: string
  readonly job?: Partial<JobFact> & { gpus?: number }
  readonly runs: readonly Booking[]
  readonly nodes?: readonly string[]
  readonly rights?: Partial<Rights>
  readonly says: string
}

const fullNode = [run('a', { gpus: 4 }), run('b', { gpus: 4 })]

const cases: readonly Case[] = [
  {
    name: 'of two that are as large the one that loses least goes',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 4, minutes: 50 }), run('b', { gpus: 4, minutes: 5 })],
    says: 'n1×1 without b',
  },
  {
    name: 'what was saved is not lost',
    job: { gpus: 4 },
    runs: [
      run('a', { gpus: 4, minutes: 50, more: { checkpointMs: nowMs - 60_000 } }),
      run('b', { gpus: 4, minutes: 5 }),
    ],
    says: 'n1×1 without a',
  },
  {
    name: 'fewer GPUs count before less time',
    job: { gpus: 2 },
    runs: [run('a', { gpus: 2, minutes: 59 }), run('b', { gpus: 6, minutes: 1 })],
    says: 'n1×1 without a',
  },
  {
    name: 'one that suffices goes alone, though others are smaller',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 2 }), run('b', { gpus: 2 }), run('c', { gpus: 3 })],
    says: 'n1×1 without c',
  },
  {
    name: 'two that are too small alone do not go where one of the size does',
    job: { gpus: 5 },
    runs: [run('a', { gpus: 3, on: 'n2' }), run('b', { gpus: 3, on: 'n2' }), run('c', { gpus: 8 })],
    nodes: ['n1', 'n2'],
    says: 'n2×1 without a',
  },
  {
    name: 'a gang counts with all that it has',
    job: { gpus: 4 },
    runs: [run('gang', { gpus: 5, on: ['n1', 'n2'] }), run('b', { gpus: 6, on: 'n3' })],
    nodes: ['n1', 'n2', 'n3'],
    says: 'n3×1 without b',
  },
  {
    name: 'a gang that leaves makes room on all its nodes',
    job: { gpus: 8, workers: 2 },
    runs: [
      run('gang', { gpus: 8, on: ['n1', 'n2'] }),
      run('b', { gpus: 6, on: 'n3' }),
      run('c', { gpus: 6, on: 'n4' }),
    ],
    nodes: ['n1', 'n2', 'n3', 'n4'],
    says: 'n3×1,n4×1 without b,c',
  },
  {
    name: 'a gang gets all its nodes or none',
    job: { gpus: 8, workers: 3 },
    runs: [run('a', { gpus: 8, on: 'n1' }), run('b', { gpus: 8, on: 'n2' })],
    nodes: ['n1', 'n2'],
    says: 'nothing',
  },
  {
    name: 'who was told to end already is nobody’s further loss',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 4, minutes: 1 }), run('b', { gpus: 4, minutes: 50, more: { endingMs: nowMs - 599_000 } })],
    rights: { mayTake: () => false },
    says: 'n1×1 without b',
  },
  {
    name: 'nobody counts on one that does not end',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 4, minutes: 50 }), run('b', { gpus: 4, more: { endingMs: nowMs - 600_000 } })],
    says: 'n1×1 without a',
  },
  {
    name: 'the room that another one waits for is not there a second time',
    job: { gpus: 8 },
    runs: [
      run('a', { gpus: 8, more: { endingMs: nowMs } }),
      booking({ uid: 'first', perWorker: takenOn({}, booking().perWorker, 8) }),
    ],
    says: 'nothing',
  },
  {
    name: 'what has not begun, such as what was chosen a moment ago, stays',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 8, more: { startedMs: undefined } })],
    says: 'nothing',
  },
  { name: 'its own run stays', job: { gpus: 4 }, runs: [run('job', { gpus: 8 })], says: 'nothing' },
  {
    name: 'whose queue does not let it stays',
    job: { gpus: 4 },
    runs: fullNode,
    rights: { mayTake: ({ uid }) => uid === 'b' },
    says: 'n1×1 without b',
  },
  {
    name: 'nobody goes where there is room already',
    job: { gpus: 4 },
    runs: [run('a', { gpus: 8 }), run('b', { gpus: 4, on: 'n2' })],
    nodes: ['n1', 'n2'],
    says: 'nothing',
  },
  { name: 'nobody goes for one who would not get in', job: { gpus: 9 }, runs: fullNode, says: 'nothing' },
  {
    name: 'nobody goes for CPU that is not there',
    job: { perWorker: { gpus: 1, cpuMilli: 200_000, memoryMiB: 0, storageMiB: 0 } },
    runs: fullNode,
    says: 'nothing',
  },
  {
    name: 'for the quota of its queue others go where there is room already',
    runs: [run('a', { gpus: 3 }), run('b', { gpus: 3 })],
    rights: { mayHave: (_, ended) => ended.length > 0 },
    says: 'n1×1 without a',
  },
  {
    name: 'nobody goes where the quota would not be enough even so',
    job: { gpus: 4 },
    runs: fullNode,
    rights: { mayHave: () => false },
    says: 'nothing',
  },
  {
    name: 'a queue gives back what it borrowed and no more',
    job: { gpus: 8 },
    runs: fullNode,
    rights: { mayTake: (_, ended) => ended.length === 0 },
    says: 'nothing',
  },
]

describe('preemption', () => {
  test.each(cases)('$name', ({ job = {}, runs, nodes, rights = {}, says }) => {
    const preemptor = { job: jobFact(job), rights: { ...anything, ...rights }, nowMs }
    expect(rendered(preempt(preemptor, [grounds(runs, nodes)]))).toBe(says)
  })

  test('asks for quota once where all runs together would not be enough, not with each of them', () => {
    const runs = Array.from({ length: 8 }, (_, i) => run(`r${i}`))
    let asked = 0
    const mayHave = () => {
      asked += 1
      return false
    }
    const rights = { ...anything, mayHave }
    expect(preempt({ job: jobFact({ gpus: 1 }), rights, nowMs }, [grounds(runs)])).toBeUndefined()
    expect(asked).toBe(2)
  })

  test('all at one provider: the one that loses least', () => {
    const there = (provider: string, gpus: number) => [
      run('a', { gpus, more: { provider } }),
      run('b', { gpus: 8, on: 'n2', more: { provider } }),
    ]
    const all = [grounds(there('acme', 6), ['n1', 'n2']), grounds(there('bolt', 5), ['n1', 'n2'], 'bolt')]
    const found = preempt({ job: jobFact({ gpus: 4 }), rights: anything, nowMs }, all)
    expect(found).toMatchObject({ provider: 'bolt', preempts: [{ uid: 'a', run: 1 }] })
  })
})

const names = ['n1', 'n2', 'n3'] as const
const someRun = fc.record({
  on: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
  gpus: fc.integer({ min: 1, max: 5 }),
  minutes: fc.integer({ min: 0, max: 59 }),
  isFree: fc.boolean(),
  endingMs: fc.constantFrom(undefined, undefined, undefined, nowMs),
})
const world = fc.record({
  runs: fc
    .array(someRun, { maxLength: 7 })
    .map((all) =>
      all.map(({ isFree, endingMs, ...options }, i) =>
        run(`r${i}`, { ...options, more: { endingMs, priority: isFree ? 0 : 9 } }),
      ),
    ),
  workers: fc.constantFrom(1, 1, 2, 3),
  gpus: fc.integer({ min: 1, max: 8 }),
})
const byPriority: Rights = { ...anything, mayTake: ({ priority = 0 }) => priority < 5 }

function subsets<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: 2 ** items.length }, (_, i) => items.filter((__, bit) => (i >> bit) & 1))
}

/** Whether the job would get in without these runs; tried in every way. */
function fits(job: JobFact, { nodes }: Grounds, gone: readonly Booking[]): boolean {
  return [1, 2, 3].some((count) => {
    const share = takenOn({}, job.perWorker, job.workers / count)
    const free = nodes.filter((node) =>
      holds(
        leftBeside(
          node,
          node.runs.filter((one) => !gone.includes(one)),
        ),
        share,
      ),
    )
    return Number.isInteger(job.workers / count) && free.length >= count
  })
}

describe('of any runs on any nodes', () => {
  test('those who go make room for all workers, may go, and are all needed; on one node no set loses fewer GPUs', () => {
    fc.assert(
      fc.property(world, ({ runs, workers, gpus }) => {
        const all = grounds(runs, names)
        const job = jobFact({ workers, gpus })
        const open = runs.filter(({ endingMs, priority = 0 }) => endingMs !== undefined || priority < 5)
        const sets = subsets(open).filter((gone) => fits(job, all, gone))
        const found = preempt({ job, rights: byPriority, nowMs }, [all])
        // Where it fits as it is nobody needs to go. A gang may be found nothing for where runs cross.
        const nothingIsRight = sets.length === 0 || sets[0]?.length === 0 || workers > 1
        expect(found !== undefined || nothingIsRight).toBe(true)
        if (!found) return
        const gone = open.filter(({ uid }) => found.preempts.some((one) => one.uid === uid))
        expect(gone).toHaveLength(found.preempts.length)
        for (const { name, workers: count } of found.nodes) {
          const node = all.nodes.find((one) => one.name === name)
          const left =
            node &&
            leftBeside(
              node,
              node.runs.filter((one) => !gone.includes(one)),
            )
          expect(left && holds(left, takenOn({}, job.perWorker, count))).toBe(true)
        }
        const lost = (set: readonly Booking[]) => set.reduce((sum, one) => sum + lossOf(one, nowMs).gpus, 0)
        expect(lost(gone)).toBeGreaterThanOrEqual(Math.min(...sets.map(lost)))
        expect(workers > 1 || lost(gone) === Math.min(...sets.map(lost))).toBe(true)
      }),
      { numRuns: tried },
    )
  })
})
