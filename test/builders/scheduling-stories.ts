// What may happen to an engine, at random.
import fc from 'fast-check'
import type {
  Booking,
  DemandFact,
  JobFact,
  NodeFact,
  ProviderFact,
  QueueFact,
  QueueUsage,
} from '../../operator/src/domain/scheduling/facts.ts'
import { booking, jobFact, nodeFact, providerFact, queueFact } from './scheduling.ts'

const providerName = fc.constantFrom('acme', 'bolt', 'core')
const nodeName = fc.constantFrom('n1', 'n2', 'n3', 'n4', 'n5')
const uid = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
const model = fc.constantFrom('H100', 'A100')
const run = fc.constantFrom(1, 2)

/** Absent four times out of five. */
function seldom<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })
}

const labels = fc.constantFrom<Record<string, string>>({}, {}, { zone: 'a' }, { zone: 'b', disk: 'fast' })
const selector = fc.constantFrom<Record<string, string>>({}, {}, {}, { zone: 'a' }, { disk: 'fast' })
const taint = fc.constantFrom(
  { key: 'nvidia.com/gpu', effect: 'NoSchedule' },
  { key: 'team', value: 'x', effect: 'NoSchedule' },
  { key: 'team', effect: 'NoExecute' },
  { key: 'soon', effect: 'PreferNoSchedule' },
)
const toleration = fc.constantFrom(
  { operator: 'Exists' },
  { key: 'team', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'team', value: 'x' },
  { key: 'team' },
)
const room = fc.record({
  gpus: fc.constantFrom(0, 0, 0, 1, 2, 0.25),
  cpuMilli: fc.constantFrom(0, 0, 4000),
  memoryMiB: fc.constantFrom(0, 0, 4096),
  storageMiB: fc.constantFrom(0, 0, 0, 4096),
})

const provider = fc.record({
  name: providerName,
  labels,
  state: fc.constantFrom(
    'Connected' as const,
    'Connected' as const,
    'Disconnected' as const,
    'Cordoned' as const,
    'NotReady' as const,
    'OutsideHours' as const,
  ),
  tolerates: seldom(fc.constantFrom([], ['team'])),
  pricesPerGpuHour: seldom(fc.constantFrom({ H100: 3 }, { H100: 6, A100: 2 }, { H100: 4, A100: 1 })),
  lostShare: seldom(fc.constant(0.25)),
  trust: seldom(fc.constant('Verified' as const)),
})
export const node = fc
  .record({
    provider: providerName,
    name: nodeName,
    model,
    gpuMemoryMiB: fc.constantFrom(40_960, 81_920),
    gpus: fc.constantFrom(0, 1, 2, 4, 4, 8),
    cpuMilli: fc.constantFrom(4000, 8000, 32_000),
    memoryMiB: fc.constantFrom(8192, 65_536),
    storageMiB: fc.constantFrom(8192, 65_536),
    usedByOthers: room,
    labels,
    taints: fc.array(taint, { maxLength: 2 }).map((list) => (list.length === 2 ? list : [])),
    withheld: seldom(fc.constant('Mig')),
    sharing: fc.constantFrom(
      undefined,
      undefined,
      { slices: 4, slicesPerWorker: 1 },
      { slices: 3, slicesPerWorker: 2 },
      { slices: 10 },
    ),
    topology: seldom(
      fc.record({
        rack: fc.constantFrom('r1', 'r1', 'r2', undefined),
        zone: fc.constantFrom('z1', 'z1', 'z2', undefined),
      }),
    ),
  })
  .map(({ sharing, ...fact }) => ({ ...fact, ...sharing }))
