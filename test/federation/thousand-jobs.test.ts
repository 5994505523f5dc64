// A thousand jobs over three providers, created as fast as the API takes them. What happened is counted on the
// providers' own API servers, and what our status says is held against that.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { RUN_LABEL } from '../../operator/src/api/labels.ts'
import { runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { Operator } from '../bed/operator.ts'
import { countBy, printFigures, rounded, secondsSince } from './figures.ts'
import { createJobs, deleteJobs, type Order } from './order.ts'
import { keepLedger, type PodEntry, type PodLedger } from './pod-ledger.ts'
import { type Spent, spentBy } from './program-cost.ts'
import { openStage, type ProviderSide, type Stage } from './stage.ts'
import type { Named, Watched } from './watched.ts'

const namespace = 'load'
const jobCount = 1000

/** Of each hundred jobs: workers × GPUs of each. */
const mix = [
  { share: 76, workers: 1, gpus: 1 },
  { share: 10, workers: 1, gpus: 2 },
  { share: 5, workers: 1, gpus: 4 },
  { share: 2, workers: 1, gpus: 8 },
  { share: 4, workers: 2, gpus: 1 },
  { share: 2, workers: 4, gpus: 2 },
  { share: 1, workers: 2, gpus: 8 },
].flatMap(({ share, ...shape }) => Array.from({ length: share }, () => shape))

/** 37 and 100 have no common factor: each hundred has all of the mix, in another order than above. */
const orders: readonly Order[] = Array.from({ length: jobCount }, (_, index) => {
  const { workers, gpus } = mix[(index * 37) % mix.length] ?? { workers: 1, gpus: 1 }
  return { namespace, name: `job-${index}`, spec: { workers, gpus: { count: gpus } }, simulate: { seconds: '0.5' } }
})

let stage: Stage
const ledgers = new Map<string, PodLedger>()
let jobs: readonly GpuJob[] = []
let podsOf: ReadonlyMap<string, readonly PodEntry[]> = new Map()
const figures: Record<string, number> = {}

beforeAll(async () => {
  stage = await openStage({
    name: 'thousand-jobs',
    providers: 3,
    nodes: 8,
    namespaces: [namespace],
    hubArgs: ['--tombstone-seconds', '5'],
  })
  for (const [name, side] of stage.sides) ledgers.set(name, keepLedger(side))
  await runAll()
  jobs = [...stage.jobs.all.values()]
  podsOf = Map.groupBy(pods(), ({ jobUid }) => jobUid)
}, 400_000)

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  printFigures('thousand-jobs', figures)
}, 30_000)

async function runAll(): Promise<void> {
  const { ask, jobs: seen, operator } = stage
  const finished = new Set<string>()
  seen.onChange(({ object: { status, metadata } }) => void (status?.finishedAt && finished.add(metadata.uid)))
  const before = await costs(operator)
  const begun = performance.now()

  await createJobs(ask, orders)
  figures['createSeconds'] = secondsSince(begun)
  await seen.until({
    what: `${jobCount} jobs to finish`,
    seconds: 300,
    find: () => finished.size === jobCount || undefined,
    state: () => countBy([...seen.all.values()], ({ status }) => `${status?.state} ${status?.why}`),
  })
  const seconds = secondsSince(begun)
  const after = await costs(operator)
  Object.assign(figures, {
    seconds,
    jobsPerSecond: rounded(jobCount / seconds),
    hubCpuMsPerJob: rounded((after.hub.cpuMs - before.hub.cpuMs) / jobCount),
    agentCpuMsPerJob: rounded((after.agentsCpuMs - before.agentsCpuMs) / jobCount),
    hubMemoryMiB: after.hub.memoryMiB,
    gpuRuns: stage.runs.all.size,
  })
}

async function costs({ hub, agents }: Operator): Promise<{ readonly hub: Spent; readonly agentsCpuMs: number }> {
  const each = await Promise.all([...agents.values()].map(({ pid }) => spentBy(pid)))
  return { hub: await spentBy(hub.pid), agentsCpuMs: each.reduce((sum, { cpuMs }) => sum + cpuMs, 0) }
}

function pods(): readonly PodEntry[] {
  return [...ledgers.values()].flatMap((ledger) => [...ledger.pods.values()])
}

