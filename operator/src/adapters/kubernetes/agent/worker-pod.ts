import { RUN_LABEL } from '../../../api/labels.ts'
import { GPU_RESOURCE } from '../../../api/template-containers.ts'
import { toMillis, toTime } from '../../../api/time.ts'
import type { ContainerSeen, WorkerPod } from '../../../domain/lifecycle/worker-records.ts'
import type { ContainerStatus, Pod } from '../resources.ts'

const indexAnnotation = 'batch.kubernetes.io/job-completion-index'

/** A pod of a run, as the run's life is decided from it. */
export function workerPod({ metadata, spec, status }: Pod): WorkerPod {
  const index = metadata.annotations?.[indexAnnotation] ?? metadata.labels?.[indexAnnotation]
  const disruption = status?.conditions?.find(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True')
  const bound = status?.conditions?.find(({ type, status: is }) => type === 'PodScheduled' && is === 'True')
  const main = spec.containers.find(({ resources }) => resources?.limits?.[GPU_RESOURCE] !== undefined)?.name
  const sidecars = new Set(
    spec.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const reported = [...(status?.containerStatuses ?? [])].toSorted(
    (a, b) => Number(b.name === main) - Number(a.name === main),
  )
  return {
    uid: metadata.uid,
    name: metadata.name,
    runId: metadata.labels?.[RUN_LABEL] ?? '',
    index: Number(index ?? 0),
    node: spec.nodeName,
    boundAt: bound?.lastTransitionTime ?? status?.startTime,
    phase: status?.phase ?? 'Pending',
    deleting: metadata.deletionTimestamp !== undefined,
    deletingSince: deletingSince(metadata),
    reason: status?.reason,
    message: status?.message,
    disruption: disruption?.reason ?? (disruption && 'Disrupted'),
    containers: [
      ...reported.map((one) => containerSeen(one, 'Container')),
      ...(status?.initContainerStatuses ?? []).map((one) =>
        containerSeen(one, sidecars.has(one.name) ? 'Sidecar' : 'Init'),
      ),
    ],
  }
}

/** The API server writes when the grace ends. */
function deletingSince({ deletionTimestamp, deletionGracePeriodSeconds = 0 }: Pod['metadata']): string | undefined {
  return deletionTimestamp && toTime(toMillis(deletionTimestamp) - deletionGracePeriodSeconds * 1000)
}

function containerSeen({ name, state, restartCount }: ContainerStatus, role: ContainerSeen['role']): ContainerSeen {
  const { waiting, running, terminated } = state ?? {}
  return {
    name,
    role,
    state: terminated ? 'Terminated' : running ? 'Running' : 'Waiting',
    reason: terminated?.reason ?? waiting?.reason,
    message: terminated?.message ?? waiting?.message,
    restarts: restartCount ?? 0,
    exitCode: terminated?.exitCode,
    startedAt: running?.startedAt ?? terminated?.startedAt,
    finishedAt: terminated?.finishedAt,
  }
}
