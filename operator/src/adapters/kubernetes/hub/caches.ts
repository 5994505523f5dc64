// What the hub knows of its own API server, kept by one watch a kind.
import type { GpuJob } from '../../../api/gpujob.ts'
import type { GpuNode } from '../../../api/gpunode.ts'
import type { GpuQueue } from '../../../api/gpuqueue.ts'
import type { GpuRun } from '../../../api/gpurun.ts'
import type { JoinRequest } from '../../../api/joinrequest.ts'
import { ACCEPT_HUB_ANNOTATION, EXPLAIN_ANNOTATION } from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import type { ProviderReport } from '../../../api/providerreport.ts'
import { overStates, providerOf } from '../../../domain/lifecycle/gpurun.ts'
import { type KeptJob, type KeptRun, keptJob, keptRun } from '../../../domain/lifecycle/kept.ts'
import { isRevoked } from '../../../domain/lifecycle/provider-steps.ts'
import { isFromBefore } from '../../../domain/lifecycle/tombstone-steps.ts'
import { gpuJobs, gpuNodes, gpuQueues, gpuRuns, joinRequests, providerReports, providers } from '../kinds.ts'
import { withoutBallast } from '../projection.ts'
import { reflect } from '../reflector.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import { sharedValues } from '../shared-values.ts'
import type { Store } from '../store.ts'
import type { HubIdentity } from './identity.ts'

export interface HubCaches {
  /** Index `uid`. */
  readonly jobs: Store<KeptJob>
  /** Indexes `job`: the uid of the GpuJob, and `orphaned`: the namespace, of those that live on from an earlier time of the kind GpuJob. */
  readonly runs: Store<KeptRun>
  readonly providers: Store<Provider>
  /** Index `namespace`. */
  readonly nodes: Store<GpuNode>
  /** Index `unordered`: the uid of a GpuJob of which a run computes there without an order. */
  readonly reports: Store<ProviderReport>
  readonly requests: Store<JoinRequest>
  readonly gpuQueues: Store<GpuQueue>
  /** The answers to writes of our own, taken before the watch brings them. */
  readonly learn: { readonly job: (job: GpuJob) => void; readonly run: (run: GpuRun) => void }
  /**
   * All that lives is there: what is placed by then holds whatever comes later. Absent are jobs that are finished, and runs
   * that are over. Rejects only when stopped before that.
   */
  readonly begun: Promise<void>
  /** All of them are filled. Rejects only when stopped before that. */
  readonly synced: Promise<void>
  readonly isSynced: () => boolean
}

/** What is over binds nothing, and of all that is stored it is most. */
const over = { jobs: ['Succeeded', 'Failed'], runs: [...overStates] }

export function hubCaches(context: ReflectorContext, { jobsUid }: Pick<HubIdentity, 'jobsUid'>): HubCaches {
  const share = sharedValues()
  const begun = Promise.withResolvers<void>()
  const later = (values: readonly string[]) => ({ field: 'status.state', values, after: begun.promise })
  const jobs = reflect({
    ...context,
    resource: gpuJobs,
    later: later(over.jobs),
    project: (job, held) => sharedJob(keptJob(withAnnotation(job, EXPLAIN_ANNOTATION), held), { share, held }),
    indexes: { uid: (job: KeptJob) => [job.metadata.uid] },
  })
  const runs = reflect({
    ...context,
    resource: gpuRuns,
    later: later(over.runs),
    project: (run, held) => sharedRun(keptRun(withoutBallast(run), held), { share, held }),
    indexes: {
      job: (run: KeptRun) => [run.spec.job.uid],
      orphaned: (run: KeptRun) => (isFromBefore(run, jobsUid) ? [run.metadata.namespace ?? ''] : []),
    },
  })
  const provider = reflect({ ...context, resource: providers, project: keptProvider })
  const nodes = reflect({
    ...context,
    resource: gpuNodes,
    project: withoutBallast,
    indexes: { namespace: (node: GpuNode) => [node.metadata.namespace ?? ''] },
  })
  const reports = reflect({
    ...context,
    resource: providerReports,
    project: withoutBallast,
    indexes: { unordered: (report: ProviderReport) => jobsOf(report) },
  })
  const requests = reflect({ ...context, resource: joinRequests, project: withoutBallast })
  const queues = reflect({ ...context, resource: gpuQueues, project: withoutBallast })
  const all = [jobs, runs, provider, nodes, reports, requests, queues]
  Promise.all(all.map((one) => one.begun)).then(() => begun.resolve(), begun.reject)
  let isSynced = false
  const synced = Promise.all(all.map((one) => one.synced)).then(() => {
    isSynced = true
  })
  for (const promise of [begun.promise, synced]) promise.catch(() => {}) // Whoever waits for it hears of it; nobody has to.
  return {
    jobs: jobs.store,
    runs: runs.store,
    providers: provider.store,
    nodes: nodes.store,
    reports: reports.store,
    requests: requests.store,
    gpuQueues: queues.store,
    learn: { job: jobs.learn, run: runs.learn },
    begun: begun.promise,
    synced,
    isSynced: () => isSynced,
  }
}

