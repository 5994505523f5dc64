/** Specs that look wrong or sit at a limit, and are right. */
export interface OddField {
  readonly name: string
  readonly at: string
  readonly to: unknown
}

const pod = 'spec.template.spec'
const main = `${pod}.containers[0]`

function container(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, image: 'example.com/train:1', ...more }
}

export const oddButValid: readonly OddField[] = [
  { name: 'a name of 40 characters', at: 'metadata.name', to: `odd-${'a'.repeat(36)}` },
  {
    name: 'the most of everything',
    at: 'spec',
    to: { ...limits(), template: { spec: { containers: [container('main')] } } },
  },
  {
    name: 'the least of everything',
    at: 'spec',
    to: {
      priority: -1000,
      gpus: { count: 1 },
      ttlSecondsAfterFinished: 0,
      retry: { limit: 0 },
      template: { spec: { containers: [container('main')] } },
    },
  },
  {
    name: 'empty objects everywhere',
    at: 'spec',
    to: {
      gpus: { count: 1 },
      placement: {},
      retry: {},
      failover: {},
      template: {
        metadata: {},
        spec: {
          securityContext: {},
          volumes: [],
          containers: [container('main', { resources: {}, securityContext: {}, env: [], command: [] })],
        },
      },
    },
  },
  { name: 'cpu as a whole number', at: `${main}.resources`, to: { limits: { cpu: 2 } } },
  { name: 'half a cpu as a text', at: `${main}.resources`, to: { limits: { cpu: '0.5' } } },
  {
    name: 'memory with an exponent',
    at: `${main}.resources`,
    to: { requests: { memory: '1e9' }, limits: { memory: '1.5Gi' } },
  },
  { name: 'a limit as a text that agrees', at: `${main}.resources`, to: { limits: { 'nvidia.com/gpu': '1' } } },
  {
    name: 'a limit and the same request',
    at: `${main}.resources`,
    to: { limits: { 'nvidia.com/gpu': 1 }, requests: { 'nvidia.com/gpu': 1 } },
  },
  {
    name: 'a request equal to its limit in other words',
    at: `${main}.resources`,
    to: { requests: { memory: '1024Mi' }, limits: { memory: '1Gi' } },
  },
  {
    name: 'a second container without a GPU',
    at: `${pod}.containers`,
    to: [container('logger'), container('main', { resources: { limits: { 'nvidia.com/gpu': 1 } } })],
  },
  {
    name: '256 variables',
    at: `${main}.env`,
    to: Array.from({ length: 256 }, (_, i) => ({ name: `A${i}`, value: `${i}` })),
  },
  {
    name: '64 KiB of variables',
    at: `${main}.env`,
    to: ['A', 'B'].map((name) => ({ name, value: 'x'.repeat(32_768) })),
  },
  { name: 'a variable without value', at: `${main}.env`, to: [{ name: 'EMPTY' }] },
  { name: 'a variable of emoji', at: `${main}.env`, to: [{ name: 'A', value: '🚀'.repeat(100) }] },
  { name: 'what is pasted from a careful pod', at: pod, to: careful() },
  {
    name: 'a script of many lines',
    at: `${main}.args`,
    to: ['-c', 'set -e\n\tfor i in 1 2 3; do\n  echo "$i"\ndone\n'],
  },
  {
    name: 'init containers and sidecars',
    at: `${pod}.initContainers`,
    to: [
      container('init'),
      container('sidecar', {
        restartPolicy: 'Always',
        startupProbe: { tcpSocket: { port: 'http' } },
        ports: [{ name: 'http', containerPort: 80 }],
      }),
    ],
  },
  {
    name: 'one port by two protocols',
    at: `${main}.ports`,
    to: [{ containerPort: 53 }, { containerPort: 53, protocol: 'UDP' }],
  },
  {
    name: 'probes of all kinds',
    at: main,
    to: container('main', {
      livenessProbe: { grpc: { port: 1 } },
      readinessProbe: { httpGet: { port: 1, httpHeaders: [{ name: 'A', value: 'b' }] }, successThreshold: 3 },
      startupProbe: { exec: { command: ['true'] } },
    }),
  },
  { name: 'volumes of all kinds', at: pod, to: volumes() },
  {
    name: 'a Secret that cannot travel yet',
    at: `${main}.envFrom`,
    to: [{ secretRef: { name: 's' } }, { prefix: 'A_', configMapRef: { name: 'c', optional: true } }],
  },
  {
    name: 'fields of the pod',
    at: `${main}.env`,
    to: ['metadata.name', 'status.podIP', 'spec.nodeName', "metadata.labels['tenant.gpucommons.io/app']"].map(
      (fieldPath, i) => ({ name: `A${i}`, valueFrom: { fieldRef: { fieldPath } } }),
    ),
  },
  {
    name: 'tolerations',
    at: `${pod}.tolerations`,
    to: [
      { key: 'nvidia.com/gpu', operator: 'Exists' },
      { key: 'a', value: 'b', effect: 'NoExecute', tolerationSeconds: 0 },
    ],
  },
  {
    name: 'labels with a domain',
    at: 'spec.template.metadata',
    to: { labels: { 'app.kubernetes.io/name': 'x', Team_1: '', a: '1' } },
  },
  {
    name: 'a mount over a mount',
    at: pod,
    to: {
      containers: [
        container('main', {
          volumeMounts: [
            { name: 'a', mountPath: '/a' },
            { name: 'a', mountPath: '/a/b', subPath: 'b' },
          ],
        }),
      ],
      volumes: [{ name: 'a', emptyDir: {} }],
    },
  },
]

