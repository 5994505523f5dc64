// Pods that use Secrets and ConfigMaps in every way that a template can: told to the rewriting itself, and to whole federations.
import type { Container, PodSpec } from '../../operator/src/api/template.ts'
import { type Cupboard, keeping } from './kubelet.ts'

export interface PayloadCase {
  readonly name: string
  /** What the tenant has; all of it may travel. */
  readonly kept: Cupboard
  readonly pod: PodSpec
}

type Extras = Omit<Partial<PodSpec>, 'containers'> & Partial<Omit<Container, 'name' | 'image'>>

function pod({ env, envFrom, volumeMounts, ...rest }: Extras): PodSpec {
  const main = {
    name: 'main',
    image: 'example.com/train:1',
    ...(env && { env }),
    ...(envFrom && { envFrom }),
    ...(volumeMounts && { volumeMounts }),
  }
  return { ...rest, containers: [main] }
}

const longName = `${'n'.repeat(63)}.${'m'.repeat(63)}.${'l'.repeat(63)}.${'k'.repeat(60)}`
const longKey = 'k'.repeat(253)
const secretKey = (name: string, key: string, optional?: boolean) => ({
  secretKeyRef: { name, key, ...(optional === undefined ? {} : { optional }) },
})
const configKey = (name: string, key: string) => ({ configMapKeyRef: { name, key } })

const variables: readonly PayloadCase[] = [
  {
    name: 'a key of a Secret and one of a ConfigMap',
    kept: { 'Secret key': keeping({ token: 't', other: 'stays' }), 'ConfigMap conf': keeping({ level: '3' }) },
    pod: pod({
      env: [
        { name: 'TOKEN', valueFrom: secretKey('key', 'token') },
        { name: 'LEVEL', valueFrom: configKey('conf', 'level') },
      ],
    }),
  },
  {
    name: 'envFrom with odd keys',
    kept: {
      'Secret odd': keeping(
        JSON.parse(
          '{"1st":"a","a.b":"b","a-b":"c","_":"d",".x":"e","__proto__":"f","constructor":"g","PATH":""}',
        ) as Record<string, string>,
      ),
    },
    pod: pod({ envFrom: [{ secretRef: { name: 'odd' } }] }),
  },
  {
    name: 'a prefix, which makes a name of a number',
    kept: { 'Secret odd': keeping({ '1': 'a', b: 'c' }) },
    pod: pod({ envFrom: [{ prefix: 'P_', secretRef: { name: 'odd' } }] }),
  },
  {
    name: 'of envFrom the later wins, and env over both',
    kept: {
      'Secret one': keeping({ A: '1', B: '1', C: '1' }),
      'ConfigMap two': keeping({ B: '2', C: '2' }),
    },
    pod: pod({
      envFrom: [{ secretRef: { name: 'one' } }, { configMapRef: { name: 'two' } }],
      env: [{ name: 'C', value: '3' }],
    }),
  },
  {
    name: 'a variable refers to what envFrom brought, before env changes it',
    kept: { 'Secret one': keeping({ A: 'of envFrom' }) },
    pod: pod({
      envFrom: [{ secretRef: { name: 'one' } }],
      env: [
        { name: 'BEFORE', value: 'is $(A), $$(A)' },
        { name: 'A', value: 'of env' },
        { name: 'AFTER', value: 'is $(A)' },
      ],
    }),
  },
  {
    name: 'what may be absent and is',
    kept: { 'Secret there': keeping({ a: '1' }), 'ConfigMap base': keeping({ X: 'of envFrom' }) },
    pod: pod({
      envFrom: [{ configMapRef: { name: 'base' } }, { secretRef: { name: 'gone', optional: true } }],
      env: [
        { name: 'X', valueFrom: secretKey('gone', 'a', true) },
        { name: 'Y', valueFrom: secretKey('there', 'b', true) },
        { name: 'Z', valueFrom: secretKey('there', 'a', true) },
      ],
      volumes: [
        { name: 'none', secret: { secretName: 'gone', optional: true } },
        {
          name: 'some',
          secret: {
            secretName: 'there',
            optional: true,
            items: [
              { key: 'a', path: 'a' },
              { key: 'b', path: 'b' },
            ],
          },
        },
      ],
    }),
  },
  {
    name: 'binary content is no variable',
    kept: { 'ConfigMap bin': keeping({ text: 't' }, { bytes: '\u0000\u0001' }) },
    pod: pod({ envFrom: [{ configMapRef: { name: 'bin' } }], volumes: [{ name: 'v', configMap: { name: 'bin' } }] }),
  },
  {
    name: 'init containers and sidecars have theirs',
    kept: { 'Secret key': keeping({ A: '1' }) },
    pod: {
      initContainers: [
        { name: 'first', image: 'example.com/i:1', envFrom: [{ secretRef: { name: 'key' } }] },
        {
          name: 'side',
          image: 'example.com/i:1',
          restartPolicy: 'Always',
          env: [{ name: 'B', valueFrom: secretKey('key', 'A') }],
        },
      ],
      containers: [{ name: 'main', image: 'example.com/train:1' }],
    },
  },
]

