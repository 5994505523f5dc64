/** What a kubelet would say of a pod, said in its place: kwok leaves pods alone that hang or wait. */
import type { Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import { JOB_UID_LABEL, RUN_NUMBER_LABEL } from '../../operator/src/api/labels.ts'
import type { OrderedJob } from './ordered-job.ts'
import type { ProviderSide } from './stage.ts'

type PodStatus = NonNullable<Pod['status']>
type ContainerState = NonNullable<NonNullable<PodStatus['containerStatuses']>[number]['state']>

/** The pod of the first worker, once a kubelet has said something of it. */
export function podOf({ pods, name }: ProviderSide, { uid }: OrderedJob, run = 1): Promise<Pod> {
  return pods.until({
    what: `the pod of run ${run} on ${name}`,
    seconds: 60,
    find: (all) =>
      all.values().find(({ metadata: { labels = {} }, status }) => {
        const isIts = labels[JOB_UID_LABEL] === uid && labels[RUN_NUMBER_LABEL] === String(run)
        return isIts && status?.containerStatuses !== undefined
      }),
  })
}

/** Conditions are added to what it has; everything else is replaced. */
export async function kubeletSays(side: ProviderSide, { metadata }: Pod, status: PodStatus): Promise<void> {
  const { namespace, name } = metadata
  const answer = await side.controlPlane.ask(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
    method: 'PATCH',
    contentType: 'application/strategic-merge-patch+json',
    body: { status },
  })
  if (answer.status !== 200) throw new Error(`saying how pod ${name} is: ${JSON.stringify(answer.body)}`)
}

/** Of the one container that the jobs here have. */
export function container(state: ContainerState): Pick<PodStatus, 'containerStatuses'> {
  const fields = { image: 'example.com/train:1', imageID: '', restartCount: 0, ready: false }
  return { containerStatuses: [{ name: 'main', state, ...fields }] }
}

/** As it is said of a container that ended now. */
export function terminated(exitCode: number, reason: string, message?: string): Pick<PodStatus, 'containerStatuses'> {
  const now = `${new Date().toISOString().slice(0, 19)}Z`
  const words = message === undefined ? {} : { message }
  return container({ terminated: { exitCode, reason, startedAt: now, finishedAt: now, ...words } })
}

/** The provider did it, as the condition DisruptionTarget says. */
export function disrupted(reason: string): NonNullable<PodStatus['conditions']> {
  return [{ type: 'DisruptionTarget', status: 'True', reason }]
}
