// The credential of an agent lives on: many renewals, a hub that is away, an end, and clocks that differ. The API server
// takes the tokens, which it has made itself, and whose times alone are changed on their way, to be good for less time.
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { toTime } from '../../operator/src/api/time.ts'
import { type Asked, accountUser, auditOf } from '../bed/audit.ts'
import { waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { type FaultProxy, type Rule, startFaultProxy } from '../bed/fault-proxy.ts'
import type { Program } from '../bed/program.ts'
import { signedAnew } from '../bed/tokens.ts'
import { type JoinStage, joinStage } from './join-stage.ts'

let stage: JoinStage
/** The ways of our hub and of the agent to the hub's API server. */
let hubWay: FaultProxy
let agentWay: FaultProxy
/** Of acme: it lives through all of it. */
let agent: Program | undefined

beforeAll(async () => {
  stage = await joinStage('token-renewal', {
    audit: true,
    routeOfHub: async (hub, kubeconfig) => {
      hubWay = await startFaultProxy(hub)
      return hubWay.kubeconfig(kubeconfig, `${kubeconfig}.way`)
    },
  })
  agentWay = await startFaultProxy(stage.federation.hub)
}, 240_000)
afterAll(async () => {
  await agent?.stop()
  await stage?.[Symbol.asyncDispose]()
  await hubWay?.[Symbol.asyncDispose]()
  await agentWay?.[Symbol.asyncDispose]()
}, 60_000)

/** An API server allows a minute for clocks that differ, and believes for ten seconds what it has believed before. */
const leewaySeconds = 60
const cacheSeconds = 10

interface TokenRequest {
  readonly kind: string
  readonly status: { readonly token: string; readonly expirationTimestamp: string }
}

/** From now on tokens of agents are taken for so long, to the second. */
function grants(seconds: number): void {
  const { hub } = stage.federation
  const answer = async (body: string) => {
    const granted = JSON.parse(body) as TokenRequest
    if (granted.kind !== 'TokenRequest') return body // It was refused.
    const iat = Math.floor(Date.now() / 1000) - leewaySeconds
    const token = await signedAnew(hub, granted.status.token, { iat, nbf: iat, exp: iat + seconds })
    return JSON.stringify({ ...granted, status: { token, expirationTimestamp: toTime((iat + seconds) * 1000) } })
  }
  const rule: Rule = { do: 'change', method: 'POST', path: /\/serviceaccounts\/agent\/token$/, answer }
  hubWay.set([rule])
  agentWay.set([rule])
}

async function ofAgent(hub: ControlPlane, provider: string): Promise<readonly Asked[]> {
  const user = accountUser({ namespace: `provider-${provider}`, name: 'agent' })
  return (await auditOf(hub)).filter((one) => one.user === user)
}

const isRenewal = ({ verb, resource }: Asked) => verb === 'create' && resource === 'serviceaccounts/token'

async function renewalsOf(provider: string): Promise<number> {
  return (await ofAgent(stage.federation.hub, provider)).filter(isRenewal).length
}

function untilRenewed(provider: string, times: number, seconds = 60): Promise<true> {
  const isDone = async () => (await renewalsOf(provider)) >= times || undefined
  return waitUntil(isDone, { what: `renewal ${times} of ${provider}`, seconds })
}

/** Whose it was, nobody can say. */
async function refusedTokens(): Promise<number> {
  return (await auditOf(stage.federation.hub)).filter(({ status }) => status === 401).length
}

const throughProxy = () => ['--hub-url', agentWay.url]

test('an agent lives through 20 renewals without a call that fails, and each token is the last one of its time', async () => {
  const { hub } = stage.federation
  grants(35)
  await stage.invite('acme', ...throughProxy())
  agent = await stage.startAgent('acme')
  const since = (await ofAgent(hub, 'acme')).length
  const refusedBefore = await refusedTokens()
  const used = async () => new Set((await ofAgent(hub, 'acme')).slice(since).map(({ credential }) => credential)).size
  for (let renewal = 1; renewal <= 20; renewal++) {
    const isUsed = async () => (await used()) > renewal || undefined
    await waitUntil(isUsed, { what: `the token of renewal ${renewal} to be used`, seconds: 60 })
    // Whoever watches has to say anew who it is; an open watch is not asked again.
    expect(agentWay.cutOpen({ kind: 'watch', path: /gpunodes/ })).toBe(1)
    // A watch that is cut again and again, and of which nothing comes, is opened later and later.
    await hub.kubectl(['-n', 'provider-acme', 'label', 'gpunodes', '--all', '--overwrite', `renewal=${renewal}`])
  }
  await untilRenewed('acme', 21)
  const all = (await ofAgent(hub, 'acme')).slice(since)
  expect(all.filter(({ status }) => status >= 400)).toEqual([])
  expect(await refusedTokens()).toBe(refusedBefore)
  const tokens = [...new Set(all.map(({ credential }) => credential))]
  expect(tokens).not.toContain(undefined)
  expect(tokens.length).toBeGreaterThanOrEqual(21)
  // What was under way while a token was renewed may come in after it; nothing comes when the next one is renewed.
  const lastUse = (token: string | undefined) => all.findLastIndex(({ credential }) => credential === token)
  const renewal = (token: string | undefined) => all.findIndex((one) => one.credential === token && isRenewal(one))
  expect(tokens.slice(0, 20).filter((token, index) => lastUse(token) > renewal(tokens[index + 1]))).toEqual([])
  const watches = ({ credential, verb }: Asked, token: string | undefined) => credential === token && verb === 'watch'
  expect(tokens.slice(1, 21).filter((token) => !all.some((one) => watches(one, token)))).toEqual([])
  await stage.untilCondition('acme', 'Ready', 10)
}, 300_000)

test('a hub that is away for three quarters of the life of a token finds an agent whose token is good', async () => {
  const { hub } = stage.federation
  grants(120)
  const before = await renewalsOf('acme')
  await untilRenewed('acme', before + 2)
  const renewedAt = Date.now()
  const refusedBefore = await refusedTokens()
  await hub.stopApiServer()
  // It was due after a seventh of its life, when the hub was away.
  await waitUntil(async () => Date.now() - renewedAt > 90_000 || undefined, { what: 'three quarters', seconds: 100 })
  await hub.startApiServer()
  await untilRenewed('acme', before + 3, 25)
  expect((Date.now() - renewedAt) / 1000).toBeLessThan(120)
  expect(await refusedTokens()).toBe(refusedBefore)
  await stage.startHubAnew() // It gave up when it could not keep its lease.
  await stage.untilCondition('acme', 'Connected', 60)
  expect(agent?.ended()).toBeUndefined()
}, 300_000)

test('an agent whose token has ended says that it needs an invite, and goes on with one, without a restart', async () => {
  const { hub } = stage.federation
  grants(20)
  const before = await renewalsOf('acme')
  await untilRenewed('acme', before + 2)
  const endsAt = Date.now() + (20 + cacheSeconds) * 1000
  agentWay.set([{ do: 'cut' }])
  agentWay.cutOpen()
  await waitUntil(async () => Date.now() > endsAt || undefined, { what: 'the end of its token', seconds: 40 })
  grants(35)
  if (!agent) throw new Error('no agent runs')
  expect(await stage.untilWaitsFor(agent, 'another invite')).toContain(
    'another invite: the hub takes the credential of this agent no more',
  )
  expect((await readFile(agent.log, 'utf8')).includes('waits for another invite')).toBe(true)
  await stage.invite('acme', ...throughProxy())
  await stage.untilCondition('acme', 'Connected', 60)
  await untilRenewed('acme', (await renewalsOf('acme')) + 1)
  expect((await fetch(`${agent.url}/readyz`)).status).toBe(200)
  expect((await ofAgent(hub, 'acme')).at(-1)?.status).toBeLessThan(400)
  await agent.stop()
}, 240_000)

test.each([10, -10])(
  'an agent whose clock is %d minutes ahead of that of the hub joins and renews all the same',
  async (minutes) => {
    const { hub } = stage.federation
    grants(35)
    const provider = minutes > 0 ? 'early' : 'late'
    await stage.invite(provider, ...throughProxy())
    const off = `const now = Date.now; Date.now = () => now() + ${minutes * 60_000}`
    await using other = await stage.startAgent(provider, { nodeArgs: [`--import=data:text/javascript,${off}`] })
    const since = (await ofAgent(hub, provider)).length
    await untilRenewed(provider, 3)
    await stage.untilCondition(provider, 'Connected', 30)
    const all = (await ofAgent(hub, provider)).slice(since)
    expect([all.filter(({ status }) => status >= 400), other.ended()]).toEqual([[], undefined])
    // By its own clock a token is renewed no sooner than by the hub's.
    expect(all.filter(isRenewal).length).toBeLessThanOrEqual(5)
  },
  120_000,
)
