import { expect, test } from '@jest/globals'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { keptJob } from '../../../../test/builders/kept.ts'
import type { GpuJobSpec } from '../../api/gpujob.ts'
import type { GpuQueue, GpuQueueSpec } from '../../api/gpuqueue.ts'
import { type Queues, standingOf, withDefaults } from './job-queue.ts'

function queuesOf(all: Readonly<Record<string, Partial<GpuQueueSpec>>>): Queues {
  const queues = new Map<string, GpuQueue>(
    Object.entries(all).map(([name, spec]) => [name, gpuQueue({ name, spec: { namespaces: [], ...spec } })]),
  )
  return {
    get: (name) => queues.get(name),
    naming: (namespace) => [...queues.values()].filter(({ spec }) => spec.namespaces?.includes(namespace)),
  }
}

/** Of a job of namespace `team`. */
const cases: readonly {
  readonly name: string
  readonly queues: Parameters<typeof queuesOf>[0]
  readonly asks?: string
  readonly says: string
}[] = [
  { name: 'without any GpuQueue a job stands in default', queues: {}, says: 'default' },
  { name: 'default can be asked for where no GpuQueue has the name', queues: {}, asks: 'default', says: 'default' },
  { name: 'a namespace has the queue that names it', queues: { research: { namespaces: ['team'] } }, says: 'research' },
  {
    name: 'of several that name it, it has the first by name',
    queues: { b: { namespaces: ['team'] }, a: { namespaces: ['team'] } },
    says: 'a',
  },
  { name: 'a queue for all is nobody’s own', queues: { all: { namespaces: ['*'] } }, says: 'default' },
  { name: 'a job may ask for a queue for all', queues: { all: { namespaces: ['*'] } }, asks: 'all', says: 'all' },
  {
    name: 'what the job says comes before what its namespace has',
    queues: { a: { namespaces: ['team'] }, b: { namespaces: ['team'] } },
    asks: 'b',
    says: 'b',
  },
  { name: 'a queue that is not there is waited for', queues: {}, asks: 'later', says: 'QueueMissing' },
  {
    name: 'a queue of others lets nobody else in',
    queues: { theirs: { namespaces: ['them'] } },
    asks: 'theirs',
    says: 'QueueNotAllowed',
  },
  {
    name: 'a queue that names nobody has no jobs of its own',
    queues: { org: gpuQueueWithoutNamespaces() },
    asks: 'org',
    says: 'QueueNotAllowed',
  },
  {
    name: 'a GpuQueue default that names nobody is for all',
    queues: { default: gpuQueueWithoutNamespaces() },
    says: 'default',
  },
  {
    name: 'a GpuQueue default can be closed',
    queues: { default: { namespaces: ['them'] } },
    says: 'QueueNotAllowed',
  },
]

function gpuQueueWithoutNamespaces(): Partial<GpuQueueSpec> {
  return { namespaces: undefined } as unknown as Partial<GpuQueueSpec>
}

test.each(cases)('$name', ({ queues, asks, says }) => {
  const job = keptJob({ spec: asks === undefined ? {} : { queue: asks } })
  const standing = standingOf(job, queuesOf(queues))
  expect(standing.barred ? standing.barred.reason : standing.queue).toBe(says)
})

test('a queue gives its defaults to jobs that say nothing, and to those alone', () => {
  const queue = { priority: 5, maxRuntimeSeconds: 60 }
  const silence = { priority: undefined } as unknown as Partial<GpuJobSpec>
  const { spec: silent } = withDefaults(keptJob({ spec: silence }), queue)
  const { spec: outspoken } = withDefaults(keptJob({ spec: { priority: 0, maxRuntimeSeconds: 7 } }), queue)
  expect([silent.priority, silent.maxRuntimeSeconds, outspoken.priority, outspoken.maxRuntimeSeconds]).toEqual([
    5, 60, 0, 7,
  ])
})
