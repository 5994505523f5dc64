import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { type Cupboard, environmentOf, filesOf, keeping } from '../../../../test/builders/kubelet.ts'
import { payloadCases } from '../../../../test/builders/payload-cases.ts'
import type { PodSpec } from '../../api/template.ts'
import { payloadSources, type SourceKind } from './payload.ts'
import { type Payload } from './payload-content.ts'
import { provided, secretNames } from './payload-pod.ts'

const sha256Hex = (text: string) => createHash('sha256').update(text).digest('hex')
const names = secretNames('run-1-nonce')

function payloadOf(kept: Cupboard): Payload {
  return Object.entries(kept).map(([id, { data = {}, binaryData = {} }]) => {
    const [kind, name = ''] = id.split(' ')
    const maps = { data: new Map(Object.entries(data)), binaryData: new Map(Object.entries(binaryData)) }
    return { kind: kind as SourceKind, name, ...maps }
  })
}

function providedTo(spec: PodSpec, kept: Cupboard) {
  return provided({ spec }, { payload: payloadOf(kept), names, sha256Hex })
}

const containersOf = ({ initContainers = [], containers }: PodSpec) => [...initContainers, ...containers]

describe('on the provider a container finds what it would find at home', () => {
  test.each(payloadCases)('$name', ({ kept, pod }) => {
    const made = providedTo(pod, kept)
    if ('reason' in made) throw new Error(made.message)
    const there: Cupboard = { [`Secret ${names.secret}`]: { data: made.data } }
    const { spec } = made.template
    expect(containersOf(spec).map((one) => environmentOf(one, there))).toEqual(
      containersOf(pod).map((one) => environmentOf(one, kept)),
    )
    expect((spec.volumes ?? []).map((volume) => filesOf(volume, there))).toEqual(
      (pod.volumes ?? []).map((volume) => filesOf(volume, kept)),
    )
  })

  test.each(payloadCases)('and names nothing but the Secret of its run: $name', ({ kept, pod }) => {
    const made = providedTo(pod, kept)
    if ('reason' in made) throw new Error(made.message)
    const sources = payloadSources(made.template).map(({ kind, name }) => `${kind} ${name}`)
    expect(sources.filter((one) => one !== `Secret ${names.secret}`)).toEqual([])
    expect(Object.keys(made.data).filter((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key))).toEqual([])
  })
})

const main = { name: 'main', image: 'i' }

test('keys say where they come from', () => {
  const spec = { containers: [{ ...main, envFrom: [{ configMapRef: { name: 'c' } }] }] }
  expect(providedTo(spec, { 'ConfigMap c': keeping({ a: 'x' }) })).toMatchObject({ data: { 'configmap.c.a': 'eA==' } })
})

test('what nobody names is not in it', () => {
  const volumes = [{ name: 'v', secret: { secretName: 's', items: [{ key: 'a', path: 'a' }] } }]
  const made = providedTo({ containers: [main], volumes }, { 'Secret s': keeping({ a: '1', b: '2' }) })
  expect('data' in made && Object.keys(made.data)).toEqual(['secret.s.a'])
})

test('a pod that names nothing is as it was', () => {
  const spec = { containers: [{ ...main, env: [{ name: 'A', value: '1' }] }], volumes: [{ name: 'v', emptyDir: {} }] }
  expect(providedTo(spec, {})).toEqual({ template: { spec }, data: {} })
})

test('all pull secrets are one', () => {
  const auths = JSON.stringify({ auths: { 'example.com': { auth: 'x' } } })
  const spec = { containers: [main], imagePullSecrets: [{ name: 'a' }, { name: 'b' }] }
  const pull = keeping({ '.dockerconfigjson': auths })
  const made = providedTo(spec, { 'Secret a': pull, 'Secret b': pull })
  expect(made).toMatchObject({ template: { spec: { imagePullSecrets: [{ name: 'run-1-nonce-pull' }] } }, data: {} })
  expect('pull' in made && Buffer.from(made.pull ?? '', 'base64').toString()).toBe(auths)
})

test.each<{ name: string; spec: Partial<PodSpec>; says: string }>([
  {
    name: 'a Secret',
    spec: { volumes: [{ name: 'v', secret: { secretName: 'gone' } }] },
    says: 'there is no Secret gone',
  },
  {
    name: 'a key of env',
    spec: { containers: [{ ...main, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'b' } } }] }] },
    says: 'Secret s has no key b',
  },
  {
    name: 'a text where only bytes are',
    spec: {
      containers: [{ ...main, env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'c', key: 'bin' } } }] }],
    },
    says: 'ConfigMap c has no key bin',
  },
  {
    name: 'an item',
    spec: { volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'z', path: 'z' }] } }] },
    says: 'ConfigMap c has no key z',
  },
  { name: 'a pull secret', spec: { imagePullSecrets: [{ name: 'gone' }] }, says: 'there is no Secret gone' },
])('missing: $name', ({ spec, says }) => {
  const kept = { 'Secret s': keeping({ a: '1' }), 'ConfigMap c': keeping({ text: 't' }, { bin: '\u0000' }) }
  expect(providedTo({ containers: [main], ...spec }, kept)).toEqual({ reason: 'SourceMissing', message: says })
})

test('a pod that would be too large for its API server is refused', () => {
  const many = Object.fromEntries(Array.from({ length: 8000 }, (_, i) => [`key-${i}`, '']))
  const spec = { containers: [{ ...main, envFrom: [{ secretRef: { name: 's' } }] }] }
  expect(providedTo(spec, { 'Secret s': keeping(many) })).toMatchObject({ reason: 'PayloadTooLarge' })
})
