import { z } from 'zod'
import { type WithheldReason, withheldReasons } from './conditions.ts'
import {
  atomic,
  gpuModel,
  LABEL_KEY,
  labelMap,
  labelValue,
  listAtomic,
  objectName,
  rules,
  writtenQuantity,
} from './fields.ts'
import { AGE, type Kind } from './kind.ts'
import { conditionsSchema, type DeepReadonly, type KubeObject } from './meta.ts'

/** A thousand times it is still a whole number in JavaScript. */
const MOST_CPU = '100k'

/** Of devices, labels and taints: what a hub keeps of 5,000 nodes of one provider is 150 MB at the worst, and 15 as they are. */
const MOST_CHARACTERS = 16_384

/** A resource, or the key of a taint. */
function qualifiedName() {
  return z
    .string()
    .min(1)
    .max(317)
    .regex(new RegExp(`^${LABEL_KEY}$`))
}

const device = z
  .object({
    source: z.enum(['DevicePlugin', 'DRA']),
    resource: qualifiedName().describe('What a pod asks for, such as nvidia.com/gpu.'),
    model: gpuModel().describe('The canonical name, such as H100.'),
    product: z
      .string()
      .max(128)
      .regex(/^[ -~]*$/)
      .describe('What the node itself calls it.'),
    memoryMiB: z.int().min(0).max(16_777_216).describe('Of one device.'),
    count: z.int().min(0).max(1024).describe('All of them, healthy or not.'),
    healthy: z.int().min(0).max(1024).describe('Those that can be used.'),
  })
  .describe('GPUs of one kind in this node.')
  .meta(rules({ rule: 'self.healthy <= self.count', message: 'must not have more healthy devices than devices' }))

const taint = z.object({
  key: qualifiedName(),
  value: labelValue().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
})

export const gpuNodeSpecSchema = z
  .object({
    node: objectName().describe("The node's name in the provider's cluster."),
    allocatable: z
      .object({
        cpu: writtenQuantity(MOST_CPU),
        memory: writtenQuantity(),
        ephemeralStorage: writtenQuantity(),
      })
      .meta(atomic),
    usedByOthers: z
      .object({
        cpu: writtenQuantity(MOST_CPU),
        memory: writtenQuantity(),
        ephemeralStorage: writtenQuantity().optional().describe('Absent: none.'),
        gpus: z.int().min(0).max(1024),
      })
      .meta(atomic)
      .describe("Asked for by pods that are not ours. Our own use is the hub's arithmetic."),
    devices: z.array(device).max(32).meta(listAtomic),
    keptGpus: z.int().min(0).max(1024).default(0).describe('Of those, how many the owner keeps back.'),
    sharing: z
      .object({
        strategy: z
          .enum(['TimeSlicing', 'Mps', 'Mig'])
          .describe(
            'TimeSlicing, Mps: several pods on each GPU. Mig: the devices are slices, each a GPU of a model of its own.',
          ),
        replicas: z.int().min(2).max(1024).optional().describe('Of TimeSlicing and Mps: how many pods share each GPU.'),
      })
      .meta({
        ...atomic,
        ...rules({
          rule: "has(self.replicas) == (self.strategy != 'Mig')",
          message: 'must say replicas with TimeSlicing and Mps, and with them alone',
        }),
      })
      .optional()
      .describe('How more than one pod gets a piece of one GPU; absent: GPUs are whole.'),
    topology: z
      .object({ zone: labelValue().min(1).optional(), rack: labelValue().min(1).optional() })
      .meta(atomic)
      .optional()
      .describe('Where it lies, as its owner names it.'),
    labels: labelMap(64).meta(atomic).optional(),
    taints: z.array(taint).max(32).meta(listAtomic).optional(),
    offer: z.enum(['Offered', 'Withheld']).describe('Withheld: no work goes there.'),
    withheldBecause: z.enum(Object.keys(withheldReasons) as [WithheldReason, ...WithheldReason[]]).optional(),
    message: z.string().max(1024).optional(),
  })
  .describe("The agent's claim.")
  .meta(
    rules({
      rule: `self.devices.map(one, one.resource.size() + one.model.size() + one.product.size()).sum() + (has(self.labels) ? self.labels.map(key, key.size() + self.labels[key].size()).sum() : 0) + (has(self.taints) ? self.taints.map(one, one.key.size() + (has(one.value) ? one.value.size() : 0)).sum() : 0) <= ${MOST_CHARACTERS}`,
      message: `must not have more than ${MOST_CHARACTERS} characters in devices, labels and taints together`,
    }),
  )

export const gpuNodeStatusSchema = z
  .object({ observedGeneration: z.int().min(0), conditions: conditionsSchema })
  .meta(atomic)
  .describe("The hub's verdict.")

export const gpuNodeSchema = z
  .object({ spec: gpuNodeSpecSchema, status: gpuNodeStatusSchema.optional() })
  .describe('One GPU node: as its provider claims it, and as the hub finds it.')
  .meta(
    rules({
      rule: 'self.spec.node == self.metadata.name',
      message: 'must be the name of this object: one node has one claim',
      fieldPath: '.spec.node',
    }),
  )

export type GpuNodeSpec = DeepReadonly<z.output<typeof gpuNodeSpecSchema>>
export type GpuNodeStatus = DeepReadonly<z.output<typeof gpuNodeStatusSchema>>
export type GpuNode = KubeObject<'GpuNode', GpuNodeSpec, GpuNodeStatus>
export type GpuDevice = GpuNodeSpec['devices'][number]
export type Taint = NonNullable<GpuNodeSpec['taints']>[number]

export const gpuNodeKind: Kind = {
  kind: 'GpuNode',
  plural: 'gpunodes',
  singular: 'gpunode',
  shortNames: ['gnode'],
  scope: 'Namespaced',
  schema: gpuNodeSchema,
  columns: [
    { name: 'Model', type: 'string', jsonPath: '.spec.devices[*].model' },
    { name: 'Count', type: 'string', jsonPath: '.spec.devices[*].count' },
    { name: 'Healthy', type: 'string', jsonPath: '.spec.devices[*].healthy' },
    { name: 'Offer', type: 'string', jsonPath: '.spec.offer' },
    { name: 'Why', type: 'string', jsonPath: '.spec.withheldBecause' },
    AGE,
  ],
}
