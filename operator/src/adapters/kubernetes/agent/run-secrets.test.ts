import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type Clusters,
  clusters,
  jobOf,
  kubeletSays,
  makeNode,
  makePod,
  order,
  startAgent,
  stateOf,
  stopRun,
  tenant,
} from '../../../../../test/builders/agent-world.ts'
import { base64 } from '../../../../../test/builders/kubelet.ts'
import type { GpuRun } from '../../../api/gpurun.ts'
import { canonicalText, type Payload, sealed } from '../../../domain/workload/payload-content.ts'
import { ApiError } from '../errors.ts'
import { jobs, secrets } from '../resources.ts'

const agents: { readonly stop: () => void }[] = []
afterEach(() => {
  for (const { stop } of agents.splice(0)) stop()
})

async function agentOn(world: Clusters) {
  const agent = await startAgent(world)
  agents.push(agent)
  return agent
}

const template = {
  spec: {
    containers: [{ name: 'main', image: 'i', envFrom: [{ secretRef: { name: 'key' } }] }],
    imagePullSecrets: [{ name: 'registry' }],
  },
}
const nothing = new Map<string, string>()
const payload: Payload = [
  { kind: 'Secret', name: 'key', data: new Map([['A', base64('1')]]), binaryData: nothing },
  {
    kind: 'Secret',
    name: 'registry',
    data: new Map([['.dockerconfigjson', base64('{"auths":{}}')]]),
    binaryData: nothing,
  },
]
const sha256 = createHash('sha256').update(canonicalText(payload)).digest('hex')
const name = 'train-1'
const secretName = (run: GpuRun) => `${run.metadata.name}-nonce`

/** A run that has a payload, without it. */
function ordered(world: Clusters, spec: Partial<GpuRun['spec']> = {}): Promise<GpuRun> {
  return order(world, { spec: { template, payload: { name, sha256 }, bindTimeoutSeconds: 60, ...spec } })
}

async function lay({ hub }: Clusters, content: Payload): Promise<void> {
  await hub.create(secrets, { metadata: { name, namespace: 'provider-acme' }, data: sealed(content) })
}

async function deliver(world: Clusters, content: Payload = payload): Promise<void> {
  await lay(world, content)
  await world.time.advance(10_000)
}

async function secretsOf({ provider }: Clusters): Promise<string[]> {
  return (await provider.list(secrets)).items.map((one) => one.metadata.name)
}

/** `suspended` or `let go`, and the Secrets on the provider. */
async function seenOf(world: Clusters, run: GpuRun): Promise<string> {
  const job = await jobOf(world, run)
  const state = job === undefined ? 'no Job' : job.spec.suspend ? 'suspended' : 'let go'
  return [state, ...(await secretsOf(world))].join(' ')
}

const whole = (run: GpuRun) => `let go ${secretName(run)} ${secretName(run)}-pull`

describe('the Secrets of a run', () => {
  test('are made of its payload, once it has come, and are owned by its Job', async () => {
    const world = clusters()
    await agentOn(world)
    const run = await ordered(world)
    expect(await seenOf(world, run)).toBe('no Job')
    await deliver(world)
    expect(await seenOf(world, run)).toBe(whole(run))
    const made = await world.provider.get(secrets, { namespace: tenant, name: secretName(run) })
    expect(made).toMatchObject({ immutable: true, data: { 'secret.key.A': base64('1') } })
    expect(made?.metadata.ownerReferences?.[0]?.uid).toBe((await jobOf(world, run))?.metadata.uid)
  })

  test('are never asked for: an agent may not read them', async () => {
    const world = clusters()
    await agentOn(world)
    await ordered(world)
    await deliver(world)
    expect(world.provider.requests.filter((one) => /^(GET|LIST|WATCH) secrets/.test(one))).toEqual([])
  })

  test('go when the last worker has ended, before the run says so', async () => {
    const world = clusters()
    await makeNode(world)
    await agentOn(world)
    const run = await ordered(world)
    await deliver(world)
    const pod = await makePod(world, run)
    await kubeletSays(world, pod, 'Running')
    world.provider.fail(/^DELETE secrets/, { with: new Error('cut') })
    await kubeletSays(world, pod, 0)
    expect(await stateOf(world, run)).toBe('Running')
    await world.time.advance(1000)
    expect([await stateOf(world, run), await seenOf(world, run)]).toEqual(['Succeeded/Completed', 'let go'])
  })

  test('go before the Job of a run that is told to stop: its pods may be long in going, or never have been', async () => {
    const world = clusters()
    await makeNode(world)
    await agentOn(world)
    const run = await ordered(world)
    await deliver(world)
    world.provider.requests.splice(0)
    await stopRun(world, run)
    expect(world.provider.requests.filter((one) => one.startsWith('DELETE'))).toEqual([
      `DELETE secrets ${tenant}/${secretName(run)}`,
      `DELETE secrets ${tenant}/${secretName(run)}-pull`,
      `DELETE jobs ${tenant}/${run.metadata.name}`,
    ])
  })

  test('are not made for a run that was stopped before it began', async () => {
    const world = clusters()
    await agentOn(world)
    const run = await ordered(world)
    await stopRun(world, run)
    await deliver(world)
    expect([await stateOf(world, run), await seenOf(world, run)]).toEqual(['Stopped/Stopped cleaned', 'no Job'])
  })
})

