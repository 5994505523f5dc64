// How the hub reads GpuQueues and what the engine knows of them.
import type { QueuePorts } from '../../../controllers/hub/queues.ts'
import type { Scheduling } from '../../../controllers/hub/scheduling.ts'
import { gpuQueues } from '../kinds.ts'
import type { StatusWriter } from '../status-writer.ts'
import type { HubCaches } from './caches.ts'

export interface QueueWorld {
  readonly caches: Pick<HubCaches, 'gpuQueues' | 'providers'>
  readonly scheduling: Pick<Scheduling, 'queues'>
  readonly statuses: StatusWriter
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

export function queuePorts({ caches, scheduling, statuses, now }: QueueWorld): QueuePorts {
  return {
    now,
    read: (name) => {
      const queue = caches.gpuQueues.get(name)
      if (!queue) return undefined
      const models = [...caches.providers.values()].flatMap(({ status }) => status?.inventory?.models ?? [])
      return { queue, state: scheduling.queues().get(name), models: new Set(models.map(({ model }) => model)) }
    },
    writeStatus: async (queue, status) => {
      await statuses.write(gpuQueues, queue, status)
    },
  }
}
