/** What the owner of a provider's cluster runs there himself. */
import type { Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { ProviderSide } from './stage.ts'

export interface OwnerPod {
  readonly name: string
  readonly gpus: number
  /** Put there past the scheduler; absent: the scheduler finds a place, and pushes out whoever has a lower priority. */
  readonly node?: string
  readonly nodeSelector?: Readonly<Record<string, string>>
}

/** A pod that stays until it is deleted. */
export async function createOwnerPod(
  { controlPlane }: ProviderSide,
  { name, gpus, node, nodeSelector }: OwnerPod,
): Promise<Pod> {
  const resources = { limits: { 'nvidia.com/gpu': String(gpus) } }
  const spec = {
    containers: [{ name: 'main', image: 'example.com/owner:1', resources }],
    ...(node === undefined ? {} : { nodeName: node }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
  }
  const { status, body } = await controlPlane.ask('/api/v1/namespaces/default/pods', {
    method: 'POST',
    body: { metadata: { name }, spec },
  })
  if (status !== 201) throw new Error(`creating pod ${name} on ${controlPlane.name}: ${JSON.stringify(body)}`)
  return body as Pod
}
