// What is said of a GpuQueue, decided from one look at it and at what the engine knows of it.
import type { GpuQueueReason } from '../../api/conditions.ts'
import { ANY_MODEL, type GpuQueue, type GpuQueueSpec, type GpuQueueStatus } from '../../api/gpuqueue.ts'
import { toMillis, toTime } from '../../api/time.ts'
import type { QueueFact, QueueState, QueueUsage } from '../scheduling/facts.ts'
import { type Claim, condition, withClaims } from './claims.ts'

export interface Seen {
  readonly queue: GpuQueue
  /** Absent: the engine has not heard of it yet. */
  readonly state: QueueState | undefined
  /** Models of which a provider offers GPUs. */
  readonly models: ReadonlySet<string>
  /** Wall clock, milliseconds. */
  readonly now: number
}

export interface Decision {
  /** As it is to be; absent: as it is. */
  readonly status?: GpuQueueStatus
  readonly recheckMs: number
}

/** Numbers that move with every job are written so often at the most. */
const writtenEachMs = 60_000

/** What the average share has to move by to be news of its own. */
const newsOfAverage = 0.001

export function decide({ queue, state, models, now }: Seen): Decision {
  const { metadata, status: before } = queue
  const generation = metadata.generation ?? 0
  const conditions = withClaims(before?.conditions, [ready(queue, state, models)], { now, generation })
  const says = { observedGeneration: generation, conditions }
  const fresh = { ...says, ...(state ? numbers(queue.spec, state, now) : {}) }
  if (!before?.share || before.observedGeneration !== generation || isOtherWord(before, fresh)) {
    return { status: fresh, recheckMs: writtenEachMs }
  }
  const waitMs = toMillis(before.share.at) + writtenEachMs - now
  // A clock that was set back makes nobody wait for longer than that.
  if (waitMs > 0 && waitMs <= writtenEachMs) return { recheckMs: waitMs }
  return { ...(isNews(before, fresh) ? { status: fresh } : {}), recheckMs: writtenEachMs }
}

function isOtherWord(before: GpuQueueStatus, after: GpuQueueStatus): boolean {
  const [was, is] = [before, after].map(({ conditions }) => condition(conditions, 'Ready'))
  return was?.reason !== is?.reason || was?.message !== is?.message
}

function isNews(before: GpuQueueStatus, after: GpuQueueStatus): boolean {
  const [was, is] = [before, after].map((status) => {
    const { share, conditions: _, ...rest } = status
    return JSON.stringify([
      rest.used,
      rest.usage,
      rest.borrowed,
      rest.lent,
      rest.running,
      rest.waiting,
      rest.pending,
      share?.now,
      share?.fair,
    ])
  })
  if (was !== is) return true
  // Of a queue that has nothing it only fades, which whoever reads it knows by the time beside it.
  if (!after.share || after.share.now === 0) return false
  return Math.abs(after.share.average - (before.share?.average ?? 0)) >= newsOfAverage
}

type ReadyClaim = Claim<'Ready', GpuQueueReason>

function ready({ spec }: GpuQueue, state: QueueState | undefined, models: ReadonlySet<string>): ReadyClaim {
  if (state?.state === 'Cycle') {
    const message = `the queues above it, beginning with ${spec.parent}, are in a ring: give one of them another spec.parent, or none`
    return { type: 'Ready', status: 'False', reason: 'Cycle', message }
  }
  if (state?.state === 'ParentMissing') {
    const message = `GpuQueue ${spec.parent}, or one above that, is not there: make it, or change spec.parent`
    return { type: 'Ready', status: 'False', reason: 'ParentMissing', message }
  }
  const unknown = (spec.quota ?? []).map(({ model }) => model).filter((one) => one !== ANY_MODEL && !models.has(one))
  if (unknown.length > 0) {
    const some = `${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''}`
    const message = `no provider offers ${some}, which spec.quota names: look at the spelling in kubectl get providers -o yaml`
    return { type: 'Ready', status: 'True', reason: 'ModelUnknown', message }
  }
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'its jobs are placed' }
}

