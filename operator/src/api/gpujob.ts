import { z } from 'zod'
import {
  atomic,
  dnsLabel,
  fixedField,
  gpuModel,
  instant,
  labelMap,
  listAtomic,
  listMap,
  listSet,
  nameRule,
  objectName,
  price,
  quantity,
  type Rule,
  reason,
  rules,
  unchanged,
  whenItComes,
} from './fields.ts'
import { AGE, type Kind } from './kind.ts'
import { conditionsSchema, type DeepReadonly, type KubeObject } from './meta.ts'
import { podTemplateSchema } from './template.ts'
import { GPU_RESOURCE } from './template-containers.ts'

/** The name of a job becomes part of the names of its runs and pods, so it is shorter than Kubernetes allows. */
export const MAX_JOB_NAME = 40

export const failoverSchema = z
  .object({
    policy: z
      .enum(['Fenced', 'Manual'])
      .default('Fenced')
      .describe('Fenced: the run stops by itself when its provider is cut off. Manual: it runs on through any outage.'),
    leaseSeconds: z.int().min(30).max(86_400).default(600).describe('How long a Fenced run may go on without its hub.'),
  })
  .meta(atomic)
  .prefault({})

export const priority = () => z.int().min(-1000).max(1000)

export const bindTimeoutSeconds = () =>
  z.int().min(10).max(3600).default(120).describe('How long a provider may take to put all workers on their nodes.')

export const maxRuntimeSeconds = () =>
  z.int().min(1).max(31_536_000).optional().describe('A run is ended after this time; absent: never.')

export const ttlSecondsAfterFinished = () =>
  z.int().min(0).max(31_536_000).default(604_800).describe('How long the finished job stays to be looked at.')

const gpus = z
  .object({
    count: z.int().min(1).max(64).optional().describe('GPUs of each worker.'),
    fraction: gpuFraction()
      .optional()
      .describe('In place of count: a part of one GPU, such as "0.5", shared with others.'),
    models: z
      .array(gpuModel())
      .min(1)
      .max(16)
      .meta(listSet)
      .optional()
      .describe('Any of these will do; absent: any model.'),
    memory: quantity()
      .optional()
      .describe('What a GPU must have at least, by its nominal size: an H100 is an 80Gi card.'),
  })
  .meta({
    ...atomic,
    ...rules({
      rule: 'has(self.count) != has(self.fraction)',
      message: 'must have either count, or fraction for a part of one GPU',
    }),
  })
  .describe('The GPUs of each worker.')

/** A text: YAML would make a float of it. */
export function gpuFraction() {
  return z
    .string()
    .max(5)
    .regex(/^0[.]0{0,2}[1-9][0-9]{0,2}$/)
}

const exitCodeRule = z.object({
  in: z.array(z.int().min(1).max(255)).min(1).max(255).meta(listSet),
  action: z.enum(['Fail', 'Retry']),
})

const retry = z
  .object({
    limit: z.int().min(0).max(100).default(3).describe('How many failed runs are repeated.'),
    exitCodes: z
      .array(exitCodeRule)
      .max(16)
      .meta(listAtomic)
      .optional()
      .describe('The first rule that names the exit code decides; else Retry.'),
  })
  .meta(atomic)
  .prefault({})

const FIXED = 'is fixed once the job is created: delete the job and make a new one'

/** A field of the spec that is always there, held as it was at creation. */
function fixed<S extends z.ZodType>(schema: S): S {
  return fixedField(schema, FIXED)
}

/** The same for a field that may be absent, as a rule of the spec. */
function fixedOptional(field: string): Rule {
  return { rule: unchanged(field), message: FIXED, fieldPath: `.${field}` }
}

/** Why nodes do not take a job, the most frequent first. */
const counts = z
  .array(z.object({ reason: z.string().max(128), count: z.int().min(0).max(10_000_000) }))
  .max(3)
  .meta(listMap('reason'))

const waiting = z.object({
  verdict: z
    .enum(['Waits', 'NeverFits'])
    .describe('NeverFits: no node of any provider could take it, even if it were empty.'),
  reasons: counts.describe('How many nodes failed which filter first; counted when the reasons last changed.'),
})

/** How much of it is said: a status must stay small whatever is asked. */
export const most = { providers: 20, options: 3, changes: 8, words: 256, asked: 64 }

const change = z.object({
  change: z.string().max(32).describe('What kind of change it is.'),
  field: z.string().max(64).optional().describe('The field of the job that is to be changed.'),
  value: z.string().max(most.words).optional().describe('What is to stand in it, or be left out of it.'),
  says: z.string().max(most.words).describe('The change in words.'),
})

