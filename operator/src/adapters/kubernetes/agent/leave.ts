// Takes the agent off its cluster: asks it to end what runs, ends it, and removes what it has made.
import { HUB_UID_LABEL, JOB_NAMESPACE_LABEL, LEAVING_ANNOTATION, LEFT_ANNOTATION } from '../../../api/labels.ts'
import { type Clock, pause, type Timers } from '../../../controllers/clock.ts'
import { priorityClassName } from '../../../domain/workload/pod-manifest.ts'
import { TENANT_NAMESPACE_PREFIX } from '../../../domain/workload/tenant-namespace.ts'
import type { KubeClient } from '../client.ts'
import { isNotFound } from '../errors.ts'
import { priorityClasses } from '../kinds.ts'
import { type Deployment, deployments, leases, namespaces, pods, secrets } from '../resources.ts'
import { memoryName } from './memory.ts'
import { CREDENTIAL_SECRET } from './rights.ts'

export interface Leave {
  /** With the rights of `leaveClusterRules` and `leaveNamespaceRules`. */
  readonly client: KubeClient
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
  readonly signal: AbortSignal
  readonly provider: string
  /** Of the agent. */
  readonly namespace: string
  readonly deployment: string
  readonly graceMs: number
  /** Never the same twice. */
  readonly nonce: () => string
  readonly say: (what: string) => void
}

const lookMs = 500
/** For pods that get SIGTERM, and for namespaces to be emptied. */
const goneMs = 120_000

/** Throws where something could not be removed: then it is safe, and of use, to call it again. */
export async function leave(leaving: Leave): Promise<void> {
  const agent = await leaving.client.get(deployments, { namespace: leaving.namespace, name: leaving.deployment })
  try {
    // An earlier try may have come as far as to end it.
    if (agent && agent.spec.replicas !== 0) await askAgent(leaving)
    else leaving.say('no agent runs that could end what runs and tell its hub')
    if (agent) await endAgent(leaving, agent)
    await removeNamespaces(leaving)
  } catch (error) {
    await takeBack(leaving)
    throw error
  }
  const { client, namespace, provider } = leaving
  await client.delete(priorityClasses, { name: priorityClassName })
  await client.delete(secrets, { namespace, name: CREDENTIAL_SECRET })
  await client.delete(leases, { namespace, name: memoryName(provider) })
  leaving.say('all that the agent had made is removed')
}

/** An agent that does not answer, or whose hub does not, is waited for as long as it may take and no longer. */
async function askAgent(leaving: Leave): Promise<void> {
  const { client, namespace, provider, graceMs, say } = leaving
  const ref = { namespace, name: memoryName(provider) }
  // What an earlier try was told is no answer to this one.
  const question = leaving.nonce()
  try {
    const annotations = { [LEAVING_ANNOTATION]: question }
    await client.mergePatch(leases, { ref, patch: { metadata: { annotations } } })
  } catch (error) {
    if (!isNotFound(error)) throw error
    return say('this cluster has never joined')
  }
  say(`the agent is asked to end what runs, and given ${graceMs / 1000} s`)
  const hasLeft = async () => {
    const lease = await client.get(leases, ref)
    return !lease || lease.metadata.annotations?.[LEFT_ANNOTATION] === question
  }
  const answered = await untilTrue(leaving, graceMs, hasLeft)
  say(
    answered
      ? 'the agent has ended what ran, and its hub knows'
      : 'the agent has not answered in time: its hub may not know what became of the runs',
  )
}

/** Who keeps the chart after all has an agent again that works, once it is started anew. */
async function takeBack({ client, namespace, provider, say }: Leave): Promise<void> {
  const annotations = { [LEAVING_ANNOTATION]: null, [LEFT_ANNOTATION]: null }
  try {
    const ref = { namespace, name: memoryName(provider) }
    await client.mergePatch(leases, { ref, patch: { metadata: { annotations } } })
  } catch (error) {
    if (!isNotFound(error)) say(`the agent is still asked to leave: ${String(error)}`)
  }
}

/** Else it would make anew what is removed. */
async function endAgent(leaving: Leave, agent: Deployment): Promise<void> {
  const { client, namespace, deployment } = leaving
  const ref = { namespace, name: deployment }
  await client.mergePatch(deployments, { ref, patch: { spec: { replicas: 0 } } }, { subresource: 'scale' })
  const labels = Object.entries(agent.spec.selector.matchLabels ?? {})
  const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join(',')
  const isEnded = async () => (await client.list(pods, { namespace, labelSelector })).items.length === 0
  if (!(await untilTrue(leaving, goneMs, isEnded))) throw new Error(`the pods of Deployment ${deployment} do not end`)
}

async function removeNamespaces(leaving: Leave): Promise<void> {
  const { client, say } = leaving
  // In a cluster that has a hub too, the hub's namespaces of providers carry the first of these.
  const labelSelector = `${HUB_UID_LABEL},${JOB_NAMESPACE_LABEL}`
  const ours = async () =>
    (await client.list(namespaces, { labelSelector })).items.filter(({ metadata }) =>
      metadata.name.startsWith(TENANT_NAMESPACE_PREFIX),
    )
  for (const { metadata } of await ours()) {
    if (metadata.deletionTimestamp === undefined) say(`removes namespace ${metadata.name}`)
    await client.delete(namespaces, { name: metadata.name }, { uid: metadata.uid })
  }
  let left: readonly string[] = []
  const areGone = async () => {
    left = (await ours()).map(({ metadata }) => metadata.name)
    return left.length === 0
  }
  if (!(await untilTrue(leaving, goneMs, areGone))) throw new Error(`these namespaces do not go: ${left.join(', ')}`)
}

async function untilTrue(
  { clock, timers, signal }: Pick<Leave, 'clock' | 'timers' | 'signal'>,
  ms: number,
  ask: () => Promise<boolean>,
): Promise<boolean> {
  const until = clock.boot() + ms
  while (!(await ask())) {
    signal.throwIfAborted()
    if (clock.boot() >= until) return false
    await pause(lookMs, { timers, signal })
  }
  return true
}
