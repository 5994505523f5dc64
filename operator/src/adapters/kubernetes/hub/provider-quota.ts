// How many objects the agent of a provider may make on the hub.
import { GROUP } from '../../../api/group.ts'
import { HUB_UID_LABEL } from '../../../api/labels.ts'
import type { DraftMeta, KubeClient, KubeObject, Resource } from '../client.ts'
import { isConflict } from '../errors.ts'
import { gpuNodes, joinRequests, providerReports } from '../kinds.ts'
import { made } from '../made.ts'
import { type ResourceQuota, resourceQuotas } from '../resources.ts'
import { keyOf } from '../store.ts'

/**
 * Only kinds that agents make: each creation that a quota counts costs the API server a write of the quota, and GpuRuns and
 * payloads are the hub's own. Nodes: as many as Kubernetes supports in one cluster
 * (https://kubernetes.io/docs/setup/best-practices/cluster-large/). Requests: an invite makes one, and it goes after an hour.
 */
const limits: readonly { readonly resource: Resource<KubeObject>; readonly most: number }[] = [
  { resource: gpuNodes, most: 5000 },
  { resource: providerReports, most: 1 },
  { resource: joinRequests, most: 100 },
]

const counted = ({ plural }: { readonly plural: string }) => `count/${plural}.${GROUP}`

/** Made once; a person who gives one provider more changes it there. */
export async function makeQuota(client: KubeClient, metadata: DraftMeta): Promise<ResourceQuota> {
  const hard = Object.fromEntries(limits.map(({ resource, most }) => [counted(resource), String(most)]))
  const quota = await made(client, resourceQuotas, { metadata, spec: { hard } })
  const isOurs = quota.metadata.labels?.[HUB_UID_LABEL] === metadata.labels?.[HUB_UID_LABEL]
  return isOurs ? countAll(client, quota) : quota
}

const tries = 5

/**
 * Until all of a quota has been counted, what is not is refused. Kubernetes' own controller leaves out kinds that it has not
 * met yet, as on a hub that was just installed, and comes back to them after minutes; what is counted it leaves as it is.
 */
async function countAll(client: KubeClient, quota: ResourceQuota): Promise<ResourceQuota> {
  let found = quota
  for (let left = tries; missingIn(found).length > 0; left--) {
    if (left === 0) throw new Error(`counting ${keyOf(quota.metadata)}: it was changed ${tries} times meanwhile`)
    found = (await count(client, found)) ?? (await again(client, found))
  }
  return found
}

function missingIn({ spec: { hard }, status }: ResourceQuota) {
  return limits
    .map(({ resource }) => ({ resource, key: counted(resource) }))
    .filter(
      ({ key }) => hard[key] !== undefined && (status?.hard?.[key] === undefined || status.used?.[key] === undefined),
    )
}

/** `undefined` where somebody else has written meanwhile. */
async function count(client: KubeClient, quota: ResourceQuota): Promise<ResourceQuota | undefined> {
  const { name, namespace, resourceVersion } = quota.metadata
  const used: Record<string, string> = {}
  for (const { resource, key } of missingIn(quota)) {
    used[key] = String((await client.list(resource, { namespace })).items.length)
  }
  const patch = { metadata: { resourceVersion }, status: { hard: quota.spec.hard, used } }
  try {
    return await client.mergePatch(resourceQuotas, { ref: { name, namespace }, patch }, { subresource: 'status' })
  } catch (error) {
    if (!isConflict(error)) throw error
    return undefined
  }
}

async function again(client: KubeClient, { metadata }: ResourceQuota): Promise<ResourceQuota> {
  const found = await client.get(resourceQuotas, metadata)
  if (!found) throw new Error(`${resourceQuotas.kind} ${keyOf(metadata)} was there and is gone`)
  return found
}
