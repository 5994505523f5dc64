// Two hundred random gangs on forty nodes. The provider's scheduler has the last word on where a pod goes: it must
// never find anything but what the hub booked, and the hub must never book what is not there.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { GpuJob, Placement } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { countBy, printFigures, secondsSince } from './figures.ts'
import { createJobs, type Order } from './order.ts'
import { createOwnerPod } from './owner.ts'
import { keepLedger, type PodEntry, type PodLedger } from './pod-ledger.ts'
import { releaseWorkers } from './release.ts'
import { openStage, type Stage } from './stage.ts'

const namespace = 'gangs'
const gangCount = 200
const seed = 20_261_122

/** The hub learns that a gang is over from the same pods as the scheduler: it may be ahead of it by a moment. */
const schedulerRoundsMs = 3000

const machines: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: Array.from({ length: 20 }, (_, index) => gpuNode({ name: `acme-${index}`, card: 'H100', gpus: 8 })),
  borealis: [
    ...Array.from({ length: 12 }, (_, index) => gpuNode({ name: `big-${index}`, card: 'A100-80GB', gpus: 8 })),
    ...Array.from({ length: 6 }, (_, index) => gpuNode({ name: `small-${index}`, card: 'L40S', gpus: 4 })),
    ...Array.from({ length: 2 }, (_, index) => gpuNode({ name: `tiny-${index}`, card: 'RTX4090', gpus: 2 })),
  ],
}

/** GPUs that the owners use themselves, by node. Sixteen nodes of acme stay whole: what the largest gang needs. */
const used: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  acme: { 'acme-3': 1, 'acme-7': 5, 'acme-11': 8, 'acme-19': 3 },
  borealis: { 'big-0': 4, 'big-5': 7, 'small-2': 2, 'tiny-1': 1 },
}

const random = numbersFrom(seed)
/** Small ones are more frequent: with equal shares the large ones would wait for each other most of the time. */
const upTo = (most: number) => 1 + Math.floor(most * random() ** 2)
const orders: readonly Order[] = Array.from({ length: gangCount }, (_, index) => ({
  namespace,
  name: `gang-${index}`,
  spec: { workers: upTo(16), gpus: { count: upTo(8) } },
  // Its workers work together: none ends before all have begun.
  simulate: { how: 'hang' },
}))
/** Those whose workers do not need each other: the first may be over before the last has a node. */
const looseOrders: readonly Order[] = Array.from({ length: 20 }, (_, index) => ({
  namespace,
  name: `loose-${index}`,
  spec: { workers: 2 + upTo(14), gpus: { count: upTo(4) } },
  simulate: { seconds: '0.2' },
}))

let stage: Stage
const ledgers = new Map<string, PodLedger>()
let jobs: readonly GpuJob[] = []
let runs: readonly GpuRun[] = []
let looseRuns: readonly GpuRun[] = []
const figures: Record<string, number> = { seed }

beforeAll(async () => {
  stage = await openStage({
    name: 'gangs',
    providers: 2,
    nodes: (provider) => machines[provider] ?? [],
    namespaces: [namespace],
  })
  for (const [name, side] of stage.sides) ledgers.set(name, keepLedger(side))
  await ownersBegin()
  const begun = performance.now()
  const released = releaseAll()
  await createJobs(stage.ask, [...orders, ...looseOrders])
  await stage.jobs.until({
    what: `all gangs to finish`,
    seconds: 300,
    find: (all) => all.values().every(({ status }) => status?.finishedAt !== undefined) || undefined,
    state: () => countBy(stage.jobs.all.values(), ({ status }) => `${status?.state} ${status?.why}`),
  })
  figures['seconds'] = secondsSince(begun)
  await Promise.all(released.values())
  const isLoose = (name: string) => name.startsWith('loose-')
  jobs = [...stage.jobs.all.values()].filter(({ metadata }) => !isLoose(metadata.name))
  runs = [...stage.runs.all.values()].filter(({ spec }) => !isLoose(spec.job.name))
  looseRuns = [...stage.runs.all.values()].filter(({ spec }) => isLoose(spec.job.name))
}, 400_000)

/** By the uid of the run; it grows as runs begin. */
function releaseAll(): ReadonlyMap<string, Promise<void>> {
  const released = new Map<string, Promise<void>>()
  stage.runs.onChange(({ object: run }) => {
    const { uid, namespace: home = '' } = run.metadata
    const side = stage.sides.get(home.replace('provider-', ''))
    const isLoose = run.spec.template.metadata?.labels?.['simulate'] !== 'hang'
    if (!side || isLoose || run.status?.state !== 'Running' || released.has(uid)) return
    released.set(uid, releaseWorkers(side, run))
  })
  return released
}

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  printFigures('gangs', figures)
}, 30_000)

async function ownersBegin(): Promise<void> {
  for (const [provider, byNode] of Object.entries(used)) {
    const side = stage.sides.get(provider)
    if (!side) throw new Error(`there is no provider ${provider}`)
    for (const [node, gpus] of Object.entries(byNode)) await createOwnerPod(side, { name: `owner-${node}`, gpus, node })
    await stage.nodes.until({
      what: `the hub to know what the owner of ${provider} uses`,
      seconds: 30,
      find: (all) =>
        Object.entries(byNode).every(([node, gpus]) => {
          return all.get(`provider-${provider}/${node}`)?.spec.usedByOthers.gpus === gpus
        }) || undefined,
    })
  }
}

