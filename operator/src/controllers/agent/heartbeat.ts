// The agent's sign of life: its Lease on the hub, taken once and renewed in a fixed beat.
import { type Clock, pause as pauseFor, type Timers } from '../clock.ts'

/** What of the Lease is used. */
export interface LeaseSeen {
  readonly resourceVersion: string
  readonly holder: string | undefined
  /** Changes with each renewal; its value is the holder's own clock and means nothing here. */
  readonly renewTime: string | undefined
  readonly durationSeconds: number
}

export interface HeartbeatPorts {
  readonly read: () => Promise<LeaseSeen>
  /** Writes holder and time under the resourceVersion; `undefined` where somebody else wrote since. */
  readonly write: (seen: LeaseSeen) => Promise<LeaseSeen | undefined>
  /** Gives the Lease back, so that the next agent need not wait; no harm where somebody else wrote since. */
  readonly release: (seen: LeaseSeen) => Promise<void>
  readonly identity: string
  readonly beatMs: number
  /** Whether another agent of this provider holds the Lease and is alive, as far as the last look could tell. */
  readonly onStandBy: (is: boolean) => void
  readonly clock: Clock
  readonly timers: Timers
  readonly onRenewed: () => void
  /** Once, when no renewal has succeeded for as long as the Lease lasts: another agent may take it. */
  readonly onSilent: () => void
  /** After that, when a renewal has succeeded again. */
  readonly onHeard: () => void
  readonly onError: (error: unknown) => void
}

/** Another agent of this provider holds the Lease. */
export class LeaseTaken extends Error {}

/**
 * Waits until the Lease is free, or its holder has been silent for as long as the Lease says, and takes it.
 * Silence is measured by this agent's own clock, and only while the hub answers.
 */
export async function takeLease(ports: HeartbeatPorts, signal: AbortSignal): Promise<LeaseSeen> {
  const { clock, identity, onError } = ports
  let watched: { readonly lease: LeaseSeen; readonly since: number } | undefined
  for (;;) {
    try {
      const lease = await ports.read()
      const same = lease.renewTime === watched?.lease.renewTime && lease.holder === watched?.lease.holder
      watched = { lease, since: (same ? watched?.since : undefined) ?? clock.boot() }
      const free = !lease.holder || lease.holder === identity
      const silent = clock.boot() - watched.since >= lease.durationSeconds * 1000
      const taken = free || silent ? await ports.write(lease) : undefined
      if (taken) return taken
      ports.onStandBy(!free && !silent)
    } catch (error) {
      if (!signal.aborted) onError(error)
      ports.onStandBy(false)
      watched = undefined
    }
    if (!(await pause(ports, signal))) throw new Error('stopped while waiting for the Lease', { cause: signal.reason })
  }
}

/** Renews until the signal, then gives the last that it saw of the Lease; throws LeaseTaken when another agent has taken over. A hub that does not answer is no reason to end. */
export async function keepLease(ports: HeartbeatPorts, taken: LeaseSeen, signal: AbortSignal): Promise<LeaseSeen> {
  let lease = taken
  let renewedAt = ports.clock.boot()
  let silent = false
  for (;;) {
    if (!(await pause(ports, signal))) return lease
    const sent = ports.clock.boot()
    try {
      const renewed = await ports.write(lease)
      if (renewed) {
        renewedAt = sent
        ports.onRenewed()
        if (silent) ports.onHeard()
        silent = false
      }
      lease = renewed ?? (await again(ports))
    } catch (error) {
      if (error instanceof LeaseTaken) throw error
      ports.onError(error)
      if (silent || ports.clock.boot() - renewedAt < lease.durationSeconds * 1000) continue
      silent = true
      ports.onSilent()
    }
  }
}

/** A conflict: our own write whose answer was lost, somebody's label, or another agent. */
async function again(ports: HeartbeatPorts): Promise<LeaseSeen> {
  const seen = await ports.read()
  if (seen.holder && seen.holder !== ports.identity) {
    throw new LeaseTaken(`another agent (${seen.holder}) has taken the Lease of this provider`)
  }
  return seen
}

/** One beat; false when the signal came. */
async function pause({ timers, beatMs }: HeartbeatPorts, signal: AbortSignal): Promise<boolean> {
  await pauseFor(beatMs, { timers, signal })
  return !signal.aborted
}
