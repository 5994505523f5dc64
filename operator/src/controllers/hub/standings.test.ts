import { expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { keptJob } from '../../../../test/builders/kept.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { KeptJob } from '../../domain/lifecycle/kept.ts'
import { Standings } from './standings.ts'

/** So many jobs that name the queue `research` wait, and have been told where they stand. */
function world(count: number) {
  const time = fakeTime()
  const jobs = new Map<string, KeptJob>()
  for (let i = 0; i < count; i++) jobs.set(`job-${i}`, keptJob({ name: `job-${i}`, spec: { queue: 'research' } }))
  const asked: string[] = []
  const standings: Standings = new Standings({
    jobOf: (uid) => jobs.get(uid),
    waiting: () => jobs.keys(),
    standsOtherwise: (uid) => {
      asked.push(uid)
      const job = jobs.get(uid)
      if (job) standings.say(uid, standings.of(job))
    },
    timers: time.timers,
  })
  for (const [uid, job] of jobs) standings.say(uid, standings.of(job))
  return { time, standings, asked, jobs }
}

test('those who stand otherwise are asked in a while, some at a time, and each once', async () => {
  const { time, standings, asked } = world(1200)
  standings.set(gpuQueue())
  standings.set(gpuQueue({ name: 'other', spec: { namespaces: ['them'] } }))
  await time.turn()
  expect(asked).toEqual([])
  await time.advanceToNext()
  expect(asked).toHaveLength(500)
  await time.advance(1000)
  expect([asked.length, new Set(asked).size]).toEqual([1200, 1200])
})

test('who stands where he stood is not asked', async () => {
  const { time, standings, asked } = world(3)
  standings.set(gpuQueue())
  await time.advance(1000)
  asked.splice(0)
  standings.set(gpuQueue({ spec: { weight: 9 } }))
  standings.set(gpuQueue({ name: 'other' }))
  await time.advance(1000)
  expect(asked).toEqual([])
})

test('a queue is gone when those who waited in it have been asked, unless it came again', async () => {
  const { time, standings, asked } = world(600)
  standings.set(gpuQueue())
  await time.advance(1000)
  asked.splice(0)
  const gone: number[] = []
  standings.remove('research', () => void gone.push(asked.length))
  await time.advance(1000)
  expect(gone).toEqual([600])

  standings.set(gpuQueue())
  await time.advance(1000)
  standings.remove('research', () => void gone.push(asked.length))
  standings.set(gpuQueue())
  await time.advance(1000)
  expect(gone).toEqual([600])
})

test('what changes while they are asked is asked afterwards', async () => {
  const { time, standings, jobs, asked } = world(1000)
  standings.set(gpuQueue())
  await time.advanceToNext()
  standings.set(gpuQueue({ spec: { namespaces: ['them'] } }))
  await time.advance(2000)
  // The first half had been let in, and hears now that it is not; the second half hears only that.
  const times = Map.groupBy(asked, (uid) => uid)
  expect([...jobs.keys()].map((uid) => times.get(uid)?.length)).toEqual([
    ...Array.from({ length: 500 }, () => 2),
    ...Array.from({ length: 500 }, () => 1),
  ])
})

test('a namespace is named by a queue for as long as the queue says so', () => {
  const { standings } = world(0)
  const named = () => standings.naming('team').map(({ metadata }) => metadata.name)
  standings.set(gpuQueue({ name: 'a' }))
  standings.set(gpuQueue({ name: 'b', spec: { namespaces: ['team', '*'] } }))
  expect([named(), standings.naming('*')]).toEqual([['a', 'b'], []])
  standings.set(gpuQueue({ name: 'a', spec: { namespaces: ['them'] } }))
  expect(named()).toEqual(['b'])
  standings.remove('b', () => {})
  expect(named()).toEqual([])
})

test('a job that is placed keeps the defaults of the queue that it is placed in', () => {
  const { standings } = world(0)
  standings.set(gpuQueue({ name: 'old', spec: { namespaces: [], defaults: { maxRuntimeSeconds: 60 } } }))
  standings.set(gpuQueue({ name: 'new', spec: { defaults: { maxRuntimeSeconds: 7 } } }))
  const placement = { run: 1, provider: 'acme', nodes: [], recordedAt: '2026-01-01T00:00:00Z', queue: 'old' }
  const limits = [keptJob(), keptJob({ status: { placement } })].map((job) => standings.counted(job).spec)
  expect(limits.map(({ maxRuntimeSeconds }) => maxRuntimeSeconds)).toEqual([7, 60])
})
