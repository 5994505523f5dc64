/**
 * What happened to the jobs of one namespace, by the API servers' own records. Feed it with every change from before the
 * first job on; it believes no status of ours about what ran.
 */
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import {
  JOB_LABEL,
  JOB_NAMESPACE_LABEL,
  JOB_UID_LABEL,
  RUN_LABEL,
  RUN_NUMBER_LABEL,
} from '../../operator/src/api/labels.ts'
import { outcomeOf, runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { Seen } from '../federation/watched.ts'

/** Of a job. */
export interface JobEntry {
  readonly uid: string
  readonly name: string
  /** The reasons with which it became finished, one for each time. */
  readonly endings: string[]
  /** What it said of itself last. */
  last: GpuJob
  gone: boolean
}

/** Of a run on a provider: from its first pod to the end of its last. Times are of the providers, in whole seconds. */
interface PodEntry {
  readonly uid: string
  readonly job: string
  readonly jobUid: string
  readonly run: number
  readonly runId: string
  readonly index: string
  readonly provider: string
  readonly createdAt: number
  /** In which order we heard of it. */
  readonly bornAs: number
  /** `undefined` while a container of it may run. */
  over?: { readonly at: number; readonly as: number; readonly exitCode: number | undefined }
  takenDownAt?: number
}

interface OwnJobEntry {
  readonly uid: string
  readonly runId: string
  readonly provider: string
  removedAt?: number
}

interface RunEntry {
  readonly id: string
  readonly job: string
  /** When it was first known that it has to end, or has ended. */
  endsAt?: number
  last: GpuRun
  gone: boolean
}

/** Of a node and of an API server, in seconds. */
const clocksDiffer = 2

export class Witness {
  readonly #namespace: string
  readonly #nowMs: () => number
  readonly #jobs = new Map<string, JobEntry>()
  readonly #pods = new Map<string, PodEntry>()
  readonly #ownJobs = new Map<string, OwnJobEntry>()
  readonly #runs = new Map<string, RunEntry>()
  readonly #breaches = new Set<string>()
  #heard = 0

  constructor(namespace: string, nowMs: () => number = Date.now) {
    this.#namespace = namespace
    this.#nowMs = nowMs
  }

  get jobs(): ReadonlyMap<string, JobEntry> {
    return this.#jobs
  }

  /** GpuRuns, by uid. */
  get runs(): ReadonlyMap<string, RunEntry> {
    return this.#runs
  }

  seeJob({ type, object }: Seen<GpuJob>): void {
    const { uid, name, namespace } = object.metadata
    if (namespace !== this.#namespace) return
    const entry = this.#jobs.get(uid) ?? { uid, name, endings: [], last: object, gone: false }
    this.#jobs.set(uid, entry)
    const was = finishedReason(entry.last)
    const is = finishedReason(object)
    if (is !== undefined && (was === undefined || entry.endings.length === 0)) entry.endings.push(is)
    if (was !== undefined && is === undefined) this.#breaches.add(`${name} was finished (${was}) and is not any more`)
    if (was !== undefined && is !== undefined && was !== is)
      this.#breaches.add(`${name} ended as ${was}, then as ${is}`)
    entry.last = object
    if (type === 'DELETED') entry.gone = true
  }

  seeRun({ type, object }: Seen<GpuRun>): void {
    if (object.spec.job.namespace !== this.#namespace) return
    const { uid } = object.metadata
    const fresh: RunEntry = { id: runId(object), job: object.spec.job.name, last: object, gone: false }
    const entry = this.#runs.get(uid) ?? fresh
    this.#runs.set(uid, entry)
    const before = outcomeOf(entry.last)
    const after = outcomeOf(object)
    if (before !== undefined && before !== after)
      this.#breaches.add(`run ${object.metadata.name} was ${before}, then ${after}`)
    if (type === 'DELETED') entry.gone = true
    entry.last = object
    if (entry.endsAt !== undefined) return
    if (object.spec.stop) entry.endsAt = seconds(object.spec.stop.requestedAt)
    // An intent has no time of its own, and what follows from it comes by another watch, which may be faster.
    else if (object.status?.reason !== undefined) entry.endsAt = this.#now() - 2
  }

  seePod(provider: string, { type, object }: Seen<Pod>): void {
    const { metadata, status } = object
    if (metadata.labels?.[JOB_NAMESPACE_LABEL] !== this.#namespace) return
    const as = ++this.#heard
    const entry = this.#pods.get(metadata.uid) ?? newPod(object, { provider, as })
    this.#pods.set(metadata.uid, entry)
    const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed'
    const isTakenDown = type === 'DELETED' || metadata.deletionTimestamp !== undefined
    if (isTakenDown && !isOver && !entry.over)
      entry.takenDownAt ??= metadata.deletionTimestamp ? seconds(metadata.deletionTimestamp) : this.#now()
    if (!entry.over && (isOver || type === 'DELETED'))
      entry.over = { at: overAt(object) ?? this.#now(), as, exitCode: exitCode(object) }
  }

  seeOwnJob(provider: string, { type, object: { metadata } }: Seen<Job>): void {
    if (metadata.labels?.[JOB_NAMESPACE_LABEL] !== this.#namespace) return
    const fresh = { uid: metadata.uid, runId: metadata.labels[RUN_LABEL] ?? '', provider }
    const entry: OwnJobEntry = this.#ownJobs.get(metadata.uid) ?? fresh
    this.#ownJobs.set(metadata.uid, entry)
    if (type === 'DELETED' || metadata.deletionTimestamp !== undefined)
      entry.removedAt ??= metadata.deletionTimestamp ? seconds(metadata.deletionTimestamp) : this.#now()
  }

  /** Each rule that was broken, as a sentence; call it when all is quiet. */
  breaches(): readonly string[] {
    return [
      ...this.#breaches,
      ...this.#endings(),
      ...this.#doubled(),
      ...this.#startedAgain(),
      ...this.#takenDown(),
    ].toSorted()
  }

  /** Runs whose outcome a single hub with living machines never has. */
  outcomes(): Readonly<Record<string, number>> {
    const all = [...this.#runs.values()].map(({ last }) => {
      const outcome = outcomeOf(last) ?? 'Open'
      return outcome === 'Stopped' && last.spec.stop?.reason === 'Preempted' ? 'Preempted' : outcome
    })
    const groups = Map.groupBy(all, (outcome) => outcome)
    return Object.fromEntries(groups.entries().map(([outcome, { length }]) => [outcome, length]))
  }

  *#endings(): Generator<string> {
    for (const { name, endings } of this.#jobs.values())
      if (endings.length > 1) yield `${name} ended ${endings.length} times: ${endings.join(', ')}`
  }

  *#doubled(): Generator<string> {
    for (const [id, pods] of Map.groupBy(this.#pods.values(), ({ runId: id, index }) => `${id} worker ${index}`))
      if (pods.length > 1) yield `${pods[0]?.job}: ${pods.length} pods of run ${id}`
    for (const [id, jobs] of Map.groupBy(this.#ownJobs.values(), ({ runId: id }) => id))
      if (jobs.length > 1) yield `${jobs.length} Jobs of run ${id}`
    for (const pods of Map.groupBy(this.#pods.values(), ({ jobUid }) => jobUid).values()) {
      for (const earlier of pods) for (const later of pods) if (earlier.run < later.run) yield* twice(earlier, later)
    }
  }

  *#startedAgain(): Generator<string> {
    const workers = new Map([...this.#runs.values()].map(({ id, last }) => [id, last.spec.workers]))
    const pods = [...this.#pods.values()]
    for (const [id, those] of Map.groupBy(pods, ({ runId: id }) => id)) {
      const [{ job, jobUid, run } = { job: '', jobUid: '', run: 0 }] = those
      if (those.length < (workers.get(id) ?? 0) || !those.every(({ over }) => over?.exitCode === 0)) continue
      // Who leaves with 0 about when its Job is removed may have been told to: that is no success (decision 0017).
      const lastEnd = Math.max(...those.map(({ over }) => over?.at ?? 0))
      const removals = [...this.#ownJobs.values()].flatMap((own) => (own.runId === id ? (own.removedAt ?? []) : []))
      if (removals.some((removedAt) => removedAt <= lastEnd + clocksDiffer)) continue
      const again = pods.find((pod) => pod.jobUid === jobUid && pod.run > run)
      if (again) yield `${job}: run ${run} had succeeded, and run ${again.run} was started on ${again.provider}`
    }
  }

  *#takenDown(): Generator<string> {
    const endOf = new Map([...this.#runs.values()].map(({ id, endsAt }) => [id, endsAt]))
    const failures = new Map<string, number>()
    for (const { runId: id, over, takenDownAt } of this.#pods.values())
      if (over?.exitCode && takenDownAt === undefined)
        failures.set(id, Math.min(over.at, failures.get(id) ?? Number.POSITIVE_INFINITY))
    // A gang's others are taken down by the Job controller when one has failed.
    for (const { job, run, index, runId: id, takenDownAt } of this.#pods.values()) {
      const mayEnd = Math.min(endOf.get(id) ?? Number.POSITIVE_INFINITY, failures.get(id) ?? Number.POSITIVE_INFINITY)
      if (takenDownAt !== undefined && takenDownAt < mayEnd)
        yield `${job}: worker ${index} of run ${run} was taken down at ${text(takenDownAt)}, its run was to end at ${text(mayEnd)}`
    }
    for (const { runId: id, removedAt, provider } of this.#ownJobs.values()) {
      const mayEnd = endOf.get(id) ?? Number.POSITIVE_INFINITY
      if (removedAt !== undefined && removedAt < mayEnd)
        yield `the Job of run ${id} on ${provider} was removed at ${text(removedAt)}, it was to end at ${text(mayEnd)}`
    }
  }

  #now(): number {
    return Math.floor(this.#nowMs() / 1000)
  }
}

/** A later run beside an earlier one, or after it had succeeded. */
function* twice(earlier: PodEntry, later: PodEntry): Generator<string> {
  const who = `${later.job}: run ${later.run} on ${later.provider}`
  const other = `run ${earlier.run} on ${earlier.provider}`
  const { over } = earlier
  // Watches of two API servers have no common order: of those, only what their clocks say too is believed.
  const isBeside =
    !over || (later.bornAs < over.as && (earlier.provider === later.provider || later.createdAt < over.at))
  if (isBeside) yield `${who} was live beside ${other}`
}

function newPod({ metadata }: Pod, { provider, as }: { provider: string; as: number }): PodEntry {
  const { uid, labels = {}, creationTimestamp } = metadata
  return {
    uid,
    job: labels[JOB_LABEL] ?? '',
    jobUid: labels[JOB_UID_LABEL] ?? '',
    run: Number(labels[RUN_NUMBER_LABEL]),
    runId: labels[RUN_LABEL] ?? '',
    index: labels['batch.kubernetes.io/job-completion-index'] ?? '',
    provider,
    createdAt: seconds(creationTimestamp),
    bornAs: as,
  }
}

function finishedReason({ status }: GpuJob): string | undefined {
  return status?.conditions.find(({ type, status: is }) => type === 'Finished' && is === 'True')?.reason
}

function exitCode({ status }: Pod): number | undefined {
  return status?.containerStatuses?.[0]?.state?.terminated?.exitCode
}

function overAt({ status }: Pod): number | undefined {
  const ends = status?.containerStatuses?.flatMap(({ state }) => state?.terminated?.finishedAt ?? []) ?? []
  return ends.length === 0 ? undefined : Math.max(...ends.map(seconds))
}

function seconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}

function text(at: number): string {
  return Number.isFinite(at) ? new Date(at * 1000).toISOString().slice(11, 19) : 'no time'
}
