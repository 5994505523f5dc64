// A cluster joins with an invite: the command line, the hub and the agent on real API servers, with their own rights.
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Invited } from '../../operator/src/adapters/cli/invite.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { type Federation, startFederation } from '../bed/federation.ts'
import { installAgent } from '../bed/install.ts'
import { applyCrds, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { group } from './stage.ts'

const dir = join(import.meta.dirname, '..', '..', '.results', 'joining')
const report = (line: string) => void process.stderr.write(`joining: ${line}\n`)
const run = promisify(execFile)

type Printed = Invited['value']

let federation: Federation
let hub: Program
beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  federation = await startFederation({ providers: 1, nodes: 2, dir }, report)
  await applyCrds(federation.hub)
  hub = await startProgram({ ...(await hubOptions(federation, {})), dir, report })
}, 240_000)
afterAll(async () => {
  await hub?.stop()
  await federation?.[Symbol.asyncDispose]()
}, 60_000)

const cli = join(import.meta.dirname, '..', '..', 'operator', 'src', 'cli.ts')

async function kubectlGpu(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [cli, '--kubeconfig', federation.hub.kubeconfig, ...args])
  return stdout
}

async function invite(provider: string, ...flags: string[]): Promise<Printed> {
  return JSON.parse(
    await kubectlGpu('-o', 'json', 'invite', provider, '--folder', folderOf(provider), ...flags),
  ) as Printed
}

/** Where the next invite is written to. */
const folderOf = (provider: string) => join(dir, `invite-${provider}`)

async function startAgent(
  provider: string,
  { name = `agent-${provider}`, until }: { name?: string; until?: 'Answers' } = {},
): Promise<Program> {
  const [side] = federation.providers
  if (!side) throw new Error('there is no provider')
  const own = await installAgent(side.controlPlane)
  const args = ['--provider', provider, '--invite', folderOf(provider), '--kubeconfig', own, '--heartbeat-seconds', '1']
  return startProgram({ name, main: 'operator/src/agent.ts', args, dir, report, ...(until ? { until } : {}) })
}

async function conditionOf(provider: string, type: string): Promise<string | undefined> {
  const { body } = await federation.hub.ask(`${group}/providers/${provider}`)
  return (body as Provider).status?.conditions.find((one) => one.type === type)?.status
}

/** What the holder of a token is told. */
async function asHolder(
  token: string,
  path: string,
  request: Parameters<ReturnType<typeof apiRequests>['ask']>[1] = {},
) {
  const { url, caFile } = federation.hub
  await using requests = apiRequests(url, { ca: await readFile(caFile, 'utf8'), token })
  return await requests.ask(path, request)
}

const requestPath = (provider: string) => `${group}/namespaces/provider-${provider}/joinrequests`
const request = (name: string) => ({
  method: 'POST' as const,
  body: {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'JoinRequest',
    metadata: { name },
    spec: { publicKey: 'A'.repeat(43), agentVersion: '0.1.0' },
  },
})

test('an invite makes the Provider, an agent joins with it, and goes on with what it got after a restart', async () => {
  await invite('acme', '--region', 'eu-west', '--price', 'H100=2.10')
  const agent = await startAgent('acme')
  await waitUntil(async () => (await conditionOf('acme', 'Ready')) === 'True' || undefined, {
    what: 'Provider acme to be Ready',
    seconds: 30,
  })
  expect(await kubectlGpu('providers')).toMatch(/^acme +True +True +\d+ +2 +eu-west +Open$/m)
  await agent.stop()
  // The invite is used up: only what was kept can let it in again.
  await using again = await startAgent('acme', { name: 'agent-acme-again' })
  expect(again.url).toBeDefined()
}, 120_000)

test('an invite of one provider is of no use for another, also one whose name it begins', async () => {
  const { id, token } = await invite('acmexy')
  await invite('acmexyz')
  const refused = async (provider: string, name: string) =>
    (await asHolder(token, requestPath(provider), request(name))).status
  expect([await refused('acmexyz', id), await refused('acme', id), await refused('acmexy', '0123456789')]).toEqual([
    403, 403, 403,
  ])
  const secret = await asHolder(token, '/api/v1/namespaces/provider-acmexy/secrets')
  const ofAgent = await asHolder(token, '/api/v1/namespaces/provider-acmexy/serviceaccounts/agent/token', {
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  })
  expect([secret.status, ofAgent.status]).toEqual([403, 403])
  expect(await refused('acmexy', id)).toBe(201)
  // It is the name that is used up.
  expect(await refused('acmexy', id)).toBe(409)
}, 60_000)

test('an agent with an invite that was used says so, and waits for another one', async () => {
  const printed = await invite('borealis')
  await asHolder(printed.token, requestPath('borealis'), request(printed.id))
  // On a cluster that has never joined: what the first test kept there is of another provider.
  const [side] = federation.providers
  await side?.controlPlane.kubectl(['-n', 'gpu-commons', 'delete', 'secret', 'gpu-commons-hub'])
  await using agent = await startAgent('borealis', { until: 'Answers' })
  const says = await waitUntil(
    async () => {
      const text = await (await fetch(`${agent.url}/readyz`)).text()
      return text.includes('another invite') ? text : undefined
    },
    { what: 'the agent to say that its invite was refused', seconds: 20 },
  )
  expect(says).toContain('used by somebody else')
  await invite('borealis')
  await waitUntil(async () => (await conditionOf('borealis', 'Connected')) === 'True' || undefined, {
    what: 'borealis to connect with the next invite',
    seconds: 30,
  })
}, 120_000)

test('a token of an agent is held to a week, to its Secret, to this API server and to itself', async () => {
  const { body } = await federation.hub.ask('/api/v1/namespaces/provider-borealis/serviceaccounts/agent/token', {
    method: 'POST',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600, boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'agent-token' } },
    },
  })
  const { token } = (body as { status: { token: string } }).status
  const bound = { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'agent-token' } }
  const ask = async (spec: object, account = 'provider-borealis/serviceaccounts/agent') => {
    const answer = await asHolder(token, `/api/v1/namespaces/${account}/token`, {
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
    })
    const { message = '' } = answer.body as { message?: string }
    return `${answer.status} ${/(spec\.\w+|cannot create|own ServiceAccount)/.exec(message)?.[0] ?? ''}`.trim()
  }
  const week = 7 * 24 * 3600
  expect([
    await ask({ ...bound, expirationSeconds: week }),
    await ask({ ...bound, expirationSeconds: 100 * 365 * 24 * 3600 }),
    await ask({ ...bound, expirationSeconds: week + 1 }),
    await ask({ expirationSeconds: 3600 }),
    await ask({ ...bound, expirationSeconds: 3600, audiences: ['sts.amazonaws.com'] }),
    await ask({ ...bound, expirationSeconds: 3600 }, 'provider-acme/serviceaccounts/agent'),
    await ask({ ...bound, expirationSeconds: 3600 }, 'gpu-commons/serviceaccounts/hub'),
  ]).toEqual([
    '201',
    '403 spec.expirationSeconds',
    '403 spec.expirationSeconds',
    '403 spec.boundObjectRef',
    '403 spec.audiences',
    '403 cannot create',
    '403 cannot create',
  ])
}, 60_000)
