// What the agent remembers of its hub, on its own cluster. A Lease, so that an idle agent writes nothing but Leases.
import {
  ACCEPT_HUB_ANNOTATION,
  HUB_UID_LABEL,
  LEAVING_ANNOTATION,
  LEFT_ANNOTATION,
  PROVIDER_UID_LABEL,
  RUNS_KIND_LABEL,
} from '../../../api/labels.ts'
import type { HubTrustPorts, Memory } from '../../../controllers/agent/hub-trust.ts'
import type { KubeClient } from '../client.ts'
import { isNotFound } from '../errors.ts'
import { type Lease, leases, namespaces } from '../resources.ts'

const versionKey = 'gpucommons.io/hub-version'
const setBackKey = 'gpucommons.io/hub-set-back'

export interface MemoryWorld {
  readonly provider: KubeClient
  /** The agent's own on its cluster. */
  readonly namespace: string
  readonly providerName: string
  /** Hears, with each look at it, who asks whether the cluster has left the federation. */
  readonly onLeaving: (question: string) => void
  /** Ends what only looks. */
  readonly signal?: AbortSignal | undefined
}

export function memoryName(providerName: string): string {
  return `gpu-commons-agent-${providerName}`
}

export function memoryPorts(world: MemoryWorld): Pick<HubTrustPorts, 'load' | 'save'> {
  const { provider, namespace, providerName, onLeaving, signal } = world
  const ref = { name: memoryName(providerName), namespace }

  async function create(annotations: Record<string, string>): Promise<void> {
    const draft = { metadata: { ...ref, annotations }, spec: {} }
    try {
      await provider.create(leases, draft)
    } catch (error) {
      // Where the agent runs in a pod, its namespace is there.
      if (!isNotFound(error)) throw error
      await provider.create(namespaces, { metadata: { name: namespace } })
      await provider.create(leases, draft)
    }
  }

  const look = (lease: Lease | undefined) => {
    const question = lease?.metadata.annotations?.[LEAVING_ANNOTATION]
    if (question) onLeaving(question)
    return lease
  }

  return {
    load: async () => {
      const lease = look(await provider.get(leases, ref, { signal }))
      return lease && memoryOf(lease.metadata.annotations ?? {})
    },
    save: async ({ hubUid, runsUid, providerUid, version, setBack }) => {
      const annotations = {
        [HUB_UID_LABEL]: hubUid,
        [RUNS_KIND_LABEL]: runsUid,
        [PROVIDER_UID_LABEL]: providerUid,
        [versionKey]: version,
        [setBackKey]: String(setBack),
      }
      try {
        look(await provider.mergePatch(leases, { ref, patch: { metadata: { annotations } } }))
      } catch (error) {
        if (!isNotFound(error)) throw error
        await create(annotations)
      }
    },
  }
}

/** Tells whoever asked for it that nothing of the federation runs here any more. */
export async function tellLeft(
  { provider, namespace, providerName }: Omit<MemoryWorld, 'onLeaving'>,
  question: string,
): Promise<void> {
  const ref = { name: memoryName(providerName), namespace }
  await provider.mergePatch(leases, { ref, patch: { metadata: { annotations: { [LEFT_ANNOTATION]: question } } } })
}

/** Throws for what is there and cannot be read: to take that for nothing would be to believe any hub. */
function memoryOf(annotations: Readonly<Record<string, string>>): Memory {
  const read = (key: string) => {
    const value = annotations[key]
    if (value === undefined) throw new Error(`what is remembered of the hub lacks the annotation ${key}`)
    return value
  }
  return {
    remembered: {
      hubUid: read(HUB_UID_LABEL),
      runsUid: read(RUNS_KIND_LABEL),
      providerUid: read(PROVIDER_UID_LABEL),
      version: read(versionKey),
      setBack: read(setBackKey) === 'true',
    },
    accepted: annotations[ACCEPT_HUB_ANNOTATION],
  }
}