const worker = fc.record({
  gpus: fc.constantFrom(1, 1, 2, 4, 8, 0.1, 0.25, 0.3, 0.5),
  cpuMilli: fc.constantFrom(0, 1000, 4000, 9000),
  memoryMiB: fc.constantFrom(0, 1024, 16_384),
  storageMiB: fc.constantFrom(0, 0, 1024, 16_384),
})
/** Nobody has waited so long that nodes are kept: making-room.properties.test.ts is about that. */
const createdMs = fc.integer({ min: 1e15, max: 1e15 + 3 })
const queueOfJob = fc.constantFrom(undefined, 'research', 'product', 'vision', 'speech', 'nobody')
export const job = fc
  .record({
    uid,
    run,
    priority: fc.constantFrom(0, 0, 5),
    createdMs,
    workers: fc.constantFrom(1, 1, 1, 2, 3, 4, 6),
    perWorker: worker,
    models: fc.subarray(['H100', 'A100']),
    gpuMemoryMiB: seldom(fc.constant(81_920)),
    maxPrice: seldom(fc.constantFrom(1, 5)),
    trust: seldom(fc.constant('Verified' as const)),
    providerSelector: selector,
    nodeSelector: selector,
    tolerations: fc.array(toleration, { maxLength: 2 }),
    excludedProviders: fc.subarray(['acme', 'bolt'], { maxLength: 1 }),
    refusedBy: seldom(fc.constantFrom<JobFact['refusedBy']>({ acme: 'NeedsRoot' }, { bolt: 'OwnerRuleImage' })),
    topology: seldom(
      fc.record({
        within: fc.constantFrom('Node' as const, 'Rack' as const, 'Zone' as const),
        rule: fc.constantFrom('Required' as const, 'Preferred' as const),
      }),
    ),
    avoidNodes: seldom(fc.constant(['acme/n1', 'bolt/n2'])),
    ranAt: seldom(fc.constantFrom('acme', 'core')),
    queue: queueOfJob,
  })
  .map((change) => jobFact(change))
const foreign = fc
  .record({
    uid,
    run,
    provider: providerName,
    nodes: fc.uniqueArray(nodeName, { maxLength: 2 }),
    perWorker: worker,
    queue: queueOfJob,
    model: seldom(model),
  })
  .map((change) => booking({ ...change, nodes: change.nodes.map((name) => ({ name, workers: 1 })) }))

const queueName = fc.constantFrom('research', 'product', 'vision', 'speech', 'default')
const someGpus = fc.constantFrom(0, 1, 2, 4, 8, 16)
const quota = fc.record({ guaranteed: someGpus, borrowLimit: seldom(someGpus), lendLimit: seldom(someGpus) })
const queue: fc.Arbitrary<QueueFact> = fc
  .record({
    name: queueName,
    parent: fc.constantFrom(undefined, 'research', 'research', 'product', 'product', 'nobody'),
    weight: fc.constantFrom(0, 1, 1, 2, 1e9),
    quota: fc.dictionary(fc.constantFrom('*', 'H100', 'A100', 'B300'), quota, { maxKeys: 2 }),
    maxRunning: seldom(fc.nat(3)),
  })
  .map((fact) => queueFact(fact))

/** What happens to an engine, as data. */
export type Step =
  | { readonly do: 'setProvider'; readonly fact: ProviderFact }
  | { readonly do: 'removeProvider'; readonly name: string }
  | { readonly do: 'setNode'; readonly fact: NodeFact }
  | { readonly do: 'removeNode'; readonly provider: string; readonly name: string }
  | { readonly do: 'wait'; readonly job: JobFact }
  | { readonly do: 'withdraw'; readonly uid: string }
  | { readonly do: 'book'; readonly booking: Booking }
  | { readonly do: 'release'; readonly uid: string; readonly run: number }
  | { readonly do: 'setQueue'; readonly fact: QueueFact }
  | { readonly do: 'removeQueue'; readonly name: string }
  | { readonly do: 'setUsage'; readonly usage: QueueUsage }
  | { readonly do: 'setDemand'; readonly demand: readonly DemandFact[] }
  | { readonly do: 'decide'; readonly limit: number; readonly nowMs: number }

/** Time goes on: none, a bit, an hour, a week. */
const decideStep = fc
  .tuple(fc.constantFrom(1, 2, Infinity), fc.constantFrom(0, 20_000, 3_600_000, 604_800_000))
  .map(([limit, nowMs]): Step => ({ do: 'decide', limit, nowMs }))
