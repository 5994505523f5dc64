// What the hub knows of its own API server, kept by one watch a kind.
import type { GpuNode } from '../../../api/gpunode.ts'
import type { Provider } from '../../../api/provider.ts'
import type { ProviderReport } from '../../../api/providerreport.ts'
import { providerOf } from '../../../domain/lifecycle/gpurun.ts'
import { type KeptJob, type KeptRun, keptJob, keptRun } from '../../../domain/lifecycle/kept.ts'
import { gpuJobs, gpuNodes, gpuRuns, providerReports, providers } from '../kinds.ts'
import { withoutBallast } from '../projection.ts'
import { reflect } from '../reflector.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import type { Store } from '../store.ts'

export interface HubCaches {
  /** Index `uid`. */
  readonly jobs: Store<KeptJob>
  /** Index `job`: the uid of the GpuJob. */
  readonly runs: Store<KeptRun>
  readonly providers: Store<Provider>
  /** Index `namespace`. */
  readonly nodes: Store<GpuNode>
  readonly reports: Store<ProviderReport>
  /** All of them are filled. Rejects only when stopped before that. */
  readonly synced: Promise<void>
}

export function hubCaches(context: ReflectorContext): HubCaches {
  const jobs = reflect({
    ...context,
    resource: gpuJobs,
    project: (job) => keptJob(withoutBallast(job)),
    indexes: { uid: (job: KeptJob) => [job.metadata.uid] },
  })
  const runs = reflect({
    ...context,
    resource: gpuRuns,
    project: (run) => keptRun(withoutBallast(run)),
    indexes: { job: (run: KeptRun) => [run.spec.job.uid] },
  })
  const provider = reflect({ ...context, resource: providers, project: withoutBallast })
  const nodes = reflect({
    ...context,
    resource: gpuNodes,
    project: withoutBallast,
    indexes: { namespace: (node: GpuNode) => [node.metadata.namespace ?? ''] },
  })
  const reports = reflect({ ...context, resource: providerReports, project: withoutBallast })
  const all = [jobs, runs, provider, nodes, reports]
  return {
    jobs: jobs.store,
    runs: runs.store,
    providers: provider.store,
    nodes: nodes.store,
    reports: reports.store,
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
  }
}

/** All runs of a job that still exist, with the provider of each. */
export function runsOf({ runs }: HubCaches, jobUid: string): { run: KeptRun; provider: string }[] {
  return runs.by('job', jobUid).flatMap((run) => {
    const provider = providerOf(run.metadata.namespace)
    return provider === undefined ? [] : [{ run, provider }]
  })
}
