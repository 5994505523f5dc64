import type { KubeClient, RequestOptions } from '../client.ts'
import { isAlreadyExists } from '../errors.ts'
import { namespaces } from '../resources.ts'

/**
 * The uid of this cluster's kube-system namespace: a hub that was made anew is another hub.
 * Makes the hub's own namespace where it is missing.
 */
export async function hubIdentity(client: KubeClient, ownNamespace: string, options?: RequestOptions): Promise<string> {
  const system = await client.get(namespaces, { name: 'kube-system' }, options)
  if (!system) throw new Error('the cluster has no namespace kube-system, so it cannot be told from another one')
  try {
    await client.create(namespaces, { metadata: { name: ownNamespace } }, options)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  return system.metadata.uid
}
