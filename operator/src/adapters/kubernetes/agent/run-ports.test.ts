import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type Clusters,
  clusters,
  jobOf,
  order,
  startAgent,
  stateOf,
  stopRun,
  tenant,
} from '../../../../../test/builders/agent-world.ts'
import { gpuRun } from '../../../../../test/builders/gpurun.ts'
import { providerJob } from '../../../../../test/builders/gpurun-seen.ts'
import { ApiError } from '../errors.ts'
import { gpuRuns } from '../kinds.ts'
import { jobs, namespaces, networkPolicies, resourceQuotas, services } from '../resources.ts'
import { runPorts } from './run-ports.ts'

const agents: { readonly stop: () => void }[] = []
afterEach(() => {
  for (const { stop } of agents.splice(0)) stop()
})

async function agentOn(world: Clusters) {
  const agent = await startAgent(world)
  agents.push(agent)
  return agent
}

const ours = { 'gpucommons.io/hub-uid': 'hub-uid', 'gpucommons.io/job-namespace': 'team' }
const { name } = gpuRun().metadata
const spec = {} as never
const refusedBy = (status: number, reason: string) => new ApiError('POST', { status, reason, message: 'no' })

describe("the tenant's namespace", () => {
  test('is made once, with whose it is', async () => {
    const world = clusters()
    await agentOn(world)
    await order(world)
    await order(world, { run: 2 })
    expect(world.provider.requests.filter((one) => one.endsWith(`namespaces ${tenant}`))).toEqual([
      `GET namespaces ${tenant}`,
      `POST namespaces ${tenant}`,
    ])
    expect((await world.provider.get(namespaces, { name: tenant }))?.metadata.labels).toMatchObject(ours)
  })

  test('two first runs at once do not stumble over it', async () => {
    const world = clusters()
    await Promise.all([order(world), order(world, { run: 2 }), order(world, { run: 3 })])
    const agent = await agentOn(world)
    expect([(await world.provider.list(jobs)).items.length, agent.errors]).toEqual([3, []])
  })

  test('is made again when somebody removed it', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    await order(world)
    await world.provider.delete(namespaces, { name: tenant })
    const second = await order(world, { run: 2 })
    await world.time.advance(1000)
    expect(await jobOf(world, second)).toBeDefined()
    for (const error of agent.errors) expect(error).toContain(`namespaces "${tenant}" not found`)
  })

  test('whose binding its owner took away is bound again', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    const message = 'User "agent" cannot create resource "jobs" in API group "batch" in the namespace "x"'
    world.provider.fail(/^POST jobs/, { with: new ApiError('POST', { status: 403, reason: 'Forbidden', message }) })
    const asked = () => world.provider.requests.filter((one) => one.endsWith('/selfsubjectaccessreviews')).length
    const run = await order(world)
    await world.time.advance(1000)
    // Once when the namespace was made, once when the right proved to be gone, once when it was tried again.
    expect([await jobOf(world, run), agent.errors.length, asked()]).toEqual([expect.anything(), 0, 3])
  })

  test('has its walls before anything runs in it, also where it was made before', async () => {
    const world = clusters()
    await world.provider.create(namespaces, { metadata: { name: tenant, labels: ours } })
    await agentOn(world)
    await order(world)
    const made = world.provider.requests.filter((one) => one.startsWith('POST ') && one.includes(` ${tenant}/`))
    expect(made).toEqual([
      `POST networkpolicies ${tenant}/gpu-commons-tenant`,
      `POST resourcequotas ${tenant}/gpu-commons-tenant`,
      `POST limitranges ${tenant}/gpu-commons-tenant`,
      `POST jobs ${tenant}/${name}`,
    ])
  })

  test('keeps walls that its owner has moved, and gets those back that are missing, with the next agent', async () => {
    const world = clusters()
    const first = await agentOn(world)
    await order(world)
    const ref = { namespace: tenant, name: 'gpu-commons-tenant' }
    await world.provider.mergePatch(resourceQuotas, { ref, patch: { spec: { hard: { pods: '7' } } } })
    await world.provider.delete(networkPolicies, ref)
    await order(world, { run: 2 })
    expect(await world.provider.get(networkPolicies, ref)).toBeUndefined()
    first.stop()
    const second = await agentOn(world)
    await order(world, { run: 3 })
    expect(await world.provider.get(networkPolicies, ref)).toBeDefined()
    expect((await world.provider.get(resourceQuotas, ref))?.spec).toMatchObject({ hard: { pods: '7' } })
    expect(second.errors).toEqual([])
  })

  test.each([
    { name: 'of another tenant', labels: { ...ours, 'gpucommons.io/job-namespace': 'other' } },
    { name: 'of nobody', labels: {} },
  ])('one $name is not used', async ({ labels }) => {
    const world = clusters()
    await agentOn(world)
    await world.provider.create(namespaces, { metadata: { name: tenant, labels } })
    const run = await order(world)
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['Rejected/NameTaken', undefined])
  })
})

