import { z } from 'zod'
import { atomic, instant, kindName, listMap, listSet, nameRule, rules } from './fields.ts'
import { maxRuntimeSeconds, priority } from './gpujob.ts'
import { AGE, type Kind } from './kind.ts'
import { conditionsSchema, type DeepReadonly, type KubeObject } from './meta.ts'

const MAX_QUEUE_NAME = 63

/** The queue of jobs for which no other is named. Without a GpuQueue of this name it is there all the same, and has no quota. */
export const DEFAULT_QUEUE = 'default'

/** In `spec.namespaces`: every namespace. */
export const ANY_NAMESPACE = '*'

/** In `spec.quota`: GPUs of whatever model. */
export const ANY_MODEL = '*'

/** No federation has more, and sums of these are whole numbers. */
const MOST = 100_000_000

const quotaGpus = () => z.int().min(0).max(MOST)

const modelOrAny = () =>
  z
    .string()
    .max(63)
    .regex(/^([A-Za-z0-9][A-Za-z0-9.-]{0,62}|[*])$/)

const namespaceOrAny = () =>
  z
    .string()
    .max(63)
    .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?|[*])$/)

const quotaSchema = z
  .object({
    model: modelOrAny().describe('Such as H100; *: GPUs of all models together.'),
    guaranteed: quotaGpus().default(0).describe('GPUs that it has whenever it asks for them.'),
    borrowLimit: quotaGpus().optional().describe('How many more it may have while others leave them; absent: all.'),
    lendLimit: quotaGpus()
      .optional()
      .describe('How many of those guaranteed others may have while it leaves them; absent: all.'),
  })
  .meta(
    rules({
      rule: '!has(self.lendLimit) || self.lendLimit <= self.guaranteed',
      message: 'must not be more than guaranteed: it lends what it has',
      fieldPath: '.lendLimit',
    }),
  )

const preemptionSchema = z
  .object({
    withinQueue: z
      .enum(['Never', 'LowerPriority'])
      .default('Never')
      .describe('Whether its jobs may end runs of its own jobs of lower priority.'),
    reclaim: z
      .enum(['Never', 'LowerPriority', 'Any'])
      .default('Any')
      .describe('Which runs of queues that borrow may be ended to give it what it is guaranteed.'),
    minRuntimeSeconds: z
      .int()
      .min(0)
      .max(31_536_000)
      .default(0)
      .describe('Its own runs are not ended for others before they have run for so long.'),
  })
  .meta(atomic)
  .prefault({})

export const gpuQueueSpecSchema = z.object({
  parent: kindName(MAX_QUEUE_NAME).optional().describe('The queue that it is a part of; absent: it stands by itself.'),
  namespaces: z
    .array(namespaceOrAny())
    .max(1024)
    .meta(listSet)
    .optional()
    .describe(
      'Whose jobs may be in it; * for those of every namespace; absent: none, as in a queue that only has parts.',
    ),
  quota: z
    .array(quotaSchema)
    .max(64)
    .meta(listMap('model'))
    .optional()
    .describe('How many GPUs it may have, with its parts; a model that is not named is not limited by its model.'),
  weight: z
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(1)
    .describe('Its share against that of the queues beside it; 0: only what none of them wants.'),
  preemption: preemptionSchema,
  maxRunning: z
    .int()
    .min(0)
    .max(MOST)
    .optional()
    .describe('How many of its jobs may run at a time; absent: any number.'),
  defaults: z
    .object({ priority: priority().optional(), maxRuntimeSeconds: maxRuntimeSeconds() })
    .meta(atomic)
    .optional()
    .describe('For its jobs that say nothing of it.'),
})

const gpus = () => z.number().min(0).max(MOST)
const share = () => z.number().min(0).max(1)
const jobs = () => z.int().min(0).max(MOST)

export const gpuQueueStatusSchema = z
  .object({
    observedGeneration: z.int().min(0),
    conditions: conditionsSchema,
    used: z
      .string()
      .max(256)
      .optional()
      .describe('What it uses of what it is guaranteed, for people: H100 12/40, A100 3/8.'),
    usage: z
      .array(
        z.object({
          model: modelOrAny(),
          gpus: gpus().describe('Held by its jobs and those of its parts.'),
          borrowed: gpus().optional(),
          lent: gpus().optional(),
        }),
      )
      .max(64)
      .meta(listMap('model'))
      .optional()
      .describe('By model, and * for all of them together where that has a quota.'),
    borrowed: gpus().optional().describe('GPUs beyond what it is guaranteed.'),
    lent: gpus().optional().describe('GPUs that it is guaranteed and others have.'),
    running: jobs().optional().describe('Jobs that hold GPUs.'),
    waiting: jobs().optional().describe('Jobs that wait for GPUs.'),
    pending: z
      .array(z.object({ priority: z.int().min(-1000).max(1000), jobs: jobs() }))
      .max(64)
      .meta(listMap('priority'))
      .optional()
      .describe('Those that wait, by their priority, highest first; of more than 64 priorities the highest.'),
    share: z
      .object({
        now: share().describe('Of the GPUs of the federation, of the resource of which it has most.'),
        average: share().describe('The same over the past, which counts the less the longer it is ago.'),
        fair: share().describe('What it would have if all queues that want something had as their weights say.'),
        at: instant().describe('When that was so.'),
      })
      .optional()
      .describe('Parts of one: 0.25 is a quarter.'),
  })
  .meta(atomic)

export const gpuQueueSchema = z
  .object({ spec: gpuQueueSpecSchema.prefault({}), status: gpuQueueStatusSchema.optional() })
  .describe('Who shares the GPUs of the federation: quota, weight, and what happens when there are too few.')
  .meta(
    rules(...nameRule(MAX_QUEUE_NAME)['x-kubernetes-validations'], {
      rule: '!has(self.spec.parent) || self.spec.parent != self.metadata.name',
      message: 'must be another queue: none is a part of itself',
      fieldPath: '.spec.parent',
    }),
  )

export type GpuQueueSpec = DeepReadonly<z.output<typeof gpuQueueSpecSchema>>
export type GpuQueueStatus = DeepReadonly<z.output<typeof gpuQueueStatusSchema>>
export type GpuQueue = KubeObject<'GpuQueue', GpuQueueSpec, GpuQueueStatus>

export const gpuQueueKind: Kind = {
  kind: 'GpuQueue',
  plural: 'gpuqueues',
  singular: 'gpuqueue',
  shortNames: ['gq'],
  scope: 'Cluster',
  schema: gpuQueueSchema,
  columns: [
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status" },
    { name: 'Parent', type: 'string', jsonPath: '.spec.parent' },
    { name: 'Used', type: 'string', jsonPath: '.status.used', description: 'Of what it is guaranteed' },
    { name: 'Borrowed', type: 'number', jsonPath: '.status.borrowed' },
    { name: 'Lent', type: 'number', jsonPath: '.status.lent' },
    { name: 'Running', type: 'integer', jsonPath: '.status.running' },
    { name: 'Waiting', type: 'integer', jsonPath: '.status.waiting' },
    AGE,
    { name: 'Weight', type: 'integer', jsonPath: '.spec.weight', priority: 1 },
    { name: 'Share', type: 'number', jsonPath: '.status.share.now', priority: 1 },
    { name: 'Average', type: 'number', jsonPath: '.status.share.average', priority: 1 },
    { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason", priority: 1 },
  ],
}
