/** Workers of a gang that work together end together: a simulated kubelet cannot know that, so the test says it. */
import type { Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { RUN_LABEL } from '../../operator/src/api/labels.ts'
import { runId } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { ProviderSide } from './stage.ts'

/** Waits until all workers of a run, made with `simulate: hang`, run on the provider, and lets each end with exit code 0. */
export async function releaseWorkers({ pods, controlPlane }: ProviderSide, run: GpuRun): Promise<void> {
  const { metadata, spec } = run
  const id = runId(run)
  const running = await pods.until({
    what: `all ${spec.workers} workers of ${metadata.name} to run`,
    seconds: 60,
    find: (all) => {
      const those = all
        .values()
        .filter((pod) => isWorkerOf(pod, id))
        .toArray()
      return those.length === spec.workers ? those : undefined
    },
  })
  for (const pod of running) {
    const { name, namespace } = pod.metadata
    const { status, body } = await controlPlane.ask(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { status: { phase: 'Succeeded', containerStatuses: pod.status?.containerStatuses?.map(ended) } },
    })
    if (status !== 200) throw new Error(`ending pod ${namespace}/${name}: ${JSON.stringify(body)}`)
  }
}

function isWorkerOf({ metadata, status }: Pod, id: string): boolean {
  return metadata.labels?.[RUN_LABEL] === id && status?.phase === 'Running'
}

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]

function ended(container: ContainerStatus): object {
  const startedAt = container.state?.running?.startedAt
  const terminated = {
    exitCode: 0,
    reason: 'Completed',
    startedAt,
    finishedAt: new Date().toISOString().replace(/[.]\d+/, ''),
  }
  return { ...container, ready: false, started: false, state: { terminated } }
}