const explanation = z.object({
  asked: z.string().max(most.asked).describe('The value of annotation gpucommons.io/explain that this answers.'),
  answeredAt: instant(),
  verdict: waiting.shape.verdict,
  providers: z
    .array(
      z.object({
        provider: dnsLabel(),
        fits: z.boolean().describe('It would take the job as it is: others come first.'),
        reasons: counts,
        options: z
          .array(z.object({ changes: z.array(change).min(1).max(most.changes).meta(listAtomic) }))
          .max(most.options)
          .meta(listAtomic)
          .describe('Each is enough, and all changes of it are needed; the least first.'),
      }),
    )
    .max(most.providers)
    .meta(listMap('provider')),
  otherProviders: z.int().min(0).max(1_000_000).describe('Providers that are not told of for want of space.'),
})

/** A part of a GPU is handed to a pod as one device. */
const COUNT = '(has(self.gpus.count) ? self.gpus.count : 1)'
const LIMIT = `container.resources.limits['${GPU_RESOURCE}']`

export const gpuJobSpecSchema = z
  .object({
    queue: dnsLabel().optional().describe("A GpuQueue; absent: that of the job's namespace, else default."),
    priority: priority().optional().describe('Higher is placed first; absent: as its queue says, else 0.'),
    workers: fixed(z.int().min(1).max(1024).default(1).describe('A gang: all of them or none, on one provider.')),
    gpus: fixed(gpus),
    topology: z
      .object({ within: z.enum(['Node', 'Rack', 'Zone']), rule: z.enum(['Required', 'Preferred']) })
      .meta(atomic)
      .optional()
      .describe('How close together the workers of a gang have to be (Required), or better are (Preferred).'),
    placement: z
      .object({
        providerSelector: labelMap(16).optional().describe('Labels that the Provider must have.'),
        nodeSelector: labelMap(16).optional().describe('Labels that the nodes must have.'),
        maxPricePerGpuHour: price()
          .optional()
          .describe('The most that a GPU may cost in an hour, in the currency of the federation.'),
        trust: z
          .enum(['Unverified', 'Verified'])
          .optional()
          .describe('What the provider has to be at least; absent: anything. No provider is Verified yet.'),
      })
      .meta(atomic)
      .optional(),
    template: fixed(podTemplateSchema),
    retry: fixed(retry),
    failover: fixed(failoverSchema),
    bindTimeoutSeconds: fixed(bindTimeoutSeconds()),
    maxRuntimeSeconds: maxRuntimeSeconds(),
    ttlSecondsAfterFinished: ttlSecondsAfterFinished(),
    suspend: z.boolean().default(false).describe('true: the job gives its GPUs back and waits.'),
  })
  .meta(
    rules(
      whenItComes({
        rule: `self.template.spec.containers.all(container, !has(container.resources) || !has(container.resources.limits) || !('${GPU_RESOURCE}' in container.resources.limits) || ${LIMIT} == ${COUNT} || ${LIMIT} == string(${COUNT}))`,
        message: `must have the same limit of ${GPU_RESOURCE} as spec.gpus.count says (1 with spec.gpus.fraction), or none`,
        fieldPath: '.template.spec.containers',
      }),
      whenItComes({
        rule: '!has(self.gpus.fraction) || self.workers == 1',
        message: 'must be 1 with spec.gpus.fraction: workers of a gang do not share GPUs',
        fieldPath: '.workers',
      }),
      ...['topology', 'placement'].map(fixedOptional),
    ),
  )

/** Where the workers of a run are: all nodes of it, with how many workers each. */
export const nodeShareSchema = z.object({ name: objectName(), workers: z.int().min(1).max(1024) })

const runNumber = () => z.int().min(1).max(2_147_483_647)

/** What of a status is final once the job is finished. */
const OUTCOME = ['finishedAt', 'state', 'why', 'lastRun', 'failures', 'placement', 'runs', 'startedAt']