const usage = fc.record({ name: queueName, share: fc.constantFrom(0, 0.25, 1), atMs: fc.constantFrom(0, 60_000) })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: provider.map((fact): Step => ({ do: 'setProvider', fact })) },
  { weight: 1, arbitrary: providerName.map((name): Step => ({ do: 'removeProvider', name })) },
  { weight: 8, arbitrary: node.map((fact): Step => ({ do: 'setNode', fact })) },
  {
    weight: 1,
    arbitrary: fc.tuple(providerName, nodeName).map(([of, name]): Step => ({ do: 'removeNode', provider: of, name })),
  },
  { weight: 8, arbitrary: job.map((fact): Step => ({ do: 'wait', job: fact })) },
  { weight: 1, arbitrary: uid.map((name): Step => ({ do: 'withdraw', uid: name })) },
  { weight: 1, arbitrary: foreign.map((one): Step => ({ do: 'book', booking: one })) },
  { weight: 4, arbitrary: fc.tuple(uid, run).map(([of, number]): Step => ({ do: 'release', uid: of, run: number })) },
  { weight: 4, arbitrary: decideStep },
)
const queueStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: queue.map((fact): Step => ({ do: 'setQueue', fact })) },
  { weight: 1, arbitrary: queueName.map((name): Step => ({ do: 'removeQueue', name })) },
  { weight: 1, arbitrary: usage.map((fact): Step => ({ do: 'setUsage', usage: fact })) },
)

/** All three providers are there from the start, so that most steps have something to do. Half of the stories know no queue. */
const anyStory = fc
  .record({
    steps: fc.oneof(
      fc.array(step, { maxLength: 60 }),
      fc.array(fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: queueStep }), { maxLength: 60 }),
    ),
    nodes: fc.array(node, { minLength: 2, maxLength: 6 }),
    queues: fc.oneof(fc.constant<QueueFact[]>([]), fc.array(queue, { maxLength: 5 })),
  })
  .map(({ steps, nodes, queues }) =>
    inTime([
      ...['acme', 'bolt', 'core'].map((name): Step => ({ do: 'setProvider', fact: providerFact({ name }) })),
      ...nodes.map((fact): Step => ({ do: 'setNode', fact })),
      ...queues.map((fact): Step => ({ do: 'setQueue', fact })),
      ...steps,
      { do: 'decide', limit: Infinity, nowMs: 0 },
    ]),
  )

/** What each pass says of the time is how much has passed since the last one. */
function inTime(steps: readonly Step[]): readonly Step[] {
  let nowMs = 0
  return steps.map((what): Step => {
    if (what.do !== 'decide') return what
    nowMs += what.nowMs
    return { ...what, nowMs }
  })
}

const contestUid = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l')
const contestQueue = fc.constantFrom('research', 'vision', 'speech', 'product', 'cars')
const contestJob = fc
  .record({
    uid: contestUid,
    priority: fc.constantFrom(0, 0, 0, 1),
    createdMs,
    workers: fc.constantFrom(1, 1, 2),
    perWorker: fc.record({
      gpus: fc.constantFrom(1, 1, 2),
      cpuMilli: fc.constantFrom(1000, 8000),
      memoryMiB: fc.constant(1024),
      storageMiB: fc.constant(0),
    }),
    models: fc.constantFrom<string[]>([], [], ['H100'], ['A100']),
    queue: contestQueue,
  })
  .map((change) => jobFact(change))
const contestStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: contestJob.map((fact): Step => ({ do: 'wait', job: fact })) },
  { weight: 6, arbitrary: contestUid.map((name): Step => ({ do: 'release', uid: name, run: 1 })) },
  { weight: 4, arbitrary: decideStep },
  { weight: 1, arbitrary: queueStep },
)
const contestQuota = fc.record({
  guaranteed: fc.constantFrom(0, 1, 2, 4),
  borrowLimit: fc.constantFrom(undefined, 0, 1, 2),
  lendLimit: fc.constantFrom(undefined, undefined, 0, 1),
})

