// Makes the home of each Provider on the hub and says how its agent is.
import { isDeepStrictEqual } from 'node:util'
import type { Provider, ProviderStatus } from '../../api/provider.ts'
import { isTrue } from '../../domain/lifecycle/claims.ts'
import { decide, type Home, isRevoked, type Seen } from '../../domain/lifecycle/provider-steps.ts'
import type { ProviderFact } from '../../domain/scheduling/facts.ts'
import { type Reconcile, settled } from '../work-queue.ts'

export interface ProviderPorts {
  readonly read: (name: string) => Omit<Seen, 'home' | 'now' | 'suspectAfterMs'> | undefined
  /** Makes what is missing of namespace, ServiceAccount, Role, RoleBinding and Lease, and watches the Lease from then on. */
  readonly makeHome: (provider: Provider) => Promise<Home>
  readonly writeStatus: (provider: Provider, status: ProviderStatus) => Promise<void>
  readonly tellEngine: (fact: ProviderFact) => void
  /** The Provider is gone: its home stays, since what runs there still needs it. */
  readonly forget: (name: string) => void
  /** Wall clock, milliseconds. */
  readonly now: () => number
  readonly suspectAfterMs: number
}

/** An agent may change what it claims without end, and a write of ours goes before all agents: so often the sum of it is written. */
const sumUpMs = 1000

export function providerReconciler(ports: ProviderPorts): Reconcile {
  /** By name: when its status was written last. */
  const written = new Map<string, number>()
  const sumUpAgainMs = (name: string) => {
    const waitMs = (written.get(name) ?? -Infinity) + sumUpMs - ports.now()
    return waitMs > 0 && waitMs <= sumUpMs ? waitMs : undefined // Longer: the clock was set back.
  }

  return async (name) => {
    const before = ports.read(name)
    if (!before) {
      ports.forget(name)
      written.delete(name)
      return settled
    }
    if (isRevoked(before.provider)) {
      // At once, and whatever becomes of the rest: nothing new may be ordered there.
      const closed = {
        ...before,
        home: { state: 'Closed' },
        now: ports.now(),
        suspectAfterMs: ports.suspectAfterMs,
      } as const
      ports.tellEngine(decide(closed).fact)
    }
    const home = await ports.makeHome(before.provider)
    const found = ports.read(name)
    if (!found) return { recheckMs: 0 }

    const { status, fact, recheckMs } = decide({
      ...found,
      home,
      now: ports.now(),
      suspectAfterMs: ports.suspectAfterMs,
    })
    ports.tellEngine(fact)
    const outcome = recheckMs === undefined ? settled : { recheckMs }
    if (isDeepStrictEqual(status, found.provider.status)) return outcome
    const waitMs = isOnlySum(status, found.provider.status) ? sumUpAgainMs(name) : undefined
    if (waitMs !== undefined) return { recheckMs: Math.min(waitMs, recheckMs ?? Infinity) }
    written.set(name, ports.now())
    await ports.writeStatus(found.provider, status)
    return outcome
  }
}

/** All else is the same: whoever waits for a condition does not wait for a sum. */
function isOnlySum(after: ProviderStatus, before: ProviderStatus | undefined): boolean {
  return before !== undefined && isDeepStrictEqual({ ...after, inventory: before.inventory }, before)
}

/**
 * Call once, before anything is placed: what was said of a Provider holds until its first pass. Else the jobs of a
 * hundred providers wait for the look at a hundred homes, and all that wait are told that there is no provider.
 */
export function believeWhatWasSaid(ports: ProviderPorts, names: Iterable<string>): void {
  for (const name of names) {
    const seen = ports.read(name)
    const { namespaceUid, conditions } = seen?.provider.status ?? {}
    if (!seen || namespaceUid === undefined || !isTrue(conditions, 'Ready')) continue
    const home: Home = { state: 'Made', namespaceUid }
    ports.tellEngine(decide({ ...seen, home, now: ports.now(), suspectAfterMs: ports.suspectAfterMs }).fact)
  }
}
