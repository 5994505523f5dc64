// Whom an invite does not let in, and how the agent and those who look at the Provider hear why: on real API servers.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { accountUser, auditOf } from '../bed/audit.ts'
import { waitUntil } from '../bed/child.ts'
import type { BedProvider } from '../bed/federation.ts'
import type { Program } from '../bed/program.ts'
import { signedAnew } from '../bed/tokens.ts'
import { type JoinStage, joinStage } from './join-stage.ts'
import { group } from './stage.ts'

let stage: JoinStage
let sides: readonly BedProvider[]
beforeAll(async () => {
  stage = await joinStage('invites', { sides: 2, audit: true })
  sides = stage.federation.providers
}, 240_000)
afterAll(async () => stage?.[Symbol.asyncDispose](), 60_000)

beforeEach(async () => {
  for (const side of sides) await stage.forget(side)
})

async function untilEvent(provider: string, reason: string): Promise<string> {
  const find = async () => (await stage.eventsOf(provider)).find((one) => one.reason === reason)?.message
  return waitUntil(find, { what: `an event ${reason} on Provider ${provider}`, seconds: 20 })
}

/** Of its log, what it said that it waits for. */
async function logged({ log }: Program, words: string): Promise<boolean> {
  return (await readFile(log, 'utf8')).split('\n').some((line) => line.includes('waits for') && line.includes(words))
}

/** How many tokens of its agent the hub has been given. */
async function tokensOf(provider: string): Promise<number> {
  const all = await auditOf(stage.federation.hub)
  return all.filter(
    ({ user, verb, resource, namespace, name, status }) =>
      user === accountUser({ namespace: 'gpu-commons', name: 'hub' }) &&
      verb === 'create' &&
      resource === 'serviceaccounts/token' &&
      namespace === `provider-${provider}` &&
      name === 'agent' &&
      status === 201,
  ).length
}

test('of twins who race with one invite one joins and one token is made; the other is told, and so is the operator', async () => {
  const { id } = await stage.invite('twins')
  const twins = await Promise.all(
    sides.map((side) => stage.startAgent('twins', { name: `twin-${side.name}`, side, until: 'Answers' })),
  )
  try {
    await stage.untilCondition('twins', 'Connected', 60)
    const loser = await Promise.any(
      twins.map(async (twin) => {
        expect(await stage.untilWaitsFor(twin, 'another invite')).toContain('used by somebody else before')
        return twin
      }),
    )
    expect(await logged(loser, `${id}: it was used by somebody else before`)).toBe(true)
    expect(await untilEvent('twins', 'InviteUsed')).toContain(`invite ${id}: an agent that has it found it used`)
    expect([await tokensOf('twins'), (await stage.eventsOf('twins')).map(({ count }) => count)]).toEqual([1, [1]])
  } finally {
    await Promise.all(twins.map((twin) => twin.stop()))
  }
}, 120_000)

test('an invite whose time is over is refused, with the reason in the log and in an event', async () => {
  const { id } = await stage.invite('late')
  // No API server gives a token for less than ten minutes: the hub is to believe that this one was for a second.
  const seconds = 'gpucommons.io/invite-seconds=1'
  const account = ['-n', 'provider-late', 'annotate', '--overwrite', 'serviceaccount', `invite-${id}`, seconds]
  await stage.federation.hub.kubectl(account)
  await using agent = await stage.startAgent('late', { until: 'Answers' })
  expect(await stage.untilWaitsFor(agent, 'another invite')).toContain('InviteExpired, the invite has expired')
  expect(await untilEvent('late', 'InviteExpired')).toContain(`invite ${id}: the invite has expired`)
  expect([await logged(agent, 'InviteExpired'), await tokensOf('late')]).toEqual([true, 0])
}, 120_000)

test('an agent whose token the API server takes no more says until when it was good', async () => {
  const { token } = await stage.invite('later')
  const now = Math.floor(Date.now() / 1000)
  const over = await signedAnew(stage.federation.hub, token, { iat: now - 4000, nbf: now - 4000, exp: now - 120 })
  await writeFile(join(stage.inviteFolder('later'), 'token'), over)
  await using agent = await stage.startAgent('later', { until: 'Answers' })
  const ended = new Date((now - 120) * 1000).toISOString().slice(0, 19)
  expect(await stage.untilWaitsFor(agent, 'another invite')).toContain(`it was good until ${ended}Z`)
  expect([await logged(agent, 'it was good until'), await tokensOf('later')]).toEqual([true, 0])
}, 120_000)

