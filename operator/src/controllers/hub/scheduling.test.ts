import { describe, expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { keptRun } from '../../../../test/builders/kept.ts'
import { uidOf } from '../../../../test/builders/meta.ts'
import { nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { world } from '../../../../test/builders/scheduling-loop.ts'
import type { GpuJobSpec } from '../../api/gpujob.ts'
import { noRules } from '../../api/owner-rules.ts'
import { toTime } from '../../api/time.ts'
import type { KeptJob } from '../../domain/lifecycle/kept.ts'
import type { Booking } from '../../domain/scheduling/facts.ts'

const whole = { gpus: { count: 8 } }

describe("an owner's rules", () => {
  const rules = { ...noRules, tenants: { deny: ['team'] } }

  test('keep a job away, and it hears which', async () => {
    const { job, pass, choice, loop } = world()
    loop.setProvider(providerFact({ rules }))
    job('a')
    await pass()
    expect([choice('a'), loop.explain(uidOf('a'))]).toEqual([
      undefined,
      { verdict: 'NeverFits', reasons: [{ reason: 'OwnerRuleTenant', count: 1 }] },
    ])
  })

  test('are asked again of those who wait when they change, in a while', async () => {
    const { job, pass, choice, loop, later } = world()
    loop.setProvider(providerFact({ rules }))
    job('a')
    await pass()
    loop.setProvider(providerFact({ rules: noRules }))
    await pass()
    expect(choice('a')).toBeUndefined()
    await later(2000)
    expect(choice('a')).toBe('1@acme:n1')
  })

  test('hold for who comes from the moment that they change', async () => {
    const { job, pass, choice, loop, later } = world()
    loop.setProvider(providerFact())
    await pass()
    loop.setProvider(providerFact({ rules }))
    job('b')
    await pass()
    expect(choice('b')).toBeUndefined()
    loop.setProvider(providerFact())
    await later(2000)
    expect(choice('b')).toBe('1@acme:n1')
  })

  test('of a provider that is gone keep nobody from one that comes in its name', async () => {
    const { job, pass, choice, loop, later } = world()
    loop.setProvider(providerFact({ rules }))
    job('a')
    await pass()
    loop.removeProvider('acme')
    loop.setProvider(providerFact())
    await later(2000)
    expect(choice('a')).toBe('1@acme:n1')
  })
})

describe('a queue', () => {
  const counts = (bookings: readonly Booking[]) =>
    bookings.map(({ queue, priority, model }) => `${queue} ${priority} ${model}`).join()

  test('is what a job counts in, from the choice to the end of its run, also when the job is gone', async () => {
    const { loop, job, pass, record, run, bookings, jobGone } = world()
    loop.setQueue(gpuQueue({ spec: { defaults: { priority: 7 } } }))
    const silent = { priority: undefined } as unknown as Partial<GpuJobSpec>
    const a = job('a', silent)
    await pass()
    const chosen = counts(bookings())
    const recorded = record(a)
    const placed = counts(bookings())
    run(keptRun({ job: recorded, run: 1 }))
    jobGone('a')
    loop.removeQueue('research')
    await pass()
    expect([chosen, placed, counts(bookings())]).toEqual(Array.from({ length: 3 }, () => 'research 7 H100'))
  })
})

describe('the choices of the engine', () => {
  test('wake the job, and stand until they are recorded', async () => {
    const { job, pass, choice, record, booked } = world()
    const a = job('a', whole)
    expect([await pass(), choice('a'), booked()]).toEqual(['a', '1@acme:n1', 'a:1@n1'])
    record(a)
    expect([await pass(), choice('a'), booked()]).toEqual(['a', undefined, 'a:1@n1'])
  })

  test('nothing is decided before all facts are there', async () => {
    const { job, pass, choice, loop } = world({ begun: false })
    job('a')
    expect([await pass(), choice('a')]).toEqual(['', undefined])
    loop.begin()
    expect([await pass(), choice('a')]).toEqual(['a', '1@acme:n1'])
  })

  test('a job without room is woken too, to say why', async () => {
    const { job, pass, choice, loop } = world()
    job('a', { gpus: { count: 9 } })
    expect([await pass(), choice('a')]).toEqual(['a', undefined])
    expect(loop.explain(uidOf('a'))?.verdict).toBe('NeverFits')
  })

  test('that a run runs is said soon, and that it is over at once', async () => {
    const { job, pass, record, run } = world()
    const a = job('a', whole)
    await pass()
    const placed = record(a)
    await pass()
    run(keptRun({ job: placed, status: { state: 'Running' } }))
    const begun = await pass()
    run(keptRun({ job: placed, status: { state: 'Succeeded' } }))
    expect([begun, await pass()]).toEqual(['a soon', 'a'])
  })

  test('a second change before the record does not choose again', async () => {
    const { job, pass, choice, booked, passes } = world()
    job('a')
    await pass()
    job('a', { priority: 7 })
    await pass()
    expect([choice('a'), booked(), passes]).toEqual(['1@acme:n1', 'a:1@n1', [1, 0]])
  })

  test('a choice for a job that is suspended meanwhile is dropped', async () => {
    const { job, pass, choice, booked, waiting } = world()
    job('a')
    await pass()
    job('a', { suspend: true })
    expect([choice('a'), booked(), waiting()]).toEqual([undefined, '', ''])
  })

  test('a choice for a job that is deleted meanwhile is dropped, and its room given on', async () => {
    const { job, pass, choice, gone } = world()
    job('a', whole)
    await pass()
    job('b', whole)
    expect(await pass()).toBe('b')
    gone('a')
    expect([await pass(), choice('a'), choice('b')]).toEqual(['b', undefined, '1@acme:n1'])
  })

  test('a choice for a run that another hub has recorded meanwhile is dropped', async () => {
    const { job, pass, choice, booked } = world({ nodes: [nodeFact(), nodeFact({ name: 'n2' })] })
    job('a')
    await pass()
    const elsewhere = { run: 1, provider: 'acme', nodes: [{ name: 'n2', workers: 1 }], recordedAt: toTime(0) }
    job('a', {}, { lastRun: 1, placement: elsewhere })
    expect([choice('a'), booked()]).toEqual([undefined, 'a:1@n2'])
  })
})

describe('the bookings', () => {
  test('follow a run to where its workers really are', async () => {
    const { job, pass, record, run, booked } = world({ nodes: [nodeFact(), nodeFact({ name: 'n2' })] })
    const a = job('a')
    await pass()
    const placed = record(a)
    run(keptRun({ job: placed, status: { state: 'Running', workers: [{ index: 0, node: 'n2' }] } }))
    expect(booked()).toBe('a:1@n2')
  })

  test('end with the run, before the job says so', async () => {
    const { job, pass, record, run, booked, choice } = world()
    const a = job('a', whole)
    await pass()
    const placed = record(a)
    job('b', whole)
    await pass()
    run(keptRun({ job: placed, status: { state: 'Succeeded' } }))
    expect([booked(), await pass(), choice('b')]).toEqual(['', 'b,a', '1@acme:n1'])
  })

  test('of a job that is gone stay while its run may live', async () => {
    const { job, pass, record, run, booked, gone } = world()
    const a = job('a')
    await pass()
    const placed = record(a)
    const stop = { reason: 'JobDeleted', requestedAt: toTime(0) } as const
    gone('a')
    run(keptRun({ job: placed, spec: { stop }, status: { state: 'Running' } }))
    expect(booked()).toBe('a:1@node-1')
    run(keptRun({ job: placed, spec: { stop }, status: { state: 'Stopped' } }))
    expect(booked()).toBe('')
  })

  test('a hub that starts knows what runs before it decides', async () => {
    const { job, pass, run, choice, loop } = world({ begun: false })
    const placement = { run: 1, provider: 'acme', nodes: [{ name: 'n1', workers: 1 }], recordedAt: toTime(0) }
    const a = job('a', whole, { lastRun: 1, placement })
    run(keptRun({ job: a, spec: { nodes: placement.nodes } }))
    job('b', whole)
    loop.begin()
    await pass()
    expect(choice('b')).toBeUndefined()
  })

  test('a finished job that tells where it ran holds nothing', async () => {
    const { job, booked } = world()
    const placement = { run: 1, provider: 'acme', nodes: [{ name: 'n1', workers: 1 }], recordedAt: toTime(0) }
    const finished = {
      type: 'Finished',
      status: 'True',
      reason: 'Succeeded',
      message: '',
      lastTransitionTime: toTime(0),
    } as const
    job('a', whole, { lastRun: 1, placement, conditions: [finished] })
    expect(booked()).toBe('')
  })
})

describe('the line', () => {
  test('machines that come let jobs in', async () => {
    const { job, pass, choice, loop } = world({ nodes: [] })
    job('a')
    await pass()
    loop.setNode(nodeFact())
    expect([await pass(), choice('a')]).toEqual(['a', '1@acme:n1'])
  })

  test('a provider that comes back lets jobs in', async () => {
    const { job, pass, choice, loop } = world()
    loop.setProvider(providerFact({ state: 'Disconnected' }))
    job('a')
    expect([await pass(), choice('a')]).toEqual(['a', undefined])
    loop.setProvider(providerFact())
    expect([await pass(), choice('a')]).toEqual(['a', '1@acme:n1'])
  })

  test('a job that backs off stands in line when its time has come, not before', async () => {
    const { job, pass, choice, time, waiting } = world()
    job('a', {}, { lastRun: 1, notBefore: toTime(time.clock.now() + 10_000) })
    await pass()
    await time.advance(9999)
    expect([waiting(), choice('a')]).toEqual(['', undefined])
    await time.advance(1)
    expect([await pass(), choice('a')]).toEqual(['a', '2@acme:n1'])
  })

  test('a job that is suspended while it backs off has no timer left', async () => {
    const { job, pass, time } = world()
    const notBefore = toTime(time.clock.now() + 10_000)
    job('a', {}, { lastRun: 1, notBefore })
    job('a', {}, { lastRun: 1, notBefore })
    job('a', { suspend: true }, { lastRun: 1, notBefore })
    await pass()
    expect(time.pending()).toBe(0)
  })

  test('of a burst no more is chosen than is soon ordered: who is more urgent goes before the rest', async () => {
    const nodes = Array.from({ length: 30 }, (_, i) => nodeFact({ name: `n${i}` }))
    const { job, passes, pass, record, run, choice } = world({ nodes })
    const jobs = Array.from({ length: 200 }, (_, i) => job(`j${i}`))
    await pass()
    job('urgent', { priority: 100 })
    await pass()
    expect([passes, choice('urgent')]).toEqual([[32, 0], undefined])
    const placed = record(jobs[0] as KeptJob)
    await pass()
    expect([passes, choice('urgent')]).toEqual([[32, 0, 0], undefined])
    run(keptRun({ job: placed }))
    await pass()
    expect([passes, choice('urgent')?.slice(0, 6)]).toEqual([[32, 0, 0, 1], '1@acme'])
  })

  test('who waits for its turn alone is not told so, unless that lasts', async () => {
    const nodes = Array.from({ length: 30 }, (_, i) => nodeFact({ name: `n${i}` }))
    const { job, pass, time } = world({ nodes })
    for (let i = 0; i < 38; i += 1) job(`j${i}`)
    expect((await pass()).split(',')).toHaveLength(32)
    await time.advance(9_999)
    expect(await pass()).toBe('')
    await time.advance(1)
    expect((await pass()).split(',')).toHaveLength(6)
  })

  test('many changes at once are one pass', async () => {
    const { job, passes, pass } = world()
    for (const name of ['a', 'b', 'c']) job(name)
    expect([await pass(), passes]).toEqual(['a,b,c', [3]])
  })
})

test('at the start, those that are placed are woken before those that only wait', async () => {
  const { job, loop, pass } = world({ begun: false })
  job('first', { gpus: { count: 8 }, priority: 1 }, { conditions: [] })
  for (const name of ['a', 'b']) job(name, { gpus: { count: 8 } })
  job('last', { gpus: { count: 8 }, priority: 2 })
  loop.begin()
  expect(await pass()).toBe('last,first,a,b')
})

describe('a provider of which the same is said again', () => {
  async function fullWorld() {
    const { job, loop, pass, time } = world()
    job('first', { gpus: { count: 8 }, priority: 1 })
    job('waits', { gpus: { count: 8 } })
    await pass()
    await time.advance(2000)
    await pass()
    return { loop, time, pass }
  }

  test('is no news to those who wait, as at each heartbeat', async () => {
    const { loop, time, pass } = await fullWorld()
    loop.setProvider(providerFact())
    await time.advance(2000)
    expect(await pass()).toBe('')
  })

  test('in other words is news', async () => {
    const { loop, time, pass } = await fullWorld()
    loop.setProvider(providerFact({ state: 'Cordoned' }))
    await time.advance(2000)
    expect(await pass()).toBe('waits')
  })

  test('and that was gone in between is news', async () => {
    const { loop, time, pass } = await fullWorld()
    loop.removeProvider('acme')
    await time.advance(2000)
    expect(await pass()).toBe('waits')
    loop.setProvider(providerFact())
    await time.advance(2000)
    expect(await pass()).toBe('waits')
  })
})
