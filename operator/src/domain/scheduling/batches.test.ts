import { describe, expect, test } from '@jest/globals'
import { jobFact, nodeFact, providerFact, queueFact, rendered } from '../../../../test/builders/scheduling.ts'
import { ordersOf } from './batch-orders.ts'
import { createEngine } from './engine.ts'
import type { JobFact } from './facts.ts'

const memory = (gpus: number, memoryMiB: number) => ({ gpus, memoryMiB, cpuMilli: 1000, storageMiB: 0 })

/** Takes all the memory of a node of four GPUs, and one of them. */
const greedy = jobFact({ uid: 'greedy', workers: 4, perWorker: memory(1, 1000) })
const modest = ['a', 'b', 'c', 'd'].map((uid) => jobFact({ uid, perWorker: memory(3, 100) }))
const nodes = ['n1', 'n2', 'n3', 'n4'].map((name) => nodeFact({ name, gpus: 4, memoryMiB: 1000 }))

function placedOf(jobs: readonly JobFact[], queue?: Parameters<typeof queueFact>[0]) {
  const engine = createEngine({ providers: [providerFact()], nodes, queues: queue ? [queueFact(queue)] : [] })
  for (const job of jobs) engine.wait(job)
  return { engine, placed: engine.decide({ nowMs: 0 }).map(({ uid }) => uid) }
}

describe('of jobs that were sent in the same second', () => {
  test('those go first that leave most GPUs in use, and not always the largest', () => {
    // In the usual order the largest takes four GPUs and the memory of all nodes.
    expect(placedOf([greedy, ...modest]).placed.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('the usual order stays where no other one is better', () => {
    expect(placedOf([greedy]).placed).toEqual(['greedy'])
    expect(placedOf(modest).placed).toEqual(['a', 'b', 'c', 'd'])
    const single = jobFact({ uid: 'single', perWorker: memory(1, 10) })
    expect(placedOf([single, ...modest]).placed).toEqual(['a', 'b', 'c', 'd', 'single'])
  })

  test('one that came a second before goes first', () => {
    expect(placedOf([greedy, ...modest.map((job) => ({ ...job, createdMs: 1000 }))]).placed).toEqual(['greedy'])
  })

  test('one with a higher priority goes first', () => {
    expect(placedOf([{ ...greedy, priority: 1 }, ...modest]).placed).toEqual(['greedy'])
  })

  test('those of other queues are no part of it', () => {
    const other = modest.map((job) => ({ ...job, queue: 'research' }))
    expect(placedOf([greedy, ...other], { name: 'research', weight: 0 }).placed).toEqual(['greedy'])
  })

  test('what the queue lets them have counts', () => {
    const queue = { name: 'research', quota: { '*': { guaranteed: 8, borrowLimit: 0 } } }
    const jobs = [greedy, ...modest].map((job) => ({ ...job, queue: 'research' }))
    expect(placedOf(jobs, queue).placed).toHaveLength(2)
  })

  test('where many wait the usual order holds: others fill what is left', () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      jobFact({ uid: `later-${i}`, priority: -1, perWorker: memory(1, 10) }),
    )
    expect(placedOf([greedy, ...modest, ...many]).placed[0]).toBe('greedy')
  })

  test('those go first also when they have waited in vain before, as an engine that is new decides', () => {
    const all = jobFact({ uid: 'all', workers: 4, createdMs: -1000, perWorker: memory(4, 1000) })
    const { engine } = placedOf([all, greedy, ...modest])
    engine.release('all', 1)
    const replayed = createEngine(engine.snapshot()).decide({ nowMs: 0 })
    expect(engine.decide({ nowMs: 0 })).toEqual(replayed)
    expect(replayed.map(({ uid }) => uid).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('those that come later have what the others leave them', () => {
    // Three that came before take three nodes, so of the later ones it counts what one node is good for.
    const before = ['x', 'y', 'z'].map((uid) => jobFact({ uid, createdMs: -1000, perWorker: memory(4, 1000) }))
    const two = ['a', 'b'].map((uid) => jobFact({ uid, perWorker: memory(2, 500) }))
    const one = jobFact({ uid: 'one', perWorker: memory(3, 1000) })
    expect(placedOf([...before, one, ...two]).placed.toSorted()).toEqual(['a', 'b', 'x', 'y', 'z'])
  })

  test('a single job that comes before them has its place first', () => {
    // It takes one of the four nodes: on three the modest ones still fill more than the greedy one.
    const single = jobFact({ uid: 'single', createdMs: -1000, perWorker: memory(4, 1000) })
    expect(placedOf([single, greedy, ...modest]).placed).toEqual(['single', 'a', 'b', 'c'])
    // And where it leaves but one, the usual order is as good.
    const three = jobFact({ uid: 'three', workers: 3, createdMs: -1000, perWorker: memory(4, 1000) })
    const small = jobFact({ uid: 'small', perWorker: memory(1, 1000) })
    expect(placedOf([three, small, ...modest.slice(0, 1)]).placed).toEqual(['three', 'a'])
  })

  test('none of them is tried where that takes too long', () => {
    const many = Array.from({ length: 40 }, (_, i) => nodeFact({ name: `far-${i}`, gpus: 1, memoryMiB: 10 }))
    const topology = { within: 'Node', rule: 'Preferred' } as const
    const placed = (change: Partial<JobFact>) => {
      const engine = createEngine({ providers: [providerFact()], nodes: [...nodes, ...many] })
      const gangs = Array.from({ length: 30 }, (_, i) => jobFact({ uid: `gang-${i}`, workers: 12, ...change }))
      for (const job of [greedy, ...modest, ...gangs]) engine.wait(job)
      return engine.decide({ nowMs: 0 })[0]?.uid
    }
    expect(placed({ perWorker: memory(8, 1000) })).not.toBe('greedy')
    expect(placed({ perWorker: memory(8, 1000), topology, createdMs: 1000 })).toBe('greedy')
  })

  test('nothing is left of what was tried', () => {
    const { engine } = placedOf([greedy, ...modest])
    const { bookings, waiting } = engine.snapshot()
    expect(bookings.map(({ uid }) => uid)).toEqual(['a', 'b', 'c', 'd'])
    expect(waiting.map(({ uid }) => uid)).toEqual(['greedy'])
    for (const { uid, run } of bookings) engine.release(uid, run)
    expect(engine.decide({ nowMs: 0 }).map(rendered)).toEqual(['greedy@acme:n1×1,n2×1,n3×1,n4×1'])
  })
})

test('each order that is tried has all of the batch, and no other follows from the same jobs', () => {
  const jobs = [greedy, ...modest]
  const orders = [...ordersOf(jobs)].map((order) => order.map(({ uid }) => uid))
  expect(orders.length).toBeGreaterThan(6)
  for (const order of orders) expect(order.toSorted()).toEqual(jobs.map(({ uid }) => uid).toSorted())
  expect([...ordersOf(jobs)].map((order) => order.map(({ uid }) => uid))).toEqual(orders)
})
