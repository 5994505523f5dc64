/** What the suites about joining begin with: a federation whose hub runs, and whose agents join with invites. */
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Invited } from '../../operator/src/adapters/cli/invite.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { type Answer, type ApiRequest, apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { type BedProvider, type Federation, startFederation } from '../bed/federation.ts'
import { installAgent } from '../bed/install.ts'
import { applyCrds, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { group } from './stage.ts'

const run = promisify(execFile)
const cli = join(import.meta.dirname, '..', '..', 'operator', 'src', 'cli.ts')

export interface JoinStage extends AsyncDisposable {
  readonly federation: Federation
  /** The cluster of which the agents are, where nothing else is said. */
  readonly side: BedProvider
  /** As the operator of the federation; gives what was printed. */
  readonly kubectlGpu: (...args: readonly string[]) => Promise<string>
  /** Also writes it to where the next agent of the provider looks. */
  readonly invite: (provider: string, ...flags: readonly string[]) => Promise<Invited['value']>
  readonly startAgent: (provider: string, options?: AgentOptions) => Promise<Program>
  /** What the holder of a token is told. */
  readonly asHolder: (token: string, path: string, request?: ApiRequest) => Promise<Answer>
  readonly untilCondition: (provider: string, type: string, seconds: number) => Promise<void>
  /** As whoever runs it does when it has ended. */
  readonly startHubAnew: () => Promise<void>
  /** What such an agent says that it waits for, once it says this. */
  readonly untilWaitsFor: (agent: Program, words: string) => Promise<string>
  /** The Events on a Provider, oldest first. */
  readonly eventsOf: (provider: string) => Promise<readonly EventTold[]>
  /** Where invites are written for agents. */
  readonly inviteFolder: (provider: string) => string
  /** That cluster has never joined. */
  readonly forget: (side: BedProvider) => Promise<void>
}

export interface EventTold {
  readonly reason: string
  readonly message: string
  readonly count: number
}

export interface AgentOptions {
  /** Of its log. */
  readonly name?: string
  readonly side?: BedProvider
  /** The provider whose invite it has; default: its own. */
  readonly inviteOf?: string
  readonly until?: 'Answers'
  /** Flags of Node itself. */
  readonly nodeArgs?: readonly string[]
}

export interface JoinStageOptions {
  /** Clusters of which agents may be. */
  readonly sides?: number
  readonly audit?: boolean
  /** Gives the kubeconfig that the hub is to use in place of its own. */
  readonly routeOfHub?: (hub: ControlPlane, kubeconfig: string) => Promise<string>
}

export async function joinStage(
  name: string,
  { sides = 1, audit = false, routeOfHub }: JoinStageOptions = {},
): Promise<JoinStage> {
  const dir = join(import.meta.dirname, '..', '..', '.results', name)
  const report = (line: string) => void process.stderr.write(`${name}: ${line}\n`)
  await rm(dir, { recursive: true, force: true })
  await using parts = new AsyncDisposableStack()
  const federation = parts.use(await startFederation({ providers: sides, nodes: 2, dir, audit }, report))
  const { hub } = federation
  const [side] = federation.providers
  if (!side) throw new Error('there is no provider')
  await applyCrds(hub)
  const route = routeOfHub ? { route: (_: unknown, kubeconfig: string) => routeOfHub(hub, kubeconfig) } : {}
  const options = { ...(await hubOptions(federation, route)), dir, report }
  let program = await startProgram(options)
  parts.defer(() => program.stop())
  const folderOf = (provider: string) => join(dir, `invite-${provider}`)
  const kubectlGpu = async (...args: readonly string[]) => {
    const { stdout } = await run(process.execPath, [cli, '--kubeconfig', hub.kubeconfig, ...args])
    return stdout
  }
  const held = parts.move()
  return {
    ...looksAt(hub),
    federation,
    side,
    kubectlGpu,
    invite: async (provider, ...flags) => {
      const args = ['-o', 'json', 'invite', provider, '--folder', folderOf(provider), ...flags]
      return JSON.parse(await kubectlGpu(...args)) as Invited['value']
    },
    startAgent: async (provider, { name: log = `agent-${provider}`, side: at = side, inviteOf, ...how } = {}) => {
      const own = await installAgent(at.controlPlane)
      const where = ['--invite', folderOf(inviteOf ?? provider), '--kubeconfig', own]
      const args = ['--provider', provider, ...where, '--heartbeat-seconds', '1']
      const options = { name: log, main: 'operator/src/agent.ts', args, dir, report, ...how }
      return startProgram(options)
    },
    startHubAnew: async () => {
      await program.stop()
      program = await startProgram(options)
    },
    inviteFolder: folderOf,
    forget: async ({ controlPlane }) => {
      await controlPlane.kubectl(['-n', 'gpu-commons', 'delete', 'secret', 'gpu-commons-hub', '--ignore-not-found'])
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** What is said on the hub, and by agents. */
function looksAt(hub: ControlPlane): Pick<JoinStage, 'asHolder' | 'untilCondition' | 'untilWaitsFor' | 'eventsOf'> {
  return {
    asHolder: async (token, path, request = {}) => {
      await using requests = apiRequests(hub.url, { ca: await readFile(hub.caFile, 'utf8'), token })
      return await requests.ask(path, request)
    },
    untilCondition: async (provider, type, seconds) => {
      const isTrue = async () => {
        const { body } = await hub.ask(`${group}/providers/${provider}`)
        const found = (body as Provider).status?.conditions.find((one) => one.type === type)
        return found?.status === 'True' || undefined
      }
      await waitUntil(isTrue, { what: `${type} of Provider ${provider}`, seconds })
    },
    untilWaitsFor: (agent, words) =>
      waitUntil(
        async () => {
          const text = await (await fetch(`${agent.url}/readyz`)).text()
          return text.includes(words) ? text : undefined
        },
        { what: `${agent.name} to wait for ${words}`, seconds: 40 },
      ),
    eventsOf: async (provider) => {
      const selector = encodeURIComponent(`involvedObject.kind=Provider,involvedObject.name=${provider}`)
      const { body } = await hub.ask(`/api/v1/namespaces/default/events?fieldSelector=${selector}`)
      return (body as { items: EventTold[] }).items.map(({ reason, message, count }) => ({ reason, message, count }))
    },
  }
}