/** Many jobs of five queues want a few nodes: what the queues say decides. */
const contest = fc
  .record({
    models: fc.array(model, { minLength: 1, maxLength: 3 }),
    quotas: fc.array(fc.dictionary(fc.constantFrom('*', '*', 'H100', 'A100'), contestQuota, { maxKeys: 2 }), {
      minLength: 5,
      maxLength: 5,
    }),
    weights: fc.array(fc.constantFrom(0, 1, 1, 2, 3), { minLength: 5, maxLength: 5 }),
    mosts: fc.array(seldom(fc.nat(3)), { minLength: 5, maxLength: 5 }),
    jobs: fc.array(contestJob, { minLength: 6, maxLength: 12 }),
    steps: fc.array(contestStep, { maxLength: 30 }),
  })
  .map(({ models, quotas, weights, mosts, jobs, steps }) =>
    inTime([
      { do: 'setProvider', fact: providerFact() },
      ...models.map((each, i): Step => ({ do: 'setNode', fact: nodeFact({ name: `n${i}`, model: each, gpus: 4 }) })),
      ...[undefined, 'research', 'research', undefined, 'vision'].map((parent, i): Step => {
        const name = ['research', 'vision', 'speech', 'product', 'cars'][i] ?? ''
        const change = { weight: weights[i] ?? 1, quota: quotas[i] ?? {}, maxRunning: mosts[i] }
        return { do: 'setQueue', fact: queueFact({ name, parent, ...change }) }
      }),
      ...jobs.map((each): Step => ({ do: 'wait', job: each })),
      ...steps,
      { do: 'decide', limit: Infinity, nowMs: 0 },
    ]),
  )

const rushUid = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
const rushJob = fc
  .record({
    uid: rushUid,
    createdMs: fc.constantFrom(1e15, 1e15, 1e15, 1e15 + 1),
    workers: fc.constantFrom(1, 1, 2, 4),
    perWorker: fc.record({
      gpus: fc.constantFrom(1, 1, 2, 3, 4, 0.5),
      cpuMilli: fc.constantFrom(1000, 1000, 8000),
      memoryMiB: fc.constantFrom(1024, 4096, 16_384),
      storageMiB: fc.constant(0),
    }),
    queue: fc.constantFrom(undefined, undefined, 'research'),
  })
  .map((change) => jobFact(change))
const rushStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: rushJob.map((fact): Step => ({ do: 'wait', job: fact })) },
  { weight: 4, arbitrary: rushUid.map((name): Step => ({ do: 'release', uid: name, run: 1 })) },
  { weight: 3, arbitrary: decideStep },
)

/** Jobs of one second want a few nodes whose memory is scarce: their order decides how many are placed. */
const rush = fc
  .record({
    nodes: fc.array(fc.constantFrom({}, {}, { slices: 4 }, { model: 'A100' }), { minLength: 2, maxLength: 4 }),
    queues: fc.subarray([queueFact({ quota: { '*': { guaranteed: 4, borrowLimit: 2 } } })]),
    jobs: fc.array(rushJob, { minLength: 4, maxLength: 8 }),
    steps: fc.array(rushStep, { maxLength: 20 }),
  })
  .map(({ nodes, queues, jobs, steps }) => {
    const room = { gpus: 4, cpuMilli: 16_000, memoryMiB: 16_384 }
    return inTime([
      { do: 'setProvider', fact: providerFact() },
      ...nodes.map((each, i): Step => ({ do: 'setNode', fact: nodeFact({ ...room, ...each, name: `n${i}` }) })),
      ...queues.map((fact): Step => ({ do: 'setQueue', fact })),
      ...jobs.map((each): Step => ({ do: 'wait', job: each })),
      ...steps,
      { do: 'decide', limit: Infinity, nowMs: 0 },
    ])
  })

export const story = fc.oneof(anyStory, contest, rush)
