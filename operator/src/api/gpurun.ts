import { z } from 'zod'
import { rulesHeldBefore } from './crd.ts'
import {
  atomic,
  dnsLabel,
  fixedField,
  instant,
  listMap,
  objectName,
  reason,
  rules,
  sha256,
  uid,
  unchanged,
} from './fields.ts'
import {
  bindTimeoutSeconds,
  failoverSchema,
  gpuFraction,
  maxRuntimeSeconds,
  nodeShareSchema,
  ttlSecondsAfterFinished,
} from './gpujob.ts'
import { AGE, type Kind } from './kind.ts'
import type { DeepReadonly, KubeObject } from './meta.ts'
import { podTemplateSchema } from './template.ts'

const ORDERED = 'is an order: nothing of it changes but stop and fenced'

/** What the hub orders, once. */
function ordered<S extends z.ZodType>(schema: S): S {
  return fixedField(schema, ORDERED)
}

export const gpuRunSpecSchema = z
  .object({
    job: ordered(
      z
        .object({ namespace: dnsLabel(), name: dnsLabel(), uid: uid() })
        .meta(atomic)
        .describe('The GpuJob on the hub. Its uid counts, for a job made again under the same name is another job.'),
    ),
    run: ordered(
      z
        .int()
        .min(1)
        .max(2_147_483_647)
        .describe('1, 2, 3 …: the fencing number. What carries an older one is refused.'),
    ),
    workers: ordered(z.int().min(1).max(1024)),
    gpus: ordered(
      z
        .object({
          count: z.int().min(1).max(64).describe('Devices of each worker.'),
          fraction: gpuFraction().optional().describe('The one device of the worker is a part of a shared GPU.'),
        })
        .meta({
          ...atomic,
          ...rules({
            rule: '!has(self.fraction) || self.count == 1',
            message: 'must have a count of 1 with a fraction',
          }),
        }),
    ),
    nodes: ordered(z.array(nodeShareSchema).min(1).max(1024).meta(listMap('name'))),
    failover: ordered(failoverSchema),
    bindTimeoutSeconds: ordered(bindTimeoutSeconds()),
    maxRuntimeSeconds: maxRuntimeSeconds(),
    ttlSecondsAfterFinished: ordered(ttlSecondsAfterFinished()),
    template: rulesHeldBefore(podTemplateSchema), // On the GpuJob, by this same API server: 0.5 to 1 ms of each create.
    payload: z
      .object({ name: objectName(), sha256: sha256() })
      .meta(atomic)
      .optional()
      .describe('The Secret beside this object with all that the template names, and the hash of its content.'),
    stop: z
      .object({
        reason: z.enum(['JobDeleted', 'Suspended', 'DeadlineExceeded', 'Superseded', 'PayloadGone', 'Preempted']),
        requestedAt: instant(),
        message: z.string().max(256).optional().describe('Preempted: by which job of which queue.'),
      })
      .meta(atomic)
      .optional()
      .describe('The order to stop and clean up. Once given it stays.'),
    fenced: z
      .object({ recordedAt: instant() })
      .meta(atomic)
      .optional()
      .describe('The hub has moved the job away: no status of this run is taken any more. Once marked it stays.'),
  })
  .meta(
    rules(
      {
        rule: ['maxRuntimeSeconds', 'template', 'payload'].map(unchanged).join(' && '),
        message: ORDERED,
      },
      {
        rule: '!has(oldSelf.stop) || (has(self.stop) && self.stop == oldSelf.stop)',
        message: 'stays once it is given',
        fieldPath: '.stop',
      },
      {
        rule: '!has(oldSelf.fenced) || (has(self.fenced) && self.fenced == oldSelf.fenced)',
        message: 'stays once it is marked',
        fieldPath: '.fenced',
      },
    ),
  )

/** What of a status is final once its state is. */
const OUTCOME = ['state', 'reason', 'message', 'exitCode', 'startedAt', 'finishedAt', 'workers', 'troubleSince']

