/** Our operator on a federation: the CRDs, the Providers, the hub and an agent for each provider. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { ownerRulesSchema } from '../../operator/src/api/owner-rules.ts'
import { builtMain } from '../../tools/build.ts'
import { waitUntil } from './child.ts'
import type { ControlPlane } from './control-plane.ts'
import { allOrNone, type BedProvider, type Federation } from './federation.ts'
import { installAgent, installHub, tokenOf } from './install.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { type Program, startProgram } from './program.ts'

const crds = join(import.meta.dirname, '..', '..', 'crds')

export interface OperatorOptions {
  /** As they ship, from dist/: `buildMains` comes first. Default: the sources. */
  readonly built?: boolean
  readonly report?: (line: string) => void
  /** Further flags. */
  readonly hubArgs?: readonly string[]
  readonly agentArgs?: readonly string[]
  /** Of owners, by provider. */
  readonly rules?: Readonly<Record<string, OwnersRules>> | undefined
  /** Gives the kubeconfig to use in place of this one, such as one that leads through a fault proxy. */
  readonly route?: Route
}

/** Who asks whom: the hub or the agent of a provider, their API server. */
export interface Link {
  readonly from: 'hub' | 'agent'
  readonly to: ControlPlane
  /** Of an agent. */
  readonly provider?: string
}

/** As in a rules file. */
export type OwnersRules = z.input<typeof ownerRulesSchema>

type Route = (link: Link, kubeconfig: string) => Promise<string>
const direct: Route = async (_link, kubeconfig) => kubeconfig

export interface Operator extends AsyncDisposable {
  readonly hub: Program
  /** By provider. */
  readonly agents: ReadonlyMap<string, Program>
}

function mainOf(name: 'hub' | 'agent', built = false): string {
  return built ? builtMain(name) : `operator/src/${name}.ts`
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
  options: OperatorOptions = {},
  signal?: AbortSignal,
): Promise<Operator> {
  const { report = (line: string) => console.error(line) } = options
  const { providers, dir } = federation
  await prepareHub(federation)

  await using parts = new AsyncDisposableStack()
  const common = { dir, report }
  const hubProgram = parts.use(await startProgram({ ...common, ...(await hubOptions(federation, options)) }, signal))
  report(`hub operator is ready: ${hubProgram.url}/metrics`)
  const cancel = new AbortController()
  const until = signal ? AbortSignal.any([signal, cancel.signal]) : cancel.signal
  const startAgent = async (provider: BedProvider): Promise<[string, Program]> => {
    const agent = parts.use(
      await startProgram({ ...common, ...(await agentOptions(federation, { ...options, provider }, until)) }, until),
    )
    report(`agent of ${provider.name} is ready: ${agent.url}/metrics`)
    return [provider.name, agent]
  }
  const agents = providers.map(startAgent)
  await allOrNone(agents, cancel)
  const held = parts.move()
  return {
    hub: hubProgram,
    agents: new Map(await Promise.all(agents)),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Applies `crds/` and makes the Providers. */
export async function prepareHub({ hub, providers }: Pick<Federation, 'hub' | 'providers'>): Promise<void> {
  await applyCrds(hub)
  await hub.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(list(providers.map(providerObject))) })
}

/** How the hub is started, with the rights of its own only. */
export async function hubOptions(
  { hub }: Pick<Federation, 'hub'>,
  { hubArgs = [], route = direct, built }: OperatorOptions,
) {
  const kubeconfig = await route({ from: 'hub', to: hub }, await installHub(hub))
  return { name: 'hub', main: mainOf('hub', built), args: ['--kubeconfig', kubeconfig, ...hubArgs] }
}

export async function rulesArgs({
  dir,
  provider,
  rules,
}: {
  readonly dir: string
  readonly provider: string
  readonly rules: OwnersRules | undefined
}): Promise<readonly string[]> {
  if (!rules) return []
  const file = join(dir, `rules-${provider}.yaml`)
  await writeFile(file, JSON.stringify(rules))
  return ['--rules', file]
}

/** How the agent of a provider is started, once the hub lets it in. */
export async function agentOptions(
  { hub, dir }: Federation,
  { provider, agentArgs = [], rules, route = direct, built }: OperatorOptions & { readonly provider: BedProvider },
  until?: AbortSignal,
) {
  const { name, controlPlane } = provider
  const file = join(dir, `agent-${name}.kubeconfig`)
  await agentKubeconfig(hub, { provider: name, file }, until)
  const toHub = await route({ from: 'agent', to: hub, provider: name }, file)
  const toOwn = await route({ from: 'agent', to: controlPlane, provider: name }, await installAgent(controlPlane))
  const kubeconfigs = ['--hub-kubeconfig', toHub, '--kubeconfig', toOwn]
  return {
    name: `agent-${name}`,
    main: mainOf('agent', built),
    args: [
      '--provider',
      name,
      ...kubeconfigs,
      ...agentArgs,
      ...(await rulesArgs({ dir, provider: name, rules: rules?.[name] })),
    ],
  }
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
  const what = `the hub operator to make ServiceAccount agent in namespace ${namespace}`
  let asked = 0
  const mint = () => {
    if (asked++ === 20) report(`waiting for ${what}`)
    return tokenOf(hub, { namespace, name: 'agent' })
  }
  const token = await waitUntil(mint, { what, seconds: 60, signal })
  const ca = await readFile(hub.caFile, 'utf8')
  await writeKubeconfig(file, { cluster: 'hub', url: hub.url, ca, user: `agent-${provider}`, token, namespace })
}
