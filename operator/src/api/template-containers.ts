import { z } from 'zod'
import {
  contentKey,
  guarded,
  intOrString,
  listAtomic,
  listMap,
  objectName,
  partName,
  quantity,
  type Rule,
  rules,
} from './fields.ts'
import { TRAVELS, variableFieldSchema, volumeMountSchema } from './template-volumes.ts'

/** The only resource that is a GPU. */
export const GPU_RESOURCE = 'nvidia.com/gpu'

const keyRef = z.object({
  name: objectName(),
  key: contentKey(),
  optional: z.boolean().optional(),
})

/** By these NVIDIA's container runtime is told which of the machine's devices a container gets. */
const INJECTION = [
  'NVIDIA_VISIBLE_DEVICES',
  'NVIDIA_MIG_CONFIG_DEVICES',
  'NVIDIA_MIG_MONITOR_DEVICES',
  'NVIDIA_IMEX_CHANNELS',
  'NVIDIA_MOFED',
  'NVIDIA_GDS',
  'NVIDIA_GDRCOPY',
  'NVIDIA_NVSWITCH',
]

/** What a container runtime hands to a program: a zero byte would end it, and no container with one can be started. */
const programText = (max: number) => z.string().max(max).regex(new RegExp(String.raw`^[^\x00]*$`))

/** A pattern, of a variable's name or the beginning of one. What begins with `..` older Kubernetes refuses. */
const VARIABLE = '([-_a-zA-Z][-._a-zA-Z0-9]*|[.][-_a-zA-Z0-9][-._a-zA-Z0-9]*)'

const envVar = z
  .object({
    name: guarded(
      z
        .string()
        .min(1)
        .max(128)
        .regex(new RegExp(`^${VARIABLE}$`)),
      (name) => !INJECTION.includes(name) && !name.startsWith('DOCKER_RESOURCE_'),
      {
        rule: `!(self in ${JSON.stringify(INJECTION).replaceAll('"', "'")}) && !self.startsWith('DOCKER_RESOURCE_')`,
        message: "is set by the provider: which GPUs a container sees is not the template's to say",
      },
    ),
    value: programText(32_768).optional(),
    valueFrom: z
      .object({
        fieldRef: variableFieldSchema.optional(),
        configMapKeyRef: keyRef.optional().describe(TRAVELS),
        secretKeyRef: keyRef.optional().describe(TRAVELS),
      })
      .optional()
      .meta(
        rules({
          rule: '[has(self.fieldRef), has(self.configMapKeyRef), has(self.secretKeyRef)].filter(given, given).size() == 1',
          message: 'must have exactly one of fieldRef, configMapKeyRef, secretKeyRef',
        }),
      ),
  })
  .meta(rules({ rule: '!(has(self.value) && has(self.valueFrom))', message: 'must have value or valueFrom, not both' }))

const reference = z.object({ name: objectName(), optional: z.boolean().optional() })

const envFrom = z
  .object({
    prefix: z
      .string()
      .max(128)
      .regex(new RegExp(`^${VARIABLE}?$`))
      .optional(),
    configMapRef: reference.optional(),
    secretRef: reference.optional(),
  })
  .meta(
    rules({
      rule: 'has(self.configMapRef) != has(self.secretRef)',
      message: 'must have exactly one of configMapRef, secretRef',
    }),
  )

/** A pattern: letters and digits, one letter at least, and single dashes between them. */
const PORT_NAME = '^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$'

const containerPort = z.object({
  name: z
    .string()
    .min(1)
    .max(15)
    .meta(
      rules({
        rule: `self.matches('${PORT_NAME}')`,
        message: 'must be letters (one at least), digits and single dashes between them, such as http or grpc-1',
      }),
    )
    .optional(),
  containerPort: z.int().min(1).max(65_535),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
})

const portNumberOrName = () =>
  intOrString(15)
    .describe('The number or the name of a port.')
    .meta(
      rules({
        rule: `type(self) == int ? self >= 1 && self <= 65535 : self.matches('${PORT_NAME}')`,
        message: 'must be a number from 1 to 65535, not in quotes, or the name of a port',
      }),
    )

