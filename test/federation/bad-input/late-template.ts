import type { WrongField } from './wrong-job.ts'

const pod = 'spec.template.spec'
const main = `${pod}.containers[0]`

const named = { path: 'name', fieldRef: { fieldPath: 'metadata.name' } }

function projected(...sources: readonly Record<string, unknown>[]): Record<string, unknown> {
  return { name: 'v', projected: { sources } }
}

const claim = `${pod}.volumes[0].ephemeral.volumeClaimTemplate.spec`

function claimed(more: Record<string, unknown>): Record<string, unknown> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...more }
  return { name: 'v', ephemeral: { volumeClaimTemplate: { spec } } }
}

/** What only the provider would refuse, when the job is placed already. */
export const late: readonly WrongField[] = [
  {
    name: 'a port named 80',
    at: `${main}.ports`,
    to: [{ name: '80', containerPort: 80 }],
    says: [`${main}.ports[0].name`, 'one at least'],
  },
  {
    name: 'a port name with two dashes',
    at: `${main}.ports`,
    to: [{ name: 'grpc--1', containerPort: 80 }],
    says: [`${main}.ports[0].name`, 'single dashes'],
  },
  {
    name: 'two ports of one name',
    at: `${main}.ports`,
    to: [
      { name: 'http', containerPort: 80 },
      { name: 'http', containerPort: 81 },
    ],
    says: [`${main}.ports: `, 'must not have a name twice'],
  },
  {
    name: 'a probe of port 0',
    at: `${main}.livenessProbe`,
    to: { tcpSocket: { port: 0 } },
    says: [`${main}.livenessProbe.tcpSocket.port`, 'from 1 to 65535'],
  },
  {
    name: 'a probe of port 70000',
    at: `${main}.readinessProbe`,
    to: { httpGet: { port: 70_000 } },
    says: [`${main}.readinessProbe.httpGet.port`, 'from 1 to 65535'],
  },
  {
    name: 'a probe of a port number in quotes',
    at: `${main}.startupProbe`,
    to: { httpGet: { port: '80' } },
    says: [`${main}.startupProbe.httpGet.port`, 'not in quotes'],
  },
  {
    name: 'a toleration with a value that no taint can have',
    at: `${pod}.tolerations`,
    to: [{ key: 'nvidia.com/gpu', value: 'a b' }],
    says: [`${pod}.tolerations[0].value`],
  },
  {
    name: 'a toleration with a key that no taint can have',
    at: `${pod}.tolerations`,
    to: [{ key: 'nvidia..com/gpu', operator: 'Exists' }],
    says: [`${pod}.tolerations[0].key`, 'the key of a taint'],
  },
  {
    name: 'a toleration for a time without NoExecute',
    at: `${pod}.tolerations`,
    to: [{ key: 'nvidia.com/gpu', operator: 'Exists', tolerationSeconds: 5 }],
    says: [`${pod}.tolerations[0]`, 'only with effect: NoExecute'],
  },
  {
    name: 'a label of the pod that cannot be',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a/b/c']" } } }],
    says: [`${main}.env[0].valueFrom.fieldRef.fieldPath`],
  },
  {
    name: 'an annotation of the pod with too long a prefix',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${'a'.repeat(254)}/b']` } } }],
    says: [`${main}.env[0].valueFrom.fieldRef.fieldPath`, '253 characters'],
  },
  {
    name: 'all labels of the pod in a variable',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }],
    says: [`${main}.env[0].valueFrom.fieldRef.fieldPath`],
  },
  ...['status.podIP', 'spec.nodeName'].map((fieldPath) => ({
    name: `${fieldPath} in a file`,
    at: `${pod}.volumes`,
    to: [projected({ downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath } }] } })],
    says: [`${pod}.volumes[0].projected.sources[0].downwardAPI.items[0].fieldRef.fieldPath`],
  })),
  {
    name: 'two fields of the pod in one file',
    at: `${pod}.volumes`,
    to: [projected({ downwardAPI: { items: [named, named] } })],
    says: [`${pod}.volumes[0].projected.sources[0].downwardAPI.items[1]`, 'Duplicate value'],
  },
  {
    name: 'downwardAPI twice in a volume',
    at: `${pod}.volumes`,
    to: [projected({ downwardAPI: { items: [named] } }, { downwardAPI: { items: [named] } })],
    says: [`${pod}.volumes[0].projected.sources: `, 'downwardAPI twice'],
  },
  {
    name: 'a key of a Secret that cannot be',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: '..' } } }],
    says: [`${main}.env[0].valueFrom.secretKeyRef.key`],
  },
  {
    name: 'a Secret with a name that cannot be',
    at: `${main}.envFrom`,
    to: [{ secretRef: { name: 'a..b' } }],
    says: [`${main}.envFrom[0].secretRef.name`],
  },
  {
    name: 'variables with a prefix that cannot be',
    at: `${main}.envFrom`,
    to: [{ prefix: '1', secretRef: { name: 's' } }],
    says: [`${main}.envFrom[0].prefix`],
  },
  {
    name: 'a claim of no storage',
    at: `${pod}.volumes`,
    to: [claimed({ resources: { requests: { storage: '0' } } })],
    says: [`${claim}.resources.requests.storage`, 'more than no storage'],
  },
  {
    name: 'a claim of one pod and of many',
    at: `${pod}.volumes`,
    to: [claimed({ accessModes: ['ReadWriteOncePod', 'ReadWriteMany'] })],
    says: [`${claim}.accessModes`, 'must not have ReadWriteOncePod beside'],
  },
  {
    name: 'a storage class with a name that cannot be',
    at: `${pod}.volumes`,
    to: [claimed({ storageClassName: 'a-.b' })],
    says: [`${claim}.storageClassName`],
  },
  {
    name: 'a mount path that goes up',
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath: '/a/../b' }],
    says: [`${main}.volumeMounts[0].mountPath`, '/../'],
  },
  {
    name: 'a mount of everything',
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath: '/' }],
    says: [`${main}.volumeMounts[0].mountPath`],
  },
  {
    name: 'an image with a space of another kind at its end',
    at: `${main}.image`,
    to: 'example.com/train:1\u00a0',
    says: [`${main}.image`],
  },
  { name: 'a relative working directory', at: `${main}.workingDir`, to: 'work', says: [`${main}.workingDir`] },
  {
    name: 'root that must not be root',
    at: `${main}.securityContext`,
    to: { runAsNonRoot: true, runAsUser: 0 },
    says: [`${main}.securityContext`, 'runAsUser: 0 with runAsNonRoot'],
  },
  {
    name: 'a pod of root that must not be root',
    at: `${pod}.securityContext`,
    to: { runAsNonRoot: true, runAsUser: 0 },
    says: [`${pod}.securityContext`, 'runAsUser: 0 with runAsNonRoot'],
  },
]
