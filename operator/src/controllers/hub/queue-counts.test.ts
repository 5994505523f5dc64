import { expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { booking } from '../../../../test/builders/scheduling.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { createEngine } from '../../domain/scheduling/engine.ts'
import { QueueCounts } from './queue-counts.ts'
import { schedulingLoop } from './scheduling.ts'

/** How often all queues have been counted, and at what time the last one was. */
function counting() {
  const time = fakeTime(0)
  const countedAt: number[] = []
  const counts = new QueueCounts((nowMs) => {
    countedAt.push(nowMs)
    return []
  }, time.clock)
  return { time, counts, countedAt }
}

test('all who ask within five seconds get the same count', async () => {
  const { time, counts, countedAt } = counting()
  const first = counts.now()
  await time.advance(4999)
  expect(counts.now()).toBe(first)
  await time.advance(1)
  counts.now()
  expect(countedAt).toEqual([0, 5000])
})

test('a clock that is set back keeps no count for longer', async () => {
  const { time, counts, countedAt } = counting()
  counts.now()
  time.jumpWall(-3_600_000)
  await time.advance(5000)
  counts.now()
  expect(countedAt).toHaveLength(2)
})

test('queues that have changed are counted anew at once', () => {
  const { counts, countedAt } = counting()
  counts.now()
  counts.forget()
  counts.now()
  expect(countedAt).toEqual([0, 0])
})

test('the scheduling loop counts queues once in some seconds, and says at once what is wrong with one', async () => {
  const time = fakeTime()
  const engine = createEngine()
  const loop = schedulingLoop(engine, {
    jobOf: () => undefined,
    runsOf: () => [],
    modelOf: () => undefined,
    wake: () => {},
    clock: time.clock,
    timers: time.timers,
    observe: () => {},
  })
  const seen = () => {
    const { running, state } = loop.queues().get('research') ?? {}
    return `${running} ${state}`
  }
  loop.setQueue(gpuQueue())
  const before = seen()
  engine.book(booking({ queue: 'research' }))
  await time.advance(0)
  const soon = seen()
  await time.advance(5000)
  const then = seen()
  loop.setQueue(gpuQueue({ spec: { parent: 'nobody' } }))
  const broken = seen()
  engine.release('other', 1)
  loop.begin()
  expect([before, soon, then, broken, seen()]).toEqual([
    '0 Active',
    '0 Active',
    '1 Active',
    '1 ParentMissing',
    '0 ParentMissing',
  ])
})
