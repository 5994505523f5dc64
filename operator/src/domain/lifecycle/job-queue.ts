// In which queue a job stands: operator/decisions/0029.
import type { GpuJobReason } from '../../api/conditions.ts'
import { ANY_NAMESPACE, DEFAULT_QUEUE, type GpuQueue, type GpuQueueSpec } from '../../api/gpuqueue.ts'
import type { KeptJob } from './kept.ts'

/** The GpuQueues of the hub. */
export interface Queues {
  readonly get: (name: string) => GpuQueue | undefined
  /** Those that name it in spec.namespaces. */
  readonly naming: (namespace: string) => readonly GpuQueue[]
}

/** Why a job stands in no queue. */
export interface Barred {
  readonly reason: Extract<GpuJobReason<'Admitted'>, 'QueueMissing' | 'QueueNotAllowed'>
  readonly message: string
}

type Defaults = GpuQueueSpec['defaults']

export type Standing =
  | { readonly queue: string; readonly defaults?: Defaults; readonly barred?: undefined }
  | { readonly barred: Barred }

/** Its own word, else the queue of its namespace, else `default`, which needs no GpuQueue. */
export function standingOf({ metadata, spec }: Pick<KeptJob, 'metadata' | 'spec'>, queues: Queues): Standing {
  const { namespace = '' } = metadata
  const name = spec.queue ?? ownQueue(queues.naming(namespace)) ?? DEFAULT_QUEUE
  const queue = queues.get(name)
  if (!queue && name !== DEFAULT_QUEUE) {
    const message = `there is no GpuQueue ${name}; the job waits for it, or change its spec.queue`
    return { barred: { reason: 'QueueMissing', message } }
  }
  if (queue && !letsIn(queue, namespace)) {
    const message = `GpuQueue ${name} lets no jobs of namespace ${namespace} in: the namespace has to stand in its spec.namespaces, or change the spec.queue of the job`
    return { barred: { reason: 'QueueNotAllowed', message } }
  }
  return { queue: name, ...(queue?.spec.defaults ? { defaults: queue.spec.defaults } : {}) }
}

/** Where several name a namespace, the first by name: whoever wants another one says it in the job. */
function ownQueue(queues: readonly GpuQueue[]): string | undefined {
  return queues.map(({ metadata }) => metadata.name).toSorted()[0]
}

/** A queue that says nothing has no jobs of its own; but `default` is for those who have no other. */
function letsIn({ metadata, spec: { namespaces } }: GpuQueue, namespace: string): boolean {
  if (!namespaces) return metadata.name === DEFAULT_QUEUE
  return namespaces.includes(ANY_NAMESPACE) || namespaces.includes(namespace)
}

/** The job as it counts in its queue: what it says nothing of is as the queue has it. */
export function withDefaults<J extends Pick<KeptJob, 'spec'>>(job: J, defaults: Defaults): J {
  if (!defaults) return job
  const given = Object.fromEntries(Object.entries(job.spec).filter(([, value]) => value !== undefined))
  return { ...job, spec: { ...defaults, ...given } }
}