function begun(run: 'self' | 'oldSelf'): string {
  return `(has(${run}.status) && has(${run}.status.state))`
}

export const gpuRunStatusSchema = z
  .object({
    observedGeneration: z.int().min(0),
    state: z
      .enum(['Running', 'Succeeded', 'Failed', 'Rejected', 'Lapsed', 'Reclaimed', 'Stopped'])
      .optional()
      .describe('Absent: not begun. All but Running are final.'),
    reason: reason().optional(),
    message: z.string().max(1024).optional(),
    exitCode: z
      .int()
      .min(-1)
      .max(2_147_483_647)
      .optional()
      .describe('Of the main container of the first worker that failed.'),
    workers: z
      .array(
        z.object({
          index: z.int().min(0).max(1023),
          node: objectName(),
          state: z
            .enum(['Waiting', 'Running', 'Succeeded', 'Failed', 'Lost'])
            .optional()
            .describe('As it was at the last write. Lost: its pod went without a last word of its kubelet.'),
          reason: reason().optional().describe("Why it waits or failed, in Kubernetes' word."),
          exitCode: z.int().min(-1).max(2_147_483_647).optional().describe('Of its main container.'),
          restarts: z.int().min(0).max(2_147_483_647).optional().describe('Of its sidecars; absent: none.'),
        }),
      )
      .max(1024)
      .meta(listMap('index'))
      .optional()
      .describe('Where each worker really is, and how it was at the last write.'),
    troubleSince: instant()
      .optional()
      .describe('A worker cannot start, for the reason that stands here, and the provider goes on trying.'),
    startedAt: instant().optional(),
    finishedAt: instant().optional(),
    cleanedAt: instant().optional().describe('Nothing of this run is left on the provider.'),
  })
  .meta({
    ...atomic,
    ...rules(
      {
        rule: `!has(oldSelf.state) || oldSelf.state == 'Running' || (${OUTCOME.map(unchanged).join(' && ')})`,
        message: 'is final: of a run that is over only cleanedAt may still come',
      },
      { rule: '!has(oldSelf.state) || has(self.state)', message: 'must not go back to not begun' },
    ),
  })

export const gpuRunSchema = z
  .object({ spec: gpuRunSpecSchema, status: gpuRunStatusSchema.optional() })
  .describe('The order to run a job once on one provider. Written by the hub, followed by the agent.')
  .meta(
    rules(
      { rule: '!has(oldSelf.status) || has(self.status)', message: 'stays once it is written', fieldPath: '.status' },
      {
        rule: `!has(oldSelf.spec.fenced) || (${begun('self')} == ${begun('oldSelf')} && (!${begun('self')} || self.status.state == oldSelf.status.state))`,
        message: 'is final: the hub has moved the job away',
        fieldPath: '.status',
      },
    ),
  )

export type GpuRunSpec = DeepReadonly<z.output<typeof gpuRunSpecSchema>>
export type GpuRunStatus = DeepReadonly<z.output<typeof gpuRunStatusSchema>>
export type GpuRun = KubeObject<'GpuRun', GpuRunSpec, GpuRunStatus>
export type StopReason = NonNullable<GpuRunSpec['stop']>['reason']

export const gpuRunKind: Kind = {
  kind: 'GpuRun',
  plural: 'gpuruns',
  singular: 'gpurun',
  shortNames: ['grun'],
  scope: 'Namespaced',
  schema: gpuRunSchema,
  selectable: ['.status.state'],
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    { name: 'Job', type: 'string', jsonPath: '.spec.job.name' },
    { name: 'Run', type: 'integer', jsonPath: '.spec.run' },
    { name: 'Workers', type: 'integer', jsonPath: '.spec.workers' },
    { name: 'GPUs', type: 'integer', jsonPath: '.spec.gpus.count', description: 'Of each worker' },
    AGE,
    { name: 'Exit', type: 'integer', jsonPath: '.status.exitCode', priority: 1 },
    { name: 'Nodes', type: 'string', jsonPath: '.spec.nodes[*].name', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
  ],
}
