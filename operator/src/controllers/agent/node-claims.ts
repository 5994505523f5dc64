// Keeps one GpuNode on the hub for each GPU node of this provider.
import { isDeepStrictEqual } from 'node:util'
import type { GpuNode, GpuNodeSpec } from '../../api/gpunode.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface NodeClaimPorts {
  /** What the node is now; `undefined` when it is gone or has no GPU. */
  readonly claim: (node: string) => GpuNodeSpec | undefined
  /** What the hub was told. */
  readonly told: (node: string) => GpuNode | undefined
  /** OverQuota: the hub takes no more nodes of this provider. */
  readonly create: (node: string, claim: GpuNodeSpec) => Promise<'Told' | 'OverQuota'>
  readonly replace: (old: GpuNode, claim: GpuNodeSpec) => Promise<void>
  readonly remove: (old: GpuNode) => Promise<void>
}

/** A person must raise the quota, or another node must go, of which nobody tells. */
const overQuotaLookMs = 5 * 60_000

export function nodeClaimReconciler({ claim, told, create, replace, remove }: NodeClaimPorts): Reconcile {
  return async (node) => {
    const is = claim(node)
    const was = told(node)
    if (is && !was) return (await create(node, is)) === 'OverQuota' ? { recheckMs: overQuotaLookMs } : settled
    if (is && was && !isDeepStrictEqual(is, was.spec)) await replace(was, is)
    if (!is && was) await remove(was)
    return settled
  }
}
