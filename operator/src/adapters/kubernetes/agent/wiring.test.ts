// The agent as a whole, between two API servers in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type Clusters,
  clusters,
  jobOf,
  kubeletSays,
  makeNode,
  makePod,
  nodeIs,
  order,
  startAgent,
  stateOf,
  stopRun,
  vanish,
} from '../../../../../test/builders/agent-world.ts'
import { gpuNode } from '../../../../../test/builders/gpunode.ts'
import { runId } from '../../../domain/lifecycle/gpurun.ts'
import { ApiError } from '../errors.ts'
import { gpuNodes, gpuRuns } from '../kinds.ts'
import { jobs, nodes, pods, services } from '../resources.ts'

const agents: { readonly stop: () => void; readonly errors: readonly string[] }[] = []
afterEach(() => {
  for (const { stop } of agents.splice(0)) stop()
})

async function agentOn(world: Clusters) {
  const agent = await startAgent(world)
  agents.push(agent)
  return agent
}

/** One node, one agent, one run with a pod that runs. */
async function running() {
  const world = clusters()
  await makeNode(world)
  const agent = await agentOn(world)
  const run = await order(world)
  const pod = await makePod(world, run)
  await kubeletSays(world, pod, 'Running')
  return { world, agent, run, pod }
}

describe('a run on a provider', () => {
  test('whose pods vanished while its agent was away, and of which nothing was told yet, is not over at once', async () => {
    const world = clusters()
    await makeNode(world)
    const first = await agentOn(world)
    const run = await order(world)
    const pod = await makePod(world, run)
    first.stop()
    await kubeletSays(world, pod, 'Running')
    await vanish(world, pod)
    const failed = { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'm' } as const
    const patch = { status: { failed: 1, conditions: [failed] } }
    const job = { namespace: pod.metadata.namespace, name: run.metadata.name }
    await world.provider.mergePatch(jobs, { ref: job, patch }, { subresource: 'status' })
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('not begun')
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Reclaimed/NodeLost')
  })

  test('that succeeded while its agent was away, and whose pods were removed, has succeeded', async () => {
    const { world, agent, run, pod } = await running()
    agent.stop()
    await kubeletSays(world, pod, 0)
    await vanish(world, pod)
    const patch = { status: { succeeded: 1, conditions: [{ type: 'Complete', status: 'True' } as const] } }
    const job = { namespace: pod.metadata.namespace, name: run.metadata.name }
    await world.provider.mergePatch(jobs, { ref: job, patch }, { subresource: 'status' })
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('Succeeded/Completed')
  })

  test('is ordered, runs and succeeds, with two writes to the hub and one Job on the provider', async () => {
    const { world, run, pod, agent } = await running()
    expect(await stateOf(world, run)).toBe('Running')
    await kubeletSays(world, pod, 0)
    expect(await stateOf(world, run)).toBe('Succeeded/Completed')
    const writes = (requests: readonly string[]) => requests.filter((one) => /^(POST|PATCH|PUT)/.test(one))
    expect(writes(world.hub.requests).filter((one) => one.startsWith('PUT gpuruns/status'))).toHaveLength(2)
    expect(writes(world.provider.requests).filter((one) => /jobs|services/.test(one))).toHaveLength(1)
    expect(agent.errors).toEqual([])
  })

  test('ends when the owner takes the cluster out of the federation, and its nodes are offered no more', async () => {
    const { world, agent, run, pod } = await running()
    await world.hub.create(gpuNodes, { metadata: { name: 'node-1', namespace: 'provider-acme' }, spec: gpuNode().spec })
    await world.time.advance(0)
    agent.claimed.splice(0)
    agent.leaving.ask('who')
    await world.time.advance(0)
    expect(agent.claimed).toContain('node-1')
    // Not before the hub has no node of it: the job would be placed here again.
    expect(await jobOf(world, run)).toBeDefined()
    await world.hub.delete(gpuNodes, { name: 'node-1', namespace: 'provider-acme' })
    await world.time.advance(0)
    expect(await jobOf(world, run)).toBeUndefined()
    await kubeletSays(world, pod, 143)
    expect(await stateOf(world, run)).toBe('Reclaimed/ProviderLeaves')
  })

  test('a gang gets its Service, which leaves with the Job', async () => {
    const world = clusters()
    await agentOn(world)
    const run = await order(world, { spec: { workers: 2 } })
    expect((await world.provider.list(services)).items).toHaveLength(1)
    await stopRun(world, run)
    expect((await world.provider.list(services)).items).toEqual([])
  })

  test('is stopped and cleaned up', async () => {
    const { world, run, pod } = await running()
    await stopRun(world, run)
    expect(await jobOf(world, run)).toBeUndefined()
    expect(await stateOf(world, run)).toBe('Running')
    await kubeletSays(world, pod, 143)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped')
    await vanish(world, pod)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('is stopped although its Job was not seen yet', async () => {
    const world = clusters()
    await agentOn(world)
    world.provider.cutWatches(new Error('the watch is broken'))
    world.provider.fail(/^(WATCH|LIST) jobs/, { with: new Error('still broken'), times: 3 })
    const run = await order(world)
    expect(await jobOf(world, run)).toBeDefined()
    await stopRun(world, run)
    expect(await stateOf(world, run)).toBe('not begun')
    expect(await jobOf(world, run)).toBeUndefined()
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('a Job that was made without an answer keeps its run from being stopped until it is gone', async () => {
    const world = clusters()
    await agentOn(world)
    world.provider.cutWatches(new Error('the watch is broken'))
    world.provider.fail(/^(WATCH|LIST) jobs/, { with: new Error('still broken'), times: 3 })
    world.provider.fail(/^POST jobs/, { with: new Error('the line was cut'), answerLost: true })
    const run = await order(world)
    await stopRun(world, run)
    await world.time.advance(10)
    expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['not begun', undefined])
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('its Job is removed by the owner of the cluster: reclaimed, once its pod has ended', async () => {
    const { world, run, pod } = await running()
    await world.provider.delete(
      jobs,
      { namespace: pod.metadata.namespace, name: run.metadata.name },
      { propagationPolicy: 'Background' },
    )
    await world.time.advance(0)
    expect(await stateOf(world, run)).toBe('Running')
    await vanish(world, pod)
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Reclaimed/JobRemoved')
  })
})

describe('a node that does not answer', () => {
  test('makes its run lost, and found again', async () => {
    const { world, run } = await running()
    await nodeIs(world, 'node-1', 'Unknown')
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
    await nodeIs(world, 'node-1', 'True')
    expect(await stateOf(world, run)).toBe('Running')
  })

  test('a pod that vanished from it is waited for until a minute after it is back', async () => {
    const { world, run, pod } = await running()
    await nodeIs(world, 'node-1', 'Unknown')
    await vanish(world, pod)
    await stopRun(world, run)
    await world.time.advance(86_400_000)
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
    await nodeIs(world, 'node-1', 'True')
    await world.time.advance(59_000)
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
    await world.time.advance(1000)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('a node that left its cluster answers no more than a silent one', async () => {
    const { world, run, pod } = await running()
    await world.provider.delete(nodes, { name: 'node-1' })
    await vanish(world, pod)
    await world.time.advance(86_400_000)
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
  })
})

describe('an agent that is started again', () => {
  test('touches nothing that runs', async () => {
    const { world, agent, run } = await running()
    agent.stop()
    world.provider.requests.splice(0)
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('Running')
    expect(world.provider.requests.filter((one) => /^(POST|DELETE|PATCH|PUT)/.test(one))).toEqual([])
  })

  test('hears what happened meanwhile', async () => {
    const { world, agent, run, pod } = await running()
    agent.stop()
    await kubeletSays(world, pod, 3)
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('Failed/NonZeroExit')
  })

  test('does not take a run whose pods went meanwhile for stopped before their node has had its minute', async () => {
    const { world, agent, run, pod } = await running()
    agent.stop()
    await world.provider.delete(
      jobs,
      { namespace: pod.metadata.namespace, name: run.metadata.name },
      { propagationPolicy: 'Background' },
    )
    await vanish(world, pod)
    await stopRun(world, run)
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('Running/NodeLost')
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('does not take a run for stopped whose pods went by force after the agent before had removed its Job', async () => {
    const world = clusters()
    await makeNode(world)
    const agent = await agentOn(world)
    const run = await order(world)
    const pod = await makePod(world, run)
    await stopRun(world, run)
    expect(await jobOf(world, run)).toBeUndefined()
    agent.stop()
    await vanish(world, pod)
    await agentOn(world)
    expect(await stateOf(world, run)).toBe('not begun')
    await world.time.advance(60_000)
    expect(await stateOf(world, run)).toBe('Stopped/Stopped cleaned')
  })

  test('finds what runs when the GpuRun was lost and made again', async () => {
    const world = clusters()
    await makeNode(world)
    const agent = await agentOn(world)
    const run = await order(world)
    const pod = await makePod(world, run)
    await kubeletSays(world, pod, 'Running')
    const job = await jobOf(world, run)
    await world.hub.delete(gpuRuns, run.metadata)
    await world.time.advance(0)
    const again = await order(world)
    await world.time.advance(999_000)
    expect(again.metadata.uid).not.toBe(run.metadata.uid)
    expect([await stateOf(world, again), (await jobOf(world, again))?.metadata.uid]).toEqual([
      'Running',
      job?.metadata.uid,
    ])
    expect(agent.errors).toEqual([])
  })

  test('does not take a run for over whose GpuRun was made again while a lost node may run it', async () => {
    const world = clusters()
    const patient = { spec: { bindTimeoutSeconds: 3600 } }
    await makeNode(world)
    await agentOn(world)
    const run = await order(world, patient)
    const pod = await makePod(world, run)
    await kubeletSays(world, pod, 'Running')
    await nodeIs(world, 'node-1', 'Unknown')
    await vanish(world, pod)
    const failed = { type: 'Failed', status: 'True', reason: 'PodFailurePolicy', message: 'm' } as const
    const ref = { namespace: pod.metadata.namespace, name: run.metadata.name }
    await world.provider.mergePatch(
      jobs,
      { ref, patch: { status: { failed: 1, conditions: [failed] } } },
      { subresource: 'status' },
    )
    await world.time.advance(0)
    await world.hub.delete(gpuRuns, run.metadata)
    await world.time.advance(0)
    const again = await order(world, patient)
    await world.time.advance(300_000)
    expect(await stateOf(world, again)).toBe('not begun')
    await nodeIs(world, 'node-1', 'True')
    await world.time.advance(60_000)
    expect(await stateOf(world, again)).toBe('Reclaimed/NodeLost')
  })

  test('makes a Job that it was told to make while it was away', async () => {
    const world = clusters()
    const run = await order(world)
    await agentOn(world)
    expect((await jobOf(world, run))?.metadata.labels?.['gpucommons.io/run']).toBe(runId(run))
  })
})

describe('what wakes the claims of nodes', () => {
  test('a node, and a pod that is not ours; not one of ours', async () => {
    const world = clusters()
    await makeNode(world)
    const agent = await agentOn(world)
    const run = await order(world)
    agent.claimed.splice(0)
    const pod = await makePod(world, run)
    await kubeletSays(world, pod, 'Running')
    expect(agent.claimed).toEqual([])
    await world.provider.create(pods, {
      metadata: { name: 'theirs', namespace: 'default' },
      spec: { nodeName: 'node-1', containers: [] },
    })
    await world.time.advance(0)
    expect(agent.claimed).toEqual(['node-1'])
  })
})

test('a hub that refuses a status is asked again', async () => {
  const { world, run, pod, agent } = await running()
  world.hub.fail(/^PUT gpuruns/, {
    with: new ApiError('PUT', { status: 500, reason: 'InternalError', message: 'etcd' }),
  })
  await kubeletSays(world, pod, 0)
  await world.time.advance(1000)
  expect([agent.errors, await stateOf(world, run)]).toEqual([['PUT: etcd (500 InternalError)'], 'Succeeded/Completed'])
})

test('a hub of an earlier version, which lets it patch alone, is told in that way', async () => {
  const { world, run, pod, agent } = await running()
  const message = 'User "agent" cannot update resource "gpuruns/status" in API group "gpucommons.io"'
  world.hub.fail(/^PUT gpuruns/, { with: new ApiError('PUT', { status: 403, reason: 'Forbidden', message }) })
  await kubeletSays(world, pod, 0)
  expect([agent.errors, await stateOf(world, run)]).toEqual([[], 'Succeeded/Completed'])
})
