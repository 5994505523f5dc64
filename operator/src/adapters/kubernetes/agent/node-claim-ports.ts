import type { GpuNodeSpec } from '../../../api/gpunode.ts'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import type { Leaving } from '../../../controllers/agent/leaving.ts'
import type { NodeClaimPorts } from '../../../controllers/agent/node-claims.ts'
import { nodeClaim } from '../../../domain/inventory/node-claim.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict } from '../errors.ts'
import { gpuNodes } from '../kinds.ts'
import { type AgentCaches, isOfRun } from './caches.ts'

export interface NodeClaimWorld {
  readonly hub: KubeClient
  readonly caches: AgentCaches
  /** The agent's namespace on the hub. */
  readonly namespace: string
  readonly leaving: Pick<Leaving, 'isAsked'>
  readonly rules: Pick<OwnerRules, 'keptGpusPerNode'>
}

export function nodeClaimPorts({ hub, caches, namespace, leaving, rules }: NodeClaimWorld): NodeClaimPorts {
  const isOurs = isOfRun(caches.runs)
  return {
    claim: (name): GpuNodeSpec | undefined => {
      const kept = caches.nodes.get(name)
      if (!kept || leaving.isAsked) return undefined
      const pods = caches.pods.by('node', name).map(({ takes }) => takes)
      return nodeClaim({
        node: kept.node,
        pods,
        isOurs,
        keptGpus: rules.keptGpusPerNode,
      })
    },
    told: (name) => caches.claims.get(`${namespace}/${name}`),
    create: (name, claim) => written(() => hub.create(gpuNodes, { metadata: { name, namespace }, spec: claim })),
    replace: (old, claim) => written(() => hub.replace(gpuNodes, { ...old, spec: claim })),
    remove: async ({ metadata: { name, uid } }) => {
      await hub.delete(gpuNodes, { name, namespace }, { uid })
    },
  }
}

/** Where our own last write has not come back yet, the watch brings it, and this node with it. */
async function written(write: () => Promise<unknown>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isConflict(error) && !isAlreadyExists(error)) throw error
  }
}