describe('a Job of that name that is not ours', () => {
  test.each([
    { name: 'without our labels', labels: {} },
    { name: 'of another run', labels: { 'gpucommons.io/hub-uid': 'hub-uid', 'gpucommons.io/run': 'other' } },
  ])('$name is left alone, and the run says so', async ({ labels }) => {
    const world = clusters()
    await agentOn(world)
    await world.provider.create(namespaces, { metadata: { name: tenant, labels: ours } })
    const theirs = await world.provider.create(jobs, { metadata: { name, namespace: tenant, labels }, spec })
    const run = await order(world)
    expect(await stateOf(world, run)).toBe('Rejected/NameTaken')
    await stopRun(world, run)
    expect([await stateOf(world, run), (await jobOf(world, run))?.metadata.uid]).toEqual([
      'Rejected/NameTaken cleaned',
      theirs.metadata.uid,
    ])
  })

  test('a Service that is not ours ends the gang, and stays', async () => {
    const world = clusters()
    await agentOn(world)
    await world.provider.create(namespaces, { metadata: { name: tenant, labels: ours } })
    await world.provider.create(services, { metadata: { name, namespace: tenant }, spec: {} })
    const run = await order(world, { spec: { workers: 2 } })
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['Rejected/NameTaken', undefined])
    expect((await world.provider.list(services)).items).toHaveLength(1)
  })
})

test('a namesake that came in place of our Job is not deleted in its stead', async () => {
  const world = clusters()
  const { carryOut } = runPorts((await agentOn(world)).world)
  const run = await order(world)
  const theirs = await jobOf(world, run)
  await carryOut(run, { do: 'deleteJob', job: providerJob({ uid: 'the one before' }) })
  expect(await jobOf(world, run)).toEqual(theirs)
})

