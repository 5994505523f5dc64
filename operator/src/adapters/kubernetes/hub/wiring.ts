// Which change wakes which controller of the hub.
import { isDeepStrictEqual } from 'node:util'
import { EXPLAIN_ANNOTATION } from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { type ProviderReport, REPORT_NAME } from '../../../api/providerreport.ts'
import type { Scheduling } from '../../../controllers/hub/scheduling.ts'
import type { WorkQueue } from '../../../controllers/work-queue.ts'
import { nodeFact } from '../../../domain/inventory/node-fact.ts'
import { isTrue } from '../../../domain/lifecycle/claims.ts'
import { outcomeOf, providerNamespace, providerOf } from '../../../domain/lifecycle/gpurun.ts'
import type { KeptJob, KeptRun } from '../../../domain/lifecycle/kept.ts'
import type { Losses } from '../../../domain/lifecycle/losses.ts'
import { isRevoked } from '../../../domain/lifecycle/provider-steps.ts'
import { isFromBefore } from '../../../domain/lifecycle/tombstone-steps.ts'
import { keyOf } from '../store.ts'
import { type HubCaches, jobsOf } from './caches.ts'
import type { HubIdentity } from './identity.ts'

export interface HubQueues {
  readonly jobs: WorkQueue
  readonly providers: WorkQueue
  readonly tombstones: WorkQueue
  readonly joins: WorkQueue
  readonly invites: WorkQueue
  readonly gpuQueues: WorkQueue
}

export interface HubWiring {
  readonly queues: HubQueues
  readonly scheduling: Scheduling
  readonly losses: Losses
  readonly identity: Pick<HubIdentity, 'jobsUid'>
}

/** Call when the caches have begun: what is there already is told first, in one go with what comes. */
export function wireHub(
  { jobs, runs, providers, nodes, reports, requests, gpuQueues }: HubCaches,
  { queues, scheduling, losses, identity: { jobsUid } }: HubWiring,
): void {
  wireLosses({ runs }, { queues, losses })
  const lookAtQueues = wireQueues({ gpuQueues }, { queues, scheduling })
  jobs.subscribe(({ key, object, previous }) => {
    if (isOnlyAsked(object, previous)) queues.jobs.add(key)
    else scheduling.jobChanged(object.metadata.uid)
  })
  runs.subscribe(({ object, previous }) => {
    const { uid } = object.spec.job
    // A run that is over when it is first seen binds nothing; tens of thousands of them come when the rest is read.
    const isOldNews = !previous && outcomeOf(object) !== undefined && !jobs.by('uid', uid).some(isPlaced)
    if (!isOldNews) scheduling.jobChanged(uid)
    const provider = providerOf(object.metadata.namespace)
    const isOther = isFromBefore(object, jobsUid) || (previous && isFromBefore(previous, jobsUid))
    if (provider !== undefined && isOther) queues.providers.add(provider)
  })
  nodes.subscribe(({ type, object: { metadata, spec } }) => {
    const provider = providerOf(metadata.namespace)
    if (provider === undefined) return
    // A claim on its way out offers nothing, however long somebody's finalizer holds it.
    if (type === 'deleted' || metadata.deletionTimestamp !== undefined) scheduling.removeNode(provider, spec.node)
    else scheduling.setNode(nodeFact(provider, spec))
    queues.providers.add(provider)
  })
  /** The jobs that its agent says to compute without an order. */
  const wakeThoseIn = (report: ProviderReport | undefined) => {
    for (const uid of report ? jobsOf(report) : []) {
      for (const job of jobs.by('uid', uid)) queues.jobs.add(keyOf(job.metadata))
    }
  }

  reports.subscribe(({ object, previous }) => {
    const { metadata } = object
    wakeThoseIn(object)
    wakeThoseIn(previous)
    const provider = providerOf(metadata.namespace)
    if (provider !== undefined) queues.providers.add(provider)
  })
  providers.subscribe(({ type, key, object, previous }) => {
    queues.providers.add(key)
    // What models there are is said of every queue that has a quota of one.
    if (modelsOf(object) !== modelsOf(previous)) lookAtQueues()
    // When it comes, and when it gets its home.
    if (object.status?.namespaceUid !== previous?.status?.namespaceUid) queues.invites.add(key)
    // What it said of others' jobs counts no more.
    if (type === 'deleted') wakeThoseIn(reports.get(`${providerNamespace(key)}/${REPORT_NAME}`))
    else if (isConnected(object) === isConnected(previous) && isRevoked(object) === isRevoked(previous)) return
    // What runs there says whether its provider is heard of.
    for (const job of jobs.values()) {
      if (job.status?.placement?.provider === key && isPlaced(job)) queues.jobs.add(keyOf(job.metadata))
    }
  })

  requests.subscribe(({ key }) => queues.joins.add(key))
  for (const key of requests.keys()) queues.joins.add(key)
  for (const { metadata, spec } of nodes.values()) {
    const provider = providerOf(metadata.namespace)
    if (provider !== undefined && metadata.deletionTimestamp === undefined) scheduling.setNode(nodeFact(provider, spec))
  }
  for (const key of providers.keys()) {
    queues.providers.add(key)
    queues.invites.add(key)
  }
  const uids = new Set([...jobs.values()].map(({ metadata }) => metadata.uid))
  for (const run of runs.values()) uids.add(run.spec.job.uid)
  for (const uid of uids) scheduling.jobChanged(uid)
}