function limits(): Record<string, unknown> {
  return {
    priority: 1000,
    workers: 1024,
    gpus: { count: 64, models: Array.from({ length: 16 }, (_, i) => `Model-${i}.x`), memory: '1Pi' },
    topology: { within: 'Zone', rule: 'Preferred' },
    placement: {
      providerSelector: { 'example.com/tier': 'gold' },
      nodeSelector: { a: '' },
      maxPricePerGpuHour: '999999.9999',
    },
    retry: { limit: 100, exitCodes: [{ in: Array.from({ length: 255 }, (_, i) => i + 1), action: 'Retry' }] },
    failover: { policy: 'Manual', leaseSeconds: 86_400 },
    bindTimeoutSeconds: 3600,
    maxRuntimeSeconds: 31_536_000,
    ttlSecondsAfterFinished: 31_536_000,
    suspend: true,
  }
}

function careful(): Record<string, unknown> {
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    terminationGracePeriodSeconds: 0,
    imagePullSecrets: [{ name: 'registry' }],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      fsGroupChangePolicy: 'OnRootMismatch',
      supplementalGroups: [1, 2],
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      container('main', {
        imagePullPolicy: 'IfNotPresent',
        workingDir: '/work',
        securityContext: {
          privileged: false,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { add: [], drop: ['ALL'] },
        },
      }),
    ],
  }
}

function volumes(): Record<string, unknown> {
  return {
    containers: [container('main')],
    volumes: [
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
      { name: 'config', configMap: { name: 'c', defaultMode: 292, items: [{ key: 'a.b', path: '.hidden/a..b' }] } },
      { name: 'secret', secret: { secretName: 's', optional: true } },
      {
        name: 'disk',
        ephemeral: {
          volumeClaimTemplate: {
            metadata: {},
            spec: {
              accessModes: ['ReadWriteOnce'],
              storageClassName: 'fast',
              resources: { requests: { storage: '10Gi' } },
            },
          },
        },
      },
      {
        name: 'all',
        projected: {
          sources: [
            { configMap: { name: 'c' } },
            { secret: { name: 's' } },
            { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
          ],
        },
      },
    ],
  }
}