const probeFields = {
  exec: z.object({ command: z.array(programText(4096)).min(1).max(32).meta(listAtomic) }).optional(),
  httpGet: z
    .object({
      path: z.string().max(1024).optional(),
      port: portNumberOrName(),
      scheme: z.enum(['HTTP', 'HTTPS']).optional(),
      httpHeaders: z
        .array(
          z.object({
            name: z
              .string()
              .max(128)
              .regex(/^[-A-Za-z0-9]+$/),
            value: z.string().max(1024),
          }),
        )
        .max(16)
        .meta(listAtomic)
        .optional(),
    })
    .optional(),
  tcpSocket: z.object({ port: portNumberOrName() }).optional(),
  grpc: z.object({ port: z.int().min(1).max(65_535), service: z.string().max(253).optional() }).optional(),
  initialDelaySeconds: z.int().min(0).max(86_400).optional(),
  timeoutSeconds: z.int().min(1).max(3600).optional(),
  periodSeconds: z.int().min(1).max(86_400).optional(),
  failureThreshold: z.int().min(1).max(100_000).optional(),
}

const oneKindOfProbe = rules({
  rule: '[has(self.exec), has(self.httpGet), has(self.tcpSocket), has(self.grpc)].filter(given, given).size() == 1',
  message: 'must have exactly one of exec, httpGet, tcpSocket, grpc',
})

/** As in a Pod, without `host`: a probe goes to the pod itself. */
const readinessProbe = z
  .object({ ...probeFields, successThreshold: z.int().min(1).max(1000).optional() })
  .meta(oneKindOfProbe)

const livenessProbe = z
  .object({
    ...probeFields,
    successThreshold: z.int().min(1).max(1).optional(),
    terminationGracePeriodSeconds: z.int().min(1).max(3600).optional(),
  })
  .meta(oneKindOfProbe)

/** The largest amount of CPU that can be asked for: a thousand times it is still a whole number in JavaScript. */
const MOST_CPU = '10k'

const RESOURCES: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', GPU_RESOURCE])

const amounts = () =>
  guarded(
    z.record(z.string(), quantity()).meta({ maxProperties: 8 }),
    (given) => Object.keys(given).every((resource) => RESOURCES.has(resource)),
    {
      rule: `self.all(resource, resource in ['cpu', 'memory', 'ephemeral-storage', '${GPU_RESOURCE}'])`,
      message: `may only name cpu, memory, ephemeral-storage and ${GPU_RESOURCE}`,
    },
    {
      rule: `!('cpu' in self) || (type(self['cpu']) == int ? self['cpu'] <= 10000 : !isQuantity(self['cpu']) || quantity(self['cpu']).compareTo(quantity('${MOST_CPU}')) <= 0)`,
      message: `may ask for ${MOST_CPU} cpu at most`,
    },
  )

const resources = z
  .object({
    limits: amounts().optional(),
    requests: amounts().optional(),
  })
  .describe(
    `cpu, memory and ephemeral-storage, and ${GPU_RESOURCE} in the main container. A bare 0.5 is refused: write "0.5" or 500m.`,
  )
  .meta(
    rules(
      {
        rule: "!has(self.limits) || !has(self.requests) || ['cpu', 'memory', 'ephemeral-storage'].all(resource, !(resource in self.limits) || !(resource in self.requests) || !isQuantity(string(self.limits[resource])) || !isQuantity(string(self.requests[resource])) || quantity(string(self.requests[resource])).compareTo(quantity(string(self.limits[resource]))) <= 0)",
        message: 'must not request more than the limit',
      },
      {
        rule: `!has(self.requests) || !('${GPU_RESOURCE}' in self.requests) || (has(self.limits) && '${GPU_RESOURCE}' in self.limits && self.limits['${GPU_RESOURCE}'] == self.requests['${GPU_RESOURCE}'])`,
        message: `must request as many ${GPU_RESOURCE} as its limit says, or leave the request out`,
      },
    ),
  )

const userId = () => z.int().min(0).max(2_147_483_647)

const seccompProfile = z.object({ type: z.enum(['RuntimeDefault']) })

/** What a security context may say of a pod and of a container alike. */
const identity = {
  runAsUser: userId().optional(),
  runAsGroup: userId().optional(),
  runAsNonRoot: z.boolean().optional(),
  seccompProfile: seccompProfile.optional(),
}

