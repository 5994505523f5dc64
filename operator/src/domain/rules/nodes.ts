// Whether an order keeps to the nodes that the owner offers. Its hub knows them, but may be wrong, or not what it seems.
import type { GpuNodeSpec } from '../../api/gpunode.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'

export interface BrokenOnNode {
  readonly rule: 'NodeNotOffered' | 'OwnerRuleGpus'
  readonly message: string
}

/** What is not the owner's word passes, such as a device plugin that is not there yet, and the provider's scheduler waits for it. */
const passing: ReadonlySet<string> = new Set([
  'NotReady',
  'Unhealthy',
  'NoGpu',
] satisfies GpuNodeSpec['withheldBecause'][])

export interface NodesSeen {
  /** What is claimed of a node; `undefined`: it is not there, or has no GPU. */
  readonly claim: (node: string) => GpuNodeSpec | undefined
  /** GPUs of a node that other runs hold. */
  readonly held: (node: string) => number
}

export function brokenOnNodes(
  { nodes, gpus, workers: all }: Pick<GpuRunSpec, 'nodes' | 'gpus' | 'workers'>,
  { claim, held }: NodesSeen,
): BrokenOnNode | undefined {
  // Pods are made by the one number, and room is reckoned by the others.
  const placed = nodes.reduce((sum, { workers }) => sum + workers, 0)
  if (placed !== all) {
    return { rule: 'NodeNotOffered', message: `the order has ${all} workers and names nodes for ${placed}` }
  }
  for (const { name, workers } of nodes) {
    const node = claim(name)
    if (!node) return { rule: 'NodeNotOffered', message: `node ${name} is not there, or has no GPU` }
    const { offer, withheldBecause = '', keptGpus, devices } = node
    if (offer === 'Withheld' && !passing.has(withheldBecause)) {
      return { rule: 'NodeNotOffered', message: `node ${name} is not offered: ${node.message ?? withheldBecause}` }
    }
    const isShared = node.sharing?.replicas !== undefined
    if (isShared !== (gpus.fraction !== undefined)) {
      const has = isShared ? 'parts of GPUs only' : 'whole GPUs only'
      return { rule: 'NodeNotOffered', message: `node ${name} offers ${has}` }
    }
    const most = ((devices[0]?.count ?? 0) - keptGpus) * (node.sharing?.replicas ?? 1)
    if (keptGpus > 0 && held(name) + workers * gpus.count > most) {
      return { rule: 'OwnerRuleGpus', message: `the owner keeps ${keptGpus} GPUs of node ${name}` }
    }
  }
  return undefined
}
