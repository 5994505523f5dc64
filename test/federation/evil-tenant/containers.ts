/** Evil in a container, in its environment and in its volumes. */
import { type Evil, env, fromField, legal, of, unknown, unknownVolume, wrong } from './evil.ts'

const { pod, main, marker } = of
const evil = new RegExp(marker)
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const onlyEphemeral = (extra: object) => [
  { name: 'v', ephemeral: { volumeClaimTemplate: { spec: { ...claim, ...extra } } } },
]
const inClaim = (field: string, value: unknown, never = new RegExp(`"${field}"`)): Evil => ({
  name: `${field} of a claim`,
  at: `${pod}.volumes`,
  to: onlyEphemeral({ [field]: value }),
  refused: `unknown field "${pod}.volumes[0].ephemeral.volumeClaimTemplate.spec.${field}"`,
  never,
})
const projected = (kind: string, source: object): Evil => ({
  name: `${kind} in a volume`,
  at: `${pod}.volumes`,
  to: [{ name: 'v', projected: { sources: [{ [kind]: source }] } }],
  refused: `unknown field "${pod}.volumes[0].projected.sources[0].${kind}"`,
  refusedPruned: 'must have exactly one of configMap, secret, downwardAPI',
})
const mounted = (mount: object): readonly [string, unknown] => [
  pod,
  {
    containers: [{ name: 'main', image: 'a', volumeMounts: [{ name: 'v', ...mount }] }],
    volumes: [{ name: 'v', emptyDir: {} }],
  },
]
/** As `unknown`, in a place that has to be made first. */
const within = (name: string, [at, to]: readonly [string, unknown], field: string): Evil => ({
  name,
  at,
  to,
  refused: `unknown field "${field}"`,
  never: evil,
})

const volumes: readonly Evil[] = [
  unknownVolume({ hostPath: { path: '/' } }),
  unknownVolume({ nfs: { server: '10.0.0.1', path: '/' } }),
  unknownVolume({ iscsi: { targetPortal: '10.0.0.1', iqn: 'a', lun: 0 } }),
  unknownVolume({ csi: { driver: 'secrets-store.csi.k8s.io' } }),
  unknownVolume({ image: { reference: 'a' } }),
  unknownVolume({ persistentVolumeClaim: { claimName: 'owners' } }),
  unknownVolume({ flexVolume: { driver: 'a' } }),
  unknownVolume({ gitRepo: { repository: 'a' } }),
  projected('serviceAccountToken', { path: 't', audience: 'https://kubernetes.default.svc' }),
  projected('clusterTrustBundle', { path: 't' }),
  projected('podCertificate', { keyType: 'ED25519', signerName: 'a/b' }),
  inClaim('volumeName', 'owners-volume'),
  inClaim('selector', { matchLabels: { [marker]: 'b' } }, evil),
  inClaim('dataSource', { kind: 'PersistentVolumeClaim', name: 'owners' }),
  inClaim('dataSourceRef', { kind: 'PersistentVolumeClaim', name: 'owners', namespace: 'kube-system' }),
  inClaim('volumeAttributesClassName', 'owners'),
  wrong('a claim of a bare disk', [`${pod}.volumes`, onlyEphemeral({ volumeMode: 'Block' })], 'volumeMode'),
  legal('a claim with labels and a class of its own', [
    `${pod}.volumes`,
    [
      {
        name: 'v',
        ephemeral: {
          volumeClaimTemplate: { metadata: {}, spec: { ...claim, storageClassName: 'owners-class' } },
        },
      },
    ],
  ]),
  wrong(
    'a volume of the name of ours',
    [`${pod}.volumes`, [{ name: 'gpu-commons-shm', emptyDir: {} }]],
    'must not begin',
  ),
  wrong('a huge page', [`${pod}.volumes`, [{ name: 'v', emptyDir: { medium: 'HugePages' } }]], 'medium'),
  wrong('a subPath that leaves its volume', mounted({ mountPath: '/v', subPath: '../../etc' }), 'subPath'),
  wrong('a subPath from the root', mounted({ mountPath: '/v', subPath: '/etc' }), 'subPath'),
  within(
    'a subPathExpr',
    mounted({ mountPath: '/v', subPathExpr: `$(${marker})` }),
    `${pod}.containers[0].volumeMounts[0].subPathExpr`,
  ),
  within(
    'a mount that comes back to the machine',
    mounted({ mountPath: '/v', mountPropagation: marker }),
    `${pod}.containers[0].volumeMounts[0].mountPropagation`,
  ),
  wrong(
    'a mount where tokens are',
    mounted({ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }),
    'must not be under',
  ),
  wrong(
    'a mount that names GPUs',
    mounted({ mountPath: '/var/run/nvidia-container-devices/all' }),
    'must not be under',
  ),
  wrong('a mount over the kernel', mounted({ mountPath: '/proc/sys' }), 'must not be under'),
  wrong('a mount over the devices', mounted({ mountPath: '/dev/nvidia0' }), 'must not be under'),
  wrong('a mount with a way up', mounted({ mountPath: '/v/../proc' }), 'must not have'),
  legal('a mount over /etc, which is its own', mounted({ mountPath: '/etc', subPath: 'a/b' })),
  unknown(`${main}.volumeDevices`, [{ name: 'v', devicePath: '/dev/sda' }]),
]

