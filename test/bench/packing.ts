// How full a cluster gets: Alibaba's trace of 2023, whose pods come in random order and never leave. The load is that of
// Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", ATC '23.
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import type { JobFact, NodeFact } from '../../operator/src/domain/scheduling/facts.ts'
import { jobFact, nodeFact, providerFact } from '../builders/scheduling.ts'
import { type Figures, rounded, seeded } from './figures.ts'
import { type Free, fragmentedPercent, type Pod } from './packing-fragments.ts'

const bars = { allocatedPercentMean: 96.15, fragmentationPercentMean: 45, decisionsPerSecond: 10_000 }

/** GPUs that are asked for in all, of those that there are. */
const load = 1.3

/** Of the GPUs that there are, how much is asked for when fragmentation is measured. */
const loadOfFragments = 0.9

/** Parts that a GPU can be shared in: the trace speaks of thousandths. */
const slices = 1000

/** @param args `--nodes FILE --pods FILE --seeds 42-51`, as in the repository of the trace. */
export async function packingBench(args: readonly string[]): Promise<Figures> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ args: [...args], options: { nodes: text, pods: text, seeds: text } })
  const { nodes: nodesFile, pods: podsFile, seeds = '42-51' } = values
  if (nodesFile === undefined || podsFile === undefined) throw new Error('Run it with --nodes FILE --pods FILE')
  const nodes = rowsOf(await readFile(nodesFile, 'utf8')).map(nodeOf)
  const pods = rowsOf(await readFile(podsFile, 'utf8')).map(podOf)
  const rounds = numbersOf(seeds).map((seed) => [seed, pack(nodes, arrivals(pods, nodes, seed))] as const)
  const means = (of: (round: Packed) => number) => rounds.reduce((sum, [, round]) => sum + of(round), 0) / rounds.length
  const figures = rounded({
    allocatedPercentMean: means(({ allocatedPercent }) => allocatedPercent),
    fragmentationPercentMean: means(({ fragmentationPercent }) => fragmentationPercent),
    decisionsPerSecond: Math.round(means(({ decisionsPerSecond }) => decisionsPerSecond)),
  })
  const ok =
    figures.allocatedPercentMean >= bars.allocatedPercentMean &&
    figures.fragmentationPercentMean <= bars.fragmentationPercentMean &&
    figures.decisionsPerSecond >= bars.decisionsPerSecond
  const bySeed = (of: (round: Packed) => number) =>
    rounded(Object.fromEntries(rounds.map(([seed, round]) => [seed, of(round)])))
  const allocatedPercent = bySeed((round) => round.allocatedPercent)
  const fragmentationPercent = bySeed((round) => round.fragmentationPercent)
  return {
    bench: 'packing',
    ok,
    ...figures,
    allocatedPercent,
    fragmentationPercent,
    gpus: gpusOf(nodes),
    pods: pods.length,
  }
}

type Row = Readonly<Record<string, string>>

function rowsOf(csv: string): readonly Row[] {
  const [header = '', ...lines] = csv.trim().split(/\r?\n/)
  const names = header.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i] ?? '', value])))
}

function nodeOf({ sn = '', cpu_milli, memory_mib, gpu, model = '' }: Row): NodeFact {
  const room = { gpus: Number(gpu), cpuMilli: Number(cpu_milli), memoryMiB: Number(memory_mib), storageMiB: 2 ** 40 }
  return nodeFact({ name: sn, model, ...room, slices })
}

function podOf({ cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec = '' }: Row): Pod {
  const gpus = Number(num_gpu) === 1 ? Number(gpu_milli) / 1000 : Number(num_gpu)
  const models = gpu_spec.split('|').filter((model) => model !== '')
  return { cpuMilli: Number(cpu_milli), memoryMiB: Number(memory_mib), gpus, models }
}

/** All pods in random order, and some of them again until they ask for so much in all. */
function arrivals(pods: readonly Pod[], nodes: readonly NodeFact[], seed: number): readonly Pod[] {
  const random = seeded(seed)
  const all = [...pods]
  for (let i = all.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    const [one, other] = [all[i], all[j]]
    if (one && other) [all[i], all[j]] = [other, one]
  }
  let asked = gpusOf(all)
  while (asked < load * gpusOf(nodes)) {
    const pod = pods[Math.floor(random() * pods.length)]
    if (!pod) throw new Error('There are no pods')
    all.push(pod)
    asked += pod.gpus
  }
  return all
}

interface Packed {
  readonly allocatedPercent: number
  readonly fragmentationPercent: number
  readonly decisionsPerSecond: number
}

/** Each is offered once; one that does not fit is dropped. */
function pack(nodes: readonly NodeFact[], pods: readonly Pod[]): Packed {
  const engine = createEngine()
  engine.setProvider(providerFact())
  for (const node of nodes) engine.setNode(node)
  const gpus = gpusOf(nodes)
  let asked = 0
  let allocated = 0
  let fragmentationPercent: number | undefined
  let deciding = 0
  for (const [i, pod] of pods.entries()) {
    const job = jobOf(pod, i)
    const start = performance.now()
    engine.wait(job)
    const [choice] = engine.decide({ nowMs: 0 })
    if (!choice) engine.withdraw(job.uid)
    deciding += performance.now() - start
    if (choice) allocated += pod.gpus
    asked += pod.gpus
    if (asked >= loadOfFragments * gpus) fragmentationPercent ??= fragmentedPercent(freeOf(engine), pods)
  }
  return {
    allocatedPercent: (100 * allocated) / gpus,
    fragmentationPercent: fragmentationPercent ?? Number.NaN,
    decisionsPerSecond: (1000 * pods.length) / deciding,
  }
}

function jobOf({ gpus, cpuMilli, memoryMiB, models }: Pod, i: number): JobFact {
  const perWorker = { gpus, cpuMilli, memoryMiB, storageMiB: 0 }
  return jobFact({ uid: `pod-${i}`, createdMs: i, perWorker, models })
}

/** As its bookings say, and not the engine's own books: no GPU is given twice. */
function freeOf(engine: Engine): readonly Free[] {
  const { nodes, bookings } = engine.snapshot()
  const free = new Map(
    nodes.map(({ name, model, cpuMilli, gpus }) => [
      name,
      { model, cpuMilli, gpus: Array.from({ length: gpus }, () => slices) },
    ]),
  )
  for (const { nodes: on, perWorker } of bookings) {
    for (const { name, gpus = [] } of on) {
      const node = free.get(name)
      if (!node) throw new Error(`There is no node ${name}`)
      node.cpuMilli -= perWorker.cpuMilli
      if (gpus.length !== Math.ceil(perWorker.gpus)) throw new Error(`${gpus.length} GPUs for ${perWorker.gpus}`)
      for (const gpu of gpus) node.gpus[gpu] = (node.gpus[gpu] ?? 0) - Math.round(Math.min(1, perWorker.gpus) * slices)
      if (node.cpuMilli < 0 || node.gpus.some((left) => left < 0))
        throw new Error(`More is taken of ${name} than there is`)
    }
  }
  return [...free.values()].map(({ gpus, ...rest }) => ({ ...rest, gpus: gpus.map((left) => left / slices) }))
}

function gpusOf(all: readonly { readonly gpus: number }[]): number {
  return all.reduce((sum, { gpus }) => sum + gpus, 0)
}

/** `42-44` or `42,45` */
function numbersOf(written: string): readonly number[] {
  return written.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number)
    if (!(last >= first)) throw new Error(`--seeds: ${part} is no number and no range, such as 42-51`)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}
