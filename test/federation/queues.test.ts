// Two queues with quota on real API servers: who may have how much, who is let in, and what becomes of jobs when queues come,
// change and go.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuQueue, GpuQueueSpec } from '../../operator/src/api/gpuqueue.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { hubOptions } from '../bed/operator.ts'
import { startProgram } from '../bed/program.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { group, openStage, type Stage, sideOf } from './stage.ts'
import { type Watched, watched } from './watched.ts'

const lab = 'lab'
const red = 'red'
const blue = 'blue'
const stranger = 'stranger'
const hubArgs = ['--tombstone-seconds', '5']

let stage: Stage
let queues: Watched<GpuQueue>
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  stage = parts.use(
    await openStage({
      name: 'queues',
      providers: 2,
      nodes: (provider) => [gpuNode({ name: `${provider}-1`, card: 'H100', gpus: 8 })],
      namespaces: [red, blue, stranger],
      agentArgs: ['--heartbeat-seconds', '1'],
      hubArgs,
    }),
  )
  queues = parts.use(await watched<GpuQueue>(stage.federation.hub, `${group}/gpuqueues`))
  // It names no quota: those below may borrow what there is.
  await putQueue(lab, {})
  await putQueue(red, { parent: lab, namespaces: [red], quota: [{ model: 'H100', guaranteed: 4, borrowLimit: 2 }] })
  await putQueue(blue, { parent: lab, namespaces: [blue], quota: [{ model: 'H100', guaranteed: 8 }] })
  await Promise.all([lab, red, blue].map((name) => queueSays(name, 'True/Ready')))
}, 120_000)

afterAll(async () => parts.disposeAsync(), 30_000)

async function putQueue(name: string, spec: Partial<GpuQueueSpec>): Promise<void> {
  const manifest = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuQueue', metadata: { name }, spec }
  await stage.federation.hub.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(manifest) })
}

async function removeQueue(name: string): Promise<void> {
  await stage.federation.hub.kubectl(['delete', 'gpuqueue', name])
}

/** @param holds of its status, once the hub has seen its newest spec. */
function queueIs(name: string, what: string, holds: (queue: GpuQueue) => boolean): Promise<GpuQueue> {
  return queues.until({
    what: `queue ${name} ${what}`,
    // The numbers of jobs come after a minute.
    seconds: 80,
    find: (all) => {
      const queue = all.get(name)
      const isSeen = queue?.status?.observedGeneration === queue?.metadata.generation
      return queue && isSeen && holds(queue) ? queue : undefined
    },
    state: () => JSON.stringify(queues.all.get(name)?.status),
  })
}

function queueSays(name: string, claim: string): Promise<GpuQueue> {
  return queueIs(name, `to say ${claim}`, ({ status }) =>
    Boolean(status?.conditions.some((one) => `${one.status}/${one.reason}` === claim)),
  )
}

/** They run until they are removed. */
function hanging(namespace: string, name: string, spec: Parameters<typeof orderJob>[1]['spec'] = {}) {
  return orderJob(stage, { namespace, name, spec, simulate: { how: 'hang' } })
}

async function removeAll(jobs: readonly OrderedJob[]): Promise<void> {
  await Promise.all(jobs.map((job) => job.remove()))
  await Promise.all(jobs.map((job) => job.leavesNothing()))
}

/** A waiting job that has been looked at. */
function waits(job: OrderedJob): Promise<GpuJob> {
  return job.until('to wait', ({ status }) => status?.state === 'Waiting')
}

describe('quota', () => {
  test('a queue has what it is guaranteed, borrows as much as it may, and gives no more', async () => {
    const reds = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => hanging(red, `red-${n}`)))
    const placed = () =>
      reds.filter(({ uid }) =>
        stage.jobs.all.values().some(({ metadata, status }) => metadata.uid === uid && status?.placement !== undefined),
      )
    await stage.jobs.until({ what: 'six of red to run', seconds: 40, find: () => placed().length === 6 || undefined })
    const last = reds.find((job) => !placed().includes(job))
    if (last) await waits(last)
    const blues = await Promise.all([1, 2].map((n) => hanging(blue, `blue-${n}`, { gpus: { count: 4 } })))
    for (const job of blues) await job.is('Running')
    expect(placed()).toHaveLength(6)

    const status = (await queueIs(red, 'to count', (queue) => queue.status?.running === 6)).status
    expect(status).toMatchObject({ used: 'H100 6/4', borrowed: 2, running: 6, waiting: 1 })
    await putQueue(red, { parent: lab, namespaces: [red], quota: [{ model: 'H100', guaranteed: 4, borrowLimit: 3 }] })
    for (const job of reds) await job.is('Running')
    await removeAll([...reds, ...blues])
  }, 200_000)
})

