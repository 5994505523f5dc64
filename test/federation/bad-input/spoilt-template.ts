// A pod template with every field that may be written, spoilt in a place or two by a value that is at some limit or over it.
import fc from 'fast-check'
import { changed, type Manifest, plainJob } from './manifest.ts'

const texts = [
  ...'a A 0 80 1Gi -1 1n . .. ..a .a a. -a a- a--b a..b a.-b _a é = $'.split(' '),
  ...'a/b A/b / // /a /a/ /a/../b a/b/c /dev/shm /a:b all init nvidia.com/gpu'.split(' '),
  ...'Always Exists Equal NoExecute Memory ReadWriteOncePod metadata.labels status.podIP'.split(' '),
  '',
  "metadata.labels['']",
  "metadata.labels['a/']",
  "metadata.annotations['a']",
  ...[15, 16, 63, 64, 253].map((length) => 'a'.repeat(length)),
  `${'a'.repeat(254)}/b`,
  ' a',
  'a ',
  '\u00a0a',
  'a\nb',
]
const numbers = [-1, 0, 1, 2, 8, 511, 512, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 50]

const probe = { initialDelaySeconds: 1, timeoutSeconds: 1, periodSeconds: 1, failureThreshold: 1, successThreshold: 1 }
const user = { runAsUser: 1, runAsGroup: 1, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }

function container(name: string): Manifest {
  return {
    name,
    image: 'example.com/train:1',
    imagePullPolicy: 'Always',
    command: ['a'],
    args: ['a'],
    workingDir: '/a',
    env: [
      { name: 'A', value: 'a' },
      { name: 'B', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a/b']" } } },
      { name: 'C', valueFrom: { secretKeyRef: { name: 'a', key: 'a', optional: true } } },
    ],
    envFrom: [{ prefix: 'A_', configMapRef: { name: 'a', optional: true } }],
    ports: [
      { name: 'a', containerPort: 1, protocol: 'TCP' },
      { name: 'b', containerPort: 2 },
    ],
    resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: 2, memory: '2Gi', 'ephemeral-storage': '1Gi' } },
    volumeMounts: [
      { name: 'empty', mountPath: '/a', subPath: 'a/b', readOnly: true },
      { name: 'files', mountPath: '/b' },
    ],
    livenessProbe: { ...probe, terminationGracePeriodSeconds: 1, httpGet: { path: '/', port: 1, scheme: 'HTTP' } },
    readinessProbe: { ...probe, tcpSocket: { port: 'a' } },
    startupProbe: { ...probe, exec: { command: ['a'] } },
    securityContext: { ...user, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  }
}

const claim = { accessModes: ['ReadWriteOnce', 'ReadWriteMany'], storageClassName: 'a', volumeMode: 'Filesystem' }
const items = [
  { key: 'a', path: 'a/b', mode: 0o400 },
  { key: 'b', path: 'b' },
]
const file = { path: 'c', mode: 0o400, fieldRef: { fieldPath: 'metadata.name' } }

const full = changed(plainJob('spoilt'), 'spec.template', {
  metadata: { labels: { a: 'b' } },
  spec: {
    containers: [container('main'), container('side')],
    initContainers: [
      { ...container('sidecar'), restartPolicy: 'Always' },
      { name: 'init', image: 'a' },
    ],
    volumes: [
      { name: 'empty', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
      { name: 'secret', secret: { secretName: 'a', items, defaultMode: 0o400, optional: true } },
      {
        name: 'disk',
        ephemeral: { volumeClaimTemplate: { spec: { ...claim, resources: { requests: { storage: '1Gi' } } } } },
      },
      {
        name: 'files',
        projected: { sources: [{ configMap: { name: 'a' } }, { downwardAPI: { items: [file] } }], defaultMode: 0o400 },
      },
    ],
    imagePullSecrets: [{ name: 'a' }],
    securityContext: { ...user, fsGroup: 1, fsGroupChangePolicy: 'Always', supplementalGroups: [1] },
    terminationGracePeriodSeconds: 1,
    tolerations: [
      { key: 'nvidia.com/gpu', operator: 'Equal', value: 'a', effect: 'NoExecute', tolerationSeconds: 1 },
      { key: 'nvidia.com/gpu', operator: 'Exists' },
    ],
  },
})

/** Such as `spec.template.spec.containers[0].image`: of each text, number and boolean in it. */
function leaves(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, inner]) =>
    // The path of a key with dots or slashes in it cannot be written.
    /\W/.test(key) ? [] : leaves(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`),
  )
}

const places: readonly string[] = leaves((full['spec'] as Manifest)['template'], 'spec.template')
const spoilers: readonly unknown[] = [...texts, ...numbers, undefined, true, false]

export const spoiltJob: fc.Arbitrary<Manifest> = fc
  .array(fc.tuple(fc.constantFrom(...places), fc.constantFrom(...spoilers)), { maxLength: 2 })
  .map((spoils) => spoils.reduce((job, [at, to]) => changed(job, at, to), full))