export const gpuJobStatusSchema = z
  .object({
    observedGeneration: z.int().min(0),
    state: z
      .enum(['Waiting', 'Suspended', 'Placed', 'Running', 'Succeeded', 'Failed', 'Refused'])
      .describe('A summary of the conditions, for people.'),
    why: z.string().max(256).optional().describe('Why it is not running, or how it ended, in a few words.'),
    placement: z
      .object({
        run: runNumber(),
        provider: dnsLabel(),
        nodes: z.array(nodeShareSchema).min(1).max(1024).meta(listMap('name')),
        recordedAt: instant(),
        queue: dnsLabel().optional().describe('The queue that it counts in.'),
      })
      .optional()
      .describe('The run that is live, recorded before it is ordered; once the job is finished, its last one.'),
    lastRun: z.int().min(0).max(2_147_483_647).default(0).describe('The highest run number ever recorded.'),
    failures: z.int().min(0).max(1_000_000).default(0).describe('Runs that counted against retry.limit.'),
    runs: z
      .array(
        z.object({
          run: runNumber(),
          provider: dnsLabel(),
          outcome: z.enum(['Succeeded', 'Failed', 'Rejected', 'Lapsed', 'Reclaimed', 'Stopped']),
          reason: reason(),
          message: z.string().max(512).optional(),
          exitCode: z.int().min(-1).max(2_147_483_647).optional(),
          startedAt: instant().optional(),
          finishedAt: instant(),
        }),
      )
      .max(10)
      .meta(listMap('run'))
      .optional()
      .describe('The last runs that are over, oldest first.'),
    rejections: z.int().min(0).max(1_000_000).optional().describe('Runs in a row that a provider rejected.'),
    notBefore: instant().optional().describe('No new placement before this time.'),
    excludedProviders: z
      .array(dnsLabel())
      .max(64)
      .meta(listSet)
      .optional()
      .describe('They refused the job, so it is not placed there again.'),
    avoid: z
      .array(z.object({ provider: dnsLabel(), node: objectName().optional(), until: instant() }))
      .max(64)
      .meta(listAtomic)
      .optional()
      .describe('Where it found no room, or something in its way: not tried before that time.'),
    startedAt: instant().optional().describe('When a run of it first ran.'),
    finishedAt: instant().optional(),
    waiting: waiting.optional().describe('Why it waits for GPUs; absent when it does not.'),
    explanation: explanation
      .optional()
      .describe('What would place it, for who asked by annotation gpucommons.io/explain while it waits.'),
    conditions: conditionsSchema,
  })
  .meta({
    ...atomic,
    ...rules(
      {
        rule: `!has(oldSelf.finishedAt) || (${OUTCOME.map(unchanged).join(' && ')})`,
        message: 'is final: the job is finished',
      },
      {
        rule: `!has(self.finishedAt) || self.conditions.exists(one, one.type == 'Finished' && one.status == 'True')`,
        message: 'a job that is finished says so in its conditions',
        fieldPath: '.conditions',
      },
    ),
  })

export const gpuJobSchema = z
  .object({ spec: gpuJobSpecSchema, status: gpuJobStatusSchema.optional() })
  .describe('A job that runs on GPUs of one of the providers.')
  .meta(
    rules(...nameRule(MAX_JOB_NAME)['x-kubernetes-validations'], {
      rule: '!has(oldSelf.status) || has(self.status)',
      message: 'stays once it is written',
      fieldPath: '.status',
    }),
  )

export type GpuJobSpec = DeepReadonly<z.output<typeof gpuJobSpecSchema>>
export type GpuJobStatus = DeepReadonly<z.output<typeof gpuJobStatusSchema>>
export type GpuJob = KubeObject<'GpuJob', GpuJobSpec, GpuJobStatus>
export type Placement = NonNullable<GpuJobStatus['placement']>

export const gpuJobKind: Kind = {
  kind: 'GpuJob',
  plural: 'gpujobs',
  singular: 'gpujob',
  shortNames: ['gj'],
  scope: 'Namespaced',
  schema: gpuJobSchema,
  selectable: ['.status.state'],
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Why', type: 'string', jsonPath: '.status.why' },
    { name: 'Provider', type: 'string', jsonPath: '.status.placement.provider' },
    { name: 'Workers', type: 'integer', jsonPath: '.spec.workers' },
    { name: 'GPUs', type: 'integer', jsonPath: '.spec.gpus.count', description: 'Of each worker' },
    { name: 'Run', type: 'integer', jsonPath: '.status.lastRun' },
    AGE,
    { name: 'Fraction', type: 'string', jsonPath: '.spec.gpus.fraction', description: 'Of one GPU', priority: 1 },
    { name: 'Priority', type: 'integer', jsonPath: '.spec.priority', priority: 1 },
    { name: 'Models', type: 'string', jsonPath: '.spec.gpus.models', priority: 1 },
  ],
}