describe('what the provider says no to', () => {
  test.each([
    { what: 'jobs', with: refusedBy(422, 'Invalid'), says: 'Rejected/Invalid' },
    { what: 'services', with: refusedBy(422, 'Invalid'), says: 'Rejected/Invalid' },
  ])('$what $with.status: $says, and nothing is left', async ({ what, with: refusal, says }) => {
    const world = clusters()
    await agentOn(world)
    world.provider.fail(new RegExp(`^POST ${what}`), { with: refusal })
    const run = await order(world, { spec: { workers: 2 } })
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual([says, undefined])
    expect((await world.hub.get(gpuRuns, run.metadata))?.status?.message).toContain('no')
  })

  const walls = ['networkpolicies', 'resourcequotas', 'limitranges']
  const kinds = ['namespaces', 'priorityclasses', ...walls, 'jobs', 'services']
  test.each(kinds)('%s that are forbidden are told and tried again', async (what) => {
    const world = clusters()
    const agent = await agentOn(world)
    world.provider.fail(new RegExp(`^POST ${what}`), { with: refusedBy(403, 'Forbidden') })
    const run = await order(world, { spec: { workers: 2 } })
    expect(await stateOf(world, run)).toBe('not begun/Forbidden')
    expect((await world.hub.get(gpuRuns, run.metadata))?.status?.message).toContain('no')
    await world.time.advance(10_000)
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['not begun', expect.anything()])
    expect([(await world.provider.list(services)).items.length, agent.errors]).toEqual([1, []])
  })

  test.each(kinds)('%s that stay forbidden end the run in time, and nothing is left', async (what) => {
    const world = clusters()
    await agentOn(world)
    world.provider.fail(new RegExp(`^POST ${what}`), { with: refusedBy(403, 'Forbidden'), times: 1000 })
    const run = await order(world, { spec: { workers: 2 } })
    await world.time.advance(119_000)
    expect(await stateOf(world, run)).toBe('not begun/Forbidden')
    await world.time.advance(1000)
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['Rejected/Forbidden', undefined])
  })

  test('what may go better next time is tried again', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    world.provider.fail(/^POST jobs/, { with: refusedBy(500, 'InternalError') })
    const run = await order(world)
    await world.time.advance(1000)
    expect([await jobOf(world, run), agent.errors]).toEqual([expect.anything(), ['POST: no (500 InternalError)']])
  })

  test('a Job whose making was not answered is found again', async () => {
    const world = clusters()
    const agent = await agentOn(world)
    world.provider.fail(/^POST jobs/, { with: new Error('cut'), answerLost: true })
    const run = await order(world)
    await world.time.advance(1000)
    expect([await stateOf(world, run), agent.errors]).toEqual(['not begun', ['cut']])
    expect((await world.provider.list(jobs)).items).toHaveLength(1)
  })
})

describe('a template that this agent does not know', () => {
  const made = async (template: object) => {
    const world = clusters()
    await agentOn(world)
    const run = await order(world, { spec: { template: template as never } })
    return { state: await stateOf(world, run), job: await jobOf(world, run) }
  }

  test('fields that are not in its own schema do not travel', async () => {
    const container = { name: 'main', image: 'i', lifecycle: { postStart: {} }, volumeDevices: [] }
    const volumes = [{ name: 'root', hostPath: { path: '/' }, emptyDir: {} }]
    const text = JSON.stringify((await made({ spec: { containers: [container], volumes, hostPID: false } })).job)
    expect(text).toContain('"emptyDir"')
    expect(text).not.toMatch(/lifecycle|volumeDevices|hostPath|hostPID/)
  })

  test('what its schema forbids is refused', async () => {
    const container = { name: 'main', image: 'i', securityContext: { privileged: true } }
    expect(await made({ spec: { containers: [container] } })).toEqual({ state: 'Rejected/Invalid', job: undefined })
  })
})

describe('the status of a run', () => {
  const write = async (change: (world: Clusters) => Promise<unknown>) => {
    const world = clusters()
    const run = await order(world)
    const { writeStatus } = runPorts((await agentOn(world)).world)
    await change(world)
    await writeStatus(run, { observedGeneration: 1, state: 'Running' })
    return stateOf(world, run)
  }
  const ref = { name, namespace: 'provider-acme' }

  test('is written', async () => {
    expect(await write(async () => {})).toBe('Running')
  })

  test('is not written over what has changed meanwhile', async () => {
    const patch = { spec: { fenced: { recordedAt: '2026-01-01T00:00:00Z' } } }
    expect(await write(({ hub }) => hub.mergePatch(gpuRuns, { ref, patch }))).toBe('not begun')
  })

  test('is not missed by a run that is gone', async () => {
    expect(await write(({ hub }) => hub.delete(gpuRuns, ref))).toBe('not begun')
  })

  test('is not lost where the hub fails', async () => {
    await expect(write(async ({ hub }) => hub.fail(/PUT/, { with: refusedBy(500, 'InternalError') }))).rejects.toThrow(
      'InternalError',
    )
  })
})
