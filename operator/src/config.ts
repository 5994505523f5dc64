// What a person can set, by flag or by environment; the only reader of process.env.
import { isIP } from 'node:net'
import { homedir, hostname } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { LABEL_KEY } from './api/fields.ts'
import { providerName, providerNameWords } from './api/provider.ts'
import { defaultWeights, type Weight, weightsOf } from './domain/scheduling/weights.ts'

/** Said to the person at the prompt as it is; the exit code is 2. */
export class WrongFlags extends Error {}

export interface CommonConfig {
  /** `undefined`: the program runs in a pod of this cluster. */
  readonly kubeconfig: string | undefined
  readonly http: { readonly host: string; readonly port: number }
  readonly logLevel: string
  /** Unique to this process: the pod's uid where there is one. */
  readonly identity: string
}

export interface HubConfig extends CommonConfig {
  /** Where the hub keeps its leader lease. */
  readonly namespace: string
  readonly suspectAfterSeconds: number
  readonly tombstoneSeconds: number
  readonly weights: readonly Weight[]
}

export interface AgentConfig extends CommonConfig {
  readonly provider: string
  /** How the hub is reached: with an invite, or as somebody who was given an identity there. */
  readonly hub: { readonly inviteFolder: string } | { readonly kubeconfig: string }
  /** Where the agent keeps, on its own cluster, what it remembers of its hub. */
  readonly namespace: string
  readonly heartbeatSeconds: number
  readonly orphanAfterSeconds: number
  /** The key of the label that says in which rack a node is. */
  readonly rackLabel: string
  /** The owner's, as YAML; absent: none. */
  readonly rulesFile?: string
  /** CIDRs that tenants' pods are kept away from, beyond what is closed to them anyway. */
  readonly closedRanges: readonly string[]
  /** The image of this agent, for pods of its own. */
  readonly probeImage: string | undefined
}