const mostModels = 64
const mostPriorities = 64
const mostCharacters = 256

function numbers(spec: GpuQueueSpec, state: QueueState, now: number): Partial<GpuQueueStatus> {
  const pending = Object.entries(state.pending)
    .map(([priority, jobs]) => ({ priority: Number(priority), jobs }))
    .filter(({ jobs }) => jobs > 0)
    .toSorted((a, b) => b.priority - a.priority)
  return {
    used: usedOf(spec, state),
    usage: usageOf(state),
    borrowed: inAll(state.borrowed),
    lent: inAll(state.lent),
    running: state.running,
    waiting: pending.reduce((all, { jobs }) => all + jobs, 0),
    pending: pending.slice(0, mostPriorities),
    share: {
      now: partOfOne(state.share),
      average: partOfOne(state.averageShare),
      fair: partOfOne(state.fairShare),
      at: toTime(now),
    },
  }
}

function usageOf({ usage, borrowed, lent }: QueueState): NonNullable<GpuQueueStatus['usage']> {
  const [used, more, less] = [usage, borrowed, lent].map((gpus) => new Map(Object.entries(gpus)))
  const models = new Set([used, more, less].flatMap((one) => [...(one?.keys() ?? [])]))
  const amount = (of: ReadonlyMap<string, number> | undefined, model: string) => rounded(of?.get(model) ?? 0, 1000)
  const all = sum(usage)
  return [...models]
    .map((model) => ({
      model,
      gpus: model === ANY_MODEL ? rounded(all, 1000) : amount(used, model),
      borrowed: amount(more, model),
      lent: amount(less, model),
    }))
    .filter(({ gpus, borrowed: b, lent: l }) => gpus > 0 || b > 0 || l > 0)
    .toSorted((a, b) => b.gpus - a.gpus || (a.model < b.model ? -1 : 1))
    .slice(0, mostModels)
}

/** What is of a model is of any model as well: the larger of the two sums. */
function inAll(gpus: Readonly<Record<string, number>>): number {
  const { [ANY_MODEL]: any = 0, ...named } = gpus
  return rounded(Math.max(any, sum(named)), 1000)
}

function sum(gpus: Readonly<Record<string, number>>): number {
  return Object.values(gpus).reduce((all, one) => all + one, 0)
}

/** `H100 12/40, A100 3`: what a quota names first, then what else it uses. */
function usedOf({ quota = [] }: GpuQueueSpec, { usage }: QueueState): string {
  const byModel = new Map(Object.entries(usage))
  const all = sum(usage)
  const named = quota.map(({ model, guaranteed }) => {
    const gpus = model === ANY_MODEL ? all : (byModel.get(model) ?? 0)
    return `${model} ${rounded(gpus, 1000)}/${guaranteed}`
  })
  const others = [...byModel]
    .filter(([model, gpus]) => gpus > 0 && !quota.some((one) => one.model === model))
    .map(([model, gpus]) => `${model} ${rounded(gpus, 1000)}`)
  const text = [...named, ...others.toSorted()].join(', ')
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters - 1)}…`
}

function partOfOne(share: number): number {
  return Math.min(1, Math.max(0, rounded(share, 1_000_000)))
}

function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts
}

/** The queue as the engine takes it. */
export function queueFact({ metadata: { name }, spec }: GpuQueue): QueueFact {
  const { parent, weight, maxRunning, preemption } = spec
  return {
    name,
    ...(parent === undefined ? {} : { parent }),
    weight,
    quota: Object.fromEntries((spec.quota ?? []).map(({ model, ...gpus }) => [model, gpus])),
    ...(maxRunning === undefined ? {} : { maxRunning }),
    preemption: {
      withinQueue: preemption.withinQueue,
      reclaim: preemption.reclaim,
      minRuntimeMs: preemption.minRuntimeSeconds * 1000,
    },
  }
}

/** What an earlier hub wrote of it; absent: nothing, or of another one of that name. */
export function queueUsage({ metadata: { name }, status }: GpuQueue): QueueUsage | undefined {
  return status?.share && { name, share: status.share.average, atMs: toMillis(status.share.at) }
}