describe('a job', () => {
  test('that names a queue of others is not let in, and says so', async () => {
    const job = await orderJob(stage, { namespace: stranger, name: 'intruder', spec: { queue: red } })
    await job.says('Admitted=False/QueueNotAllowed')
    expect(job.runs).toEqual([])
    await job.change({ queue: 'default' })
    await job.is('Succeeded')
  }, 60_000)

  test('that names a queue which appears later goes on by itself', async () => {
    const job = await orderJob(stage, { namespace: stranger, name: 'early', spec: { queue: 'later' } })
    await job.says('Admitted=False/QueueMissing')
    await putQueue('later', { namespaces: ['*'] })
    const { status } = await job.is('Succeeded')
    expect(status?.placement?.queue).toBe('later')
    await removeQueue('later')
  }, 60_000)

  test('whose queue is deleted runs on, and one that waits there waits with the reason', async () => {
    await putQueue('short-lived', { namespaces: ['*'] })
    await queueSays('short-lived', 'True/Ready')
    const { region } = sideOf(stage, 'acme')
    const whole = { queue: 'short-lived', gpus: { count: 8 }, placement: { providerSelector: { region } } }
    const runs = await hanging(stranger, 'runs', whole)
    await runs.is('Running')
    const waiting = await orderJob(stage, { namespace: stranger, name: 'waits', spec: whole })
    await waits(waiting)
    await removeQueue('short-lived')
    await waiting.says('Admitted=False/QueueMissing')
    await runs.is('Running')
    expect([runs.runs.length, waiting.runs.length]).toEqual([1, 0])
    await removeAll([runs])
    await putQueue('short-lived', { namespaces: ['*'] })
    await waiting.is('Succeeded')
    await removeQueue('short-lived')
  }, 120_000)
})

test('queues in a ring say so, their jobs wait, and go on when the ring is broken', async () => {
  await putQueue('ring-1', { parent: 'ring-2', namespaces: ['*'] })
  await queueSays('ring-1', 'False/ParentMissing')
  await putQueue('ring-2', { parent: 'ring-1' })
  await Promise.all([queueSays('ring-1', 'False/Cycle'), queueSays('ring-2', 'False/Cycle')])
  const job = await orderJob(stage, { namespace: stranger, name: 'dizzy', spec: { queue: 'ring-1' } })
  await waits(job)
  expect(job.runs).toEqual([])
  await putQueue('ring-2', {})
  await Promise.all([queueSays('ring-1', 'True/Ready'), queueSays('ring-2', 'True/Ready')])
  await job.is('Succeeded')
}, 90_000)

test('a quota of a model that nobody has is said, and keeps nobody out', async () => {
  await putQueue('dreamer', { namespaces: ['*'], quota: [{ model: 'X9000', guaranteed: 8 }], weight: 1_000_000_000 })
  await queueSays('dreamer', 'True/ModelUnknown')
  const job = await orderJob(stage, { namespace: stranger, name: 'dreams', spec: { queue: 'dreamer' } })
  expect((await job.is('Succeeded')).status?.placement?.queue).toBe('dreamer')
}, 60_000)

test('what a queue has used in the past is known to the next hub', async () => {
  const { federation, operator } = stage
  await operator.hub.stop()
  const share = { now: 0, average: 0.5, fair: 0.5, at: new Date().toISOString().replace(/\.\d+Z$/, 'Z') }
  const past = { method: 'PATCH', contentType: 'application/merge-patch+json', body: { status: { share } } } as const
  expect((await stage.ask(`${group}/gpuqueues/${red}/status`, past)).status).toBe(200)
  await using _again = await startProgram({
    dir: federation.dir,
    ...(await hubOptions(federation, { hubArgs })),
    name: 'hub-again',
  })
  // Only a new spec has the numbers written before the minute is over.
  await putQueue(red, { namespaces: [red], weight: 7 })
  const seen = await queueIs(red, 'to be seen by the next hub', ({ spec }) => spec.weight === 7)
  expect(seen.status?.share?.average).toBeGreaterThan(0.49)
  expect(seen.status?.share?.at).not.toBe(share.at)
}, 60_000)