describe('an agent that was cut off', () => {
  test.each([
    { where: 'before the first Secret', match: /^POST secrets/, answerLost: false },
    { where: 'after the first Secret', match: /^POST secrets .*nonce$/, answerLost: true },
    { where: 'before the second Secret', match: /^POST secrets .*-pull$/, answerLost: false },
    { where: 'before it let the Job go', match: /^PATCH jobs/, answerLost: false },
    { where: 'when it had let the Job go', match: /^PATCH jobs/, answerLost: true },
  ])('$where is followed by one that goes on', async ({ match, answerLost }) => {
    const world = clusters()
    const agent = await agentOn(world)
    const run = await ordered(world)
    world.provider.fail(match, { with: new Error('cut'), answerLost })
    await lay(world, payload)
    // Killed before it could try again.
    for (let ms = 0; ms < 100 && agent.errors.length === 0; ms++) await world.time.advance(1)
    expect(agent.errors).toEqual(['cut'])
    agent.stop()
    await agentOn(world)
    await world.time.advance(1000)
    expect(await seenOf(world, run)).toBe(whole(run))
    const made = await world.provider.get(secrets, { namespace: tenant, name: secretName(run) })
    expect(made?.data).toEqual({ 'secret.key.A': base64('1') })
  })

  test('makes anew what has the name of a Secret that it may have made: only then it knows what is in it', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    const run = await ordered(world)
    // However often it tries: the Job is not let go.
    world.provider.fail(/^PATCH jobs/, { with: new Error('cut'), times: Infinity })
    await lay(world, payload)
    for (let ms = 0; ms < 100 && agent.errors.length === 0; ms++) await world.time.advance(1)
    agent.stop()
    const ref = { namespace: tenant, name: secretName(run) }
    await world.provider.mergePatch(secrets, { ref, patch: { data: { 'secret.key.A': base64('another') } } })
    await agentOn(world)
    await world.time.advance(1000)
    expect((await world.provider.get(secrets, ref))?.data).toEqual({ 'secret.key.A': base64('1') })
  })

  test('changes nothing of a Job that was let go: its pods use the Secrets', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    const run = await ordered(world)
    world.provider.fail(/^PATCH jobs/, { with: new Error('cut'), answerLost: true })
    await deliver(world)
    const before = await world.provider.list(secrets)
    agent.stop()
    await agentOn(world)
    await world.time.advance(1000)
    expect((await world.provider.list(secrets)).items).toEqual(before.items)
    expect(await seenOf(world, run)).toBe(whole(run))
  })

  test('and finds the payload gone gives the run back, and takes down what it made', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    const run = await ordered(world)
    world.provider.fail(/^POST secrets/, { with: new Error('cut'), times: 99 })
    await deliver(world)
    expect(await seenOf(world, run)).toBe('suspended')
    agent.stop()
    await world.hub.delete(secrets, { namespace: 'provider-acme', name })
    await agentOn(world)
    await world.time.advance(70_000)
    expect([await stateOf(world, run), await seenOf(world, run)]).toEqual(['Rejected/PayloadMissing', 'no Job'])
  })
})

describe('a payload', () => {
  test('that never comes ends the run, with the time that its pods would have had', async () => {
    const world = clusters()
    await agentOn(world)
    const run = await ordered(world)
    await world.time.advance(59_000)
    expect(await stateOf(world, run)).toBe('not begun')
    await world.time.advance(6000)
    expect([await stateOf(world, run), await seenOf(world, run)]).toEqual(['Rejected/PayloadMissing', 'no Job'])
  })

  test('that is another one is never used', async () => {
    const world = clusters()
    await agentOn(world)
    const run = await ordered(world)
    await deliver(world, payload.slice(0, 1))
    expect(await seenOf(world, run)).toBe('no Job')
    await world.time.advance(65_000)
    expect([await stateOf(world, run), await seenOf(world, run)]).toEqual(['Rejected/PayloadMismatch', 'no Job'])
  })

  test('that the agent has no right to read has not come', async () => {
    const world = clusters()
    await agentOn(world)
    const message = 'secrets "x" is forbidden: User "agent" cannot get resource "secrets"'
    world.hub.fail(/^GET secrets/, {
      with: new ApiError('GET', { status: 403, reason: 'Forbidden', message }),
      times: 99,
    })
    const run = await ordered(world)
    await world.time.advance(65_000)
    expect(await stateOf(world, run)).toBe('Rejected/PayloadMissing')
  })

  test('is looked for less and less often', async () => {
    const world = clusters()
    await agentOn(world)
    await ordered(world)
    await world.time.advance(59_000)
    expect(world.hub.requests.filter((one) => one.startsWith('GET secrets')).length).toBeLessThan(25)
  })
})

test('a template that names a Secret which nobody sent is refused: another could be found under that name', async () => {
  const world = clusters()
  await agentOn(world)
  const run = await order(world, { spec: { template } })
  expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['Rejected/Invalid', undefined])
})

test('a job without Secrets is not suspended, and costs no request more', async () => {
  const world = clusters()
  await agentOn(world)
  const run = await order(world)
  expect((await jobOf(world, run))?.spec.suspend).toBeUndefined()
  const requests = [...world.hub.requests, ...world.provider.requests]
  expect(requests.filter((one) => / secrets|PATCH jobs/.test(one))).toEqual([])
})

test('a Job that its owner suspended is left to its owner', async () => {
  const world = clusters()
  await agentOn(world)
  const run = await order(world)
  const ref = { namespace: tenant, name: run.metadata.name }
  await world.provider.mergePatch(jobs, { ref, patch: { spec: { suspend: true } } })
  await world.time.advance(10_000)
  expect(await seenOf(world, run)).toBe('suspended')
})
