import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'

/** All objects of each collection, a namespace and a plural, in one request for each. */
export async function removeAll(
  client: KubeClient,
  version: string,
  collections: readonly (readonly [string, string])[],
): Promise<void> {
  for (const [namespace, plural] of collections) {
    await client.request({
      method: 'DELETE',
      path: `/apis/${version}/namespaces/${namespace}/${plural}`,
      body: { propagationPolicy: 'Background' },
    })
  }
}
