// How the hub reads and writes GpuJobs and gives orders as GpuRuns.
import type { GpuJob, GpuJobStatus } from '../../../api/gpujob.ts'
import type { GpuRun, GpuRunSpec, StopReason } from '../../../api/gpurun.ts'
import { JOB_LABEL, JOB_UID_LABEL, JOBS_KIND_LABEL, PROVIDER_LABEL, RUN_NUMBER_LABEL } from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { toMillis, toTime } from '../../../api/time.ts'
import { type Clock, pause, type Timers } from '../../../controllers/clock.ts'
import type { GpuJobPorts } from '../../../controllers/hub/gpujob.ts'
import type { Scheduling } from '../../../controllers/hub/scheduling.ts'
import { condition, isTrue } from '../../../domain/lifecycle/claims.ts'
import type { Effect } from '../../../domain/lifecycle/gpujob-steps.ts'
import { providerNamespace, runName } from '../../../domain/lifecycle/gpurun.ts'
import type { KeptJob } from '../../../domain/lifecycle/kept.ts'
import type { Advice } from '../../../domain/scheduling/advice.ts'
import type { Engine } from '../../../domain/scheduling/engine.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isInvalid, isNotFound } from '../errors.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'
import { type StatusWriter } from '../status-writer.ts'
import { type HubCaches, isShutOut, survivorOf } from './caches.ts'
import type { HubIdentity } from './identity.ts'
import { ownRecords } from './own-records.ts'
import { type Delivery, type Origin, payloadsOf, removePayload, type Snapshot } from './payloads.ts'

export interface GpuJobWorld {
  readonly client: KubeClient
  readonly caches: HubCaches
  readonly scheduling: Pick<Scheduling, 'choiceOf' | 'preemptedOf' | 'explain' | 'standingOf' | 'counted'>
  readonly engine: Pick<Engine, 'advise'>
  readonly statuses: StatusWriter
  readonly identity: Pick<HubIdentity, 'hubUid' | 'jobsUid'>
  /** Wall clock, milliseconds. */
  readonly now: () => number
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
}

export function gpuJobPorts(world: GpuJobWorld): GpuJobPorts {
  const { client, caches, scheduling, statuses, identity, now } = world
  const payloads = payloadsOf({ client, hubUid: identity.hubUid })
  const records = ownRecords(caches)

  async function createRun(kept: KeptJob, { placement, stop }: Extract<Effect, { do: 'createRun' }>): Promise<void> {
    const job = records.take(kept) ?? (await stillRecorded(client, kept, placement.run))
    if (!job) return
    const taken = kept.needs.payload && !stop ? await payloads.take(originOf(job)) : undefined
    // What may not travel any more since the placement was recorded: see `start` of the steps for a run that only stops.
    const reason = taken && 'reason' in taken ? 'PayloadGone' : stop
    const snapshot = taken && 'payload' in taken ? taken : undefined
    // Taking them needed some requests: what was recorded for a provider that has been shut out meanwhile is not ordered.
    if (isShutOut(caches, placement.provider)) return
    const { maxRuntimeSeconds } = scheduling.counted(kept).spec
    const order = { stop: reason && { reason, requestedAt: toTime(now()) }, snapshot, maxRuntimeSeconds }
    const run = await orderOnce(client, job, { placement, order, jobsUid: identity.jobsUid })
    if (run && snapshot) await stopIfLost(run, await payloads.deliver(run, snapshot.payload))
  }

  async function stopRun(run: Pick<GpuRun, 'metadata'>, reason: StopReason, message?: string): Promise<void> {
    const requestedAt = toTime(now())
    const stopped = await orderStop(client, run, { reason, requestedAt, ...(message && { message }) })
    if (stopped) caches.learn.run(stopped)
  }

  async function stopIfLost(run: Pick<GpuRun, 'metadata'>, delivery: Delivery): Promise<void> {
    if (delivery === 'Lost') await stopRun(run, 'PayloadGone')
  }

  return {
    now,
    read: (key) => {
      const job = caches.jobs.get(key)
      if (!job) return undefined
      const { placement } = job.status ?? {}
      const run =
        placement && caches.runs.get(`${providerNamespace(placement.provider)}/${runName(job, placement.run)}`)
      const shutOut = placement && isShutOut(caches, placement.provider)
      // Its payload was removed with all that let the agent in.
      if (shutOut && run) payloads.forget(run)
      return {
        job,
        run,
        runMayBeUnread: !run && !caches.isSynced() && !(placement && records.isFirst(job, placement.run)),
        delivered: run !== undefined && payloads.isDelivered(run),
        survivesAt: survivorOf(caches, job),
        choice: scheduling.choiceOf(job.metadata.uid),
        preempted: scheduling.preemptedOf(job.metadata.uid),
        barred: placement ? undefined : scheduling.standingOf(job).barred,
        explain: () => scheduling.explain(job.metadata.uid),
        nameOf: ({ uid, run }) => nameFor(job, caches.jobs.by('uid', uid)[0], run),
        shutOut,
        silentSince: placement && silentSince(caches.providers.get(placement.provider)),
      }
    },
    advise: advisor(world),
    lookAtPayload: async (kept) => {
      const job = await client.get(gpuJobs, refOf(kept))
      // Another job by now, or none: the watch brings it.
      if (job?.metadata.uid !== kept.metadata.uid) return undefined
      const taken = await payloads.take(originOf(job))
      return 'reason' in taken ? taken : 'MayTravel'
    },
    carryOut: async (job, effect) => {
      if (effect.do === 'createRun') await createRun(job, effect)
      if (effect.do === 'stopRun') await stopRun(effect.run, effect.reason, effect.message)
      if (effect.do === 'deliverPayload') await stopIfLost(effect.run, await payloads.deliverLate(effect.run))
      if (effect.do === 'removePayload') await removePayload({ client, hubUid: identity.hubUid }, effect.run)
      if (effect.do === 'deleteJob')
        await client.delete(gpuJobs, refOf(job), { uid: job.metadata.uid, propagationPolicy: 'Background' })
    },
    writeStatus: async (job, status) => {
      const written = await records.through(job, status, () => statuses.write(gpuJobs, job, status))
      if (written) caches.learn.job(written)
    },
  }
}

