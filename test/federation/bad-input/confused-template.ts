import type { WrongField } from './wrong-job.ts'

const pod = 'spec.template.spec'
const main = `${pod}.containers[0]`

function container(more: Record<string, unknown>): Record<string, unknown> {
  return { name: 'main', image: 'example.com/train:1', ...more }
}

/** What a pod could not run as written. */
export const confused: readonly WrongField[] = [
  { name: 'no container', at: `${pod}.containers`, to: [], says: [`${pod}.containers`, 'at least 1 items'] },
  { name: 'a template without spec', at: 'spec.template', to: {}, says: ['spec.template.spec', 'Required value'] },
  {
    name: 'a container without image',
    at: `${pod}.containers`,
    to: [{ name: 'main' }],
    says: [`${main}.image`, 'Required value'],
  },
  { name: 'an image with a space', at: `${main}.image`, to: 'my image', says: [`${main}.image`] },
  {
    name: 'two containers of one name',
    at: `${pod}.containers`,
    to: [container({}), container({})],
    says: [`${pod}.containers[1]`, 'Duplicate value'],
  },
  {
    name: 'an init container with the name of a container',
    at: `${pod}.initContainers`,
    to: [container({})],
    says: [`${pod}.initContainers`, 'must not have the name'],
  },
  {
    name: 'a container with a name of our own',
    at: `${main}.name`,
    to: 'gpu-commons-watchdog',
    says: [`${main}.name`, 'must not begin with gpu-commons-'],
  },
  {
    name: 'a restart policy',
    at: `${pod}.restartPolicy`,
    to: 'OnFailure',
    says: [`${pod}.restartPolicy`, 'supported values: "Never"'],
  },
  {
    name: 'a restart policy of a main container',
    at: `${main}.restartPolicy`,
    to: 'Always',
    says: [`unknown field "${main}.restartPolicy"`],
  },
  {
    name: 'a limit that disagrees with gpus.count',
    at: `${main}.resources`,
    to: { limits: { 'nvidia.com/gpu': 2 } },
    says: [`${pod}.containers`, 'spec.gpus.count'],
  },
  {
    name: 'a limit of zero GPUs',
    at: `${main}.resources`,
    to: { limits: { 'nvidia.com/gpu': '0' } },
    says: [`${pod}.containers`, 'spec.gpus.count'],
  },
  {
    name: 'two containers with a GPU limit',
    at: `${pod}.containers`,
    to: ['a', 'b'].map((name) => container({ name, resources: { limits: { 'nvidia.com/gpu': 1 } } })),
    says: [`${pod}.containers`, 'in one container only'],
  },
  {
    name: 'an init container with a GPU',
    at: `${pod}.initContainers`,
    to: [container({ name: 'init', resources: { limits: { 'nvidia.com/gpu': 1 } } })],
    says: [`${pod}.initContainers`, 'nvidia.com/gpu'],
  },
  {
    name: 'a request of a GPU without a limit',
    at: `${main}.resources`,
    to: { requests: { 'nvidia.com/gpu': 1 } },
    says: [`${main}.resources`, 'nvidia.com/gpu'],
  },
  {
    name: 'a GPU of another vendor',
    at: `${main}.resources`,
    to: { limits: { 'amd.com/gpu': 1 } },
    says: [`${main}.resources.limits`, 'may only name'],
  },
  {
    name: 'a MIG slice',
    at: `${main}.resources`,
    to: { limits: { 'nvidia.com/mig-1g.10gb': 1 } },
    says: [`${main}.resources.limits`, 'may only name'],
  },
  {
    name: 'a request over its limit',
    at: `${main}.resources`,
    to: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } },
    says: [`${main}.resources`, 'more than the limit'],
  },
  {
    name: 'a cpu request over its limit',
    at: `${main}.resources`,
    to: { requests: { cpu: 2 }, limits: { cpu: '1500m' } },
    says: [`${main}.resources`, 'more than the limit'],
  },
  {
    name: 'a unit that is none',
    at: `${main}.resources`,
    to: { limits: { memory: '80GB' } },
    says: [`${main}.resources.limits[memory]`, 'must be a quantity'],
  },
  {
    name: 'a quantity with a space',
    at: `${main}.resources`,
    to: { limits: { memory: '80 Gi' } },
    says: [`${main}.resources.limits[memory]`, 'must be a quantity'],
  },
  {
    name: 'a negative quantity',
    at: `${main}.resources`,
    to: { limits: { cpu: '-1' } },
    says: [`${main}.resources.limits[cpu]`, 'must be a quantity'],
  },
  {
    name: 'a negative number',
    at: `${main}.resources`,
    to: { limits: { cpu: -1 } },
    says: [`${main}.resources.limits[cpu]`, 'must be a quantity'],
  },
  {
    name: 'half a cpu as a bare number',
    at: `${main}.resources`,
    to: { limits: { cpu: 0.5 } },
    says: [`${main}.resources.limits.cpu`, 'integer,string'],
  },
  {
    name: 'more memory than there is',
    at: `${main}.resources`,
    to: { limits: { memory: '1Ei' } },
    says: [`${main}.resources.limits[memory]`, 'more than 1Pi'],
  },
  {
    name: 'more memory than there is, as a number',
    at: `${main}.resources`,
    to: { limits: { memory: 9_000_000_000_000_000 } },
    says: [`${main}.resources.limits[memory]`, 'more than 1Pi'],
  },
  {
    name: 'more cpu than there is',
    at: `${main}.resources`,
    to: { limits: { cpu: '1M' } },
    says: [`${main}.resources.limits`, '10k cpu'],
  },
  {
    name: 'one variable of 1 MB',
    at: `${main}.env`,
    to: [{ name: 'A', value: 'x'.repeat(1_000_000) }],
    says: [`${main}.env[0].value`, 'Too long'],
  },
  {
    name: 'variables of 90 KB in all',
    at: `${main}.env`,
    to: ['A', 'B', 'C'].map((name) => ({ name, value: 'x'.repeat(30_000) })),
    says: [`${pod}.containers`, '65536 characters of env'],
  },
  {
    name: 'too many variables',
    at: `${main}.env`,
    to: Array.from({ length: 257 }, (_, i) => ({ name: `A${i}` })),
    says: [`${main}.env`, 'at most 256 items'],
  },
  {
    name: 'a variable twice',
    at: `${main}.env`,
    to: [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ],
    says: [`${main}.env[1]`, 'Duplicate value'],
  },
  {
    name: 'a variable of a number',
    at: `${main}.env`,
    to: [{ name: 'A', value: 1 }],
    says: [`${main}.env[0].value`, 'string'],
  },
  {
    name: 'a variable with a space in its name',
    at: `${main}.env`,
    to: [{ name: 'A B', value: '1' }],
    says: [`${main}.env[0].name`],
  },
  {
    name: 'a variable with two sources',
    at: `${main}.env`,
    to: [{ name: 'A', value: '1', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    says: [`${main}.env[0]`, 'not both'],
  },
  {
    name: 'a variable from nothing',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: {} }],
    says: [`${main}.env[0].valueFrom`, 'exactly one'],
  },
  {
    name: 'arguments of 90 KB',
    at: `${main}.args`,
    to: ['x', 'y', 'z'].map((letter) => letter.repeat(30_000)),
    says: [`${pod}.containers`, '65536 characters of command and args'],
  },
  { name: 'a command that is one text', at: `${main}.command`, to: 'sleep 5', says: [`${main}.command`, 'array'] },
  {
    name: 'a mount without a volume',
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath: '/v' }],
    says: [`${pod}.containers`, 'not among the volumes'],
  },
  {
    name: 'a relative mount path',
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath: 'v' }],
    says: [`${main}.volumeMounts[0].mountPath`],
  },
  {
    name: 'a volume without a source',
    at: `${pod}.volumes`,
    to: [{ name: 'v' }],
    says: [`${pod}.volumes[0]`, 'exactly one'],
  },
  {
    name: 'a volume with two sources',
    at: `${pod}.volumes`,
    to: [{ name: 'v', emptyDir: {}, configMap: { name: 'c' } }],
    says: [`${pod}.volumes[0]`, 'exactly one'],
  },
  {
    name: 'a volume twice',
    at: `${pod}.volumes`,
    to: [
      { name: 'v', emptyDir: {} },
      { name: 'v', emptyDir: {} },
    ],
    says: [`${pod}.volumes[1]`, 'Duplicate value'],
  },
  {
    name: 'a volume with a name of our own',
    at: `${pod}.volumes`,
    to: [{ name: 'gpu-commons-shm', emptyDir: {} }],
    says: [`${pod}.volumes[0].name`, 'must not begin with gpu-commons-'],
  },
  {
    name: 'a probe of two kinds',
    at: `${main}.readinessProbe`,
    to: { exec: { command: ['a'] }, tcpSocket: { port: 1 } },
    says: [`${main}.readinessProbe`, 'exactly one'],
  },
  {
    name: 'a liveness probe that must succeed twice',
    at: `${main}.livenessProbe`,
    to: { exec: { command: ['a'] }, successThreshold: 2 },
    says: [`${main}.livenessProbe.successThreshold`],
  },
  {
    name: 'a probe of an init container',
    at: `${pod}.initContainers`,
    to: [container({ name: 'init', livenessProbe: { exec: { command: ['a'] } } })],
    says: [`${pod}.initContainers[0]`, 'restartPolicy: Always'],
  },
  {
    name: 'a port over 65535',
    at: `${main}.ports`,
    to: [{ containerPort: 70_000 }],
    says: [`${main}.ports[0].containerPort`],
  },
  {
    name: 'a toleration that exists with a value',
    at: `${pod}.tolerations`,
    to: [{ key: 'a', operator: 'Exists', value: 'b' }],
    says: [`${pod}.tolerations[0]`, 'no value'],
  },
  {
    name: 'a label with a bad key',
    at: 'spec.template.metadata',
    to: { labels: { 'a b': 'c' } },
    says: ['spec.template.metadata.labels', 'label key'],
  },
  {
    name: 'a label with a bad value',
    at: 'spec.template.metadata',
    to: { labels: { a: 'b c' } },
    says: ['spec.template.metadata.labels.a'],
  },
]
