/** The programs of a control plane and their flags: the ones that cost days to find say why they are there. */
import { join } from 'node:path'

export interface Files {
  readonly dir: string
  /** Admin's kubeconfig. */
  readonly kubeconfig: string
  readonly certificates: string
  /** The API server's own certificate, followed by the CA that it made for it. */
  readonly caFile: string
  readonly serverKeyFile: string
  readonly tokens: string
  readonly signingKey: string
  readonly verifyingKey: string
  readonly auditPolicy: string
  readonly auditLog: string
  readonly schedulerConfig: string
  /** Of etcd. */
  readonly data: string
  /** A copy of that. */
  readonly keptData: string
}

export function filesIn(dir: string, name: string): Files {
  const certificates = join(dir, 'certificates')
  return {
    dir,
    kubeconfig: join(dir, `${name}.kubeconfig`),
    certificates,
    caFile: join(certificates, 'apiserver.crt'),
    serverKeyFile: join(certificates, 'apiserver.key'),
    tokens: join(dir, 'tokens.csv'),
    signingKey: join(dir, 'service-accounts.key'),
    verifyingKey: join(dir, 'service-accounts.pub'),
    auditPolicy: join(dir, 'audit-policy.yaml'),
    auditLog: join(dir, 'audit.log'),
    schedulerConfig: join(dir, 'scheduler.yaml'),
    data: join(dir, 'etcd'),
    keptData: join(dir, 'etcd-kept'),
  }
}

/** About 30 % more writes a second, for memory that a test machine has. */
export const garbageRarely = { GOGC: '400' }

export function etcdArgs(files: Files, client: number, peer: number): string[] {
  return [
    `--data-dir=${files.data}`,
    // A test loses its data with its machine anyway; without this each write waits for the disk.
    '--unsafe-no-fsync',
    `--listen-client-urls=http://127.0.0.1:${client}`,
    `--advertise-client-urls=http://127.0.0.1:${client}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    '--quota-backend-bytes=4294967296',
  ]
}

export interface ApiServer {
  readonly port: number
  readonly etcdPort: number
  readonly controllerManager: boolean
  readonly audit?: boolean
  readonly address?: string
}

export function apiServerArgs(files: Files, options: ApiServer): string[] {
  const { port, etcdPort, controllerManager, audit = false, address = '127.0.0.1' } = options
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--bind-address=${address}`,
    `--secure-port=${port}`,
    // Without it the server looks for a default route and does not start where there is none.
    `--advertise-address=${address}`,
    // An Endpoints object refuses loopback addresses, so nobody keeps one.
    ...(options.address === undefined ? ['--endpoint-reconciler-type=none'] : []),
    '--service-cluster-ip-range=10.96.0.0/16',
    // It makes a CA and a certificate for its address here, and takes them again when it is restarted.
    `--cert-dir=${files.certificates}`,
    `--token-auth-file=${files.tokens}`,
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.verifyingKey}`,
    `--service-account-signing-key-file=${files.signingKey}`,
    '--max-requests-inflight=3000',
    '--max-mutating-requests-inflight=1500',
    // The names of simulated nodes resolve nowhere.
    '--kubelet-preferred-address-types=InternalIP',
    // Where nobody makes ServiceAccounts, this plugin would refuse every pod.
    ...(controllerManager ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ...(audit ? [`--audit-policy-file=${files.auditPolicy}`, `--audit-log-path=${files.auditLog}`] : []),
  ]
}

/** Writes of one kind of program in a second: high enough that a thousand jobs wait for nothing but the API server. */
const QPS = 2000

export function controllerManagerArgs(files: Files, nodeGraceSeconds: number): string[] {
  return [
    `--kubeconfig=${kubeconfigOf(files, 'controller-manager')}`,
    // 0: no port and no certificate of its own, which costs it a second; nobody asks it anything.
    '--secure-port=0',
    '--leader-elect=false',
    `--service-account-private-key-file=${files.signingKey}`,
    `--root-ca-file=${files.caFile}`,
    `--kube-api-qps=${QPS}`,
    `--kube-api-burst=${2 * QPS}`,
    '--concurrent-job-syncs=20',
    '--concurrent-gc-syncs=20',
    '--concurrent-namespace-syncs=10',
    '--concurrent-ttl-after-finished-syncs=10',
    `--node-monitor-grace-period=${nodeGraceSeconds}s`,
    // Without volumes, clouds, autoscaling and certificates, which no test is about.
    `--controllers=*,${idleControllers.map((name) => `-${name}`).join(',')}`,
  ]
}

const idleControllers = [
  'bootstrap-signer-controller',
  'certificatesigningrequest-approving-controller',
  'certificatesigningrequest-cleaner-controller',
  'certificatesigningrequest-signing-controller',
  'cronjob-controller',
  'daemonset-controller',
  'ephemeral-volume-controller',
  'horizontal-pod-autoscaler-controller',
  'persistentvolume-attach-detach-controller',
  'persistentvolume-binder-controller',
  'persistentvolume-expander-controller',
  'persistentvolume-protection-controller',
  'persistentvolumeclaim-protection-controller',
  'statefulset-controller',
  'token-cleaner-controller',
  'volumeattributesclass-protection-controller',
]

/** Its limits can only be set in a file. */
export function schedulerConfig(files: Files): object {
  return {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig: kubeconfigOf(files, 'scheduler'), qps: QPS, burst: 2 * QPS },
  }
}

export function schedulerArgs(files: Files): string[] {
  return [`--config=${files.schedulerConfig}`, '--secure-port=0']
}

/** Each program has a name of its own, so that an audit log tells them apart. Ours are none of these: see install.ts. */
export const users = ['admin', 'controller-manager', 'scheduler', 'kwok', 'kubelet', 'kube-proxy'] as const
export type User = (typeof users)[number]

export function kubeconfigOf(files: Files, user: User): string {
  return user === 'admin' ? files.kubeconfig : join(files.dir, `${user}.kubeconfig`)
}
