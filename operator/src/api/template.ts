// What of a pod template may travel to somebody else's cluster: only fields that cannot hurt its owner.
import { z } from 'zod'
import {
  atomic,
  guarded,
  LABEL_KEY,
  labelMap,
  labelValue,
  listAtomic,
  listMap,
  objectName,
  type Rule,
  rules,
  whenItComes,
} from './fields.ts'
import type { DeepReadonly } from './meta.ts'
import { containerSchema, GPU_RESOURCE, initContainerSchema, podSecurityContextSchema } from './template-containers.ts'
import { volumesSchema } from './template-volumes.ts'

const toleration = z
  .object({
    key: z
      .string()
      .min(1)
      .max(317)
      .describe("nvidia.com/gpu, or a key that the provider's owner allows.")
      .meta(
        rules({
          rule: `self.matches('^${LABEL_KEY}$') && self.indexOf('/') <= 253`,
          message: 'must be the key of a taint, such as nvidia.com/gpu',
        }),
      ),
    operator: z.enum(['Exists', 'Equal']).optional(),
    value: labelValue().optional(),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
    tolerationSeconds: z.int().min(0).max(86_400).optional(),
  })
  .meta(
    rules(
      {
        rule: "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
        message: 'must have no value with operator: Exists',
      },
      {
        rule: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        message: 'may have tolerationSeconds only with effect: NoExecute',
      },
    ),
  )

/** Of all env values together, and of all commands and arguments. In characters: to count bytes costs CEL too much. */
const MAX_CHARACTERS = 65_536

interface WithLimits {
  readonly resources?: { readonly limits?: Readonly<Record<string, unknown>> | undefined } | undefined
}

function hasGpus({ resources }: WithLimits): boolean {
  return resources?.limits?.[GPU_RESOURCE] !== undefined
}

const oneHasGpus: Rule = {
  rule: `self.spec.containers.filter(container, container.?resources.?limits[?'${GPU_RESOURCE}'].hasValue()).size() <= 1`,
  message: `may have a limit of ${GPU_RESOURCE} in one container only: that one gets the GPUs`,
  fieldPath: '.spec.containers',
}

const noneHasGpusBefore: Rule = {
  rule: `!has(self.spec.initContainers) || !self.spec.initContainers.exists(container, container.?resources.?limits[?'${GPU_RESOURCE}'].hasValue())`,
  message: `must not have ${GPU_RESOURCE}: the main container gets the GPUs`,
  fieldPath: '.spec.initContainers',
}

/** Rules that look at several parts of a pod at once. */
const podRules: readonly Rule[] = [
  {
    rule: '!has(self.spec.initContainers) || !self.spec.initContainers.exists(first, self.spec.containers.exists(second, first.name == second.name))',
    message: 'must not have the name of one of the containers',
    fieldPath: '.spec.initContainers',
  },
  ...['containers', 'initContainers'].flatMap((list) => [
    {
      rule: `!has(self.spec.${list}) || self.spec.${list}.all(container, !has(container.volumeMounts) || container.volumeMounts.all(mount, has(self.spec.volumes) && self.spec.volumes.exists(volume, volume.name == mount.name)))`,
      message: 'has a volumeMount of a name that is not among the volumes',
      fieldPath: `.spec.${list}`,
    },
    {
      rule: `!has(self.spec.${list}) || self.spec.${list}.map(container, has(container.env) ? container.env.map(variable, has(variable.value) ? size(variable.value) : 0).sum() : 0).sum() <= ${MAX_CHARACTERS}`,
      message: `must not have more than ${MAX_CHARACTERS} characters of env values in all: put large texts into a volume or an image`,
      fieldPath: `.spec.${list}`,
    },
    {
      rule: `!has(self.spec.${list}) || self.spec.${list}.map(container, (has(container.command) ? container.command.map(text, size(text)).sum() : 0) + (has(container.args) ? container.args.map(text, size(text)).sum() : 0)).sum() <= ${MAX_CHARACTERS}`,
      message: `must not have more than ${MAX_CHARACTERS} characters of command and args in all: put large texts into a volume or an image`,
      fieldPath: `.spec.${list}`,
    },
  ]),
]

const podSpec = z.object({
  containers: z.array(containerSchema).min(1).max(16).meta(listMap('name')),
  initContainers: z.array(initContainerSchema).max(16).meta(listMap('name')).optional(),
  volumes: volumesSchema.optional(),
  imagePullSecrets: z
    .array(z.object({ name: objectName() }))
    .max(16)
    .meta(listMap('name'))
    .optional()
    .describe(
      'They travel as one Secret, with the label gpucommons.io/may-travel. Of a registry that comes twice the first counts.',
    ),
  securityContext: podSecurityContextSchema.optional(),
  terminationGracePeriodSeconds: z.int().min(0).max(3600).optional(),
  tolerations: z.array(toleration).max(16).meta(listAtomic).optional(),
  restartPolicy: z.enum(['Never']).optional().describe('A run that fails is repeated as a whole: see retry.'),
  automountServiceAccountToken: z.literal(false).optional().describe('No token is mounted in any case.'),
  hostNetwork: z.literal(false).optional(),
  hostPID: z.literal(false).optional(),
  hostIPC: z.literal(false).optional(),
})

const templateFields = z.object({
  metadata: z
    .object({ labels: labelMap(32).optional() })
    .optional()
    .describe('Labels without a slash travel as tenant.gpucommons.io/<key>. Annotations do not travel.'),
  spec: podSpec,
})

/** Its rules are held when it comes: it is fixed from then on, and each write of a status would pay for them again. */
export const podTemplateSchema = guarded(
  guarded(templateFields, ({ spec }) => spec.containers.filter(hasGpus).length <= 1, whenItComes(oneHasGpus)),
  ({ spec: { initContainers = [] } }) => !initContainers.some(hasGpus),
  whenItComes(noneHasGpusBefore),
  ...podRules.map(whenItComes),
).meta(atomic)

/** The container with an `nvidia.com/gpu` limit, else the first, gets the GPUs; its exit code decides. */
export type PodTemplate = DeepReadonly<z.output<typeof podTemplateSchema>>
export type PodSpec = PodTemplate['spec']
export type Container = PodSpec['containers'][number]
/** With `restartPolicy: Always` it is a native sidecar. */
export type InitContainer = NonNullable<PodSpec['initContainers']>[number]
export type EnvVar = NonNullable<Container['env']>[number]
