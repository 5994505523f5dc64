import { describe, expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import { uidOf } from '../../../../test/builders/meta.ts'
import { booking, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { toTime } from '../../api/time.ts'
import { decide } from '../../domain/lifecycle/gpujob-steps.ts'
import type { KeptJob, KeptRun } from '../../domain/lifecycle/kept.ts'
import { createEngine } from '../../domain/scheduling/engine.ts'
import { Preemptions } from './preemptions.ts'
import { schedulingLoop } from './scheduling.ts'

const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 0 } as const
const whole = { gpus: { count: 8 } }

/** One node of eight GPUs on which `low` runs, and the queue `default`, which lets the higher preempt. */
async function world() {
  const time = fakeTime()
  const engine = createEngine()
  const jobs = new Map<string, KeptJob>()
  const runs = new Map<string, KeptRun>()
  const woken: string[] = []
  const loop = schedulingLoop(engine, {
    jobOf: (uid) => jobs.get(uid),
    runsOf: (uid) => [runs.get(uid)].flatMap((run) => (run ? [{ run, provider: 'acme' }] : [])),
    wake: (key) => void woken.push(key.replace('team/', '')),
    modelOf: () => 'H100',
    clock: time.clock,
    timers: time.timers,
    observe: () => {},
  })
  engine.setQueue({ name: 'default', weight: 1, quota: {}, preemption })
  loop.setProvider(providerFact())
  loop.setNode(nodeFact())
  loop.begin()

  function put(job: KeptJob): KeptJob {
    jobs.set(job.metadata.uid, job)
    loop.jobChanged(job.metadata.uid)
    return job
  }

  const now = toTime(time.clock.now())
  const running = { type: 'Running', status: 'True', reason: 'Running', message: '', lastTransitionTime: now } as const
  const placement = { run: 1, provider: 'acme', nodes: [{ name: 'n1', workers: 1 }], recordedAt: now }
  const low = put(keptJob({ name: 'low', spec: whole, status: { placement, lastRun: 1, conditions: [running] } }))

  /** What its agent says of the run of `low`. */
  function lowIs(state: NonNullable<GpuRunStatus['state']>): void {
    const spec = { nodes: placement.nodes }
    runs.set(uidOf('low'), keptRun({ job: low, spec, status: { state, startedAt: now } }))
    loop.jobChanged(uidOf('low'))
  }

  lowIs('Running')
  await time.advance(60_000)
  woken.length = 0
  return {
    time,
    loop,
    low,
    lowIs,
    put,
    high: () => put(keptJob({ name: 'high', spec: { ...whole, priority: 5 } })),
    /** Lets the pass that is due happen; who was woken since the last time. */
    pass: async () => {
      await time.advance(0)
      return [...new Set(woken.splice(0))].toSorted().join()
    },
    /** What is decided for a job in its next pass: an effect, or what is said of its placement. */
    next: (job: KeptJob) => {
      const { uid } = job.metadata
      const run = job.status?.placement ? runs.get(uid) : undefined
      const [choice, preempted] = [loop.choiceOf(uid), loop.preemptedOf(uid)]
      const found = decide({ job, run, choice, preempted, explain: () => undefined, now: time.clock.now() })
      if (found.effect?.do === 'stopRun') return `${found.effect.reason} ${found.effect.message}`
      const placed = found.status?.conditions.find(({ type }) => type === 'Placed')
      return `${placed?.status}/${placed?.reason}`
    },
  }
}

describe('a job that gets the GPUs of another one', () => {
  test('has it told to stop, and waits', async () => {
    const { high, low, next, pass } = await world()
    const job = high()
    expect(await pass()).toBe('high,low')
    expect([next(low), next(job)]).toEqual(['Preempted by job team/high of queue default', 'False/Preempting'])
  })

  test('is recorded once that is over, and not before', async () => {
    const { high, lowIs, next, pass } = await world()
    const job = high()
    await pass()
    lowIs('Running')
    expect([await pass(), next(job)]).toEqual(['low', 'False/Preempting'])
    lowIs('Stopped')
    expect([await pass(), next(job)]).toEqual(['high,low', 'True/Recorded'])
  })

  test('lets it run on where it is gone before anybody was told', async () => {
    const { high, low, next, pass, put } = await world()
    const job = high()
    await pass()
    put({ ...job, spec: { ...job.spec, suspend: true } })
    await pass()
    expect(next(low)).toBe('True/Recorded')
  })

  test('waits for nobody at a provider that is away', async () => {
    const { high, loop, low, next, pass } = await world()
    const job = high()
    await pass()
    loop.setProvider(providerFact({ state: 'Disconnected' }))
    await pass()
    expect([next(low), next(job)]).toEqual(['True/Recorded', 'False/Waiting'])
  })

  test('is chosen anew where its namespace moves to another queue meanwhile', async () => {
    const { high, low, lowIs, loop, next, pass, time } = await world()
    const job = high()
    await pass()
    loop.setQueue(gpuQueue({ spec: { preemption: { ...gpuQueue().spec.preemption, withinQueue: 'Never' } } }))
    await time.advance(1000)
    expect([next(low), next(job)]).toEqual(['True/Recorded', 'False/Waiting'])
    lowIs('Stopped')
    await pass()
    expect(loop.choiceOf(job.metadata.uid)?.queue).toBe('research')
  })

  test('keeps its choice where those who are to end are over: its record may be on its way', async () => {
    const { high, lowIs, loop, pass, time } = await world()
    const job = high()
    await pass()
    lowIs('Stopped')
    loop.setQueue(gpuQueue())
    await time.advance(1000)
    expect(loop.choiceOf(job.metadata.uid)?.queue).toBe('default')
  })

  test('looks for others after ten minutes', async () => {
    const { high, loop, next, pass, time } = await world()
    const job = high()
    await pass()
    loop.setNode(nodeFact({ name: 'n2' }))
    await time.advance(599_999)
    expect(next(job)).toBe('False/Preempting')
    await time.advance(1)
    expect([loop.choiceOf(job.metadata.uid)?.nodes, next(job)]).toEqual([[{ name: 'n2', workers: 1 }], 'True/Recorded'])
  })
})

describe('the runs that are to end', () => {
  const choice = (uid: string, ...preempts: readonly string[]) => ({
    ...booking({ uid }),
    key: `team/${uid}`,
    preempts: preempts.map((victim) => ({ uid: victim.slice(0, 1), run: Number(victim.slice(1)) })),
  })

  function told() {
    const booked = new Set(['v1', 'w1'])
    const preemptions = new Preemptions({
      isBooked: (uid, run) => booked.has(`${uid}${run}`),
      drop: () => {},
      timers: fakeTime().timers,
    })
    return { booked, preemptions }
  }

  test('of a job that was placed again are told, though a job still waits that had an earlier one of it', () => {
    const { booked, preemptions } = told()
    preemptions.begin(choice('a', 'v1', 'w1'))
    booked.delete('v1')
    booked.add('v2')
    const between = preemptions.of('v')
    preemptions.begin(choice('b', 'v2'))
    expect([between, preemptions.of('v'), preemptions.of('w')]).toEqual([
      undefined,
      { run: 2, key: 'team/b', queue: 'default' },
      { run: 1, key: 'team/a', queue: 'default' },
    ])
    expect(preemptions.waitingFor('v')).toEqual(['a', 'b'])
  })

  test('are those of the last choice of a job, and none when it wants nothing any more', () => {
    const { preemptions } = told()
    preemptions.begin(choice('a', 'v1'))
    preemptions.begin(choice('a', 'w1'))
    expect([preemptions.of('v'), preemptions.of('w')?.run]).toEqual([undefined, 1])
    preemptions.end('a')
    expect([preemptions.of('w'), preemptions.waitingFor('w')]).toEqual([undefined, []])
  })
})
