import type { WrongField } from './wrong-job.ts'

const pod = 'spec.template.spec'
const main = `${pod}.containers[0]`

function unknown(at: string, to: unknown): WrongField {
  return {
    name: `${at.replace(`${main}.`, 'container ').replace(`${pod}.`, 'pod ')} is not taken`,
    at,
    to,
    says: [`unknown field "${at}"`],
  }
}

function volume(source: Record<string, unknown>, field: string): WrongField {
  return {
    name: `a volume of ${field} is not taken`,
    at: `${pod}.volumes`,
    to: [{ name: 'v', ...source }],
    says: [`unknown field "${pod}.volumes[0].${field}"`],
  }
}

const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }

/** What would hurt the owner of the machines. */
export const dangerous: readonly WrongField[] = [
  unknown(`${pod}.serviceAccountName`, 'admin'),
  unknown(`${pod}.nodeName`, 'node-1'),
  unknown(`${pod}.nodeSelector`, { a: 'b' }),
  unknown(`${pod}.affinity`, {}),
  unknown(`${pod}.priorityClassName`, 'system-node-critical'),
  unknown(`${pod}.schedulerName`, 'mine'),
  unknown(`${pod}.shareProcessNamespace`, true),
  unknown(`${pod}.runtimeClassName`, 'mine'),
  unknown(`${pod}.hostAliases`, []),
  unknown(`${pod}.securityContext.sysctls`, []),
  unknown(`${main}.lifecycle`, { postStart: { httpGet: { host: '10.0.0.1', port: 80 } } }),
  unknown(`${main}.securityContext.procMount`, 'Unmasked'),
  unknown('spec.template.metadata.annotations', { a: 'b' }),
  volume({ hostPath: { path: '/' } }, 'hostPath'),
  volume({ nfs: { server: 'a', path: '/' } }, 'nfs'),
  volume({ persistentVolumeClaim: { claimName: 'a' } }, 'persistentVolumeClaim'),
  volume({ csi: { driver: 'a' } }, 'csi'),
  volume({ image: { reference: 'a' } }, 'image'),
  volume(
    { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
    'projected.sources[0].serviceAccountToken',
  ),
  volume(
    { projected: { sources: [{ clusterTrustBundle: { path: 't' } }] } },
    'projected.sources[0].clusterTrustBundle',
  ),
  volume({ projected: { sources: [{ podCertificate: {} }] } }, 'projected.sources[0].podCertificate'),
  volume(
    { ephemeral: { volumeClaimTemplate: { spec: { ...claim, volumeName: 'pv-1' } } } },
    'ephemeral.volumeClaimTemplate.spec.volumeName',
  ),
  volume(
    { ephemeral: { volumeClaimTemplate: { spec: { ...claim, selector: {} } } } },
    'ephemeral.volumeClaimTemplate.spec.selector',
  ),
  volume(
    { ephemeral: { volumeClaimTemplate: { spec: { ...claim, dataSource: {} } } } },
    'ephemeral.volumeClaimTemplate.spec.dataSource',
  ),
  {
    name: 'a port of the machine is not taken',
    at: `${main}.ports`,
    to: [{ containerPort: 80, hostPort: 80 }],
    says: [`unknown field "${main}.ports[0].hostPort"`],
  },
  {
    name: 'a probe of another host is not taken',
    at: `${main}.livenessProbe`,
    to: { httpGet: { host: '169.254.169.254', port: 80 } },
    says: [`unknown field "${main}.livenessProbe.httpGet.host"`],
  },
  {
    name: 'privileged',
    at: `${main}.securityContext`,
    to: { privileged: true },
    says: [`${main}.securityContext.privileged`, 'supported values: "false"'],
  },
  {
    name: 'privilege escalation',
    at: `${main}.securityContext`,
    to: { allowPrivilegeEscalation: true },
    says: [`${main}.securityContext.allowPrivilegeEscalation`],
  },
  {
    name: 'an added capability',
    at: `${main}.securityContext`,
    to: { capabilities: { add: ['SYS_ADMIN'] } },
    says: [`${main}.securityContext.capabilities.add`],
  },
  {
    name: 'seccomp off',
    at: `${main}.securityContext`,
    to: { seccompProfile: { type: 'Unconfined' } },
    says: [`${main}.securityContext.seccompProfile.type`, 'supported values: "RuntimeDefault"'],
  },
  {
    name: 'the network of the machine',
    at: `${pod}.hostNetwork`,
    to: true,
    says: [`${pod}.hostNetwork`, 'supported values: "false"'],
  },
  { name: 'the processes of the machine', at: `${pod}.hostPID`, to: true, says: [`${pod}.hostPID`] },
  { name: 'the shared memory of the machine', at: `${pod}.hostIPC`, to: true, says: [`${pod}.hostIPC`] },
  {
    name: 'a token',
    at: `${pod}.automountServiceAccountToken`,
    to: true,
    says: [`${pod}.automountServiceAccountToken`],
  },
  {
    name: 'a toleration of everything',
    at: `${pod}.tolerations`,
    to: [{ operator: 'Exists' }],
    says: [`${pod}.tolerations[0].key`, 'Required value'],
  },
  {
    name: 'the address of the machine',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } }],
    says: [`${main}.env[0].valueFrom.fieldRef.fieldPath`],
  },
  {
    name: 'a path that leaves its volume',
    at: `${pod}.volumes`,
    to: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: 'a/../../b' }] } }],
    says: [`${pod}.volumes[0].configMap.items[0].path`],
  },
  {
    name: 'a subPath that leaves its volume',
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath: '/v', subPath: '../x' }],
    says: [`${main}.volumeMounts[0].subPath`],
  },
  ...[
    'NVIDIA_VISIBLE_DEVICES',
    'NVIDIA_MIG_CONFIG_DEVICES',
    'NVIDIA_MIG_MONITOR_DEVICES',
    'NVIDIA_IMEX_CHANNELS',
    'NVIDIA_MOFED',
    'NVIDIA_GDS',
    'NVIDIA_GDRCOPY',
    'NVIDIA_NVSWITCH',
    'DOCKER_RESOURCE_GPU',
  ].map((name) => ({
    name: `${name}, by which a container gets devices`,
    at: `${main}.env`,
    to: [{ name, value: 'all' }],
    says: [`${main}.env[0].name`, "is not the template's to say"],
  })),
  {
    name: 'all GPUs for an init container',
    at: `${pod}.initContainers`,
    to: [{ name: 'init', image: 'a', env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] }],
    says: [`${pod}.initContainers[0].env[0].name`, "is not the template's to say"],
  },
  ...[
    '/proc',
    '/proc/sys/kernel',
    '/sys/',
    '/dev',
    '/dev/nvidia0',
    '/dev/shmall',
    '/var/run/nvidia-container-devices/all',
    '/run/nvidia-container-devices',
    '/var/run/secrets/kubernetes.io/serviceaccount',
    '/run/secrets/kubernetes.io',
  ].map((mountPath) => ({
    name: `a mount at ${mountPath}`,
    at: `${main}.volumeMounts`,
    to: [{ name: 'v', mountPath }],
    says: [`${main}.volumeMounts[0].mountPath`, 'must not be under /proc'],
  })),
]
