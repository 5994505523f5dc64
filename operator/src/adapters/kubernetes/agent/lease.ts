// The agent's Lease on the hub, and what the hub wrote on it of itself.
import {
  ACCEPT_HUB_ANNOTATION,
  ASKED_ANNOTATION,
  FINGERPRINT_ANNOTATION,
  FORMER_PROVIDER_ANNOTATION,
  HUB_CHANGED_ANNOTATION,
  HUB_UID_LABEL,
  PROVIDER_UID_LABEL,
  RUNS_KIND_LABEL,
  VOUCHED_ANNOTATION,
} from '../../../api/labels.ts'
import { toMicroTime } from '../../../api/time.ts'
import type { HeartbeatPorts, LeaseSeen } from '../../../controllers/agent/heartbeat.ts'
import type { Distrust } from '../../../controllers/agent/hub-trust.ts'
import type { LeaseIdentity } from '../../../domain/lifecycle/hub-identity.ts'
import type { KubeClient } from '../client.ts'
import { isConflict, isNotFound } from '../errors.ts'
import { type Lease, leases } from '../resources.ts'

export interface AgentLease {
  readonly hub: KubeClient
  readonly namespace: string
  readonly identity: string
  /** Ends what only looks. */
  readonly signal?: AbortSignal | undefined
  /** Wall clock, milliseconds. */
  readonly now: () => number
  /** Hears of each answer which hub it came from. */
  readonly onSeen: (seen: LeaseIdentity | 'Gone') => void
  /** What the hub is told with each renewal. */
  readonly distrust: () => Distrust | undefined
  /** What the hub is asked with the next renewal. */
  readonly question: () => string | undefined
}

const name = 'agent'
const urgent = { lane: 'Urgent' } as const

export function leasePorts(world: AgentLease): Pick<HeartbeatPorts, 'read' | 'write' | 'release'> {
  const { hub, namespace, identity, now, onSeen, distrust, question, signal } = world
  /** As the hub last had it. */
  let told: Lease['metadata']['annotations'] = {}

  function seen(lease: Lease): LeaseSeen {
    told = lease.metadata.annotations ?? {}
    onSeen(identityOf(lease))
    return seenOf(lease)
  }

  function annotations(): Record<string, string | null> {
    const { change = null, fingerprint = null } = distrust() ?? {}
    const asked = question() ?? told?.[ASKED_ANNOTATION] ?? null
    const wanted = {
      [HUB_CHANGED_ANNOTATION]: change,
      [FINGERPRINT_ANNOTATION]: fingerprint,
      [ASKED_ANNOTATION]: asked,
    }
    return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => (told?.[key] ?? null) !== value))
  }

  return {
    read: async () => {
      const lease = await hub.get(leases, { name, namespace }, { ...urgent, signal })
      if (lease) return seen(lease)
      onSeen('Gone')
      throw new Error(
        `Lease ${namespace}/${name} is not on the hub; is there a Provider of this name, and does the hub's operator run?`,
      )
    },
    write: async ({ resourceVersion, holder, durationSeconds }) => {
      const time = toMicroTime(now())
      const taken = holder === identity ? {} : { acquireTime: time }
      const patch = {
        metadata: { resourceVersion, annotations: annotations() },
        spec: { holderIdentity: identity, renewTime: time, leaseDurationSeconds: durationSeconds, ...taken },
      }
      try {
        return seen(await hub.mergePatch(leases, { ref: { name, namespace }, patch }, urgent))
      } catch (error) {
        if (isConflict(error)) return undefined
        if (isNotFound(error)) onSeen('Gone')
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

/** A Lease that does not say whose it is tells as much as none. */
function identityOf({ metadata: { resourceVersion, labels = {}, annotations = {} } }: Lease): LeaseIdentity | 'Gone' {
  const hubUid = labels[HUB_UID_LABEL]
  const runsUid = labels[RUNS_KIND_LABEL]
  const providerUid = labels[PROVIDER_UID_LABEL]
  if (hubUid === undefined || runsUid === undefined || providerUid === undefined) return 'Gone'
  return {
    hubUid,
    runsUid,
    providerUid,
    version: resourceVersion,
    formerProviderUid: annotations[FORMER_PROVIDER_ANNOTATION],
    accepted: annotations[ACCEPT_HUB_ANNOTATION],
    vouched: annotations[VOUCHED_ANNOTATION],
  }
}

function seenOf({ metadata, spec }: Lease): LeaseSeen {
  return {
    resourceVersion: metadata.resourceVersion,
    holder: spec?.holderIdentity === '' ? undefined : spec?.holderIdentity,
    renewTime: spec?.renewTime,
    durationSeconds: spec?.leaseDurationSeconds ?? 15,
  }
}
