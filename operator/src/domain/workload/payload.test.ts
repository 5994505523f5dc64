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
  expect(payloadSources({ spec: { containers: [main], ...spec } }).join(', ')).toBe(says)
})
