// kubectl gpu explain <job>: asks the hub by an annotation of the job, so that whoever may change the job may ask, and
// waits for the answer in its status.
import { type GpuJob, type GpuJobStatus, most } from '../../api/gpujob.ts'
import { EXPLAIN_ANNOTATION } from '../../api/labels.ts'
import { pause, type Timers } from '../../controllers/clock.ts'
import { condition } from '../../domain/lifecycle/claims.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { lacksRights } from '../kubernetes/errors.ts'
import { gpuJobs } from '../kubernetes/kinds.ts'
import { type Answer, table } from './output.ts'
import { NotThere } from './wrong-use.ts'

export interface Asking {
  readonly client: Pick<KubeClient, 'get' | 'mergePatch'>
  readonly timers: Timers
  readonly signal: AbortSignal
  /** Another one at each call: it is echoed with the answer. */
  readonly question: string
}

interface JobName {
  readonly namespace: string
  readonly name: string
}

type Explanation = NonNullable<GpuJobStatus['explanation']>
type ProviderSaid = Explanation['providers'][number]

const lookMs = 250

export async function explain(asking: Asking, ref: JobName, { seconds }: { seconds: number }): Promise<Answer> {
  const { client, timers, signal, question } = asking
  const job = await client.get(gpuJobs, ref)
  if (!job) throw new NotThere(`there is no GpuJob ${ref.name} in namespace ${ref.namespace}`)
  if (!waits(job)) return notWaiting(job)
  await ask(asking, job)
  for (let waitedMs = 0; waitedMs <= seconds * 1000; waitedMs += lookMs) {
    const now = await client.get(gpuJobs, ref)
    if (now?.metadata.uid !== job.metadata.uid) throw new NotThere(`GpuJob ${ref.name} was deleted meanwhile`)
    const { explanation } = now.status ?? {}
    if (explanation?.asked === question.slice(0, most.asked)) return answered(now, explanation)
    if (!waits(now)) return notWaiting(now)
    await pause(lookMs, { timers, signal })
    signal.throwIfAborted()
  }
  throw new Error(`no hub has answered within ${seconds} s; is one running? Its status says: ${why(job)}`)
}

/** Before its first look at a job the hub has said nothing. */
function waits({ status }: GpuJob): boolean {
  const placed = condition(status?.conditions, 'Placed')
  return !status || (status.state === 'Waiting' && (placed?.reason === 'Waiting' || placed?.reason === 'NeverFits'))
}

function notWaiting(job: GpuJob): Answer {
  const { name, namespace } = job.metadata
  const { state, placement } = job.status ?? {}
  const at = placement ? ` on provider ${placement.provider}` : ''
  const rest = why(job)
  return {
    value: { name, namespace, state, why: job.status?.why ?? '' },
    text: `${name} does not wait for GPUs: ${state}${at}${rest ? `: ${rest}` : ''}`,
  }
}

function why({ status }: GpuJob): string {
  return status?.why ?? ''
}

async function ask({ client, question }: Asking, job: GpuJob): Promise<void> {
  const { name, namespace, uid } = job.metadata
  const annotations = { [EXPLAIN_ANNOTATION]: question.slice(0, most.asked) }
  try {
    await client.mergePatch(gpuJobs, { ref: { name, namespace }, patch: { metadata: { uid, annotations } } })
  } catch (error) {
    if (!lacksRights(error)) throw error
    throw new Error(
      `to ask, you need the right to patch gpujobs in namespace ${namespace}. What its status says: ${why(job)}`,
      { cause: error },
    )
  }
}

function answered(job: GpuJob, explanation: Explanation): Answer {
  const { name, namespace } = job.metadata
  const { providers, otherProviders } = explanation
  const rows = providers.map((one) => [one.provider, reasonsOf(one), leastOf(one)])
  const others = otherProviders === 0 ? [] : [`… and ${otherProviders} more providers`]
  const lines = [why(job), '', table(['PROVIDER', 'WHY NOT', 'LEAST CHANGE'], rows), ...others]
  const needsNew = providers.some(({ options }) => options.some(({ changes }) => changes.some(({ field }) => field)))
  const end = needsNew ? ['', 'Most fields are fixed: delete the job and make it anew with the change.'] : []
  return { value: { name, namespace, ...explanation }, text: [...lines, ...end].join('\n') }
}

function reasonsOf({ fits, reasons }: ProviderSaid): string {
  if (fits) return 'it fits: others come first'
  return reasons.map(({ reason, count }) => `${reason} (${count})`).join(', ')
}

function leastOf({ fits, options: [least] }: ProviderSaid): string {
  if (fits) return 'wait'
  return least ? least.changes.map(({ says }) => says).join('; and ') : 'nothing that the job can change'
}
