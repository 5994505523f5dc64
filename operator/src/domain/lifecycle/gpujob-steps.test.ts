import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import type { GpuJobSpec, GpuJobStatus, Placement } from '../../api/gpujob.ts'
import type { GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import type { Condition } from '../../api/meta.ts'
import { toTime } from '../../api/time.ts'
import type { Choice, Explanation } from '../scheduling/facts.ts'
import { type Decision, decide, type Effect, type Seen } from './gpujob-steps.ts'
import type { KeptJob, KeptRun } from './kept.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const ago = (seconds: number) => toTime(now - seconds * 1000)

const placement: Placement = {
  run: 1,
  provider: 'acme',
  nodes: [{ name: 'node-1', workers: 1 }],
  recordedAt: ago(60),
}

function conditions(...words: string[]): Condition[] {
  return words.map((word) => {
    const [, type = '', status = '', reason = ''] = /^(\w+)=(\w+)\/(\w+)$/.exec(word) ?? []
    return { type, status: status as Condition['status'], reason, message: 'said before', lastTransitionTime: ago(60) }
  })
}

/** A job whose placement is recorded. */
function placed({ spec, status }: { spec?: Partial<GpuJobSpec>; status?: Partial<GpuJobStatus> } = {}): KeptJob {
  return keptJob({ ...(spec && { spec }), status: { placement, lastRun: 1, ...status } })
}

function finished(spec: Partial<GpuJobSpec> = {}): KeptJob {
  const status = { lastRun: 1, finishedAt: ago(100), placement, conditions: conditions('Finished=True/Succeeded') }
  return keptJob({ spec, status })
}

function run(status?: Partial<GpuRunStatus>, spec: Partial<GpuRunSpec> = {}): KeptRun {
  return keptRun({ spec, ...(status && { status }) })
}

function choice(number: number): Choice {
  const { provider, nodes } = placement
  return {
    uid: keptJob().metadata.uid,
    key: 'team/train',
    run: number,
    provider,
    nodes,
    perWorker: { gpus: 1, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
  }
}

const stopped = { stop: { reason: 'Suspended', requestedAt: ago(5) } } as const
const noRoom: Explanation = { verdict: 'Waits', reasons: [{ reason: 'NotEnoughFreeGpus', count: 3 }] }
const tooSmall: Explanation = { verdict: 'NeverFits', reasons: [{ reason: 'NodeTooSmall', count: 3 }] }

function seen(some: Partial<Seen>): Seen {
  return { job: keptJob(), run: undefined, choice: undefined, explain: () => undefined, now, ...some }
}

/** The effect, then what is said of the job now that was not said before, then when to look again. */
function rendered({ job }: Seen, { effect, status, recheckMs }: Decision): string {
  const before = new Map(job.status?.conditions.map((one) => [one.type, `${one.status}/${one.reason}`]))
  const news = (status?.conditions ?? []).filter((one) => before.get(one.type) !== `${one.status}/${one.reason}`)
  return [
    ...(effect ? [effectText(effect)] : []),
    ...news.map((one) => `${one.type}=${one.status}/${one.reason}`),
    ...(recheckMs === undefined ? [] : [`again in ${recheckMs / 1000} s`]),
  ].join(' ')
}

function effectText(effect: Effect): string {
  switch (effect.do) {
    case 'createRun':
      return `createRun ${effect.placement.run}@${effect.placement.provider}${effect.stop ? ` stopped:${effect.stop}` : ''}`
    case 'stopRun':
      return `stopRun ${effect.run.spec.run} ${effect.reason}`
    case 'deliverPayload':
    case 'removePayload':
    case 'deleteJob':
      return effect.do
  }
}

interface Case {
  readonly name: string
  readonly seen: Partial<Seen>
  readonly says: string
}

const leaving = { deletionTimestamp: ago(1) }

const lifeOfAJob: readonly Case[] = [
  {
    name: 'a new job that the engine has not looked at waits, and says so',
    seen: {},
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/Waiting again in 60 s',
  },
  {
    name: 'a choice of the engine is written down, and nothing is done about it yet',
    seen: { choice: choice(1) },
    says: 'Admitted=True/Admitted Placed=True/Recorded Running=False/Starting Finished=False/NotFinished',
  },
  {
    name: 'a choice whose GPUs others still use is not written down yet',
    seen: { choice: { ...choice(1), preempts: [{ uid: 'other', run: 1 }] } },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/Preempting',
  },
  {
    name: 'it is once they are over',
    seen: { choice: { ...choice(1), preempts: [] } },
    says: 'Admitted=True/Admitted Placed=True/Recorded Running=False/Starting Finished=False/NotFinished',
  },
  { name: 'only what is recorded becomes a run', seen: { job: placed() }, says: 'createRun 1@acme' },
  {
    name: 'the record counts, not what the engine says by now',
    seen: { job: placed(), choice: { ...choice(2), provider: 'other' } },
    says: 'createRun 1@acme',
  },
  {
    name: 'a choice for another run than the next is not recorded',
    seen: { job: keptJob({ status: { lastRun: 1 } }), choice: choice(1) },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/Waiting again in 60 s',
  },
  {
    name: 'a run that the agent has not looked at is starting, not running',
    seen: { job: placed(), run: run() },
    says: 'Placed=True/Recorded Running=False/Starting',
  },
  {
    name: 'a run that runs makes its job run',
    seen: { job: placed(), run: run({ state: 'Running' }) },
    says: 'Placed=True/Recorded Running=True/Running',
  },
  {
    name: 'nobody knows whether a run on a lost node runs',
    seen: { job: placed(), run: run({ state: 'Running', reason: 'NodeLost' }) },
    says: 'Placed=True/Recorded Running=Unknown/RunLost',
  },
  {
    name: 'a run that succeeded finishes its job',
    seen: { job: placed(), run: run({ state: 'Succeeded' }) },
    says: 'Running=False/Over Finished=True/Succeeded',
  },
  {
    name: 'a run that failed is followed by another one, later',
    seen: { job: placed(), run: run({ state: 'Failed', reason: 'NonZeroExit', exitCode: 1 }) },
    says: 'Placed=False/BackingOff Running=False/NotStarted',
  },
]

const over: readonly Case[] = [
  { name: 'a finished job stays until its time is over', seen: { job: finished() }, says: 'again in 604700 s' },
  {
    name: 'then it goes',
    seen: { job: finished({ ttlSecondsAfterFinished: 100 }) },
    says: 'deleteJob',
  },
  {
    name: 'a finished job never runs again, whatever the engine chose',
    seen: { job: finished(), choice: choice(2) },
    says: 'again in 604700 s',
  },
  {
    name: 'nor does it make its run again when that is gone',
    seen: { job: finished(), run: undefined },
    says: 'again in 604700 s',
  },
  {
    name: 'a finished job that is suspended and resumed stays finished',
    seen: { job: finished({ suspend: true }) },
    says: 'again in 604700 s',
  },
  {
    name: 'the first outcome counts, not what its run says later',
    seen: { job: finished(), run: run({ state: 'Failed' }) },
    says: 'again in 604700 s',
  },
]

const deleted: readonly Case[] = [
  {
    name: 'a job that is being deleted takes no choice',
    seen: { job: keptJob({ metadata: leaving }), choice: choice(1) },
    says: '',
  },
  {
    name: 'nor does it start what was recorded',
    seen: { job: { ...placed(), metadata: { ...placed().metadata, ...leaving } } },
    says: '',
  },
]

const suspended: readonly Case[] = [
  {
    name: 'a suspended job waits for nothing and takes no choice',
    seen: { job: keptJob({ spec: { suspend: true } }), choice: choice(1) },
    says: 'Placed=False/Waiting Running=False/NotStarted Finished=False/NotFinished Admitted=False/Suspended',
  },
  {
    name: 'suspended between record and run, it makes a run that must not start, so that no lagging hub can',
    seen: { job: placed({ spec: { suspend: true } }) },
    says: 'createRun 1@acme stopped:Suspended',
  },
  {
    name: 'suspended while it runs, its run is told to stop',
    seen: { job: placed({ spec: { suspend: true } }), run: run({ state: 'Running' }) },
    says: 'stopRun 1 Suspended',
  },
  {
    name: 'the order is given once; until the run is over it still runs',
    seen: { job: placed({ spec: { suspend: true } }), run: run({ state: 'Running' }, stopped) },
    says: 'Placed=True/Recorded Running=True/Stopping',
  },
  {
    name: 'a stopped run that never ran is stopping, not running',
    seen: { job: placed({ spec: { suspend: true } }), run: run(undefined, stopped) },
    says: 'Placed=True/Recorded Running=False/Stopping',
  },
  {
    name: 'once it is stopped, the job rests without a run',
    seen: { job: placed({ spec: { suspend: true } }), run: run({ state: 'Stopped' }, stopped) },
    says: 'Placed=False/Waiting Running=False/NotStarted',
  },
  {
    name: 'a run that succeeded before the order came finishes its job',
    seen: { job: placed({ spec: { suspend: true } }), run: run({ state: 'Succeeded' }, stopped) },
    says: 'Running=False/Over Finished=True/Succeeded',
  },
  {
    name: 'resumed before its run has stopped, it still waits for the end of that run',
    seen: { job: placed(), run: run({ state: 'Running' }, stopped) },
    says: 'Placed=True/Recorded Running=True/Stopping',
  },
  {
    name: 'resumed, it is admitted again and waits for GPUs',
    seen: {
      job: keptJob({
        status: { lastRun: 1, conditions: conditions('Admitted=False/Suspended', 'Placed=False/Waiting') },
      }),
    },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished again in 60 s',
  },
]

const waiting: readonly Case[] = [
  {
    name: 'it waits for room',
    seen: { explain: () => noRoom, job: keptJob({ status: { conditions: conditions('Placed=False/NeverFits') } }) },
    says: 'Placed=False/Waiting Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished again in 60 s',
  },
  {
    name: 'it can never fit',
    seen: { explain: () => tooSmall, job: keptJob({ status: { conditions: conditions('Placed=False/Waiting') } }) },
    says: 'Placed=False/NeverFits Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished again in 60 s',
  },
  {
    name: 'a job that backs off takes no choice; the scheduling loop wakes it',
    seen: {
      job: keptJob({
        status: { lastRun: 1, notBefore: toTime(now + 5000), conditions: conditions('Placed=False/BackingOff') },
      }),
      choice: choice(2),
    },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished',
  },
  {
    name: 'resumed while it backs off, it is not suspended any more',
    seen: {
      job: keptJob({
        status: {
          lastRun: 1,
          notBefore: toTime(now + 5000),
          conditions: conditions('Admitted=False/Suspended', 'Placed=False/Waiting', 'Finished=False/NotFinished'),
        },
      }),
    },
    says: 'Admitted=True/Admitted Placed=False/BackingOff Running=False/NotStarted',
  },
  {
    name: 'when its time has come it may be placed again',
    seen: {
      job: keptJob({
        status: { lastRun: 1, notBefore: toTime(now), conditions: conditions('Placed=False/BackingOff') },
      }),
      choice: choice(2),
    },
    says: 'Placed=True/Recorded Admitted=True/Admitted Running=False/Starting Finished=False/NotFinished',
  },
]

const otherJob = keptJob({ name: 'other' })
const namesakes: readonly Case[] = [
  {
    name: 'a run of the right name that was made for another job is left alone, and looked at again',
    seen: { job: placed(), run: keptRun({ job: otherJob, status: { state: 'Succeeded' } }) },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/NameTaken again in 30 s',
  },
  {
    name: 'so is one with another number',
    seen: { job: placed(), run: keptRun({ run: 2, status: { state: 'Failed' } }) },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/NameTaken again in 30 s',
  },
  {
    name: 'it is not told to stop either',
    seen: { job: placed({ spec: { suspend: true } }), run: keptRun({ job: otherJob }) },
    says: 'Admitted=True/Admitted Running=False/NotStarted Finished=False/NotFinished Placed=False/NameTaken again in 30 s',
  },
]

describe('the life of a GpuJob', () => {
  const all = { 'in order': lifeOfAJob, over, deleted, suspended, waiting, namesakes }
  describe.each(Object.entries(all))('%s', (_, cases) => {
    test.each(cases)('$name', ({ seen: some, says }) => {
      const world = seen(some)
      expect(rendered(world, decide(world))).toBe(says)
    })
  })

  const steady: readonly { name: string; seen: Partial<Seen> }[] = [
    { name: 'waits', seen: { explain: () => noRoom } },
    { name: 'can never fit', seen: { explain: () => tooSmall } },
    { name: 'is suspended', seen: { job: keptJob({ spec: { suspend: true } }) } },
    { name: 'backs off', seen: { job: keptJob({ status: { notBefore: toTime(now + 60_000) } }) } },
    { name: 'starts', seen: { job: placed(), run: run() } },
    { name: 'runs', seen: { job: placed(), run: run({ state: 'Running', startedAt: ago(30) }) } },
    { name: 'is lost', seen: { job: placed(), run: run({ state: 'Running', reason: 'NodeLost' }) } },
    {
      name: 'is being stopped',
      seen: { job: placed({ spec: { suspend: true } }), run: run({ state: 'Running' }, stopped) },
    },
    { name: 'meets a namesake', seen: { job: placed(), run: keptRun({ job: otherJob }) } },
  ]
  test.each(steady)('a job that $name needs one write, however often it is looked at', ({ seen: some }) => {
    const world = seen(some)
    const { status } = decide(world)
    expect(status).toBeDefined()
    expect(decide({ ...world, job: after(world.job, status), now: now + 7000 }).status).toEqual(status)
  })

  test('a job that fails once and then succeeds costs the hub eight writes, and none for looking again', () => {
    const first = run({ state: 'Running' })
    const second = keptRun({ run: 2, status: { state: 'Running' } })
    const later = now + 60_000
    const life: readonly (Partial<Seen> | undefined)[] = [
      { choice: choice(1) },
      {},
      { run: run() },
      { run: first },
      { run: run({ state: 'Failed', reason: 'NonZeroExit' }) },
      {}, // It backs off.
      { choice: choice(2), now: later },
      { now: later },
      { run: second, now: later },
      { run: keptRun({ run: 2, status: { state: 'Succeeded' } }), now: later },
    ]
    let job = keptJob()
    const writes: string[] = []
    for (const step of life) {
      for (let look = 0; look < 2; look++) {
        const world = seen({ job, ...step })
        const { effect, status } = decide(world)
        const changed = status && !isDeepStrictEqual(status, job.status)
        if (effect && look === 0) writes.push(effectText(effect))
        if (changed) writes.push(status.state)
        job = after(job, status)
        if (job.status?.placement && !step?.run) break // The run that it makes now is seen in the next step.
      }
    }
    expect(writes.join()).toBe('Placed,createRun 1@acme,Running,Waiting,Placed,createRun 2@acme,Running,Succeeded')
  })
})

function after(job: KeptJob, status: GpuJobStatus | undefined): KeptJob {
  return status ? { ...job, status } : job
}

describe('what is recorded', () => {
  test('stands in one write: placement, number, and no wait any more', () => {
    const job = keptJob({ status: { lastRun: 6, failures: 2, notBefore: ago(1), excludedProviders: ['b'] } })
    const { status } = decide(seen({ job, choice: choice(7) }))
    expect(status).toMatchObject({
      state: 'Placed',
      lastRun: 7,
      failures: 2,
      excludedProviders: ['b'],
      placement: { run: 7, provider: 'acme', nodes: placement.nodes, recordedAt: toTime(now) },
    })
    expect(status).not.toHaveProperty('notBefore')
  })

  test('the moment of the first start stays', () => {
    const job = placed({ status: { startedAt: ago(500) } })
    expect(decide(seen({ job, run: run({ state: 'Running', startedAt: ago(5) }) })).status?.startedAt).toBe(ago(500))
  })
})
