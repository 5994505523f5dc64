/** Which version of which program the project runs: the go.mod files beside this one say it, and nothing else does. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a federation of control planes is made of. */
export const tools = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'etcd', 'kwok'] as const
/** What the charts are tried with. */
export const chartTools = ['helm', 'kubeconform'] as const
/** What makes a node of this machine. */
export const nodeTools = ['kubelet', 'kube-proxy'] as const

export type BedTool = (typeof tools)[number]
export type Tool = BedTool | (typeof chartTools)[number] | (typeof nodeTools)[number]

/** A program, exactly. */
export interface Pin {
  readonly tool: Tool
  /** As its module names it, with the `v`. */
  readonly version: string
  /** Folder of the Go module that builds it; programs of one folder are built together. */
  readonly folder: string
  readonly package: string
  /** What makes it print its version. */
  readonly versionArgs: readonly string[]
  readonly ldflags: string
  /** What a person should expect on two cores with an empty Go cache. */
  readonly buildTakes: string
}

interface Source {
  readonly folder: string
  readonly module: string
  readonly package: (tool: Tool) => string
  readonly buildTakes: string
  /** Default: without symbols. */
  readonly ldflags?: (version: string) => string
}

const kubernetes: Source = {
  folder: 'kubernetes',
  module: 'k8s.io/kubernetes',
  package: (tool) => `k8s.io/kubernetes/cmd/${tool}`,
  buildTakes: '5 minutes',
  ldflags: kubernetesLdflags,
}

const sources: Readonly<Record<Tool, Source>> = {
  'kube-apiserver': kubernetes,
  'kube-controller-manager': kubernetes,
  'kube-scheduler': kubernetes,
  kubectl: kubernetes,
  kubelet: kubernetes,
  'kube-proxy': kubernetes,
  etcd: {
    folder: 'etcd',
    module: 'go.etcd.io/etcd/server/v3',
    package: () => 'go.etcd.io/etcd/server/v3',
    buildTakes: '30 seconds',
  },
  kwok: {
    folder: 'kwok',
    module: 'sigs.k8s.io/kwok',
    package: () => 'sigs.k8s.io/kwok/cmd/kwok',
    buildTakes: '90 seconds',
  },
  helm: {
    folder: 'helm',
    module: 'helm.sh/helm/v3',
    package: () => 'helm.sh/helm/v3/cmd/helm',
    buildTakes: '2 minutes',
    ldflags: (version) => `-s -w -X helm.sh/helm/v3/internal/version.version=${version}`,
  },
  kubeconform: {
    folder: 'kubeconform',
    module: 'github.com/yannh/kubeconform',
    package: () => 'github.com/yannh/kubeconform/cmd/kubeconform',
    buildTakes: '20 seconds',
    ldflags: (version) => `-s -w -X main.version=${version}`,
  },
}

const versionArgs: Partial<Record<Tool, readonly string[]>> = {
  kubectl: ['version', '--client'],
  helm: ['version', '--short'],
  kubeconform: ['-v'],
}

export function pinOf(tool: Tool): Pin {
  const source = sources[tool]
  const folder = join(import.meta.dirname, source.folder)
  const version = requiredVersion(readFileSync(join(folder, 'go.mod'), 'utf8'), source.module)
  return {
    tool,
    version,
    folder,
    package: source.package(tool),
    versionArgs: versionArgs[tool] ?? ['--version'],
    ldflags: source.ldflags?.(version) ?? '-s -w',
    buildTakes: source.buildTakes,
  }
}

/** The version at which a go.mod requires a module. */
export function requiredVersion(goMod: string, module: string): string {
  const version = goMod
    .split('\n')
    .map((line) => line.trim().replace(/^require\s+/, ''))
    .find((line) => line.startsWith(`${module} v`))
    ?.split(/\s+/)[1]
  if (version === undefined) throw new Error(`go.mod requires no version of ${module}`)
  return version
}

/** Whether this is what the program of that version prints; `v1.34.4` is not found in `v1.34.40` or `v1.34.4-rc.1`. */
export function saysVersion(printed: string, version: string): boolean {
  const number = version.replace(/^v/, '').replaceAll('.', String.raw`\.`)
  return new RegExp(String.raw`(^|[^0-9.])v?${number}($|[^0-9A-Za-z.+-])`, 'm').test(printed)
}

/** Without these, an API server built from its module calls itself v0.0.0-master, and kubectl warns about the skew. */
function kubernetesLdflags(version: string): string {
  const [major, minor] = version.replace(/^v/, '').split('.')
  const values = { gitVersion: version, gitMajor: major ?? '', gitMinor: minor ?? '' }
  return [
    '-s -w',
    ...Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`),
  ].join(' ')
}
