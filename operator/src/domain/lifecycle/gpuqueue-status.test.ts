import { describe, expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import type { GpuQueue, GpuQueueSpec } from '../../api/gpuqueue.ts'
import { toTime } from '../../api/time.ts'
import type { QueueState } from '../scheduling/facts.ts'
import { decide, queueFact, queueUsage } from './gpuqueue-status.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const minute = 60_000

function state(change: Partial<QueueState> = {}): QueueState {
  return {
    name: 'research',
    state: 'Active',
    usage: {},
    share: 0,
    averageShare: 0,
    fairShare: 1,
    pending: {},
    running: 0,
    borrowed: {},
    lent: {},
    ...change,
  }
}

const models = new Set(['H100', 'A100'])

/** The queue with the status that it would have been given at that time. */
function told(queue: GpuQueue, { of = state(), at = now }: { of?: QueueState; at?: number } = {}): GpuQueue {
  const { status } = decide({ queue, state: of, models, now: at })
  return { ...queue, ...(status && { status }) }
}

describe('Ready', () => {
  const cases: readonly { name: string; spec?: Partial<GpuQueueSpec>; of?: Partial<QueueState>; says: string }[] = [
    { name: 'is said of a queue without anything', says: 'True/Ready' },
    { name: 'is said where each model is offered', spec: quotaOf('H100', '*'), says: 'True/Ready' },
    { name: 'warns of a model that nobody has', spec: quotaOf('H100', 'X9'), says: 'True/ModelUnknown' },
    { name: 'is denied without the parent', of: { state: 'ParentMissing' }, says: 'False/ParentMissing' },
    { name: 'is denied in a ring', spec: quotaOf('X9'), of: { state: 'Cycle' }, says: 'False/Cycle' },
  ]
  test.each(cases)('$name', ({ spec = {}, of, says }) => {
    const { status } = told(gpuQueue({ spec: { parent: 'org', ...spec } }), { of: state(of) })
    expect(status?.conditions.map((one) => `${one.status}/${one.reason}`)).toEqual([says])
  })

  test('is said before the engine knows the queue', () => {
    const { status } = decide({ queue: gpuQueue(), state: undefined, models, now })
    expect(status?.conditions).toHaveLength(1)
    expect(status?.share).toBeUndefined()
  })
})

function quotaOf(...names: readonly string[]): Partial<GpuQueueSpec> {
  return { quota: names.map((model) => ({ model, guaranteed: 8 })) }
}

test('the numbers are those of the engine, with what people look for in one line', () => {
  const of = state({
    usage: { A100: 0.5, H100: 12, L4: 1 },
    share: 0.25,
    averageShare: 0.12345678,
    fairShare: 0.5,
    pending: { '0': 3, '-5': 1, '100': 2, '7': 0 },
    running: 4,
    borrowed: { H100: 4, '*': 5.5 },
    lent: { T4: 2 },
  })
  const { status } = told(gpuQueue({ spec: quotaOf('H100', 'A100', '*') }), { of })
  expect(status).toMatchObject({
    used: 'H100 12/8, A100 0.5/8, * 13.5/8, L4 1',
    usage: [
      { model: '*', gpus: 13.5, borrowed: 5.5, lent: 0 },
      { model: 'H100', gpus: 12, borrowed: 4, lent: 0 },
      { model: 'L4', gpus: 1, borrowed: 0, lent: 0 },
      { model: 'A100', gpus: 0.5, borrowed: 0, lent: 0 },
      { model: 'T4', gpus: 0, borrowed: 0, lent: 2 },
    ],
    borrowed: 5.5,
    lent: 2,
    running: 4,
    waiting: 6,
    pending: [
      { priority: 100, jobs: 2 },
      { priority: 0, jobs: 3 },
      { priority: -5, jobs: 1 },
    ],
    share: { now: 0.25, average: 0.123457, fair: 0.5, at: toTime(now) },
  })
})

test('a hundred models and priorities are kept within the bounds of the schema', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`M${i}`, i + 1]))
  const pending = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [String(i), 1]))
  const { status } = told(gpuQueue(), { of: state({ usage: many, pending, share: 1.0000001 }) })
  expect([status?.usage?.length, status?.pending?.length, status?.waiting, status?.share?.now]).toEqual([
    64, 64, 100, 1,
  ])
  expect(status?.used?.length).toBe(256)
  expect(status?.pending?.[0]).toEqual({ priority: 99, jobs: 1 })
})

describe('it is written', () => {
  const busy = state({ share: 0.5, usage: { H100: 4 } })
  const cases: readonly {
    name: string
    queue?: GpuQueue
    of?: QueueState
    after: number
    written: boolean
    recheckMs: number
  }[] = [
    { name: 'not while nothing has changed', after: 10 * minute, written: false, recheckMs: minute },
    { name: 'not within a minute, but then', of: busy, after: minute / 4, written: false, recheckMs: (minute * 3) / 4 },
    {
      name: 'when a number has changed and a minute is over',
      of: busy,
      after: minute,
      written: true,
      recheckMs: minute,
    },
    {
      name: 'at once when the condition changes',
      of: state({ state: 'Cycle' }),
      after: 1,
      written: true,
      recheckMs: minute,
    },
    { name: 'also where the clock was set back', of: busy, after: -10 * minute, written: true, recheckMs: minute },
    {
      name: 'not because the past of an idle queue fades',
      of: state({ averageShare: 0.4 }),
      after: 10 * minute,
      written: false,
      recheckMs: minute,
    },
    {
      name: 'at once for a new generation',
      queue: gpuQueue({ metadata: { generation: 2 } }),
      after: 1,
      written: true,
      recheckMs: minute,
    },
  ]
  test.each(cases)('$name', ({ queue = gpuQueue(), of = state(), after, written, recheckMs }) => {
    const before = told(gpuQueue())
    const decision = decide({ queue: { ...before, metadata: queue.metadata }, state: of, models, now: now + after })
    expect({ written: decision.status !== undefined, recheckMs: decision.recheckMs }).toEqual({ written, recheckMs })
  })

  test.each([
    { moved: 0.0009, written: false },
    { moved: 0.0011, written: true },
  ])('for an average that has moved by $moved: $written', ({ moved, written }) => {
    const before = told(gpuQueue(), { of: { ...busy, averageShare: 0.2 } })
    const later = { ...busy, averageShare: 0.2 + moved }
    expect(decide({ queue: before, state: later, models, now: now + minute }).status !== undefined).toBe(written)
  })
})

test('the engine hears what the spec says, and what was written of the past', () => {
  const queue = gpuQueue({
    spec: { parent: 'org', weight: 3, maxRunning: 2, quota: [{ model: '*', guaranteed: 8, lendLimit: 2 }] },
  })
  expect(queueFact(queue)).toEqual({
    name: 'research',
    parent: 'org',
    weight: 3,
    maxRunning: 2,
    quota: { '*': { guaranteed: 8, lendLimit: 2 } },
    preemption: { withinQueue: 'Never', reclaim: 'Any', minRuntimeMs: 0 },
  })
  expect(queueUsage(queue)).toBeUndefined()
  const before = told(queue, { of: state({ averageShare: 0.25 }) })
  expect(queueUsage(before)).toEqual({ name: 'research', share: 0.25, atMs: now })
})