/** @returns how all of them are looked at. */
function wireQueues(
  { gpuQueues }: Pick<HubCaches, 'gpuQueues'>,
  { queues, scheduling }: Pick<HubWiring, 'queues' | 'scheduling'>,
): () => void {
  const lookAtQueues = () => {
    for (const name of gpuQueues.keys()) queues.gpuQueues.add(name)
  }
  gpuQueues.subscribe(({ type, key, object, previous }) => {
    // Its parts, and those that are in a ring with it, hear of it as well.
    if (type === 'deleted') scheduling.removeQueue(key, lookAtQueues)
    else scheduling.setQueue(object)
    if (type === 'added' || object.spec.parent !== previous?.spec.parent) lookAtQueues()
    else queues.gpuQueues.add(key)
  })
  for (const queue of gpuQueues.values()) scheduling.setQueue(queue)
  lookAtQueues()
  return lookAtQueues
}

/** Which runs were lost counts for their provider, also of those that are read late. */
function wireLosses({ runs }: Pick<HubCaches, 'runs'>, { queues, losses }: Pick<HubWiring, 'queues' | 'losses'>): void {
  const count = (before: KeptRun | undefined, now: KeptRun | undefined) => {
    const provider = providerOf((now ?? before)?.metadata.namespace)
    if (provider !== undefined && losses.count(provider, before, now)) queues.providers.add(provider)
  }
  for (const run of runs.values()) count(undefined, run)
  runs.subscribe(({ type, object, previous }) =>
    type === 'deleted' ? count(object, undefined) : count(previous, object),
  )
}

/** Call when the caches are filled, after `wireHub`: what only the absence of an object tells is known from then on. */
export function wireAbsence({ jobs, runs, providers }: HubCaches, { queues }: Pick<HubWiring, 'queues'>): void {
  jobs.subscribe(({ type, object: { metadata } }) => {
    if (type === 'deleted') for (const run of runs.by('job', metadata.uid)) queues.tombstones.add(runKey(run.metadata))
  })
  runs.subscribe(({ key }) => queues.tombstones.add(key))
  providers.subscribe(({ type, key, object, previous }) => {
    if (!isRevoked(previous) || (type !== 'deleted' && isRevoked(object))) return
    const namespace = providerNamespace(key)
    for (const { metadata } of runs.values())
      if (metadata.namespace === namespace) queues.tombstones.add(runKey(metadata))
  })

  // A run whose job lives needs no look; most of what is stored are such runs.
  for (const { metadata, spec } of runs.values()) {
    if (jobs.get(keyOf(spec.job))?.metadata.uid !== spec.job.uid) queues.tombstones.add(runKey(metadata))
  }
  for (const job of jobs.values()) if (isPlaced(job)) queues.jobs.add(keyOf(job.metadata))
  for (const key of providers.keys()) queues.providers.add(key)
}

/** On a provider, and not over. */
function isPlaced({ status }: KeptJob): boolean {
  return status?.placement !== undefined && status.finishedAt === undefined
}

function modelsOf(provider: Provider | undefined): string {
  return provider?.status?.inventory?.models.map(({ model }) => model).join() ?? ''
}

/** Somebody wants an explanation, and nothing else is new: the engine has no work with it. */
function isOnlyAsked({ metadata, status }: KeptJob, previous: KeptJob | undefined): boolean {
  const [asked, before] = [metadata, previous?.metadata].map((one) => one?.annotations?.[EXPLAIN_ANNOTATION])
  if (asked === before || metadata.uid !== previous?.metadata.uid) return false
  const isSame = (key: 'generation' | 'deletionTimestamp') => metadata[key] === previous.metadata[key]
  return isSame('generation') && isSame('deletionTimestamp') && isDeepStrictEqual(status, previous.status)
}

function isConnected(provider: Provider | undefined): boolean {
  return isTrue(provider?.status?.conditions, 'Connected')
}

function runKey({ namespace, name }: { readonly namespace?: string; readonly name: string }): string {
  return `${namespace}/${name}`
}
