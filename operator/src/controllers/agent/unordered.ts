// Tells the hub which runs compute here that it does not order: it must not start those jobs anywhere else.
import { type Clock, pause, type Timers } from '../clock.ts'

export interface UnorderedPorts {
  /** The ids of all runs that compute on this cluster and that no GpuRun on the hub orders; by reads past all caches. */
  readonly find: (hubUid: string) => Promise<readonly string[]>
  /** As the hub was last told. */
  readonly told: () => Promise<readonly string[]>
  readonly tell: (ids: readonly string[]) => Promise<void>
  /** The cluster that is remembered and answers now: another one is told nothing. */
  readonly hubUid: () => string | undefined
  /** Whether the hub is not the one that is remembered. */
  readonly isDistrusted: () => boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly lookMs: number
  readonly onError: (error: unknown) => void
}

/**
 * Looks once when it begins, and then for as long as there is something to tell: while the hub is distrusted, and
 * afterwards until nothing is left. In quiet times it asks nobody.
 */
export async function tellUnordered(ports: UnorderedPorts, signal: AbortSignal): Promise<void> {
  let known: string | undefined
  while (!signal.aborted) {
    const hubUid = ports.hubUid()
    if (hubUid !== undefined && (known !== '' || ports.isDistrusted())) {
      try {
        const ids = (await ports.find(hubUid)).toSorted()
        if (ids.join() !== (await ports.told()).join()) await ports.tell(ids)
        known = ids.join()
      } catch (error) {
        if (!signal.aborted) ports.onError(error)
      }
    }
    await pause(ports.lookMs, { timers: ports.timers, signal })
  }
}