export interface LeaveConfig {
  readonly kubeconfig: string | undefined
  readonly provider: string
  /** Of the agent on its own cluster. */
  readonly namespace: string
  /** Of the agent. */
  readonly deployment: string
  /** How long the agent may take to end what runs. */
  readonly graceSeconds: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** A flag: what it is for, and what it is when it is not given. `undefined` as a default: may be left out. */
interface Flag {
  readonly means: string
  readonly example: string
  readonly required?: true
  readonly default?: string
}

const common = {
  'http-address': {
    means: 'where /metrics, /healthz and /readyz are served',
    example: '127.0.0.1:8080',
    default: '0.0.0.0:8080',
  },
  'log-level': { means: 'trace, debug, info, warn or error', example: 'debug', default: 'info' },
} as const satisfies Record<string, Flag>

export const hubFlags = {
  kubeconfig: { means: "the hub's cluster; left out inside a pod", example: 'hub.kubeconfig' },
  ...common,
  namespace: { means: 'where the leader lease lies', example: 'gpu-commons', default: 'gpu-commons' },
  'suspect-after-seconds': { means: 'silence after which a provider gets no new work', example: '15', default: '15' },
  'tombstone-seconds': { means: 'how long a GpuRun outlives its job at the least', example: '600', default: '600' },
  weights: {
    means:
      'what speaks against a place: a score of 1 is as bad as so many GPUs of no use to others, per GPU taken or node broken',
    example: 'price=1,moving=0',
    default: defaultWeights.map(({ name, weight }) => `${name}=${weight}`).join(),
  },
} as const satisfies Record<string, Flag>

export const agentFlags = {
  provider: { means: 'the name of the Provider on the hub', example: 'acme', required: true },
  invite: {
    means: 'the folder of the invite: hub-url, hub-ca.crt, id, token, perhaps owner-key.pem',
    example: '/etc/gpu-commons/invite',
  },
  'hub-kubeconfig': { means: "in place of it: the hub, with this provider's own token", example: 'hub.kubeconfig' },
  kubeconfig: { means: "the provider's own cluster; left out inside a pod", example: 'provider.kubeconfig' },
  ...common,
  namespace: { means: 'of the agent itself on its own cluster', example: 'gpu-commons', default: 'gpu-commons' },
  'heartbeat-seconds': { means: 'how often the Lease on the hub is renewed', example: '5', default: '5' },
  'orphan-after-seconds': {
    means: 'how long a Job of ours stays that no GpuRun orders',
    example: '600',
    default: '600',
  },
  rules: { means: "a file with the owner's rules, in YAML", example: '/etc/gpu-commons/rules/rules.yaml' },
  'rack-label': {
    means: 'the label of the nodes that says in which rack they are',
    example: 'topology.kubernetes.io/rack',
    default: 'topology.kubernetes.io/rack',
  },
  'closed-ranges': {
    means: "what tenants' pods are kept away from beyond private addresses, such as this network's public ones",
    example: '198.51.100.0/24,2001:db8::/32',
  },
  'probe-image': {
    means: 'the image of this agent, to find out whether the network enforces policies; left out: not tried',
    example: 'registry.example.org/gpu-commons:0.1.0',
  },
} as const satisfies Record<string, Flag>

export const leaveFlags = {
  provider: { means: 'the name of the Provider on the hub', example: 'acme', required: true },
  deployment: { means: 'that runs the agent', example: 'gpu-commons-agent', required: true },
  kubeconfig: { means: "the provider's own cluster; left out inside a pod", example: 'provider.kubeconfig' },
  namespace: { means: 'of the agent on its own cluster', example: 'gpu-commons', default: 'gpu-commons' },
  'grace-seconds': { means: 'how long the agent may take to end what runs', example: '120', default: '120' },
} as const satisfies Record<string, Flag>

export function hubConfig(args: readonly string[], env: Environment = process.env): HubConfig {
  const flags = read('hub', hubFlags, args)
  return {
    ...commonConfig(flags, env),
    namespace: flags.namespace ?? '',
    suspectAfterSeconds: positive('suspect-after-seconds', flags['suspect-after-seconds']),
    tombstoneSeconds: positive('tombstone-seconds', flags['tombstone-seconds']),
    weights: weights(flags.weights ?? ''),
  }
}

export function agentConfig(args: readonly string[], env: Environment = process.env): AgentConfig {
  const flags = read('agent', agentFlags, args)
  return {
    ...commonConfig(flags, env),
    provider: nameOfProvider(flags.provider ?? ''),
    hub: hubOf(flags),
    namespace: flags.namespace ?? '',
    heartbeatSeconds: positive('heartbeat-seconds', flags['heartbeat-seconds']),
    orphanAfterSeconds: positive('orphan-after-seconds', flags['orphan-after-seconds']),
    rackLabel: labelKey('rack-label', flags['rack-label'] ?? ''),
    ...(flags.rules === undefined ? {} : { rulesFile: flags.rules }),
    closedRanges: (flags['closed-ranges'] ?? '').split(',').filter(Boolean).map(rangeOf),
    probeImage: flags['probe-image'],
  }
}

export function leaveConfig(args: readonly string[], env: Environment = process.env): LeaveConfig {
  const flags = read('leave', leaveFlags, args)
  return {
    kubeconfig: ownCluster(flags.kubeconfig, env),
    provider: nameOfProvider(flags.provider ?? ''),
    namespace: flags.namespace ?? '',
    deployment: flags.deployment ?? '',
    graceSeconds: positive('grace-seconds', flags['grace-seconds']),
  }
}

function hubOf({ invite, 'hub-kubeconfig': kubeconfig }: Values<typeof agentFlags>): AgentConfig['hub'] {
  if ((invite === undefined) === (kubeconfig === undefined)) {
    const usual = `--invite ${agentFlags.invite.example}`
    throw new WrongFlags(
      `either --invite or --hub-kubeconfig is needed, such as ${usual}\n${usage('agent', agentFlags)}`,
    )
  }
  return invite === undefined ? { kubeconfig: kubeconfig ?? '' } : { inviteFolder: invite }
}

type Values<Flags> = { readonly [Name in keyof Flags]: string | undefined }

function read<Flags extends Readonly<Record<string, Flag>>>(
  main: string,
  flags: Flags,
  args: readonly string[],
): Values<Flags> {
  const options = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]))
  const { values, tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional')
      throw new WrongFlags(`${main} takes flags only, not "${token.value}"\n${usage(main, flags)}`)
    if (token.kind === 'option' && !(token.name in flags))
      throw new WrongFlags(`unknown flag ${token.rawName}\n${usage(main, flags)}`)
    if (token.kind === 'option' && (!token.value || token.value.startsWith('--')))
      throw new WrongFlags(`${token.rawName} needs a value\n${usage(main, flags)}`)
  }
  const missing = Object.entries(flags).find(([name, { required }]) => required && values[name] === undefined)
  if (missing) throw new WrongFlags(`--${missing[0]} is missing: ${missing[1].means}\n${usage(main, flags)}`)
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, values[name] ?? flag.default]),
  ) as Values<Flags>
}

