import { expect, test } from '@jest/globals'
import type { Container, PodSpec } from '../../api/template.ts'
import { payloadSources } from './payload.ts'

const main: Container = { name: 'main', image: 'i' }
const keyRef = (name: string) => ({ name, key: 'k' })

test.each<{ name: string; spec: Partial<PodSpec>; says: string }>([
  { name: 'nothing', spec: {}, says: '' },
  {
    name: 'envFrom of a container',
    spec: { containers: [{ ...main, envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 'b' } }] }] },
    says: 'ConfigMap a, Secret b',
  },
  {
    name: 'env of an init container, which comes first',
    spec: {
      containers: [{ ...main, env: [{ name: 'A', valueFrom: { secretKeyRef: keyRef('b') } }] }],
      initContainers: [{ ...main, env: [{ name: 'A', valueFrom: { configMapKeyRef: keyRef('a') } }] }],
    },
    says: 'ConfigMap a, Secret b',
  },
  {
    name: 'volumes',
    spec: {
      volumes: [
        { name: 'v', configMap: { name: 'a' } },
        { name: 'w', secret: { secretName: 'b' } },
      ],
    },
    says: 'ConfigMap a, Secret b',
  },
  {
    name: 'projected volumes',
    spec: {
      volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 'b' } }, { configMap: { name: 'a' } }] } }],
    },
    says: 'Secret b, ConfigMap a',
  },
  { name: 'secrets to pull images with', spec: { imagePullSecrets: [{ name: 'r' }] }, says: 'Secret r' },
  {
    name: 'each source once, and a Secret is no ConfigMap of the same name',
    spec: {
      containers: [{ ...main, envFrom: [{ secretRef: { name: 'a' } }, { configMapRef: { name: 'a' } }] }],
      imagePullSecrets: [{ name: 'a' }],
    },
    says: 'Secret a, ConfigMap a',
  },
  {
    name: 'nothing of what is no source',
    spec: {
      containers: [
        {
          ...main,
          env: [
            { name: 'A', value: '1' },
            { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
        },
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    },
    says: '',
  },
])('what a template names of its tenant: $name', ({ spec, says }) => {
  const named = payloadSources({ spec: { containers: [main], ...spec } }).map(({ kind, name }) => `${kind} ${name}`)
  expect(named.join(', ')).toBe(says)
})

test.each<{ name: string; spec: Partial<PodSpec>; says: string }>([
  {
    name: 'the keys that env names, and no others',
    spec: {
      containers: [
        {
          ...main,
          env: [
            { name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'a' } } },
            { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'b', optional: true } } },
          ],
        },
      ],
    },
    says: 'a b',
  },
  {
    name: 'the items of a volume',
    spec: { volumes: [{ name: 'v', secret: { secretName: 's', items: [{ key: 'a', path: 'x' }] } }] },
    says: 'a',
  },
  {
    name: 'all of it where one mention wants all',
    spec: {
      containers: [{ ...main, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'a' } } }] }],
      volumes: [{ name: 'v', secret: { secretName: 's' } }],
    },
    says: 'All',
  },
  {
    name: 'all of it for an empty list of items, as Kubernetes reads it',
    spec: { volumes: [{ name: 'v', secret: { secretName: 's', items: [], optional: true } }] },
    says: 'All optional',
  },
  {
    name: 'of a pull secret the credentials',
    spec: { imagePullSecrets: [{ name: 's' }] },
    says: '.dockerconfigjson .dockercfg',
  },
  {
    name: 'optional only where every mention is',
    spec: {
      containers: [{ ...main, envFrom: [{ secretRef: { name: 's', optional: true } }] }],
      volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }],
    },
    says: 'All',
  },
])('what of a Secret travels: $name', ({ spec, says }) => {
  const [source] = payloadSources({ spec: { containers: [main], ...spec } })
  const keys = source?.keys === 'All' ? 'All' : [...(source?.keys ?? [])].join(' ')
  expect(`${keys}${source?.optional ? ' optional' : ''}`).toBe(says)
})
