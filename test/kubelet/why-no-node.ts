/** Whether a node can be had on this machine. */
import { existsSync, readdirSync } from 'node:fs'

/** Files that must be there, and the Debian packages that have them; a name without a slash is looked for on PATH. */
const needed: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  iptables: 'iptables',
  conntrack: 'conntrack',
  ip: 'iproute2',
  buildah: 'buildah',
  '/bin/busybox': 'busybox-static',
  unshare: 'util-linux',
}

/** In words for a person; `undefined` where there can be one. */
export function whyNoNode(): string | undefined {
  if (process.platform !== 'linux') return 'a kubelet runs on Linux only'
  if (process.getuid?.() !== 0) return 'a kubelet needs root'
  const folders = (process.env['PATH'] ?? '').split(':').filter(existsSync)
  const found = new Set(folders.flatMap((one) => readdirSync(one)))
  const isThere = (file: string) => (file.includes('/') ? existsSync(file) : found.has(file))
  const missing = new Set(Object.entries(needed).flatMap(([file, its]) => (isThere(file) ? [] : [its])))
  return missing.size === 0 ? undefined : `these Debian packages are missing: ${[...missing].join(' ')}`
}

/** For a suite, which must not touch the network and the mounts of the machine. */
export function whyNotHere(): string | undefined {
  const isInside = process.env['GPU_COMMONS_OWN_NAMESPACES'] === '1'
  return whyNoNode() ?? (isInside ? undefined : 'it runs in namespaces of its own: test/kubelet/own-namespaces.sh')
}
