/** Our operator on a federation: the CRDs, the Providers, the hub and an agent for each provider. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitUntil } from './child.ts'
import type { ControlPlane } from './control-plane.ts'
import type { BedProvider, Federation } from './federation.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { type Program, startProgram } from './program.ts'

const crds = join(import.meta.dirname, '..', '..', 'crds')

export interface OperatorOptions {
  readonly report?: (line: string) => void
  /** Further flags. */
  readonly hubArgs?: readonly string[]
  readonly agentArgs?: readonly string[]
}

export interface Operator extends AsyncDisposable {
  readonly hub: Program
  /** By provider. */
  readonly agents: ReadonlyMap<string, Program>
}

/** Applies `crds/` and waits until the API server serves the kinds. */
export async function applyCrds(hub: ControlPlane): Promise<void> {
  // Server-side, because a client-side apply keeps a copy in an annotation, and the largest of ours nears its limit.
  await hub.kubectl(['apply', '--server-side', '-f', crds])
  await hub.kubectl(['wait', '--for=condition=Established', '--timeout=30s', '--recursive=false', '-f', crds])
}

/** Starts the hub and all agents, as a person would do it by hand, and waits until each is ready. */
export async function startOperator(
  federation: Federation,
  { report = (line) => console.error(line), hubArgs = [], agentArgs = [] }: OperatorOptions = {},
  signal?: AbortSignal,
): Promise<Operator> {
  const { hub, providers, dir } = federation
  await applyCrds(hub)
  await hub.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(list(providers.map(providerObject))) })

  await using parts = new AsyncDisposableStack()
  const common = { dir, report }
  const hubFlags = ['--kubeconfig', hub.kubeconfigOf('operator'), ...hubArgs]
  const hubProgram = parts.use(
    await startProgram({ ...common, name: 'hub', main: 'operator/src/hub.ts', args: hubFlags }, signal),
  )
  report(`hub operator is ready: ${hubProgram.url}/metrics`)
  const agents = new Map<string, Program>()
  for (const { name, controlPlane } of providers) {
    const hubKubeconfig = join(dir, `agent-${name}.kubeconfig`)
    await agentKubeconfig(hub, { provider: name, file: hubKubeconfig, report }, signal)
    const files = ['--hub-kubeconfig', hubKubeconfig, '--kubeconfig', controlPlane.kubeconfigOf('operator')]
    const args = ['--provider', name, ...files, ...agentArgs]
    const agent = { ...common, name: `agent-${name}`, main: 'operator/src/agent.ts', args }
    agents.set(name, parts.use(await startProgram(agent, signal)))
    report(`agent of ${name} is ready: ${agents.get(name)?.url}/metrics`)
  }
  const held = parts.move()
  return { hub: hubProgram, agents, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

function list(items: readonly object[]): object {
  return { apiVersion: 'v1', kind: 'List', items }
}

function providerObject({ name, region }: BedProvider): object {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'Provider',
    metadata: { name, labels: { region } },
    spec: { region },
  }
}

export interface AgentAccess {
  readonly provider: string
  /** Where the kubeconfig shall be. */
  readonly file: string
  readonly report?: (line: string) => void
}

/** Waits for the ServiceAccount that the hub makes for an agent, and writes a kubeconfig with a token of it for a day. */
export async function agentKubeconfig(
  hub: ControlPlane,
  { provider, file, report = (line) => console.error(line) }: AgentAccess,
  signal?: AbortSignal,
): Promise<void> {
  const namespace = `provider-${provider}`
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/agent/token`
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 86_400 } }
  const what = `the hub operator to make ServiceAccount agent in namespace ${namespace}`
  let asked = 0
  const mint = async () => {
    if (asked++ === 20) report(`waiting for ${what}`)
    const { status, body } = await hub.ask(path, { method: 'POST', body: request })
    if (status === 201) return (body as { status: { token: string } }).status.token
    if (status === 404) return undefined
    throw new Error(`asking for a token of ${namespace}/agent: ${JSON.stringify(body)}`)
  }
  const token = await waitUntil(mint, { what, seconds: 60, signal })
  const ca = await readFile(hub.caFile, 'utf8')
  await writeKubeconfig(file, { cluster: 'hub', url: hub.url, ca, user: `agent-${provider}`, token, namespace })
}
