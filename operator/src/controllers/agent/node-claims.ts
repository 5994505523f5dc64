// Keeps one GpuNode on the hub for each GPU node of this provider.
import { isDeepStrictEqual } from 'node:util'
import type { GpuNode, GpuNodeSpec } from '../../api/gpunode.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface NodeClaimPorts {
  /** What the node is now; `undefined` when it is gone or has no GPU. */
  readonly claim: (node: string) => GpuNodeSpec | undefined
  /** What the hub was told. */
  readonly told: (node: string) => GpuNode | undefined
  readonly create: (node: string, claim: GpuNodeSpec) => Promise<void>
  readonly replace: (old: GpuNode, claim: GpuNodeSpec) => Promise<void>
  readonly remove: (old: GpuNode) => Promise<void>
}

export function nodeClaimReconciler({ claim, told, create, replace, remove }: NodeClaimPorts): Reconcile {
  return async (node) => {
    const is = claim(node)
    const was = told(node)
    if (is && !was) await create(node, is)
    if (is && was && !isDeepStrictEqual(is, was.spec)) await replace(was, is)
    if (!is && was) await remove(was)
    return settled
  }
}
