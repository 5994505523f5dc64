// A cluster joins with an invite: the command line, the hub and the agent on real API servers, with their own rights.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { waitUntil } from '../bed/child.ts'
import { type JoinStage, joinStage } from './join-stage.ts'
import { group } from './stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await joinStage('joining')
}, 240_000)
afterAll(async () => stage?.[Symbol.asyncDispose](), 60_000)

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
  await stage.invite('acme', '--region', 'eu-west', '--price', 'H100=2.10')
  const agent = await stage.startAgent('acme')
  await stage.untilCondition('acme', 'Ready', 30)
  // What nodes come to is summed up once a second.
  const line = /^acme +True +True +[1-9]\d* +2 +eu-west +Open$/m
  await waitUntil(async () => line.exec(await stage.kubectlGpu('providers'))?.[0], {
    what: `a line like ${line} of \`kubectl gpu providers\``,
    seconds: 10,
  })
  await agent.stop()
  // The invite is used up: only what was kept can let it in again.
  await using again = await stage.startAgent('acme', { name: 'agent-acme-again' })
  expect(again.url).toBeDefined()
}, 120_000)

test('an invite of one provider is of no use for another, also one whose name it begins', async () => {
  const { id, token } = await stage.invite('acmexy')
  await stage.invite('acmexyz')
  const refused = async (provider: string, name: string) =>
    (await stage.asHolder(token, requestPath(provider), request(name))).status
  expect([await refused('acmexyz', id), await refused('acme', id), await refused('acmexy', '0123456789')]).toEqual([
    403, 403, 403,
  ])
  const secret = await stage.asHolder(token, '/api/v1/namespaces/provider-acmexy/secrets')
  const ofAgent = await stage.asHolder(token, '/api/v1/namespaces/provider-acmexy/serviceaccounts/agent/token', {
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  })
  expect([secret.status, ofAgent.status]).toEqual([403, 403])
  expect(await refused('acmexy', id)).toBe(201)
  // It is the name that is used up.
  expect(await refused('acmexy', id)).toBe(409)
}, 60_000)

test('an agent with an invite that was used says so, and waits for another one', async () => {
  const printed = await stage.invite('borealis')
  await stage.asHolder(printed.token, requestPath('borealis'), request(printed.id))
  // On a cluster that has never joined: what the first test kept there is of another provider.
  await stage.side.controlPlane.kubectl(['-n', 'gpu-commons', 'delete', 'secret', 'gpu-commons-hub'])
  await using agent = await stage.startAgent('borealis', { until: 'Answers' })
  const says = await waitUntil(
    async () => {
      const text = await (await fetch(`${agent.url}/readyz`)).text()
      return text.includes('another invite') ? text : undefined
    },
    { what: 'the agent to say that its invite was refused', seconds: 20 },
  )
  expect(says).toContain('used by somebody else')
  await stage.invite('borealis')
  await stage.untilCondition('borealis', 'Connected', 30)
}, 120_000)

test('a token of an agent is held to a week, to its Secret, to this API server and to itself', async () => {
  const { body } = await stage.federation.hub.ask('/api/v1/namespaces/provider-borealis/serviceaccounts/agent/token', {
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
    const answer = await stage.asHolder(token, `/api/v1/namespaces/${account}/token`, {
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
