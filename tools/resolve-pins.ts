/** Which version of which program the project runs: the go.mod files beside this one say it, and nothing else does. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const tools = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'etcd', 'kwok'] as const

export type Tool = (typeof tools)[number]

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
}

const kubernetes: Source = {
  folder: 'kubernetes',
  module: 'k8s.io/kubernetes',
  package: (tool) => `k8s.io/kubernetes/cmd/${tool}`,
  buildTakes: '5 minutes',
}

const sources: Readonly<Record<Tool, Source>> = {
  'kube-apiserver': kubernetes,
  'kube-controller-manager': kubernetes,
  'kube-scheduler': kubernetes,
  kubectl: kubernetes,
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
    versionArgs: tool === 'kubectl' ? ['version', '--client'] : ['--version'],
    ldflags: source === kubernetes ? kubernetesLdflags(version) : '-s -w',
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
