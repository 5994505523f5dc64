import { toTime } from '../../../api/time.ts'
import type { TombstonePorts } from '../../../controllers/hub/tombstones.ts'
import type { KubeClient } from '../client.ts'
import { gpuJobs, gpuRuns } from '../kinds.ts'
import type { HubCaches } from './caches.ts'
import { orderStop } from './gpujob-ports.ts'

export interface TombstoneWorld {
  readonly client: KubeClient
  readonly caches: HubCaches
  /** How long a run stays at the least, in seconds. */
  readonly tombstoneSeconds: number
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

export function tombstonePorts({ client, caches, tombstoneSeconds, now }: TombstoneWorld): TombstonePorts {
  return {
    now,
    read: async (key) => {
      const run = caches.runs.get(key)
      if (!run) return undefined
      const { namespace, name, uid } = run.spec.job
      if (caches.jobs.get(`${namespace}/${name}`)?.metadata.uid === uid) return { run, job: 'Lives', tombstoneSeconds }
      // The cache may lag; an order to stop is only given on what the API server itself says.
      const job = await client.get(gpuJobs, { namespace, name })
      return { run, job: job?.metadata.uid === uid ? 'Lives' : 'Gone', tombstoneSeconds }
    },
    carryOut: async (run, effect) => {
      const { name, namespace, uid } = run.metadata
      if (effect.do === 'stopRun') {
        const stopped = await orderStop(client, run, { reason: 'JobDeleted', requestedAt: toTime(now()) })
        if (stopped) caches.learn.run(stopped)
      }
      if (effect.do === 'deleteRun') await client.delete(gpuRuns, { name, namespace }, { uid })
    },
  }
}
