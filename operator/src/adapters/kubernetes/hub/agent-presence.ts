// Whether the agent of a provider lives: by reads of its Lease, a time apart in which the API server answered. A watch does
// not tell: while it is broken, every agent looks silent.
import type { Clock } from '../../../controllers/clock.ts'
import type { Seen } from '../../../domain/joining/join-steps.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import type { KubeClient } from '../client.ts'
import { leases } from '../resources.ts'
import { AGENT_NAME } from './rights.ts'

/** An agent that lives renews its Lease three times in this time. */
const silentAfterMs = 15_000
/** Nothing is known of a time in which the Lease was not looked at for so long: nobody may have been able to renew it. */
const longestGapMs = 6000

interface Watched {
  readonly renewal: string
  /** Boot time: since when it has been this renewal, as far as we looked. */
  readonly since: number
  readonly readAt: number
  /** It was renewed while we looked. */
  readonly isRenewed: boolean
}

export interface AgentPresence {
  /** Ask again and again. Throws where the API server does not answer; the watching then begins anew. */
  readonly of: (provider: string) => Promise<Seen['agent']>
  /** Whether an agent of that provider ever had a credential. */
  readonly wasEver: (provider: string) => Promise<boolean>
}

export function agentPresence({
  client,
  clock,
}: {
  readonly client: Pick<KubeClient, 'get'>
  readonly clock: Pick<Clock, 'boot'>
}): AgentPresence {
  const watched = new Map<string, Watched>()
  const leaseOf = (provider: string) => client.get(leases, { name: AGENT_NAME, namespace: providerNamespace(provider) })

  function look(provider: string, renewal: string): Watched {
    const now = clock.boot()
    const before = watched.get(provider)
    if (!before || now - before.readAt > longestGapMs) return { renewal, since: now, readAt: now, isRenewed: false }
    if (before.renewal !== renewal) return { renewal, since: now, readAt: now, isRenewed: true }
    return { ...before, readAt: now }
  }

  return {
    of: async (provider) => {
      const before = watched.get(provider)
      watched.delete(provider)
      const { holderIdentity, renewTime = '' } = (await leaseOf(provider))?.spec ?? {}
      if (!holderIdentity) return 'Silent' // It was never held, or was given back.
      if (before) watched.set(provider, before)
      const now = look(provider, `${holderIdentity} ${renewTime}`)
      watched.set(provider, now)
      if (now.readAt - now.since >= silentAfterMs) return 'Silent'
      return now.isRenewed ? 'Alive' : 'Unknown'
    },
    wasEver: async (provider) => (await leaseOf(provider))?.spec?.acquireTime !== undefined,
  }
}
