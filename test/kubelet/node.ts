// A real node: containerd, kubelet and kube-proxy of this machine, and a bridge for its pods. See own-namespaces.sh for where it runs.

import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dump } from 'js-yaml'
import { resolveBinaries } from '../../tools/resolve-binaries.ts'
import { type Child, startChild, waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { imported, PAUSE_IMAGE } from './images.ts'

/** The node's own, on the bridge that own-namespaces.sh makes. */
export const NODE_ADDRESS = '172.31.255.1'
const PODS = '10.244.0.0/24'

export interface NodeOptions {
  readonly name: string
  readonly dir: string
  /** Archives of images, beside that of its sandboxes. */
  readonly images: readonly string[]
  readonly report: (line: string) => void
}

export interface RealNode extends AsyncDisposable {
  readonly name: string
  readonly kubelet: Child
}

/** Starts one with the labels of a node with four H100, and waits until it is Ready. */
export async function startNode(plane: ControlPlane, options: NodeOptions, signal?: AbortSignal): Promise<RealNode> {
  const { name, dir, report } = options
  await mkdir(dir, { recursive: true })
  const binaries = await resolveBinaries(['kubelet', 'kube-proxy'], { report })
  await using parts = new AsyncDisposableStack()
  const start = async (program: string, command: string, args: readonly string[]) =>
    parts.use(
      await startChild({
        name: program,
        command,
        args,
        log: join(dir, `${program}.log`),
        onUnexpectedEnd: (how) => report(`${program} ended by itself with ${how}, see ${program}.log in ${dir}`),
      }),
    )

  const socket = join('/run', 'containerd.sock')
  await writeFile(join(dir, 'containerd.toml'), containerdConfig(dir, socket))
  await mkdir(join(dir, 'cni'), { recursive: true })
  await writeFile(join(dir, 'cni', '10-bridge.conflist'), JSON.stringify(bridge))
  const containerd = await start('containerd', 'containerd', ['--config', join(dir, 'containerd.toml')])
  const isListening = async () => existsSync(socket) || undefined
  await waitUntil(isListening, {
    what: 'the socket of containerd',
    seconds: 30,
    child: containerd,
    ...(signal ? { signal } : {}),
  })
  for (const archive of options.images) await imported(archive, socket)

  await writeFile(join(dir, 'kubelet.yaml'), dump(kubeletConfig(socket)))
  const { labels } = gpuNode({ name, card: 'H100', gpus: 4 }).metadata
  const discovered = Object.entries(labels).filter(([key]) => key.startsWith('nvidia.com/'))
  const kubelet = await start('kubelet', binaries.kubelet, [
    `--config=${join(dir, 'kubelet.yaml')}`,
    `--kubeconfig=${plane.kubeconfigOf('kubelet')}`,
    `--hostname-override=${name}`,
    `--node-ip=${NODE_ADDRESS}`,
    `--root-dir=/var/lib/kubelet`,
    `--cert-dir=${join(dir, 'kubelet-certificates')}`,
    `--node-labels=${discovered.map(([key, value]) => `${key}=${value}`).join(',')}`,
  ])
  await start('kube-proxy', binaries['kube-proxy'], [
    `--kubeconfig=${plane.kubeconfigOf('kube-proxy')}`,
    `--hostname-override=${name}`,
    '--proxy-mode=iptables',
    '--conntrack-max-per-core=0',
    `--cluster-cidr=${PODS}`,
    '--metrics-bind-address=127.0.0.1:10249',
  ])
  const isReady = async () => {
    const { body } = await plane.ask(`/api/v1/nodes/${name}`)
    const { status } = body as { status?: { conditions?: readonly { type: string; status: string }[] } }
    return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') || undefined
  }
  await waitUntil(isReady, {
    what: `node ${name} to be Ready`,
    seconds: 60,
    child: kubelet,
    ...(signal ? { signal } : {}),
  })
  const held = parts.move()
  return { name, kubelet, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

function containerdConfig(dir: string, socket: string): string {
  return `version = 2
root = "${join(dir, 'containerd')}"
state = "/run/containerd"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  # Where oom_score_adj may not be lowered, runc ends with "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  sandbox_image = "${PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # Needs nothing of the kernel, so it also works inside of a container.
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${join(dir, 'cni')}"
`
}

const bridge = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: PODS }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

function kubeletConfig(socket: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: NODE_ADDRESS,
    // Whoever can reach it is in namespaces of our own.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    healthzPort: 0,
    // A test's disk may be full for reasons that are none of its own.
    evictionHard: { 'imagefs.available': '0%', 'nodefs.available': '0%', 'memory.available': '1Mi' },
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: '2s',
  }
}
