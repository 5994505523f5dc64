// One job gets the GPUs of another, where a GpuQueue says so: side by side, each story on a machine of its own.
import { expect } from '@jest/globals'
import type { GpuQueue, GpuQueueSpec } from '../../operator/src/api/gpuqueue.ts'
import { waitUntil } from '../bed/child.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { keepLedger } from './pod-ledger.ts'
import { testScenarios } from './scenarios.ts'
import { group, type Stage, sideOf } from './stage.ts'

const machines = ['higher', 'lent', 'nobody', 'guarded']

testScenarios(
  {
    name: 'preemption',
    providers: 1,
    nodes: () => machines.map((name) => gpuNode({ name, card: 'T4', gpus: 2, labels: { machine: name } })),
    namespaces: ['owners', 'guests', 'others', 'patient', 'slow'],
    hubArgs: ['--tombstone-seconds', '5'],
    agentArgs: ['--heartbeat-seconds', '1'],
  },
  {
    'a job gets the GPUs of a lower one of its queue, which is placed again when it is over': higher,
    'a queue gets back what it lent': lent,
    'nobody is preempted where no GpuQueue says so': nobody,
    'a run is left alone until its guard is over': guarded,
  },
)

interface Ordered extends Pick<Order, 'namespace' | 'name'> {
  readonly priority?: number
}

/** Takes a whole machine, and does not end. */
function order(stage: Stage, machine: string, { priority = 0, ...rest }: Ordered): Promise<OrderedJob> {
  const spec = { gpus: { count: 2 }, priority, placement: { nodeSelector: { machine } } }
  return orderJob(stage, { ...rest, spec, simulate: { how: 'hang' } })
}

async function makeQueue(stage: Stage, name: string, spec: Partial<GpuQueueSpec>): Promise<void> {
  const path = `${group}/gpuqueues`
  const { status, body } = await stage.ask(path, { method: 'POST', body: { ...kind, metadata: { name }, spec } })
  if (status !== 201) throw new Error(`making GpuQueue ${name}: ${JSON.stringify(body)}`)
  const isSaid = async () => ((await stage.ask(`${path}/${name}`)).body as GpuQueue).status !== undefined || undefined
  await waitUntil(isSaid, { what: `the hub to say how queue ${name} is`, seconds: 20 })
}

const kind = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuQueue' }
const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeSeconds: 0 } as const

async function higher(stage: Stage): Promise<void> {
  const ledger = keepLedger(sideOf(stage, 'acme'))
  await makeQueue(stage, 'own', { namespaces: ['owners'], preemption })
  const low = await order(stage, 'higher', { namespace: 'owners', name: 'low' })
  await low.is('Running')
  const written: string[] = []
  stage.jobs.onChange(({ object }) => {
    if (object.metadata.uid !== low.uid) return
    written.push(object.status?.conditions.find(({ type }) => type === 'Placed')?.reason ?? '')
  })
  const high = await order(stage, 'higher', { namespace: 'owners', name: 'high', priority: 5 })
  await high.is('Running')

  const waits = await low.until('to say for whom it was preempted', ({ status }) =>
    Boolean(status?.state === 'Waiting' && status.why?.includes('preempted by job owners/high of queue own')),
  )
  expect(waits.status).toMatchObject({ failures: 0, lastRun: 1, runs: [{ outcome: 'Stopped', reason: 'Preempted' }] })
  expect(waits.status).not.toHaveProperty('notBefore')
  // Its end, and then why it waits, as of any job: that it was to end cost the order alone.
  expect(written.filter((reason) => reason !== 'Waiting')).toEqual(['Preempted'])
  expect(low.runs[0]?.spec.stop).toMatchObject({ reason: 'Preempted', message: 'by job owners/high of queue own' })
  expect(ledger.mostGpus.get('higher')).toBe(2)

  await high.remove()
  expect((await low.is('Running')).status?.lastRun).toBe(2)
  expect(ledger.mostGpus.get('higher')).toBe(2)
}

async function lent(stage: Stage): Promise<void> {
  await makeQueue(stage, 'guest', { namespaces: ['guests'], preemption })
  await makeQueue(stage, 'lender', { namespaces: ['patient'], quota: [{ model: '*', guaranteed: 2 }], preemption })
  const guest = await order(stage, 'lent', { namespace: 'guests', name: 'guest', priority: 9 })
  await guest.is('Running')
  const owner = await order(stage, 'lent', { namespace: 'patient', name: 'owner' })
  await owner.is('Running')
  expect((await guest.says('Placed=False/Waiting')).status?.failures).toBe(0)
}

async function nobody(stage: Stage): Promise<void> {
  const low = await order(stage, 'nobody', { namespace: 'others', name: 'low' })
  await low.is('Running')
  const high = await order(stage, 'nobody', { namespace: 'others', name: 'high', priority: 1000 })
  await high.until('to wait for GPUs', ({ status }) => status?.why?.includes('NotEnoughFreeGpus') ?? false)
  expect(low.runs.map(({ spec }) => spec.stop)).toEqual([undefined])
}

async function guarded(stage: Stage): Promise<void> {
  const guard = { ...preemption, minRuntimeSeconds: 12 }
  await makeQueue(stage, 'slow', { namespaces: ['slow'], preemption: guard })
  const low = await order(stage, 'guarded', { namespace: 'slow', name: 'low' })
  const began = Date.parse((await low.is('Running')).status?.startedAt ?? '')
  const high = await order(stage, 'guarded', { namespace: 'slow', name: 'high', priority: 5 })
  await high.is('Running', 60)
  const told = Date.parse(low.runs[0]?.spec.stop?.requestedAt ?? '')
  // Both are whole seconds.
  expect(told - began).toBeGreaterThanOrEqual(11_000)
}