describe('a thousand jobs', () => {
  test('all succeed, each at its first run', () => {
    expect(countBy(jobs, ({ status }) => `${status?.state} in run ${status?.lastRun}`)).toBe(
      `{"Succeeded in run 1":${jobCount}}`,
    )
  })

  test('had one Job each on the providers, ever', () => {
    const jobUids = [...ledgers.values()].flatMap((ledger) => [...ledger.jobs.values()])
    expect(jobUids.toSorted()).toEqual(jobs.map(({ metadata }) => metadata.uid).toSorted())
  })

  test('had one pod for each worker, ever, and each ended with exit code 0', () => {
    const expected = jobs.map(({ metadata: { name, uid }, spec: { workers } }) => {
      return { name, ended: Array.from({ length: workers }, (_, index) => `${index}: 0`), uid }
    })
    const real = jobs.map(({ metadata: { name, uid } }) => {
      const ended = podsOf.get(uid)?.map(({ index, exitCode }) => `${index}: ${exitCode}`)
      return { name, ended: ended?.toSorted(), uid }
    })
    expect(real).toEqual(expected)
    expect(pods()).toHaveLength(jobs.reduce((sum, { spec }) => sum + spec.workers, 0))
  })

  test('had no pod on a node that was not chosen for it', () => {
    const ordered = new Map(stage.runsEver.values().map((run) => [runId(run), run]))
    const strays = pods().filter(
      ({ runId: id, node }) => !ordered.get(id)?.spec.nodes.some(({ name }) => name === node),
    )
    expect(strays).toEqual([])
  })

  test('never used more GPUs of a node than it has', async () => {
    for (const [name, { controlPlane }] of stage.sides) {
      const { body } = await controlPlane.ask('/api/v1/nodes')
      const allocatable = (body as { items: Node[] }).items.map(({ metadata, status }) => {
        return { node: metadata.name, gpus: Number(status?.allocatable?.['nvidia.com/gpu']) }
      })
      const most = ledgers.get(name)?.mostGpus ?? new Map<string, number>()
      expect(allocatable.filter(({ node, gpus }) => (most.get(node) ?? 0) > gpus)).toEqual([])
      // The simulated load must have been able to show it.
      expect(Math.max(...most.values())).toBe(8)
    }
  })

  test('have one GpuRun each', () => {
    expect([...stage.runsEver.values()].map(({ spec }) => spec.job.uid).toSorted()).toEqual(
      jobs.map(({ metadata }) => metadata.uid).toSorted(),
    )
    expect(stage.runs.all.size).toBe(jobCount)
  })
})

describe('when all of them are deleted', () => {
  test('nothing of them is left on the providers', async () => {
    const begun = performance.now()
    await deleteJobs(stage.ask, jobs)
    for (const side of stage.sides.values()) {
      for (const kind of ['jobs', 'pods', 'services'] as const) await noneOfOurs(side, kind)
    }
    figures['cleanSeconds'] = secondsSince(begun)
    expect(stage.jobs.all.size).toBe(0)
  }, 120_000)

  test('every GpuRun is cleaned and then deleted', async () => {
    await stage.runs.until({
      what: 'all GpuRuns to be deleted',
      seconds: 60,
      find: (all) => all.size === 0 || undefined,
      state: () =>
        countBy(
          stage.runs.all.values(),
          ({ spec, status }) => `stop ${spec.stop?.reason}, cleaned ${status?.cleanedAt !== undefined}`,
        ),
    })
    expect([...stage.runsEver.values()].filter(({ status }) => status?.cleanedAt === undefined)).toEqual([])
  }, 90_000)
})

async function noneOfOurs(side: ProviderSide, kind: 'jobs' | 'pods' | 'services'): Promise<void> {
  const watch: Pick<Watched<Named>, 'all'> = side[kind]
  const left = () => watch.all.values().filter(({ metadata }) => metadata.labels?.[RUN_LABEL] !== undefined)
  await side[kind].until({
    what: `the ${kind} of deleted jobs to vanish from ${side.name}`,
    seconds: 90,
    find: () => left().next().done || undefined,
    state: () => `${left().toArray().length} left`,
  })
}
