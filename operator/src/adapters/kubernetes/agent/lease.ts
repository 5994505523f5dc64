// The agent's Lease on the hub, and what the hub wrote on it of itself.
import { HUB_UID_LABEL } from '../../../api/labels.ts'
import { toMicroTime } from '../../../api/time.ts'
import type { HeartbeatPorts, LeaseSeen } from '../../../controllers/agent/heartbeat.ts'
import type { KubeClient, RequestOptions } from '../client.ts'
import { isConflict } from '../errors.ts'
import { type Lease, leases } from '../resources.ts'

export interface AgentLease {
  readonly hub: KubeClient
  readonly namespace: string
  readonly identity: string
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

const name = 'agent'
const urgent = { lane: 'Urgent' } as const

/** The uid of the hub's kube-system namespace, as the hub wrote it on the Lease. Throws where there is no Lease yet. */
export async function readHubUid(
  { hub, namespace }: Pick<AgentLease, 'hub' | 'namespace'>,
  options?: RequestOptions,
): Promise<string> {
  const uid = (await readLease({ hub, namespace }, options)).metadata.labels?.[HUB_UID_LABEL]
  if (uid === undefined)
    throw new Error(`Lease ${namespace}/${name} lacks the label ${HUB_UID_LABEL}; the hub's operator writes it`)
  return uid
}

export function leasePorts({
  hub,
  namespace,
  identity,
  now,
}: AgentLease): Pick<HeartbeatPorts, 'read' | 'write' | 'release'> {
  return {
    read: async () => seenOf(await readLease({ hub, namespace })),
    write: async ({ resourceVersion, holder, durationSeconds }) => {
      const time = toMicroTime(now())
      const taken = holder === identity ? {} : { acquireTime: time }
      const patch = {
        metadata: { resourceVersion },
        spec: { holderIdentity: identity, renewTime: time, leaseDurationSeconds: durationSeconds, ...taken },
      }
      try {
        return seenOf(await hub.mergePatch(leases, { ref: { name, namespace }, patch }, urgent))
      } catch (error) {
        if (isConflict(error)) return undefined
        throw error
      }
    },
    release: async ({ resourceVersion }) => {
      const patch = { metadata: { resourceVersion }, spec: { holderIdentity: null } }
      try {
        await hub.mergePatch(leases, { ref: { name, namespace }, patch }, urgent)
      } catch (error) {
        if (!isConflict(error)) throw error
      }
    },
  }
}

async function readLease(
  { hub, namespace }: Pick<AgentLease, 'hub' | 'namespace'>,
  options?: RequestOptions,
): Promise<Lease> {
  const lease = await hub.get(leases, { name, namespace }, { ...urgent, ...options })
  if (!lease)
    throw new Error(
      `Lease ${namespace}/${name} is not on the hub; is there a Provider of this name, and does the hub's operator run?`,
    )
  return lease
}

function seenOf({ metadata, spec }: Lease): LeaseSeen {
  return {
    resourceVersion: metadata.resourceVersion,
    holder: spec?.holderIdentity === '' ? undefined : spec?.holderIdentity,
    renewTime: spec?.renewTime,
    durationSeconds: spec?.leaseDurationSeconds ?? 15,
  }
}