const environment: readonly Evil[] = [
  ...['NVIDIA_VISIBLE_DEVICES', 'NVIDIA_IMEX_CHANNELS', 'NVIDIA_MIG_CONFIG_DEVICES', 'DOCKER_RESOURCE_GPU'].map(
    (name) => wrong(name, env(name, 'all'), "is not the template's to say"),
  ),
  legal('NVIDIA_DRIVER_CAPABILITIES, which is of its own container', env('NVIDIA_DRIVER_CAPABILITIES', 'all')),
  legal('LD_PRELOAD, which is of its own container', env('LD_PRELOAD', '/tmp/lib.so')),
  legal('the API server, put together from variables', env('A', 'https://$(KUBERNETES_SERVICE_HOST)')),
  legal('a variable of ours', env('GPU_COMMONS_RUN', marker), evil),
  legal('the place of another worker', env('MASTER_ADDR', marker), evil),
  wrong('the address of the machine', fromField('status.hostIP'), 'fieldPath'),
  wrong('the account of the pod', fromField('spec.serviceAccountName'), 'fieldPath'),
  legal('the name of the node, which the status says too', fromField('spec.nodeName')),
  legal('an annotation of the pod', fromField("metadata.annotations['k8s.v1.cni.cncf.io/network-status']")),
  {
    name: 'what another container may use',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { resourceFieldRef: { containerName: 'main', resource: 'limits.cpu' } } }],
    refused: `unknown field "${main}.env[0].valueFrom.resourceFieldRef"`,
    refusedPruned: 'must have exactly one of fieldRef, configMapKeyRef, secretKeyRef',
  },
  {
    name: 'a Secret that only the provider has',
    at: `${main}.env`,
    to: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'owners', key: 'a' } } }],
    unplaced: 'SourceMissing',
  },
  {
    name: 'all of a Secret that only the provider has',
    at: `${main}.envFrom`,
    to: [{ secretRef: { name: 'owners' } }],
    unplaced: 'SourceMissing',
  },
  {
    name: 'a volume of a Secret that only the provider has',
    at: `${pod}.volumes`,
    to: [{ name: 'v', secret: { secretName: 'owners' } }],
    unplaced: 'SourceMissing',
  },
  {
    name: 'to pull with what only the provider has',
    at: `${pod}.imagePullSecrets`,
    to: [{ name: 'owners' }],
    unplaced: 'SourceMissing',
  },
  {
    name: 'what every namespace has, and nobody has let travel',
    at: `${main}.envFrom`,
    to: [{ configMapRef: { name: 'kube-root-ca.crt' } }],
    unplaced: 'MayNotTravel',
  },
  legal(
    'the same, which may be missing',
    [`${main}.envFrom`, [{ secretRef: { name: 'owners', optional: true } }]],
    /owners/,
  ),
  legal(
    'a Secret with the names of devices as keys',
    [`${main}.envFrom`, [{ secretRef: { name: 'devices' } }]],
    /NVIDIA_IMEX|DOCKER_/,
  ),
  legal(
    'a Secret whose keys become such names',
    [`${main}.envFrom`, [{ prefix: 'NVIDIA_', secretRef: { name: 'halves' } }]],
    /NVIDIA_IMEX|NVIDIA_GDS/,
  ),
]

