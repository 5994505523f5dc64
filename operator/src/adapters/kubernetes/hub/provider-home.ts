// What each Provider has on the hub: a namespace, an identity for its agent with rights in there alone, a quota, and a Lease.

import type { JoinRequest } from '../../../api/joinrequest.ts'
import {
  FORMER_PROVIDER_ANNOTATION,
  HUB_UID_LABEL,
  INVITE_LABEL,
  PROVIDER_LABEL,
  PROVIDER_UID_LABEL,
  RUNS_KIND_LABEL,
} from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import type { KeptRun } from '../../../domain/lifecycle/kept.ts'
import type { Home } from '../../../domain/lifecycle/provider-steps.ts'
import type { KubeClient } from '../client.ts'
import { joinRequests } from '../kinds.ts'
import { made as make, type Owned } from '../made.ts'
import { type RightsTaker, takeRights } from '../own-rights.ts'
import { leases, namespaces, roleBindings, secrets, serviceAccounts } from '../resources.ts'
import type { HubIdentity } from './identity.ts'
import { removePayload } from './payloads.ts'
import { makeQuota } from './provider-quota.ts'
import {
  AGENT_NAME,
  AGENT_TOKEN_SECRET,
  PROVIDER_AGENT_ROLE,
  PROVIDER_NAMESPACE_ROLE,
  PROVIDER_QUOTA,
} from './rights.ts'

/** How long the agent may be silent before its Lease counts as free for another agent, in seconds. */
const leaseDurationSeconds = 15

/** Makes what is missing; what is there without our uids is left alone and named. */
export async function makeHome(
  taker: RightsTaker,
  provider: Provider,
  { hubUid, runsUid }: Pick<HubIdentity, 'hubUid' | 'runsUid'>,
): Promise<Home> {
  const { client } = taker
  const namespace = providerNamespace(provider.metadata.name)
  const labels = {
    [HUB_UID_LABEL]: hubUid,
    [PROVIDER_LABEL]: provider.metadata.name,
    [PROVIDER_UID_LABEL]: provider.metadata.uid,
  }
  const { [PROVIDER_UID_LABEL]: _, ...ofName } = labels
  const metadata = { name: AGENT_NAME, namespace, labels }
  const onLease = { ...labels, [RUNS_KIND_LABEL]: runsUid }

  const home = await make(client, namespaces, { metadata: { name: namespace, labels } })
  if (!isOf(home, labels)) {
    return { state: 'Taken', what: `Namespace ${namespace}`, by: isOf(home, ofName) ? 'EarlierProvider' : 'Stranger' }
  }

  await takeRights(taker, {
    namespace,
    role: PROVIDER_NAMESPACE_ROLE,
    sample: { verb: 'create', group: '', resource: 'serviceaccounts' },
    labels,
  })
  const parts = [
    // Before anybody can come in.
    () => makeQuota(client, { ...metadata, name: PROVIDER_QUOTA }),
    () => make(client, serviceAccounts, { metadata }),
    () =>
      make(client, roleBindings, {
        metadata: { ...metadata, name: PROVIDER_AGENT_ROLE },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: PROVIDER_AGENT_ROLE },
        subjects: [{ kind: 'ServiceAccount', name: AGENT_NAME, namespace }],
      }),
    () => make(client, leases, { metadata: { ...metadata, labels: onLease }, spec: { leaseDurationSeconds } }),
  ]
  let last: Owned = home
  for (const part of parts) {
    last = await part()
    // A namespace that was handed over to a new Provider still has the agent of the earlier one.
    if (!isOf(last, ofName)) {
      const what = `an object named ${last.metadata.name} in namespace ${namespace}`
      return { state: 'Taken', what, by: 'Stranger' }
    }
  }
  if (!isOf(last, onLease)) await tellAgent(client, last, onLease)
  return { state: 'Made', namespaceUid: home.metadata.uid }
}

/** Whoever had a token of the agent, or of an invite, has none that is good; gives how many invites there were. */
export async function endCredentials(client: KubeClient, namespace: string): Promise<number> {
  // Each alone would do, sooner or later; the tokens of an account that is gone are refused first.
  await client.delete(serviceAccounts, { namespace, name: AGENT_NAME })
  await client.delete(secrets, { namespace, name: AGENT_TOKEN_SECRET })
  const { items: invites } = await client.list(serviceAccounts, { namespace, labelSelector: INVITE_LABEL })
  for (const { metadata } of invites) await client.delete(serviceAccounts, { namespace, name: metadata.name })
  return invites.length
}

export interface Closing {
  /** Of the provider. */
  readonly runs: readonly KeptRun[]
  readonly requests: readonly JoinRequest[]
  readonly hubUid: string
}

/** Removes whatever lets an agent in, or would let one in. Its GpuRuns stay: they say what was ordered, to the hub itself too. */
export async function closeHome(
  taker: RightsTaker,
  provider: Provider,
  { runs, requests, hubUid }: Closing,
): Promise<Home> {
  const { client } = taker
  const namespace = providerNamespace(provider.metadata.name)
  const ours = { [HUB_UID_LABEL]: hubUid, [PROVIDER_LABEL]: provider.metadata.name }
  const home = await client.get(namespaces, { name: namespace })
  if (!home || !isOf(home, ours)) return { state: 'Closed' }
  await endCredentials(client, namespace)
  await client.delete(roleBindings, { namespace, name: PROVIDER_AGENT_ROLE })
  // After the invites, which could else be used once more. A credential that was just given is good for nothing now.
  for (const { metadata } of requests) await client.delete(joinRequests, { namespace, name: metadata.name })
  for (const run of runs) if (run.spec.payload) await removePayload({ client, hubUid }, run)
  return { state: 'Closed' }
}

/**
 * Tells the agent by its Lease what has changed: the kinds were made anew, or the home was handed over to a new
 * Provider, which is the federation operator's word that it is the same cluster.
 */
async function tellAgent(
  client: KubeClient,
  { metadata }: Owned,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const { name, namespace, uid } = metadata
  const former = metadata.labels?.[PROVIDER_UID_LABEL]
  const isHandedOver = former !== undefined && former !== labels[PROVIDER_UID_LABEL]
  const annotations = isHandedOver ? { [FORMER_PROVIDER_ANNOTATION]: former } : {}
  await client.mergePatch(leases, { ref: { name, namespace }, patch: { metadata: { uid, labels, annotations } } })
}

function isOf({ metadata }: Owned, owner: Readonly<Record<string, string>>): boolean {
  return Object.entries(owner).every(([key, value]) => metadata.labels?.[key] === value)
}