const notRoot: Rule = {
  rule: '!has(self.runAsNonRoot) || !self.runAsNonRoot || !has(self.runAsUser) || self.runAsUser != 0',
  message: 'must not have runAsUser: 0 with runAsNonRoot: true',
}

const containerSecurityContext = z
  .object({
    ...identity,
    readOnlyRootFilesystem: z.boolean().optional(),
    privileged: z.literal(false).optional(),
    allowPrivilegeEscalation: z.literal(false).optional(),
    capabilities: z
      .object({
        add: z.array(z.string().max(64)).max(0).meta(listAtomic).optional().describe('Must be empty.'),
        drop: z.array(z.string().max(64)).max(64).meta(listAtomic).optional(),
      })
      .optional()
      .describe('All capabilities are dropped whatever is written here.'),
  })
  .describe('May only tighten: escalation is off, all capabilities are dropped and seccomp is RuntimeDefault anyway.')
  .meta(rules(notRoot))

export const podSecurityContextSchema = z
  .object({
    ...identity,
    fsGroup: userId().optional(),
    fsGroupChangePolicy: z.enum(['Always', 'OnRootMismatch']).optional(),
    supplementalGroups: z.array(userId()).max(32).meta(listAtomic).optional(),
  })
  .describe('May only tighten.')
  .meta(rules(notRoot))

const containerFields = {
  name: partName(),
  image: guarded(
    z
      .string()
      .min(1)
      .max(512)
      .regex(/^[a-zA-Z0-9[][-a-zA-Z0-9._:/@+[\]]*$/)
      .describe('Pulled by the provider, so it must be reachable from there.'),
    (image) => !/^sha256:[0-9a-f]{64}$/.test(image),
    {
      rule: "!self.matches('^sha256:[0-9a-f]{64}$')",
      message: 'must have a name: an id alone is whatever image the node happens to have',
    },
  ),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  command: z.array(programText(32_768)).max(64).meta(listAtomic).optional(),
  args: z.array(programText(32_768)).max(256).meta(listAtomic).optional(),
  // Through an open file of its own a runtime could lead out of the container (CVE-2024-21626).
  workingDir: guarded(
    z
      .string()
      .max(1024)
      .regex(new RegExp(String.raw`^([/][^\x00]*)?$`))
      .describe('An absolute path; absent: as the image says.'),
    (path) => !/[/]([.][.]?([/]|$)|[/])/.test(path) && !/^[/](proc|sys)([/]|$)/.test(path),
    { rule: "!self.matches('/([.][.]?(/|$)|/)')", message: 'must not have //, /./ or /../ in it' },
    { rule: "!self.matches('^/(proc|sys)(/|$)')", message: 'must not be under /proc or /sys' },
  ).optional(),
  env: z.array(envVar).max(256).meta(listMap('name')).optional(),
  envFrom: z.array(envFrom).max(32).meta(listAtomic).optional(),
  ports: z
    .array(containerPort)
    .max(32)
    .meta({
      ...listMap('containerPort', 'protocol'),
      ...rules({
        rule: 'self.all(first, !has(first.name) || self.exists_one(second, has(second.name) && second.name == first.name))',
        message: 'must not have a name twice',
      }),
    })
    .optional(),
  resources: resources.optional(),
  volumeMounts: z.array(volumeMountSchema).max(32).meta(listMap('mountPath')).optional(),
  livenessProbe: livenessProbe.optional(),
  readinessProbe: readinessProbe.optional(),
  startupProbe: livenessProbe.optional(),
  securityContext: containerSecurityContext.optional(),
}

export const containerSchema = z.object(containerFields)

export const initContainerSchema = z
  .object({
    ...containerFields,
    restartPolicy: z
      .enum(['Always'])
      .optional()
      .describe('Always makes it a native sidecar: it runs beside the main container.'),
  })
  .meta(
    rules({
      rule: 'has(self.restartPolicy) || !(has(self.livenessProbe) || has(self.readinessProbe) || has(self.startupProbe))',
      message: 'may have probes only with restartPolicy: Always',
    }),
  )
