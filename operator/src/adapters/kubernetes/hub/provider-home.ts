// What each Provider has on the hub: a namespace, an identity for its agent with rights in there alone, and a Lease.

import { GROUP } from '../../../api/group.ts'
import { HUB_UID_LABEL, PROVIDER_LABEL, PROVIDER_UID_LABEL } from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import type { Home } from '../../../domain/lifecycle/provider-steps.ts'
import type { DraftMeta, KubeClient, KubeObject, Resource } from '../client.ts'
import { isAlreadyExists } from '../errors.ts'
import { leases, namespaces, type PolicyRule, roleBindings, roles, serviceAccounts } from '../resources.ts'

export const agentName = 'agent'

/** How long the agent may be silent before its Lease counts as free for another agent, in seconds. */
const leaseDurationSeconds = 15

/** All that an agent may do on the hub, and only in its own namespace. */
export const agentRules: readonly PolicyRule[] = [
  { apiGroups: [GROUP], resources: ['gpuruns'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [GROUP], resources: ['gpuruns/status'], verbs: ['patch', 'update'] },
  {
    apiGroups: [GROUP],
    resources: ['gpunodes', 'providerreports'],
    verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
  },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [agentName],
    verbs: ['get', 'update', 'patch'],
  },
]

type Owned = KubeObject & {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly uid: string }
}

/** Makes what is missing; what is there without our uids is left alone and named. */
export async function makeHome(client: KubeClient, provider: Provider, hubUid: string): Promise<Home> {
  const namespace = providerNamespace(provider.metadata.name)
  const labels = {
    [HUB_UID_LABEL]: hubUid,
    [PROVIDER_LABEL]: provider.metadata.name,
    [PROVIDER_UID_LABEL]: provider.metadata.uid,
  }
  const { [PROVIDER_UID_LABEL]: _, ...ofName } = labels
  const metadata = { name: agentName, namespace, labels }

  const home = await make(client, namespaces, { metadata: { name: namespace, labels } })
  if (!isOf(home, labels)) {
    return { state: 'Taken', what: `Namespace ${namespace}`, by: isOf(home, ofName) ? 'EarlierProvider' : 'Stranger' }
  }

  const parts = [
    () => make(client, serviceAccounts, { metadata }),
    () => make(client, roles, { metadata, rules: agentRules }),
    () =>
      make(client, roleBindings, {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: agentName },
        subjects: [{ kind: 'ServiceAccount', name: agentName, namespace }],
      }),
    () => make(client, leases, { metadata, spec: { leaseDurationSeconds } }),
  ]
  for (const part of parts) {
    // A namespace that was handed over to a new Provider still has the agent of the earlier one.
    if (!isOf(await part(), ofName)) {
      return { state: 'Taken', what: `an object named ${agentName} in namespace ${namespace}`, by: 'Stranger' }
    }
  }
  return { state: 'Made', namespaceUid: home.metadata.uid }
}

/** The object of that name, made now or there already, whoever made it. */
async function make<T extends Owned>(
  client: KubeClient,
  resource: Resource<T>,
  object: Parameters<typeof client.create<T>>[1] & { readonly metadata: DraftMeta },
): Promise<T> {
  try {
    return await client.create(resource, object)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  const { name, namespace } = object.metadata
  const found = await client.get(resource, { name, namespace })
  if (!found) throw new Error(`${resource.kind} ${name} was there and is gone`)
  return found
}

function isOf({ metadata }: Owned, owner: Readonly<Record<string, string>>): boolean {
  return Object.entries(owner).every(([key, value]) => metadata.labels?.[key] === value)
}
