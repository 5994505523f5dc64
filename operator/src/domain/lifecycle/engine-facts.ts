// What the engine is told of a job and its run.
import type { GpuJobStatus, Placement } from '../../api/gpujob.ts'
import { memoryMiB } from '../../api/quantity.ts'
import { toMillis } from '../../api/time.ts'
import type { Booking, JobFact } from '../scheduling/facts.ts'
import { priceOf } from '../scheduling/price.ts'
import { isTrue } from './claims.ts'
import { initialStatus } from './gpujob-status.ts'
import { isRunOf, outcomeOf } from './gpurun.ts'
import type { Standing } from './job-queue.ts'
import type { KeptJob, KeptRun } from './kept.ts'
import { timesOfPlacement } from './run-times.ts'

/** What a job wants of the engine now. */
export type Wish =
  /** `changesAtMs`: the wall time at which the fact will be another one by itself. */
  | { readonly wish: 'Room'; readonly fact: JobFact; readonly changesAtMs?: number }
  /** It may be placed, but not before that wall time in milliseconds. */
  | { readonly wish: 'Later'; readonly atMs: number }
  /** It would wait, and no queue takes it. */
  | { readonly wish: 'Barred' }
  | { readonly wish: 'Nothing' }

const nothing: Wish = { wish: 'Nothing' }

/** @param standing in which queue it stands; absent: `default`. */
export function wishOf(job: KeptJob, now: number, standing?: Standing): Wish {
  const status = job.status ?? initialStatus
  if (job.metadata.deletionTimestamp !== undefined || job.spec.suspend || status.placement) return nothing
  if (isTrue(status.conditions, 'Finished') || job.needs.isTooLarge) return nothing
  if (standing?.barred) return { wish: 'Barred' }
  // GPUs are not held for a job whose Secrets may not travel.
  if (job.needs.payload && !isTrue(status.conditions, 'Admitted')) return nothing

  const atMs = status.notBefore === undefined ? 0 : toMillis(status.notBefore)
  if (atMs > now) return { wish: 'Later', atMs }
  const avoid = (status.avoid ?? []).filter(({ until }) => toMillis(until) > now)
  const changes = avoid.length === 0 ? {} : { changesAtMs: Math.min(...avoid.map(({ until }) => toMillis(until))) }
  return { wish: 'Room', fact: { ...jobFact(job, avoid), ...(standing && { queue: standing.queue }) }, ...changes }
}

function jobFact(job: KeptJob, avoid: NonNullable<GpuJobStatus['avoid']>): JobFact {
  const { spec, metadata, status, needs } = job
  const cap = spec.placement?.maxPricePerGpuHour
  const ranAt = status?.runs?.findLast(({ startedAt }) => startedAt !== undefined)?.provider
  return {
    uid: metadata.uid,
    key: `${metadata.namespace}/${metadata.name}`,
    run: (status?.lastRun ?? 0) + 1,
    priority: spec.priority ?? 0,
    createdMs: toMillis(metadata.creationTimestamp),
    workers: spec.workers,
    perWorker: needs.perWorker,
    models: spec.gpus.models ?? [],
    gpuMemoryMiB: spec.gpus.memory === undefined ? undefined : memoryMiB(spec.gpus.memory),
    ...(cap === undefined ? {} : { maxPrice: priceOf(cap) }),
    ...(spec.placement?.trust === undefined ? {} : { trust: spec.placement.trust }),
    ...(spec.topology === undefined ? {} : { topology: spec.topology }),
    ...(spec.maxRuntimeSeconds === undefined ? {} : { maxRuntimeMs: spec.maxRuntimeSeconds * 1000 }),
    ...(ranAt === undefined ? {} : { ranAt }),
    providerSelector: spec.placement?.providerSelector ?? {},
    nodeSelector: spec.placement?.nodeSelector ?? {},
    tolerations: needs.tolerations,
    excludedProviders: [
      ...(status?.excludedProviders ?? []),
      ...avoid.flatMap(({ provider, node }) => (node === undefined ? [provider] : [])),
    ],
    avoidNodes: avoid.flatMap(({ provider, node }) => (node === undefined ? [] : [`${provider}/${node}`])),
  }
}

/** The room that a recorded placement holds before its run is seen. */
export function bookingOfPlacement(job: KeptJob, placement: Placement, model?: string): Booking {
  const { run, provider, nodes, queue } = placement
  const { uid } = job.metadata
  const { priority = 0 } = job.spec
  const times = timesOfPlacement(job, placement)
  return { uid, run, provider, nodes, perWorker: job.needs.perWorker, queue, priority, model, ...times }
}

/**
 * The room that a run holds: where its workers really are, once the agent has said it; `undefined` when it is over.
 * @param counts in which queue, with which priority and as which model, as its job or what was booked before says; and its times.
 */
export function bookingOfRun(
  run: KeptRun,
  provider: string,
  { queue, priority, model, startedMs, endsMs, endingMs }: Omit<Partial<Booking>, 'nodes'> = {},
): Booking | undefined {
  if (outcomeOf(run) !== undefined) return undefined
  const { job, run: number } = run.spec
  const held = { uid: job.uid, run: number, provider, nodes: nodesOf(run), perWorker: run.perWorker }
  return { ...held, queue, priority, model, startedMs, endsMs, endingMs }
}

function nodesOf({ spec, status }: KeptRun): Booking['nodes'] {
  if (!status?.workers || status.workers.length < spec.workers) return spec.nodes
  const count = new Map<string, number>()
  for (const { node } of status.workers) count.set(node, (count.get(node) ?? 0) + 1)
  return [...count].map(([name, workers]) => ({ name, workers }))
}

/** Whether the job's record still holds the room of that run: the run has not been seen, or is not over. */
export function placementHolds(job: KeptJob, run: KeptRun | undefined): boolean {
  const { placement } = job.status ?? {}
  if (!placement || isTrue(job.status?.conditions, 'Finished')) return false
  return !run || !isRunOf(run, job, placement.run) || outcomeOf(run) === undefined
}

/** Where it is, whose quota it takes, and what decides who may take it from it. */
const told = ['provider', 'queue', 'priority', 'model', 'startedMs', 'endsMs', 'endingMs', 'checkpointMs'] as const

export function isSameBooking(a: Booking | undefined, b: Booking): boolean {
  if (a === b) return true
  if (a?.nodes.length !== b.nodes.length || told.some((what) => a[what] !== b[what])) return false
  return a.nodes.every(({ name, workers }, i) => b.nodes[i]?.name === name && b.nodes[i].workers === workers)
}
