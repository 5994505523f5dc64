// A hub that starts cold on 50,000 stored jobs and 100 providers, and what a job costs it with 3 providers and with 100.
import { waitUntil } from '../bed/child.ts'
import { spentBy } from '../federation/program-cost.ts'
import { type Figures, rounded } from './figures.ts'
import { type Fleet, startFleet } from './scale-fleet.ts'

const bars = { coldStartSeconds: 15, cpuGrowthPercent: 10 }

/**
 * Most jobs are finished, with their GpuRuns as tombstones; 300 nodes are full of those that run. Beside the jobs lie
 * 45,000 GpuRuns. Simulated: agents, clusters and pods. Real: the hub process, its rights, API server and etcd.
 */
const size = {
  nodes: 300,
  freeNodes: 100,
  stock: { finished: 42_600, waiting: 4000, suspended: 1000 },
} as const

const fewProviders = 3
const manyProviders = 100

/** GPUs that come free while a hub is away: the next one has so many placements to make at once. */
const freed = 20

/** Jobs of one measurement of CPU, how fast they come, and how often it is done for each number of providers. */
const load = { jobs: 600, perSecond: 30, rounds: 3 }

const report = (line: string) => console.error(line)

export async function scaleBench(): Promise<Figures> {
  await using many = await startFleet({ ...size, name: `${manyProviders} providers`, providers: manyProviders, report })
  const starts = await restarts(many)
  await using few = await startFleet({ ...size, name: `${fewProviders} providers`, providers: fewProviders, report })
  await settled(few)
  const cost = await costs({ few, many })

  const faults = [many, few].map((fleet) => fleet.faults())
  const dispatchedTwice = faults.reduce((sum, one) => sum + one.dispatchedTwice, 0)
  const overCommittedNodes = faults.reduce((sum, one) => sum + one.overCommittedNodes, 0)
  const ok =
    starts.coldStartSeconds <= bars.coldStartSeconds &&
    cost.cpuGrowthPercent <= bars.cpuGrowthPercent &&
    dispatchedTwice === 0 &&
    overCommittedNodes === 0
  return {
    bench: 'scale',
    ok,
    ...starts,
    ...cost,
    dispatchedTwice,
    overCommittedNodes,
    storedJobs: many.agents.jobs.size,
  }
}

/** The first start finds all waiting jobs untold, and tells them; those after it find a hub's usual work. */
export async function settled(fleet: Fleet): Promise<number> {
  const began = performance.now()
  await fleet.start()
  const { jobs } = fleet.agents
  const untold = () =>
    [...jobs.values()].some(({ status }) => status?.state === 'Waiting' && !status.why?.startsWith('Waiting: waits'))
  await waitUntil(async () => !untold() || undefined, { what: 'all waiting jobs to be told why', seconds: 300 })
  return (performance.now() - began) / 1000
}

async function restarts(fleet: Fleet) {
  const toldAllSeconds = await settled(fleet)
  report(`all waiting jobs were told after ${toldAllSeconds.toFixed(1)} s`)
  const clean: number[] = []
  const killed: number[] = []
  for (const [end, times] of [
    [fleet.stop, clean],
    [fleet.kill, killed],
    [fleet.stop, clean],
    [fleet.kill, killed],
    [fleet.stop, clean],
  ] as const) {
    await end()
    times.push(await coldStart(fleet))
  }
  const { memoryMiB } = await spentBy(fleet.hub().pid)
  return rounded({
    coldStartSeconds: Math.max(...clean),
    /** With the leader lease of a dead hub, which has to run out first. */
    startAfterKillSeconds: Math.max(...killed),
    hubRssMiB: memoryMiB,
  })
}

/** From the start of the process to the first GpuRun for a job that waited, seen by a watch; then until all freed GPUs are taken. */
export async function coldStart({ agents, start, faults, hub }: Fleet): Promise<number> {
  await agents.end(freed)
  const before = agents.runs.size
  let first: number | undefined
  const unsubscribe = agents.runs.subscribe(({ type }) => {
    if (type === 'added') first ??= performance.now()
  })
  const began = performance.now()
  await start()
  await waitUntil(async () => agents.runs.size >= before + freed || undefined, {
    what: `${freed} placements`,
    seconds: 180,
  })
  unsubscribe()
  const wrong = faults()
  const seconds = ((first ?? Infinity) - began) / 1000
  const { cpuMs, memoryMiB } = await spentBy(hub().pid)
  report(`first placement after ${seconds.toFixed(2)} s, ${JSON.stringify({ ...wrong, cpuMs, memoryMiB })}`)
  if (wrong.overCommittedNodes > 0) throw new Error(`${wrong.overCommittedNodes} nodes are promised twice`)
  return seconds
}

/**
 * CPU of the hub from the first POST of a load until all its jobs are finished, by job. What the heartbeats of so many
 * providers cost meanwhile is in it: a hub that has them cannot do without. Rounds alternate, so that a noisy machine
 * is noisy for both; the least of each counts, since noise only adds.
 */
async function costs({ few, many }: { few: Fleet; many: Fleet }) {
  const at = { few: [] as number[], many: [] as number[] }
  const idle = { few: await idleCost(few), many: await idleCost(many) }
  for (let round = 0; round < load.rounds; round += 1) {
    at.few.push(await costOfLoad(few))
    at.many.push(await costOfLoad(many))
    report(`hub CPU by job: ${JSON.stringify(at)} ms`)
  }
  const [atFew, atMany] = [Math.min(...at.few), Math.min(...at.many)]
  return rounded({
    hubCpuMsPerJobAt3Providers: atFew,
    hubCpuMsPerJobAt100Providers: atMany,
    cpuGrowthPercent: (atMany / atFew - 1) * 100,
    idleCpuMsPerSecondAt3Providers: idle.few,
    idleCpuMsPerSecondAt100Providers: idle.many,
  })
}

const idleSeconds = 20

async function idleCost({ hub }: Fleet): Promise<number> {
  const before = await spentBy(hub().pid)
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
  return ((await spentBy(hub().pid)).cpuMs - before.cpuMs) / idleSeconds
}

async function costOfLoad({ carry, hub }: Fleet): Promise<number> {
  const before = await spentBy(hub().pid)
  await carry(load.jobs, load.perSecond)
  return ((await spentBy(hub().pid)).cpuMs - before.cpuMs) / load.jobs
}
