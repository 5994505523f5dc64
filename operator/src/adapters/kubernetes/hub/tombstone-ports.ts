import { toTime } from '../../../api/time.ts'
import type { TombstonePorts } from '../../../controllers/hub/tombstones.ts'
import { providerOf } from '../../../domain/lifecycle/gpurun.ts'
import type { Seen } from '../../../domain/lifecycle/tombstone-steps.ts'
import type { KubeClient } from '../client.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'
import { type HubCaches, isShutOut } from './caches.ts'
import { orderStop } from './gpujob-ports.ts'
import { type HubIdentity, kindReader } from './identity.ts'
import { removePayload } from './payloads.ts'

export interface TombstoneWorld {
  readonly identity: Pick<HubIdentity, 'hubUid' | 'jobsUid'>
  readonly client: KubeClient
  readonly caches: HubCaches
  /** How long a run stays at the least, in seconds. */
  readonly tombstoneSeconds: number
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

export function tombstonePorts(world: TombstoneWorld): TombstonePorts {
  const { client, caches, identity, tombstoneSeconds, now } = world
  const { hubUid, jobsUid } = identity
  const jobsKind = kindReader(client, 'gpujobs')
  return {
    now,
    read: async (key) => {
      const run = caches.runs.get(key)
      // Nobody there is told anything any more; when its Provider is let in again, or is gone, it is looked at anew.
      if (!run || isShutOut(caches, providerOf(run.metadata.namespace))) return undefined
      const { namespace, name, uid } = run.spec.job
      const found = (job: Seen['job']) => ({ run, job, jobsUid, tombstoneSeconds })
      if (caches.jobs.get(`${namespace}/${name}`)?.metadata.uid === uid) return found('Lives')
      // The cache may lag; an order to stop is only given on what the API server itself says.
      const job = await client.get(gpuJobs, { namespace, name })
      if (job?.metadata.uid === uid) return found('Lives')
      // Asked for after that: had the kind been deleted by then, its absence would be that of all jobs.
      return found((await jobsKind()) === jobsUid ? 'Gone' : 'KindGone')
    },
    carryOut: async (run, effect) => {
      const { name, namespace, uid } = run.metadata
      if (effect.do === 'stopRun') {
        const stopped = await orderStop(client, run, { reason: 'JobDeleted', requestedAt: toTime(now()) })
        if (stopped) caches.learn.run(stopped)
      }
      // Its agent may be away for long; what has not begun by now never will.
      if (run.spec.payload) await removePayload({ client, hubUid }, run)
      if (effect.do === 'deleteRun') await client.delete(gpuRuns, { name, namespace }, { uid })
    },
  }
}
