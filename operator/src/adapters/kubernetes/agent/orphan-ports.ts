import type { OrphanPorts } from '../../../controllers/agent/orphans.ts'
import type { Clock } from '../../../controllers/clock.ts'
import type { KubeClient } from '../client.ts'
import { gpuRuns } from '../kinds.ts'
import { jobs } from '../resources.ts'
import type { AgentCaches } from './caches.ts'

export interface OrphanWorld {
  readonly hub: KubeClient
  readonly provider: KubeClient
  readonly caches: AgentCaches
  readonly clock: Pick<Clock, 'boot'>
  /** The agent's own on the hub. */
  readonly namespace: string
  /** Resolves when the hub has said, after this call, that it is the one that is remembered. */
  readonly vouched: (signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
  readonly orphanAfterSeconds: number
}

export function orphanPorts(world: OrphanWorld): OrphanPorts {
  const { hub, provider, caches, clock, namespace } = world
  /** By uid of the Job. */
  const since = new Map<string, number>()

  /** A list, for where the whole kind is missing a GET of one object answers as if only that were gone. */
  async function isListed(key: string): Promise<boolean> {
    const { items } = await hub.list(gpuRuns, { namespace, fieldSelector: `metadata.name=${refOf(key).name}` })
    return items.length > 0
  }

  return {
    boot: clock.boot,
    orphanAfterMs: world.orphanAfterSeconds * 1000,
    read: (key) => {
      const kept = caches.jobs.get(key)
      if (!kept) return undefined
      const { job } = kept
      const isOrdered = job.runId === undefined || caches.runs.by('id', job.runId).length > 0
      if (isOrdered || job.deleting) {
        since.delete(job.uid)
        return undefined
      }
      const sinceBoot = since.get(job.uid) ?? clock.boot()
      since.set(job.uid, sinceBoot)
      return { job, sinceBoot }
    },
    isOrdered: async (key) => {
      if (await isListed(key)) return true
      // Asked for after that: had the kind been made anew by then, its absence would be that of all orders.
      await world.vouched(world.signal)
      // Its word may be long in coming, and whoever gives it may have ordered the run again before.
      return isListed(key)
    },
    remove: async (key, { uid }) => {
      await provider.delete(jobs, refOf(key), { uid, propagationPolicy: 'Background' })
      since.delete(uid)
    },
  }
}

/** A Job has the name of its GpuRun. */
function refOf(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name }
}
