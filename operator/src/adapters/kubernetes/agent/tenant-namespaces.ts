// The tenants' namespaces on the provider: each is made at its first run, with what the agent may do in there and its walls.
import { HUB_UID_LABEL, JOB_NAMESPACE_LABEL } from '../../../api/labels.ts'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import type { Refusal } from '../../../domain/lifecycle/gpurun-start.ts'
import {
  isTenantNamespaceOf,
  POD_SECURITY_LABEL,
  type TenantNamespaceManifest,
  tenantNamespaceManifest,
} from '../../../domain/workload/tenant-namespace.ts'
import { type Surroundings, type TenantWalls, tenantWalls } from '../../../domain/workload/tenant-walls.ts'
import type { KubeClient, Resource } from '../client.ts'
import { isAlreadyExists, isNotFound, lacksRights } from '../errors.ts'
import { type RightsTaker, takeRights } from '../own-rights.ts'
import { limitRanges, namespaces, networkPolicies, resourceQuotas, type Written } from '../resources.ts'
import { TENANT_NAMESPACE_ROLE } from './rights.ts'

export interface TenantNamespacesWorld extends Omit<RightsTaker, 'client'> {
  readonly provider: KubeClient
  readonly hubUid: string
  readonly rules: Pick<OwnerRules, 'podSecurity'>
  readonly surroundings: () => Promise<Surroundings>
}

export interface TenantNamespaces {
  /** Makes it where it is missing; a refusal where the name is somebody else's. */
  readonly ensure: (name: string, tenant: string) => Promise<Refusal | undefined>
  /** Acts in there. When namespace or rights prove to be gone, they are made anew the next time. */
  readonly within: <R>(name: string, act: () => Promise<R>) => Promise<R>
}

export function tenantNamespaces(world: TenantNamespacesWorld): TenantNamespaces {
  const { provider, hubUid, rules, timers, signal } = world
  const taker = { client: provider, timers, signal }
  /** What is known to be ours, or just being made so: a tenant's first runs come together. */
  const known = new Map<string, Promise<Refusal | undefined>>()

  async function prepare(name: string, tenant: string): Promise<Refusal | undefined> {
    const owner = { hubUid, namespace: tenant }
    const manifest = tenantNamespaceManifest(name, { ...owner, ...rules })
    const labels = await labelsOf(provider, manifest)
    if (!isTenantNamespaceOf(labels, owner)) {
      return {
        reason: 'NameTaken',
        message: `namespace ${name} is on the provider and was not made for this tenant; the owner of the cluster can remove it`,
      }
    }
    if (labels?.[POD_SECURITY_LABEL] !== manifest.metadata.labels[POD_SECURITY_LABEL]) await relabel(provider, manifest)
    await takeRights(taker, rightsIn(name, manifest.metadata.labels))
    await build(world, manifest.metadata)
    return undefined
  }

  return {
    ensure: async (name, tenant) => {
      const making = known.get(name) ?? prepare(name, tenant)
      known.set(name, making)
      try {
        const refusal = await making
        if (refusal) known.delete(name)
        return refusal
      } catch (error) {
        known.delete(name)
        throw error
      }
    },
    within: async (name, act) => {
      try {
        return await act()
      } catch (error) {
        if (isNotFound(error)) known.delete(name)
        if (lacksRights(error)) {
          known.delete(name)
          // What is ours lies in there, so the namespace is; its owner took the binding away, or never had it.
          await takeRights(taker, rightsIn(name, {}))
        }
        throw error
      }
    },
  }
}

/** Its owner has another Pod Security level than before. */
async function relabel(provider: KubeClient, { metadata: { name, labels } }: TenantNamespaceManifest): Promise<void> {
  const level = { [POD_SECURITY_LABEL]: labels[POD_SECURITY_LABEL] }
  await provider.mergePatch(namespaces, { ref: { name }, patch: { metadata: { labels: level } } })
}

/** Nothing runs in there before they stand. One that is there is left as it is: its owner may have moved it. */
async function build(
  { provider, surroundings }: TenantNamespacesWorld,
  { name, labels }: TenantNamespaceManifest['metadata'],
): Promise<void> {
  const { [HUB_UID_LABEL]: hub = '', [JOB_NAMESPACE_LABEL]: tenant = '' } = labels
  const whose = { [HUB_UID_LABEL]: hub, [JOB_NAMESPACE_LABEL]: tenant }
  const walls = tenantWalls({ namespace: name, labels: whose }, await surroundings())
  await Promise.all([
    put(provider, networkPolicies, walls.networkPolicy),
    put(provider, resourceQuotas, walls.resourceQuota),
    put(provider, limitRanges, walls.limitRange),
  ])
}

async function put(
  provider: KubeClient,
  resource: Resource<Written>,
  { metadata, spec }: TenantWalls[keyof TenantWalls],
): Promise<void> {
  try {
    await provider.create(resource, { metadata, spec })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

function rightsIn(namespace: string, labels: Readonly<Record<string, string>>) {
  const sample = { verb: 'create', group: 'batch', resource: 'jobs' }
  return { namespace, role: TENANT_NAMESPACE_ROLE, sample, labels }
}

async function labelsOf(
  provider: KubeClient,
  { metadata }: TenantNamespaceManifest,
): Promise<Readonly<Record<string, string>> | undefined> {
  const { name } = metadata
  const found = await provider.get(namespaces, { name })
  if (found) return found.metadata.labels
  try {
    return (await provider.create(namespaces, { metadata })).metadata.labels
  } catch (error) {
    // Another agent on this cluster was faster.
    if (!isAlreadyExists(error)) throw error
    return (await provider.get(namespaces, { name }))?.metadata.labels
  }
}
