// The agent's sign of life: its Lease on the hub, taken once and renewed in a fixed beat.
import type { Clock, Timers } from '../clock.ts'

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
  readonly clock: Clock
  readonly timers: Timers
  readonly onRenewed: () => void
  readonly onError: (error: unknown) => void
}

/** Another agent of this provider holds the Lease. */
export class LeaseTaken extends Error {}

/**
 * Waits until the Lease is free, or its holder has been silent for as long as the Lease says, and takes it.
 * Silence is measured by this agent's own clock.
 */
export async function takeLease(ports: HeartbeatPorts, signal: AbortSignal): Promise<LeaseSeen> {
  let watched = await ports.read()
  let since = ports.clock.boot()
  for (;;) {
    const free = !watched.holder || watched.holder === ports.identity
    const silent = ports.clock.boot() - since >= watched.durationSeconds * 1000
    const taken = free || silent ? await ports.write(watched) : undefined
    if (taken) return taken

    await pause(ports, signal)
    const seen = await ports.read()
    if (seen.renewTime !== watched.renewTime || seen.holder !== watched.holder) since = ports.clock.boot()
    watched = seen
  }
}

/** Renews until the signal, then gives the last that it saw of the Lease; throws LeaseTaken when another agent has taken over. A hub that does not answer is no reason to end. */
export async function keepLease(ports: HeartbeatPorts, taken: LeaseSeen, signal: AbortSignal): Promise<LeaseSeen> {
  let lease = taken
  for (;;) {
    if (!(await pause(ports, signal, true))) return lease
    try {
      const renewed = await ports.write(lease)
      if (renewed) ports.onRenewed()
      lease = renewed ?? (await again(ports))
    } catch (error) {
      if (error instanceof LeaseTaken) throw error
      ports.onError(error)
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

/** False when the signal came, which ends the caller in order where it says so; else that is an error. */
function pause({ timers, beatMs }: HeartbeatPorts, signal: AbortSignal, inOrder = false): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      timers.clear(handle)
      if (inOrder) resolve(false)
      else reject(new Error('stopped while waiting for the Lease', { cause: signal.reason }))
    }
    const handle = timers.set(() => {
      signal.removeEventListener('abort', stop)
      resolve(true)
    }, beatMs)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
