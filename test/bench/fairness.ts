// Whether queues get what their weights say, whether a burst of one holds up another, and what many queues cost.
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import type { Choice, QueueState } from '../../operator/src/domain/scheduling/facts.ts'
import { jobFact, nodeFact, providerFact, queueFact } from '../builders/scheduling.ts'
import { type Figures, quantile, seeded } from './figures.ts'

const bars = { errorPercent: 1, hogP99Ms: 100, atOwnQuotaMicros: 500 }
const nodes = 1000
const gpusPerNode = 8

export function fairnessBench(): Figures {
  const errors = [1, 2, 3].map(saturated)
  const hog = burst()
  const errorPercent = Math.max(...errors)
  const microsPerDecision = {
    few: costOf(10),
    many: costOf(1000),
    atOwnQuota: costAtQuota(0),
    atSharedQuota: costAtQuota(),
  }
  const ok =
    errorPercent <= bars.errorPercent &&
    hog.firstOfOthers === hog.rounds &&
    hog.p99Ms <= bars.hogP99Ms &&
    microsPerDecision.atOwnQuota <= bars.atOwnQuotaMicros
  return { bench: 'fairness', ok, errorPercent, errorPercentBySeed: errors, hog, microsPerDecision }
}

function federation(): Engine {
  const engine = createEngine()
  engine.setProvider(providerFact())
  for (let i = 0; i < nodes; i += 1) engine.setNode(nodeFact({ name: `n${i}`, gpus: gpusPerNode }))
  return engine
}

/** Ten seconds in which all leaves of a tree of depth 3 want more than there is; by how much they miss their part then. */
function saturated(seed: number): number {
  const random = seeded(seed)
  const weight = () => 1 + Math.floor(random() * 5)
  const engine = federation()
  const leaves: string[] = []
  for (const a of [0, 1, 2]) {
    engine.setQueue(queueFact({ name: `q${a}`, weight: weight() }))
    for (const b of [0, 1, 2]) {
      engine.setQueue(queueFact({ name: `q${a}-${b}`, parent: `q${a}`, weight: weight() }))
      for (const c of [0, 1, 2]) {
        leaves.push(`q${a}-${b}-${c}`)
        engine.setQueue(queueFact({ name: `q${a}-${b}-${c}`, parent: `q${a}-${b}`, weight: weight() }))
      }
    }
  }

  const running: { readonly choice: Choice; readonly endsMs: number }[] = []
  const waiting = new Map<string, number>()
  let made = 0
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 100) {
    for (const { choice } of running.filter(({ endsMs }) => endsMs <= nowMs)) engine.release(choice.uid, choice.run)
    running.splice(0, running.length, ...running.filter(({ endsMs }) => endsMs > nowMs))
    for (const [i, queue] of leaves.entries()) {
      // Some need more CPU than GPUs: their share is that of the CPU.
      const perWorker = { gpus: 1, cpuMilli: i % 3 === 0 ? 17_000 : 4000, memoryMiB: 1024, storageMiB: 0 }
      for (let left = waiting.get(queue) ?? 0; left < 2000; left += 1) {
        engine.wait(jobFact({ uid: `job-${made}`, queue, perWorker, createdMs: nowMs }))
        made += 1
      }
      waiting.set(queue, 2000)
    }
    for (const choice of engine.decide({ nowMs })) {
      const { queue = '' } = choice
      waiting.set(queue, (waiting.get(queue) ?? 0) - 1)
      running.push({ choice, endsMs: nowMs + 500 + random() * 1500 })
    }
  }
  return worstError(engine.queues(10_000), new Map(engine.snapshot().queues.map((fact) => [fact.name, fact.weight])))
}

/** Of the whole, in percent: how far a queue is from what its weight says of that which it and its siblings have. */
function worstError(states: readonly QueueState[], weights: ReadonlyMap<string, number>): number {
  const families = Object.values(Object.groupBy(states, ({ parent = '' }) => parent))
  const errors = families.flatMap((family = []) => {
    const known = family.filter(({ name }) => weights.has(name))
    const all = sum(known.map(({ share }) => share))
    const weight = sum(known.map(({ name }) => weights.get(name) ?? 0))
    return known.map(({ name, share }) => Math.abs(share - (all * (weights.get(name) ?? 0)) / weight))
  })
  return Number((Math.max(...errors) * 100).toFixed(3))
}

/** 50,000 jobs of one queue wait for a federation that is full; one GPU gets free, and another queue's first job comes. */
function burst() {
  const rounds = 300
  const engine = federation()
  for (let i = 0; i <= rounds; i += 1) engine.setQueue(queueFact({ name: `q${i}` }))
  for (let i = 0; i < 50_000 + nodes * gpusPerNode; i += 1) engine.wait(jobFact({ uid: `hog-${i}`, queue: 'q0' }))
  const running = [...engine.decide({ nowMs: 0 })]
  const latencies: number[] = []
  let firstOfOthers = 0
  for (let i = 1; i <= rounds; i += 1) {
    const leaves = running.pop()
    if (leaves) engine.release(leaves.uid, leaves.run)
    engine.wait(jobFact({ uid: `other-${i}`, queue: `q${i}`, createdMs: i }))
    const start = performance.now()
    const [choice] = engine.decide({ nowMs: i, limit: 1 })
    latencies.push(performance.now() - start)
    if (choice?.uid === `other-${i}`) firstOfOthers += 1
  }
  return { rounds, firstOfOthers, waiting: 50_000, p99Ms: Number(quantile(latencies, 0.99).toFixed(3)) }
}

/** In a full federation whose queues all want more: the time from one that leaves to the next that comes. */
function costOf(queues: number): number {
  const engine = federation()
  for (let i = 0; i < queues; i += 1) engine.setQueue(queueFact({ name: `q${i}`, weight: 1 + (i % 3) }))
  for (let i = 0; i < nodes * gpusPerNode + queues * 20; i += 1)
    engine.wait(jobFact({ uid: `job-${i}`, queue: `q${i % queues}`, gpus: 1 + (i % 2) }))
  return costOfTurns(engine)
}

/**
 * The same where nodes are free, but a thousand queues have what they may have: each its own, or, where all may borrow,
 * all together.
 */
function costAtQuota(borrowLimit?: number): number {
  const engine = federation()
  engine.setQueue(queueFact({ name: 'all', quota: { '*': { guaranteed: 0 } } }))
  const quota = { '*': { guaranteed: 4, borrowLimit } }
  for (let i = 0; i < 1000; i += 1) engine.setQueue(queueFact({ name: `q${i}`, parent: 'all', quota }))
  for (let i = 0; i < 8000; i += 1) engine.wait(jobFact({ uid: `job-${i}`, queue: `q${i % 1000}`, createdMs: i }))
  return costOfTurns(engine)
}

/** One leaves, one comes: microseconds of both. */
function costOfTurns(engine: Engine): number {
  const rounds = 200
  const running = [...engine.decide({ nowMs: 0 })]
  const start = performance.now()
  for (let i = 0; i < rounds; i += 1) {
    const leaves = running.shift()
    if (!leaves) break
    engine.release(leaves.uid, leaves.run)
    engine.wait(jobFact({ uid: `more-${i}`, queue: leaves.queue ?? '', gpus: leaves.perWorker.gpus, createdMs: i }))
    running.push(...engine.decide({ nowMs: 0 }))
  }
  return Number((((performance.now() - start) * 1000) / rounds).toFixed(1))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
