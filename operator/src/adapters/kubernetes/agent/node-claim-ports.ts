import type { GpuNodeSpec } from '../../../api/gpunode.ts'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import type { Leaving } from '../../../controllers/agent/leaving.ts'
import type { NodeClaimPorts } from '../../../controllers/agent/node-claims.ts'
import { nodeClaim } from '../../../domain/inventory/node-claim.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict, isOverQuota } from '../errors.ts'
import { gpuNodes } from '../kinds.ts'
import { type AgentCaches, isOfRun } from './caches.ts'

export interface NodeClaimWorld {
  readonly hub: KubeClient
  readonly caches: AgentCaches
  /** The agent's namespace on the hub. */
  readonly namespace: string
  readonly leaving: Pick<Leaving, 'isAsked'>
  readonly rules: Pick<OwnerRules, 'keptGpusPerNode'>
  /** The key of the label that says in which rack a node is. */
  readonly rackLabel: string
  /** Hears how many nodes the hub does not take, when that changes. */
  readonly onOverQuota: (nodes: number) => void
}

export interface ClaimWorld extends Pick<NodeClaimWorld, 'rules' | 'rackLabel'> {
  readonly caches: Pick<AgentCaches, 'runs' | 'nodes' | 'pods'>
}

/** What there is to say of a node of this cluster now; `undefined`: it is not there, or has no GPU. */
export function claimOf(name: string, { caches, rules, rackLabel }: ClaimWorld): GpuNodeSpec | undefined {
  const kept = caches.nodes.get(name)
  if (!kept) return undefined
  const pods = caches.pods.by('node', name).map(({ takes }) => takes)
  return nodeClaim({ node: kept.node, pods, isOurs: isOfRun(caches.runs), keptGpus: rules.keptGpusPerNode, rackLabel })
}

export function nodeClaimPorts({
  hub,
  caches,
  namespace,
  leaving,
  rules,
  rackLabel,
  onOverQuota,
}: NodeClaimWorld): NodeClaimPorts {
  const overQuota = new Set<string>()
  const note = (name: string, isOver: boolean) => {
    const before = overQuota.size
    if (isOver) overQuota.add(name)
    else overQuota.delete(name)
    if (overQuota.size !== before) onOverQuota(overQuota.size)
  }
  return {
    claim: (name): GpuNodeSpec | undefined => {
      if (!caches.nodes.get(name) || leaving.isAsked) {
        note(name, false)
        return undefined
      }
      return claimOf(name, { caches, rules, rackLabel })
    },
    told: (name) => caches.claims.get(`${namespace}/${name}`),
    create: async (name, claim) => {
      try {
        await written(() => hub.create(gpuNodes, { metadata: { name, namespace }, spec: claim }))
      } catch (error) {
        if (!isOverQuota(error)) throw error
        note(name, true)
        return 'OverQuota'
      }
      note(name, false)
      return 'Told'
    },
    replace: ({ metadata: { isCut: _, ...metadata }, ...old }, claim) =>
      written(() => hub.replace(gpuNodes, { ...old, metadata, spec: claim })),
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
