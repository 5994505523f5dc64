// How many objects the agent of a provider may make on the hub.
import { GROUP } from '../../../api/group.ts'
import { HUB_UID_LABEL } from '../../../api/labels.ts'
import type { DraftMeta, KubeClient, KubeObject, Resource } from '../client.ts'
import { isConflict } from '../errors.ts'
import { gpuNodes, joinRequests, providerReports } from '../kinds.ts'
import { made } from '../made.ts'
import { type ResourceQuota, resourceQuotas } from '../resources.ts'

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
  if (isOurs && quota.status?.hard === undefined) await count(client, quota)
  return quota
}

/**
 * Until a quota has been counted, all that it is about is refused. Kubernetes' own controller counts at once, except kinds
 * that it has not met yet: those of a hub that was just installed it meets within half a minute.
 */
async function count(client: KubeClient, { metadata, spec: { hard } }: ResourceQuota): Promise<void> {
  const { name, namespace, resourceVersion } = metadata
  const used: Record<string, string> = {}
  for (const { resource } of limits) {
    if (hard[counted(resource)] === undefined) continue
    used[counted(resource)] = String((await client.list(resource, { namespace })).items.length)
  }
  const patch = { metadata: { resourceVersion }, status: { hard, used } }
  try {
    await client.mergePatch(resourceQuotas, { ref: { name, namespace }, patch }, { subresource: 'status' })
  } catch (error) {
    if (!isConflict(error)) throw error // It has been counted meanwhile.
  }
}
