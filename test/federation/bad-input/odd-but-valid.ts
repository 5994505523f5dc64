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

const longestKey = `${'a'.repeat(253)}/${'B'.repeat(63)}`

function fileOf(field: string): Record<string, unknown> {
  return { path: field.replace(/\W/g, '-'), fieldRef: { fieldPath: `metadata.${field}` } }
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
  { name: 'the smallest part of a GPU', at: 'spec.gpus', to: { fraction: '0.001' } },
  { name: 'half a GPU to three digits', at: 'spec.gpus', to: { fraction: '0.500' } },
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
    name: 'port names with digits and a dash',
    at: `${main}.ports`,
    to: ['80-http', 'a', '1-2a-3', 'abcdefghijklmno'].map((name, i) => ({ name, containerPort: i + 1 })),
  },
  { name: 'a probe of the last port', at: `${main}.readinessProbe`, to: { tcpSocket: { port: 65_535 } } },
  { name: 'a probe of a named port', at: `${main}.livenessProbe`, to: { httpGet: { path: '', port: '80-http' } } },
  {
    name: 'one port name in two containers',
    at: `${pod}.containers`,
    to: ['main', 'side'].map((name, i) => container(name, { ports: [{ name: 'http', containerPort: i + 1 }] })),
  },
  {
    name: 'keys of labels at their longest',
    at: `${main}.env`,
    to: ['labels', 'annotations'].map((map) => ({
      name: map,
      valueFrom: { fieldRef: { fieldPath: `metadata.${map}['${longestKey}']` } },
    })),
  },
  {
    name: 'fields of the pod in files',
    at: `${pod}.volumes`,
    to: [
      {
        name: 'v',
        projected: {
          sources: [
            { downwardAPI: { items: [...['labels', 'annotations', 'uid'].map(fileOf), fileOf("labels['a/b']")] } },
          ],
        },
      },
    ],
  },
  {
    name: 'a claim of one byte, of one pod',
    at: `${pod}.volumes`,
    to: [
      {
        name: 'v',
        ephemeral: {
          volumeClaimTemplate: {
            spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: 1 } } },
          },
        },
      },
    ],
  },
  {
    name: 'an empty folder of no size',
    at: `${pod}.volumes`,
    to: [{ name: 'v', emptyDir: { sizeLimit: 0 } }],
  },
  {
    name: 'mounts that only look like those of the kernel',
    at: pod,
    to: {
      containers: [
        container('main', {
          volumeMounts: ['/dev/shm/', '/process', '/a/dev', '/...', '/.cache/.a', '/var/run/secrets', '/a b'].map(
            (mountPath) => ({ name: 'v', mountPath }),
          ),
        }),
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    },
  },
  {
    name: 'variables of NVIDIA that choose no GPU',
    at: `${main}.env`,
    to: ['NVIDIA_DRIVER_CAPABILITIES', 'NVIDIA_REQUIRE_CUDA', 'NVIDIA_GDS_', '.a', '_.-'].map((name) => ({ name })),
  },
  { name: 'an image by digest', at: `${main}.image`, to: `[::1]:5000/a_b/c@sha256:${'0'.repeat(64)}` },
  { name: 'an empty working directory', at: `${main}.workingDir`, to: '' },
  { name: 'a working directory like one of the kernel', at: `${main}.workingDir`, to: '/process/sys/..a/' },
  { name: 'lines and tabs in a command', at: `${main}.command`, to: ['sh', '-c', 'a\n\tb\u0001'] },
  {
    name: 'root in a pod that says no more of it',
    at: `${pod}.securityContext`,
    to: { runAsNonRoot: false, runAsUser: 0, fsGroup: 2_147_483_647 },
  },
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
      { key: 'nvidia.com/gpu', operator: 'Equal', value: '' },
      { key: 'nvidia.com/gpu', effect: 'NoSchedule' },
      { key: longestKey, operator: 'Exists' },
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
