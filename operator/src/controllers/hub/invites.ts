// Removes invites that nobody used: their tokens have ended by themselves, and what is left of them is only in the way.
import { type Reconcile, settled } from '../work-queue.ts'

export interface Unused {
  readonly name: string
  readonly uid: string
  readonly id: string
  /** By the API server's clock, in milliseconds. */
  readonly expiresAt: number
}

export interface InvitePorts {
  /** Of that provider, those with which nobody has asked to join; `undefined`: it has no home. */
  readonly unused: (provider: string) => Promise<readonly Unused[] | undefined>
  /** Also tells those who look at the Provider. */
  readonly remove: (provider: string, invite: Unused) => Promise<void>
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

const lookMs = 10 * 60_000
/** By so much the clocks of hub and API server may differ. */
const clocksDifferMs = 10 * 60_000

export function inviteReconciler({ unused, remove, now }: InvitePorts): Reconcile {
  return async (provider) => {
    const all = await unused(provider)
    if (!all) return settled
    for (const invite of all) {
      if (invite.expiresAt + clocksDifferMs < now()) await remove(provider, invite)
    }
    return { recheckMs: lookMs }
  }
}
