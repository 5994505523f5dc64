/** What the suites about joining begin with: a federation whose hub runs, and whose agents join with invites. */
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Invited } from '../../operator/src/adapters/cli/invite.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { type Answer, type ApiRequest, apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { type BedProvider, type Federation, startFederation } from '../bed/federation.ts'
import { installAgent } from '../bed/install.ts'
import { applyCrds, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { group } from './stage.ts'

const run = promisify(execFile)
const cli = join(import.meta.dirname, '..', '..', 'operator', 'src', 'cli.ts')

export interface JoinStage extends AsyncDisposable {
  readonly federation: Federation
  /** The one cluster of which the agents are. */
  readonly side: BedProvider
  /** As the operator of the federation; gives what was printed. */
  readonly kubectlGpu: (...args: readonly string[]) => Promise<string>
  /** Also writes it to where the next agent of the provider looks. */
  readonly invite: (provider: string, ...flags: readonly string[]) => Promise<Invited['value']>
  readonly startAgent: (provider: string, options?: AgentOptions) => Promise<Program>
  /** What the holder of a token is told. */
  readonly asHolder: (token: string, path: string, request?: ApiRequest) => Promise<Answer>
  readonly untilCondition: (provider: string, type: string, seconds: number) => Promise<void>
}

export interface AgentOptions {
  /** Of its log. */
  readonly name?: string
  readonly until?: 'Answers'
}

export async function joinStage(name: string): Promise<JoinStage> {
  const dir = join(import.meta.dirname, '..', '..', '.results', name)
  const report = (line: string) => void process.stderr.write(`${name}: ${line}\n`)
  await rm(dir, { recursive: true, force: true })
  await using parts = new AsyncDisposableStack()
  const federation = parts.use(await startFederation({ providers: 1, nodes: 2, dir }, report))
  const { hub } = federation
  const [side] = federation.providers
  if (!side) throw new Error('there is no provider')
  await applyCrds(hub)
  parts.use(await startProgram({ ...(await hubOptions(federation, {})), dir, report }))
  const folderOf = (provider: string) => join(dir, `invite-${provider}`)
  const kubectlGpu = async (...args: readonly string[]) => {
    const { stdout } = await run(process.execPath, [cli, '--kubeconfig', hub.kubeconfig, ...args])
    return stdout
  }
  const held = parts.move()
  return {
    federation,
    side,
    kubectlGpu,
    invite: async (provider, ...flags) => {
      const args = ['-o', 'json', 'invite', provider, '--folder', folderOf(provider), ...flags]
      return JSON.parse(await kubectlGpu(...args)) as Invited['value']
    },
    startAgent: async (provider, { name: log = `agent-${provider}`, until } = {}) => {
      const own = await installAgent(side.controlPlane)
      const where = ['--invite', folderOf(provider), '--kubeconfig', own]
      const args = ['--provider', provider, ...where, '--heartbeat-seconds', '1']
      const options = { name: log, main: 'operator/src/agent.ts', args, dir, report, ...(until ? { until } : {}) }
      return startProgram(options)
    },
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
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