const containers: readonly Evil[] = [
  wrong('privileged', [`${main}.securityContext`, { privileged: true }], 'privileged'),
  wrong(
    'more rights by the way',
    [`${main}.securityContext`, { allowPrivilegeEscalation: true }],
    'allowPrivilegeEscalation',
  ),
  wrong('a capability', [`${main}.securityContext`, { capabilities: { add: ['SYS_ADMIN'] } }], 'capabilities.add'),
  wrong('seccomp off', [`${main}.securityContext`, { seccompProfile: { type: 'Unconfined' } }], 'seccompProfile'),
  unknown(`${main}.securityContext.procMount`, 'Unmasked'),
  unknown(`${main}.securityContext.appArmorProfile`, { type: 'Unconfined' }),
  unknown(`${main}.securityContext.seLinuxOptions`, { type: 'spc_t' }),
  unknown(`${main}.securityContext.windowsOptions`, { hostProcess: true }),
  unknown(
    `${main}.lifecycle`,
    { postStart: { httpGet: { host: '169.254.169.254', port: 80 } } },
    /169[.]254|lifecycle/,
  ),
  ...['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((probe) => [
    within(
      `a ${probe} of another host`,
      [`${main}.${probe}`, { httpGet: { host: marker, port: 80, path: '/latest/meta-data' } }],
      `${main}.${probe}.httpGet.host`,
    ),
  ]),
  within(
    'a connection to another host',
    [`${main}.livenessProbe`, { tcpSocket: { host: marker, port: 22 } }],
    `${main}.livenessProbe.tcpSocket.host`,
  ),
  legal('a probe that calls itself another host', [
    `${main}.livenessProbe`,
    { httpGet: { port: 80, path: '//169.254.169.254/', httpHeaders: [{ name: 'Host', value: '169.254.169.254' }] } },
  ]),
  within(
    'a port of the machine',
    [`${main}.ports`, [{ containerPort: 80, hostPort: 80, hostIP: marker }]],
    `${main}.ports[0].hostPort`,
  ),
  ...['nvidia.com/mig-1g.5gb', 'hugepages-2Mi', 'example.com/fpga', 'smarter-devices/kvm'].map((resource) =>
    wrong(`devices: ${resource}`, [`${main}.resources`, { limits: { [resource]: '1' } }], 'may only name cpu, memory'),
  ),
  wrong(
    'GPUs for two',
    [
      `${pod}.containers`,
      [1, 2].map((i) => ({ name: `c${i}`, image: 'a', resources: { limits: { 'nvidia.com/gpu': 1 } } })),
    ],
    'in one container only',
  ),
  legal('more GPUs than the job is booked for', [`${main}.resources`, { limits: { cpu: '1' } }]),
  unknown(`${main}.resources.claims`, [{ name: marker }], evil),
  unknown(`${main}.terminationMessagePath`, `/${marker}`, evil),
  unknown(`${main}.stdin`, true),
  unknown(`${main}.resizePolicy`, [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }]),
  wrong('a folder of the kernel to begin in', [`${main}.workingDir`, '/proc/self/fd/8'], 'must not be under /proc'),
  wrong('a folder that leads there', [`${main}.workingDir`, '/tmp/../proc/self/fd/8'], 'must not have'),
  wrong('a zero byte in a command', [`${main}.command`, ['sh\u0000-c']], 'command[0]'),
  wrong('a zero byte in an argument', [`${main}.args`, ['a\u0000b']], 'args[0]'),
  wrong('a zero byte in a variable', env('A', 'a\u0000b'), 'env[0].value'),
  wrong('an image from a path of the machine', [`${main}.image`, '/var/lib/x'], 'image'),
  wrong('an unknown way to pull', [`${main}.imagePullPolicy`, 'Sometimes'], 'imagePullPolicy'),
]

export const evilContainers: readonly Evil[] = [...volumes, ...environment, ...containers]
