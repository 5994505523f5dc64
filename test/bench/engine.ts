// Decisions per second of the engine alone, in a federation that is half full and in one that is nearly full.
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import type { Choice, JobFact } from '../../operator/src/domain/scheduling/facts.ts'
import { jobFact, nodeFact, providerFact } from '../builders/scheduling.ts'
import { type Figures, heapBytes, quantile, seeded } from './figures.ts'

const models = ['H100', 'A100', 'L40S'] as const
const providers = 20
const gpusPerNode = 8

/** On a machine with 2 cores. */
const bars = {
  singlePerSecond: 100_000,
  gangPerSecond: 10_000,
  p99Ms: 1,
  growth1kTo100k: 2,
  bytesPerNode: 1000,
  bytesPerWaitingJob: 1200,
}

export function engineBench(): Figures {
  const memory = heap() // First: what the other scenes leave behind would blur it.
  const half = measure({ nodes: 10_000, full: 0.5, gangs: 8 })
  const full = measure({ nodes: 10_000, full: 0.95, gangs: 8 })
  // A thousand nodes of 60 kinds have no place for a gang of 32 nodes.
  const small = measure({ nodes: 1000, full: 0.5, gangs: 0 })
  const large = measure({ nodes: 100_000, full: 0.5, gangs: 8 })

  const singlePerSecond = Math.min(half.single.perSecond, full.single.perSecond)
  const gangPerSecond = Math.min(half.gang.perSecond, full.gang.perSecond)
  const p99Ms = Math.max(half.single.p99Ms, full.single.p99Ms, half.gang.p99Ms, full.gang.p99Ms)
  const growth1kTo100k = rounded(small.single.perSecond / large.single.perSecond, 2)
  const ok =
    singlePerSecond >= bars.singlePerSecond &&
    gangPerSecond >= bars.gangPerSecond &&
    p99Ms <= bars.p99Ms &&
    growth1kTo100k <= bars.growth1kTo100k &&
    memory.bytesPerNode <= bars.bytesPerNode &&
    memory.bytesPerWaitingJob <= bars.bytesPerWaitingJob
  const summary = { singlePerSecond, gangPerSecond, p99Ms, growth1kTo100k, ...memory }
  return { bench: 'engine', ok, ...summary, nodes: 10_000, gpus: 80_000, providers, half, full, small, large }
}

interface Scene {
  readonly nodes: number
  /** The share of the GPUs that is taken, the gangs included. */
  readonly full: number
  /** Gangs of 32 × 8 that come and go. */
  readonly gangs: number
}

function measure({ nodes, full, gangs }: Scene) {
  const random = seeded(nodes + full * 100)
  const engine = federation(nodes)
  const someModels = () => (random() < 0.5 ? [] : [models[Math.floor(random() * models.length)] ?? 'H100'])

  // By turns, so that the gangs of each round find the places of those of the last.
  const gangOf32 = (uid: string, i: number) =>
    jobFact({ uid, workers: 32, gpus: 8, models: [models[i % models.length] ?? 'H100'] })
  const oneGpu = (uid: string) => jobFact({ uid, gpus: 1, models: someModels() })
  let leaving = placed(engine, 'gang', { count: gangs, job: gangOf32 })
  const takenGpus = fill(engine, { gpus: nodes * gpusPerNode * full - gangs * 256, random, someModels })

  const gang = clocked(engine, { rounds: gangs > 0 ? 500 : 0, batch: gangs, job: gangOf32, leaving })
  leaving = placed(engine, 'single', { count: 500, job: oneGpu })
  const single = clocked(engine, { rounds: 200, batch: 500, job: oneGpu, leaving })
  return { full: rounded((takenGpus + gangs * 256) / nodes / gpusPerNode, 3), single, gang }
}

interface Load {
  readonly rounds: number
  readonly batch: number
  readonly job: (uid: string, i: number) => JobFact
  /** Those that make room for the first round. */
  readonly leaving: readonly Choice[]
}

/**
 * In each round a batch leaves and another comes, so that the engine stays as full as it is. The first tenth
 * warms up. `perSecond` counts the time in `decide`; `withWaitAndReleasePerSecond` also that of leaving and coming.
 */