/** Numbers from 0 up to 1, always the same ones for a seed (mulberry32). */
function numbersFrom(first: number): () => number {
  let state = first
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function pods(): readonly PodEntry[] {
  return [...ledgers.values()].flatMap((ledger) => [...ledger.pods.values()])
}

function ourPods(): readonly PodEntry[] {
  return pods().filter((pod) => pod.runId !== '')
}

/** `acme: acme-1×2 acme-4×2` */
function placeText(provider: string | undefined, nodes: Placement['nodes']): string {
  const each = nodes.map(({ name, workers }) => `${name}×${workers}`)
  return `${provider}: ${each.toSorted().join(' ')}`
}

function realPlace(id: string): string {
  for (const [provider, ledger] of ledgers) {
    const nodes = [...ledger.pods.values()].filter((pod) => pod.runId === id).map(({ node }) => node ?? 'nowhere')
    if (nodes.length === 0) continue
    return placeText(
      provider,
      [...Map.groupBy(nodes, (node) => node)].map(([name, { length }]) => ({ name, workers: length })),
    )
  }
  return 'nowhere'
}

describe(`${gangCount} random gangs`, () => {
  test('are as mixed as they are meant to be', () => {
    const sizes = jobs.map(({ status }) => status?.placement?.nodes.length ?? 0)
    expect(sizes.filter((nodes) => nodes >= 2).length).toBeGreaterThan(50)
    expect(sizes.filter((nodes) => nodes >= 8).length).toBeGreaterThan(5)
    const shared = runs.filter(({ spec }) => spec.nodes.length >= 2 && spec.nodes.some(({ workers }) => workers >= 2))
    expect(shared.length).toBeGreaterThan(5)
  })

  test('all succeed at their first run', () => {
    expect(countBy(jobs, ({ status }) => `${status?.state} in run ${status?.lastRun}`)).toBe(
      `{"Succeeded in run 1":${gangCount}}`,
    )
    expect(countBy(runs, ({ status }) => `${status?.state}/${status?.reason}`)).toBe(
      `{"Succeeded/Completed":${gangCount}}`,
    )
  })

  test('have their workers on the nodes that the hub chose, as many on each as it booked', () => {
    const byJob = new Map(runs.map((run) => [run.spec.job.uid, run]))
    const rows = jobs.map(({ metadata: { name, uid }, status }) => {
      const run = byJob.get(uid)
      const ordered = placeText(run?.metadata.namespace?.replace('provider-', ''), run?.spec.nodes ?? [])
      return {
        name,
        recorded: placeText(status?.placement?.provider, status?.placement?.nodes ?? []),
        ordered,
        real: run ? realPlace(runId(run)) : 'nowhere',
      }
    })
    expect(rows.filter(({ recorded, ordered, real }) => recorded !== real || ordered !== real)).toEqual([])
  })

  test('say in their status on which node each worker was', () => {
    const said = [...runs, ...looseRuns].flatMap(
      (run) => run.status?.workers?.map(({ index, node }) => `${runId(run)} ${index}: ${node}`) ?? [],
    )
    const real = ourPods().map(({ runId: id, index, node }) => `${id} ${index}: ${node}`)
    expect(said.toSorted()).toEqual(real.toSorted())
  })

  test('whose workers end early never have more on a node than the hub booked, nor on another node', () => {
    expect(countBy(looseRuns, ({ status }) => `${status?.state}/${status?.reason}`)).toBe('{"Succeeded/Completed":20}')
    const booked = new Map(
      looseRuns.flatMap((run) => run.spec.nodes.map(({ name, workers }) => [`${runId(run)} ${name}`, workers])),
    )
    const real = [...ledgers.values()].flatMap(({ mostWorkers }) => [...mostWorkers])
    const ofLoose = real.filter(([key]) => looseRuns.some((run) => key.startsWith(`${runId(run)} `)))
    expect(ofLoose.length).toBeGreaterThan(20)
    expect(ofLoose.filter(([key, workers]) => workers > (booked.get(key) ?? 0))).toEqual([])
  })

  test('never wait for a GPU that was promised elsewhere', () => {
    const waits = ourPods().map(({ unschedulableMs }) => unschedulableMs)
    figures['podsEverUnschedulable'] = waits.filter((ms) => ms > 0).length
    figures['longestUnschedulableMs'] = Math.round(Math.max(...waits))
    expect(ourPods().filter(({ unschedulableMs }) => unschedulableMs > schedulerRoundsMs)).toEqual([])
  })

  test('together with the owners never use more GPUs of a node than it has', () => {
    for (const [provider, ledger] of ledgers) {
      const tooMany = (machines[provider] ?? []).filter(({ metadata, status }) => {
        return (ledger.mostGpus.get(metadata.name) ?? 0) > Number(status.allocatable['nvidia.com/gpu'])
      })
      expect(tooMany).toEqual([])
    }
  })
})