test('an agent with the invite of another provider is told so at once, the operator hears of it, and the invite stays good', async () => {
  const { id } = await stage.invite('acme')
  await stage.invite('acmexyz')
  const wrong = await stage.startAgent('acmexyz', { name: 'agent-wrong', inviteOf: 'acme', until: 'Answers' })
  const says = await stage.untilWaitsFor(wrong, 'another invite')
  expect(says).toContain('it is for Provider acme, and this agent is set to be of acmexyz')
  expect(await untilEvent('acme', 'OtherProvider')).toContain(`invite ${id}: `)
  expect(await stage.eventsOf('acmexyz')).toEqual([])
  await wrong.stop()
  await stage.forget(stage.side)
  await using right = await stage.startAgent('acme')
  expect(right.url).toBeDefined()
  expect([await tokensOf('acme'), await tokensOf('acmexyz')]).toEqual([1, 0])
}, 120_000)

test('after revoke an invite is good for nothing, which the agent says; the Provider says that it is revoked', async () => {
  const { id } = await stage.invite('gone')
  await stage.kubectlGpu('revoke', 'gone')
  await using agent = await stage.startAgent('gone', { until: 'Answers' })
  const says = await stage.untilWaitsFor(agent, 'another invite')
  expect(says).toContain(`the hub refused ${id}: it was good until`)
  expect(says).toContain('no longer than until it is used or revoked')
  expect(await untilEvent('gone', 'Revoked')).toContain('spec.intake is Revoked')
  expect(await tokensOf('gone')).toBe(0)
}, 120_000)

test('whoever holds an invite can make two requests and two events with it, and no more', async () => {
  const { id, token } = await stage.invite('flooded')
  const path = `${group}/namespaces/provider-flooded/joinrequests`
  const ask = async (name: string, complaint?: string) => {
    const spec = { publicKey: 'A'.repeat(43), agentVersion: '0.1.0', ...(complaint ? { complaint } : {}) }
    const body = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'JoinRequest', metadata: { name }, spec }
    return (await stage.asHolder(token, path, { method: 'POST', body })).status
  }
  const events = '/api/v1/namespaces/provider-flooded/events'
  expect((await stage.asHolder(token, events, { method: 'POST', body: {} })).status).toBe(403)
  const answers: number[] = []
  for (let time = 0; time < 20; time++) {
    answers.push(
      await ask(id),
      await ask(`${id}-complaint`, 'UsedBefore'),
      await ask(`${id}-complaint`, 'OtherProvider'),
    )
  }
  expect([answers.filter((status) => status === 201).length, new Set(answers)]).toEqual([2, new Set([201, 409])])
  const wrong = [
    await ask(`${id}-complaint`),
    await ask(id, 'UsedBefore'),
    await ask('0123456789-complaint', 'UsedBefore'),
  ]
  expect(wrong.every((status) => [403, 409, 422].includes(status))).toBe(true)
  await untilEvent('flooded', 'KeyUnusable')
  await untilEvent('flooded', 'InviteUsed')
  expect((await stage.eventsOf('flooded')).map(({ reason, count }) => `${reason} ${count}`).toSorted()).toEqual([
    'InviteUsed 1',
    'KeyUnusable 1',
  ])
}, 60_000)

test('a provider may have any name that is one: short, with dashes, of our own words, as long as may be', async () => {
  const names = ['a', 'a-b', 'agent', 'system', 'x'.repeat(54)]
  for (const name of names) {
    await stage.invite(name)
    await using agent = await stage.startAgent(name, { name: `agent-named-${name.slice(0, 10)}` })
    expect(agent.url).toBeDefined()
    await stage.untilCondition(name, 'Connected', 30)
  }
}, 240_000)

test('a name that is none is refused before anything is made, with its rule', async () => {
  const rule = 'a letter, then letters, digits and dashes (all lower case), of at most 54 characters in all'
  const providers = `${group}/providers`
  for (const name of ['x'.repeat(63), '1st', 'a-']) {
    await expect(stage.kubectlGpu('invite', name)).rejects.toMatchObject({
      code: 2,
      stderr: `error: ${name} cannot be the name of a Provider, which is ${rule}\n`,
    })
    expect((await stage.federation.hub.ask(`${providers}/${name}`)).status).toBe(404)
    const body = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'Provider', metadata: { name }, spec: {} }
    const byHand = await stage.federation.hub.ask(providers, { method: 'POST', body })
    expect([byHand.status, JSON.stringify(byHand.body)]).toEqual([422, expect.stringContaining('metadata.name')])
  }
}, 60_000)
