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

/**
 * What a job costs is measured where the machine has time for it: with all that is stored above, two API servers of many GiB
 * collect their garbage all the time on the same two cores.
 */
const fewerStored = { finished: 1500, waiting: 1000, suspended: 100 }

/** GPUs that come free while a hub is away: the next one has so many placements to make at once. */
const freed = 20

/** Jobs of one measurement of CPU, how fast they come, how long the hub is watched idle before, and how often it is done for each number of providers. */
const load = { jobs: 600, perSecond: 30, idleSeconds: 15, rounds: 5 }

const report = (line: string) => console.error(line)

export async function scaleBench(): Promise<Figures> {
  const { starts, storedJobs, ...first } = await coldStarts()
  const { cost, ...second } = await costs()
  const dispatchedTwice = first.dispatchedTwice + second.dispatchedTwice
  const overCommittedNodes = first.overCommittedNodes + second.overCommittedNodes
  const ok =
    starts.coldStartSeconds <= bars.coldStartSeconds &&
    cost.cpuGrowthPercent <= bars.cpuGrowthPercent &&
    dispatchedTwice === 0 &&
    overCommittedNodes === 0
  return { bench: 'scale', ok, ...starts, ...cost, dispatchedTwice, overCommittedNodes, storedJobs }
}

async function coldStarts() {
  await using fleet = await startFleet({
    ...size,
    name: `${manyProviders} providers`,
    providers: manyProviders,
    report,
  })
  return { starts: await restarts(fleet), storedJobs: fleet.agents.jobs.size, ...fleet.faults() }
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

interface Cost {
  /** What providers, leases and watches cost without any job: milliseconds of CPU in a second. */
  readonly idleMsPerSecond: number
  /** Of the hub from the first POST of a load until all its jobs are finished, by job, with what it costs idle. */
  readonly wholeMsPerJob: number
  /** Without what it costs idle in that time. */
  readonly msPerJob: number
}

/** Rounds alternate, so that a noisy machine is noisy for both; the least of each counts, since noise only adds. */
async function costs() {
  const fleetOf = (providers: number) =>
    startFleet({ ...size, stock: fewerStored, name: `${providers} providers, fewer jobs`, providers, report })
  await using few = await fleetOf(fewProviders)
  await using many = await fleetOf(manyProviders)
  const at = { few: [] as Cost[], many: [] as Cost[] }
  for (const fleet of [few, many]) {
    await settled(fleet)
    await untilAllIsRead(fleet)
    await fleet.carry(load.jobs, load.perSecond) // Until then code is compiled.
  }
  for (let round = 0; round < load.rounds; round += 1) {
    at.few.push(await costOfLoad(few))
    at.many.push(await costOfLoad(many))
    report(`hub CPU: ${JSON.stringify({ few: at.few.at(-1), many: at.many.at(-1) })}`)
  }
  const least = (rounds: readonly Cost[], of: keyof Cost) => Math.min(...rounds.map((round) => round[of]))
  const growth = (of: keyof Cost) => (least(at.many, of) / least(at.few, of) - 1) * 100
  const cost = rounded({
    hubCpuMsPerJobAt3Providers: least(at.few, 'msPerJob'),
    hubCpuMsPerJobAt100Providers: least(at.many, 'msPerJob'),
    cpuGrowthPercent: growth('msPerJob'),
    idleCpuMsPerSecondAt3Providers: least(at.few, 'idleMsPerSecond'),
    idleCpuMsPerSecondAt100Providers: least(at.many, 'idleMsPerSecond'),
    /** Of the load and the heartbeats of that time together. */
    wholeCpuMsPerJobAt3Providers: least(at.few, 'wholeMsPerJob'),
    wholeCpuMsPerJobAt100Providers: least(at.many, 'wholeMsPerJob'),
    wholeCpuGrowthPercent: growth('wholeMsPerJob'),
  })
  const faults = [few, many].map((fleet) => fleet.faults())
  const sum = (of: keyof (typeof faults)[number]) => faults.reduce((total, one) => total + one[of], 0)
  return { cost, dispatchedTwice: sum('dispatchedTwice'), overCommittedNodes: sum('overCommittedNodes') }
}

/** A hub that has read all that is stored counts its jobs. */
async function untilAllIsRead({ hub }: Fleet): Promise<void> {
  const counts = async () => {
    const answer = await fetch(`${hub().url}/metrics`)
    return /^gpucommons_jobs{/m.test(await answer.text()) || undefined
  }
  await waitUntil(counts, { what: 'the hub to have read all', seconds: 180 })
}

async function costOfLoad({ carry, hub }: Fleet): Promise<Cost> {
  const { pid } = hub()
  const first = await spentBy(pid)
  await new Promise((resolve) => setTimeout(resolve, load.idleSeconds * 1000))
  const before = await spentBy(pid)
  const began = performance.now()
  await carry(load.jobs, load.perSecond)
  const seconds = (performance.now() - began) / 1000
  const spentMs = (await spentBy(pid)).cpuMs - before.cpuMs
  const idleMsPerSecond = (before.cpuMs - first.cpuMs) / load.idleSeconds
  return {
    idleMsPerSecond,
    wholeMsPerJob: spentMs / load.jobs,
    msPerJob: (spentMs - idleMsPerSecond * seconds) / load.jobs,
  }
}