interface Sharing<K> {
  readonly share: ReturnType<typeof sharedValues>
  /** What of it is in here is shared already. */
  readonly held: K | undefined
}

function sharedJob({ metadata, spec, needs, status }: KeptJob, { share, held }: Sharing<KeptJob>): KeptJob {
  const conditions = status?.conditions.map(share)
  const waiting = status?.waiting && { waiting: share(status.waiting) }
  return {
    metadata,
    ...(spec === held?.spec ? { spec, needs } : { spec: share(spec), needs: share(needs) }),
    ...(status && conditions ? { status: { ...status, ...waiting, conditions } } : {}),
  }
}

/** Of a run's spec most is its own. */
function sharedRun(run: KeptRun, { share, held }: Sharing<KeptRun>): KeptRun {
  if (run.spec === held?.spec) return run
  const { nodes, failover, ...own } = run.spec
  return { ...run, spec: { ...own, nodes: share(nodes), failover: share(failover) }, perWorker: share(run.perWorker) }
}

/** The uids of the GpuJobs of which runs compute there without an order. */
export function jobsOf({ spec }: ProviderReport): string[] {
  return (spec.unordered ?? []).map((id) => id.slice(0, id.lastIndexOf('.')))
}

/** Where a run of the job computes that this hub does not order there; the word of a Provider that is gone or shut out counts no more. */
export function survivorOf(
  { reports, providers }: HubCaches,
  { metadata: { uid }, status }: KeptJob,
): string | undefined {
  const { placement } = status ?? {}
  return reports.by('unordered', uid).flatMap(({ metadata, spec }) => {
    const provider = providerOf(metadata.namespace)
    const said = provider === undefined ? undefined : providers.get(provider)
    if (provider === undefined || !said || isRevoked(said)) return []
    const ordered = placement?.provider === provider ? `${uid}.${placement.run}` : undefined
    return spec.unordered?.some((id) => id.startsWith(`${uid}.`) && id !== ordered) ? [provider] : []
  })[0]
}

/** Whether nothing is ordered from that provider any more, and nothing that it says counts. */
export function isShutOut({ providers }: Pick<HubCaches, 'providers'>, provider: string | undefined): boolean {
  return provider !== undefined && isRevoked(providers.get(provider))
}

/** With what a person accepts on it. */
function keptProvider(provider: Provider): Provider {
  return withAnnotation(provider, ACCEPT_HUB_ANNOTATION)
}

/** What is longer was not written for us. */
const mostCharacters = 256

/** Without ballast, and with what a person says to the hub by that annotation. */
function withAnnotation<T extends GpuJob | Provider>(object: T, key: string): T {
  const kept = withoutBallast(object)
  // What is cut in the middle of a character comes back from the API server as another one.
  const said = object.metadata.annotations?.[key]?.slice(0, mostCharacters).toWellFormed()
  return said === undefined ? kept : { ...kept, metadata: { ...kept.metadata, annotations: { [key]: said } } }
}

/** All runs of a job that still exist, with the provider of each. */
export function runsOf({ runs }: HubCaches, jobUid: string): { run: KeptRun; provider: string }[] {
  return runs.by('job', jobUid).flatMap((run) => {
    const provider = providerOf(run.metadata.namespace)
    return provider === undefined ? [] : [{ run, provider }]
  })
}