const files: readonly PayloadCase[] = [
  {
    name: 'a volume of a whole Secret with a mode',
    kept: { 'Secret s': keeping({ a: '1', '.hidden': '2', '9': '' }) },
    pod: pod({ volumes: [{ name: 'v', secret: { secretName: 's', defaultMode: 0o400 } }] }),
  },
  {
    name: 'items with modes and folders',
    kept: { 'ConfigMap c': keeping({ a: '1', b: '2', c: '3' }, { d: '\u0000' }) },
    pod: pod({
      volumes: [
        {
          name: 'v',
          configMap: {
            name: 'c',
            defaultMode: 0o440,
            items: [
              { key: 'a', path: 'deep/er/a' },
              { key: 'b', path: 'x', mode: 0o777 },
              { key: 'd', path: 'bytes' },
            ],
          },
        },
      ],
    }),
  },
  {
    name: 'a projected volume, in which the later file of a path counts',
    kept: { 'Secret s': keeping({ a: 'of s', b: 'of s' }), 'ConfigMap c': keeping({ a: 'of c' }) },
    pod: pod({
      volumes: [
        {
          name: 'v',
          projected: {
            defaultMode: 0o600,
            sources: [
              { secret: { name: 's' } },
              { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
              { configMap: { name: 'c' } },
              { secret: { name: 'gone', optional: true } },
            ],
          },
        },
      ],
    }),
  },
  {
    name: 'one key at two places',
    kept: { 'Secret s': keeping({ a: '1' }) },
    pod: pod({
      env: [{ name: 'A', valueFrom: secretKey('s', 'a') }],
      volumes: [
        {
          name: 'v',
          secret: {
            secretName: 's',
            items: [
              { key: 'a', path: 'x' },
              { key: 'a', path: 'y' },
            ],
          },
        },
      ],
    }),
  },
  {
    name: 'a Secret and a ConfigMap of one name',
    kept: { 'Secret same': keeping({ a: 'secret' }), 'ConfigMap same': keeping({ a: 'config' }) },
    pod: pod({
      volumes: [
        { name: 'v', secret: { secretName: 'same' } },
        { name: 'w', configMap: { name: 'same' } },
      ],
    }),
  },
  {
    name: 'names that meet when they are joined',
    kept: { 'Secret a.b': keeping({ c: 'first' }), 'Secret a': keeping({ 'b.c': 'second' }) },
    pod: pod({
      volumes: [
        { name: 'v', secret: { secretName: 'a.b' } },
        { name: 'w', secret: { secretName: 'a' } },
      ],
    }),
  },
  {
    name: 'the longest names',
    kept: { [`Secret ${longName}`]: keeping({ [longKey]: 'v' }) },
    pod: pod({
      volumes: [{ name: 'v', secret: { secretName: longName } }],
      env: [{ name: 'A', valueFrom: secretKey(longName, longKey) }],
    }),
  },
  {
    name: 'an empty Secret',
    kept: { 'Secret e': keeping({}) },
    pod: pod({ envFrom: [{ secretRef: { name: 'e' } }], volumes: [{ name: 'v', secret: { secretName: 'e' } }] }),
  },
]

export const payloadCases: readonly PayloadCase[] = [...variables, ...files]