/** `undefined` where the job's record is another by now, or is that of its last run, which is over. */
async function stillRecorded(client: KubeClient, job: KeptJob, run: number): Promise<GpuJob | undefined> {
  const current = await client.get(gpuJobs, refOf(job))
  const isTheSame = current?.metadata.uid === job.metadata.uid && current.status?.placement?.run === run
  return isTheSame && !isTrue(current.status?.conditions, 'Finished') ? current : undefined
}

interface RunOrder {
  readonly placement: Recorded
  readonly order: Circumstances
  readonly jobsUid: string
}

/** `undefined` where it was made before, by us or by another hub: the watch shows whose it is. */
async function orderOnce(
  client: KubeClient,
  job: GpuJob,
  { placement, order, jobsUid }: RunOrder,
): Promise<GpuRun | undefined> {
  const labels = { ...labelsOf(job, placement), [JOBS_KIND_LABEL]: jobsUid }
  try {
    return await client.create(gpuRuns, {
      metadata: { name: runName(job, placement.run), namespace: providerNamespace(placement.provider), labels },
      spec: runSpec(job, placement, order),
    })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    return undefined
  }
}

function originOf({ metadata: { namespace = '' }, spec: { template } }: GpuJob): Origin {
  return { namespace, template }
}

/**
 * Repeating it changes nothing: the schema keeps the first order. A run that is gone needs none. Its uid is the precondition.
 * Gives the run with the order in it, where this call put it there.
 */
export async function orderStop(
  client: KubeClient,
  run: Pick<GpuRun, 'metadata'>,
  stop: NonNullable<GpuRunSpec['stop']>,
): Promise<GpuRun | undefined> {
  const { name, namespace, uid } = run.metadata
  const ref = { name, namespace }
  try {
    return await client.mergePatch(gpuRuns, { ref, patch: { metadata: { uid }, spec: { stop } } })
  } catch (error) {
    if (isNotFound(error)) return undefined
    // Refused: the order stands already, or another run has come in this one's place.
    const found = isInvalid(error) ? await client.get(gpuRuns, ref) : undefined
    if (!found || (found.metadata.uid === uid && !found.spec.stop)) throw error
    return undefined
  }
}

/** For each moment that it takes, the engine has two for its other work. */
const restFactor = 2

/** One job at a time: who comes meanwhile finds it busy, and holds no place where passes run. */
function advisor({ engine, clock, timers }: GpuJobWorld): GpuJobPorts['advise'] {
  let isBusy = false
  return async ({ metadata: { uid } }) => {
    if (isBusy) return 'Busy'
    isBusy = true
    try {
      const all: Advice[] = []
      let began = clock.boot()
      for (const advice of engine.advise(uid)) {
        all.push(advice)
        const rest = (clock.boot() - began) * restFactor
        await pause(rest, { timers, signal: never })
        began = clock.boot()
      }
      return all
    } finally {
      isBusy = false
    }
  }
}

const { signal: never } = new AbortController()

/** What runs for other tenants has no name for this one. */
function nameFor({ metadata: { namespace } }: KeptJob, other: KeptJob | undefined, run: number): string | undefined {
  return other?.metadata.namespace === namespace ? `run ${run} of ${other?.metadata.name}` : undefined
}

/** A Provider that is gone has been silent for ever. */
function silentSince(provider: Provider | undefined): number | undefined {
  if (!provider) return 0
  const connected = condition(provider?.status?.conditions, 'Connected')
  return connected && connected.status !== 'True' ? toMillis(connected.lastTransitionTime) : undefined
}

function refOf({ metadata }: KeptJob): { name: string; namespace: string | undefined } {
  return { name: metadata.name, namespace: metadata.namespace }
}

type Recorded = NonNullable<GpuJobStatus['placement']>

function labelsOf({ metadata }: GpuJob, { run, provider }: Recorded): Record<string, string> {
  return {
    [PROVIDER_LABEL]: provider,
    [JOB_LABEL]: metadata.name,
    [JOB_UID_LABEL]: metadata.uid,
    [RUN_NUMBER_LABEL]: String(run),
  }
}

interface Circumstances {
  readonly stop: GpuRunSpec['stop'] | undefined
  readonly snapshot: Snapshot | undefined
  /** Its own, or that of its queue. */
  readonly maxRuntimeSeconds: number | undefined
}

function runSpec(
  job: GpuJob,
  { run, nodes }: Recorded,
  { stop, snapshot, maxRuntimeSeconds }: Circumstances,
): GpuRunSpec {
  const { workers, gpus, failover, bindTimeoutSeconds, ttlSecondsAfterFinished, template } = job.spec
  const { name, uid, namespace = '' } = job.metadata
  return {
    job: { namespace, name, uid },
    run,
    workers,
    gpus: { count: gpus.count ?? 1, ...(gpus.fraction === undefined ? {} : { fraction: gpus.fraction }) },
    nodes,
    failover,
    bindTimeoutSeconds,
    ...(maxRuntimeSeconds === undefined ? {} : { maxRuntimeSeconds }),
    ttlSecondsAfterFinished,
    template,
    ...(snapshot ? { payload: { name: runName(job, run), sha256: snapshot.sha256 } } : {}),
    ...(stop ? { stop } : {}),
  }
}