function clocked(engine: Engine, { rounds, batch, job, leaving }: Load) {
  const latencies: number[] = []
  let decisions = 0
  let deciding = 0
  let all = 0
  let last = leaving
  for (let round = 0; round < rounds; round += 1) {
    const jobs = Array.from({ length: batch }, (_, i) => job(`clocked-${batch}-${round}-${i}`, i))
    const start = performance.now()
    for (const { uid, run } of last) engine.release(uid, run)
    for (const each of jobs) engine.wait(each)
    const ready = performance.now()
    last = engine.decide({ nowMs: 0 })
    const end = performance.now()
    if (last.length !== batch) throw new Error(`${last.length} of ${batch} jobs were placed in round ${round}`)
    if (round < rounds / 10) continue
    decisions += last.length
    deciding += end - ready
    all += end - start
    latencies.push(...lastOneByOne(engine, { last, jobs }))
  }
  for (const { uid, run } of last) engine.release(uid, run)
  return {
    decisions,
    perSecond: Math.round((decisions / deciding) * 1000) || 0,
    withWaitAndReleasePerSecond: Math.round((decisions / all) * 1000) || 0,
    p99Ms: rounded(quantile(latencies, 0.99), 4),
  }
}

/** The batch once more, each job timed alone: wait and decide. */
function lastOneByOne(engine: Engine, { last, jobs }: { last: readonly Choice[]; jobs: readonly JobFact[] }) {
  for (const { uid, run } of last) engine.release(uid, run)
  return jobs.map((each) => {
    const start = performance.now()
    engine.wait(each)
    engine.decide({ nowMs: 0, limit: 1 })
    return performance.now() - start
  })
}

function placed(engine: Engine, name: string, { count, job }: Pick<Load, 'job'> & { readonly count: number }) {
  for (let i = 0; i < count; i += 1) engine.wait(job(`${name}-${i}`, i))
  return engine.decide({ nowMs: 0 })
}

function federation(nodes: number): Engine {
  const engine = createEngine()
  for (let i = 0; i < providers; i += 1) engine.setProvider(providerFact({ name: `provider-${i}` }))
  for (let i = 0; i < nodes; i += 1) {
    const model = models[Math.floor(i / providers) % models.length] ?? 'H100'
    const name = `node-${String(i).padStart(6, '0')}`
    engine.setNode(nodeFact({ provider: `provider-${i % providers}`, name, model }))
  }
  return engine
}

interface Filling {
  readonly gpus: number
  readonly random: () => number
  readonly someModels: () => string[]
}

/** Mixed jobs come, and for ten that come one leaves, so that nodes are as broken as in life. Returns the GPUs taken. */
function fill(engine: Engine, { gpus, random, someModels }: Filling): number {
  const running: Choice[] = []
  let taken = 0
  for (let i = 0; taken < gpus; i += 1) {
    const size = [1, 1, 1, 2, 4, 8][Math.floor(random() * 6)] ?? 1
    engine.wait(jobFact({ uid: `filler-${i}`, gpus: size, models: someModels() }))
    for (const decision of engine.decide({ nowMs: 0 })) {
      taken += decision.perWorker.gpus
      running.push(decision)
    }
    if (random() >= 0.1) continue
    const at = Math.floor(random() * running.length)
    const [leaves] = running.splice(at, 1)
    if (!leaves) continue
    engine.release(leaves.uid, leaves.run)
    taken -= leaves.perWorker.gpus
  }
  for (const { uid } of engine.snapshot().waiting) engine.withdraw(uid)
  return taken
}

/** Facts included: the engine keeps them alive. */
function heap() {
  const nodes = 10_000
  const jobs = 10_000
  const waitAll = () => {
    const engine = federation(0)
    for (let i = 0; i < jobs; i += 1) engine.wait(jobFact({ uid: `waiting-${i}`, gpus: 8 }))
    return engine
  }
  return {
    bytesPerNode: Math.round(heapBytes(() => federation(nodes)) / nodes),
    bytesPerWaitingJob: Math.round(heapBytes(waitAll) / jobs),
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