function usage(main: string, flags: Readonly<Record<string, Flag>>): string {
  const lines = Object.entries(flags).map(([name, { means, example, default: preset, required }]) => {
    const rest = required ? ' (required)' : preset === undefined ? '' : ` (default ${preset})`
    return `  ${`--${name} ${example}`.padEnd(36)}${means}${rest}`
  })
  return [`usage: node operator/src/${main}.ts`, ...lines].join('\n')
}

type CommonFlags = Values<typeof common> & { readonly kubeconfig: string | undefined }

function commonConfig(flags: CommonFlags, env: Environment): CommonConfig {
  const level = flags['log-level'] ?? ''
  if (!['trace', 'debug', 'info', 'warn', 'error'].includes(level)) {
    throw new WrongFlags(`--log-level ${level} is none of trace, debug, info, warn, error`)
  }
  return {
    kubeconfig: ownCluster(flags.kubeconfig, env),
    http: addressOf(flags['http-address'] ?? ''),
    logLevel: level,
    identity: env['POD_UID'] ?? `${hostname()}-${crypto.randomUUID()}`,
  }
}

/** `undefined` in a pod, which finds its cluster by itself. */
function ownCluster(kubeconfig: string | undefined, env: Environment): string | undefined {
  if (kubeconfig === undefined && env['KUBERNETES_SERVICE_HOST'] === undefined) {
    throw new WrongFlags(
      '--kubeconfig is missing, and this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set)',
    )
  }
  return kubeconfig
}

/** Where a pod finds the API server of its own cluster. */
export function inCluster(env: Environment = process.env): { host: string; port: string } {
  return { host: env['KUBERNETES_SERVICE_HOST'] ?? '', port: env['KUBERNETES_SERVICE_PORT'] ?? '443' }
}

function addressOf(text: string): CommonConfig['http'] {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new WrongFlags(`--http-address ${text} is not HOST:PORT, such as 127.0.0.1:8080`)
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

/** A wrong one would be waited for on the hub for ever. */
function nameOfProvider(text: string): string {
  if (providerName().safeParse(text).success) return text
  throw new WrongFlags(`--provider ${text} cannot be the name of a Provider, which is ${providerNameWords}`)
}

function weights(text: string): readonly Weight[] {
  try {
    return weightsOf(text)
  } catch (error) {
    const usual = `such as ${hubFlags.weights.example}`
    throw new WrongFlags(`--weights ${text}: ${(error as Error).message}, ${usual}`, { cause: error })
  }
}

function rangeOf(text: string): string {
  const [address = '', length = '', ...rest] = text.split('/')
  const longest = { 4: 32, 6: 128 }[isIP(address)]
  if (longest === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > longest) {
    throw new WrongFlags(`--closed-ranges ${text} is not a range of addresses, such as 198.51.100.0/24`)
  }
  return text
}

function labelKey(name: string, text: string): string {
  if (new RegExp(`^${LABEL_KEY}$`).test(text)) return text
  throw new WrongFlags(`--${name} ${text} is not the key of a label, such as topology.kubernetes.io/rack`)
}

function positive(name: string, text: string | undefined): number {
  const number = Number(text)
  if (!(number >= 1 && number <= 86_400))
    throw new WrongFlags(`--${name} ${text} is not a number of seconds from 1 to 86400`)
  return number
}

/** Of a person at a prompt: the flag, else as kubectl looks for it. */
export function kubeconfigFile(flag: string | undefined, env: Environment = process.env): string {
  const named = flag ?? env['KUBECONFIG']
  if (named === undefined || named === '') return join(homedir(), '.kube', 'config')
  if (flag === undefined && named.includes(delimiter)) {
    throw new WrongFlags('KUBECONFIG names several files; say which one with --kubeconfig')
  }
  return named
}

/** What a program that we start finds in its environment: ours, and this. */
export function childEnvironment(
  extra: Environment,
  env: Environment = process.env,
): Record<string, string | undefined> {
  return { ...env, ...extra }
}
