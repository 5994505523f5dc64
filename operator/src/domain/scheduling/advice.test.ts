import { describe, expect, test } from '@jest/globals'
import { booking, jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { wordsOf } from './changes.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, JobFact, NodeFact, ProviderFact } from './facts.ts'

interface Case {
  readonly name: string
  readonly job: JobFact
  readonly provider?: Partial<ProviderFact>
  readonly nodes?: readonly Partial<NodeFact>[]
  readonly bookings?: readonly Partial<Booking>[]
  /** The first option, in words. */
  readonly says: string
}

const two = [{ name: 'n1' }, { name: 'n2' }]
const full = (some: Partial<Booking>) => ({ perWorker: { gpus: 8, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 }, ...some })

const cases: readonly Case[] = [
  {
    name: 'a GPU fewer',
    job: jobFact({ gpus: 8 }),
    bookings: [{ perWorker: { gpus: 1, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }],
    says: 'ask for 7 GPUs of each worker in place of 8 (spec.gpus.count)',
  },
  {
    name: 'fewer workers, in numbers that can be split',
    job: jobFact({ gpus: 8, workers: 4 }),
    nodes: [...two, { name: 'n3' }],
    says: 'ask for 3 workers in place of 4 (spec.workers)',
  },
  {
    name: 'another model',
    job: jobFact({ models: ['B200'] }),
    says: 'take model H100 as well (spec.gpus.models)',
  },
  {
    name: 'cards with less memory',
    job: jobFact({ gpuMemoryMiB: 141 * 1024 }),
    says: 'ask for 81920Mi of memory of a GPU (spec.gpus.memory)',
  },
  {
    name: 'a higher price, by how much',
    job: jobFact({ maxPrice: 2_000_000 }),
    provider: { pricesPerGpuHour: { H100: 2_150_000 } },
    says: 'pay 0.15 more per GPU and hour (spec.placement.maxPricePerGpuHour: "2.15")',
  },
  {
    name: 'less memory of a worker',
    job: jobFact({ perWorker: { gpus: 1, cpuMilli: 1000, memoryMiB: 2 * 1024 * 1024, storageMiB: 0 } }),
    says: 'ask for memory 1048576Mi of each worker in place of 2097152Mi',
  },
  {
    name: 'less CPU of a worker',
    job: jobFact({ perWorker: { gpus: 1, cpuMilli: 200_000, memoryMiB: 1, storageMiB: 0 } }),
    says: 'ask for cpu 128000m of each worker in place of 200000m',
  },
  {
    name: 'less disk of a worker',
    job: jobFact({ perWorker: { gpus: 1, cpuMilli: 1, memoryMiB: 1, storageMiB: 200_000 } }),
    nodes: [{ storageMiB: 100_000 }],
    says: 'ask for ephemeral-storage 100000Mi of each worker in place of 200000Mi',
  },
  {
    name: 'less of two things, where one is not enough',
    job: jobFact({ perWorker: { gpus: 9, cpuMilli: 200_000, memoryMiB: 1, storageMiB: 0 } }),
    says: 'ask for 8 GPUs of each worker in place of 9 (spec.gpus.count); ask for cpu 128000m of each worker in place of 200000m',
  },
  {
    name: 'without the label that its nodes lack',
    job: jobFact({ nodeSelector: { disk: 'fast', zone: 'a' } }),
    nodes: [{ labels: { zone: 'a' } }],
    says: 'leave disk out of spec.placement.nodeSelector',
  },
  {
    name: 'without the label that the provider lacks',
    job: jobFact({ providerSelector: { region: 'eu' } }),
    says: 'leave region out of spec.placement.providerSelector',
  },
  {
    name: 'a toleration of its taint',
    job: jobFact(),
    nodes: [{ taints: [{ key: 'team', value: 'x', effect: 'NoSchedule' }] }],
    says: 'tolerate taint team=x:NoSchedule (spec.template.spec.tolerations)',
  },
  {
    name: 'nothing where the owner lets nobody tolerate the taint',
    job: jobFact(),
    provider: { tolerates: [] },
    nodes: [{ taints: [{ key: 'team', value: 'x', effect: 'NoSchedule' }] }],
    says: '',
  },
  {
    name: 'the rule of the owner, and what to say instead',
    job: jobFact({ refusedBy: { acme: 'OwnerRuleRuntime' } }),
    provider: { rules: { longestRunSeconds: 3600 } as never },
    says: 'set spec.maxRuntimeSeconds to 3600 or less (OwnerRuleRuntime)',
  },
  {
    name: 'as many GPUs as the owner gives to a run',
    job: jobFact({ gpus: 2, workers: 4, refusedBy: { acme: 'OwnerRuleGpus' } }),
    provider: { rules: { mostGpusPerRun: 6 } as never },
    says: 'ask for 3 workers in place of 4 (spec.workers)',
  },
  {
    name: 'nothing where the owner takes no jobs of the namespace',
    job: jobFact({ refusedBy: { acme: 'OwnerRuleTenant' } }),
    says: '',
  },
  { name: 'nothing where all nodes are withheld', job: jobFact(), nodes: [{ withheld: 'Mig' }], says: '' },
  {
    name: 'that a provider is away',
    job: jobFact(),
    provider: { state: 'Disconnected' },
    says: 'wait until provider acme is connected again',
  },
  {
    name: 'that it failed there a moment ago',
    job: jobFact({ avoidNodes: ['acme/n1'] }),
    says: 'wait until the hub tries node n1 of acme again, or make the job anew',
  },
  {
    name: 'the run whose end is enough, and until when',
    job: jobFact({ gpus: 8 }),
    nodes: two,
    bookings: [
      full({ uid: 'long', endsMs: Date.UTC(2026, 0, 2) }),
      full({ uid: 'short', endsMs: Date.UTC(2026, 0, 1), nodes: [{ name: 'n2', workers: 1 }] }),
    ],
    says: 'wait for short until 2026-01-01T00:00:00Z at the latest',
  },
  {
    name: 'all runs that stand in the way of a gang',
    job: jobFact({ gpus: 8, workers: 2 }),
    nodes: two,
    bookings: [
      full({ uid: 'a', endsMs: Date.UTC(2026, 0, 2) }),
      full({ uid: 'b', nodes: [{ name: 'n2', workers: 1 }] }),
    ],
    says: 'wait for a, b',
  },
  {
    name: 'what is needed together',
    job: jobFact({ models: ['B200'], maxPrice: 1_000_000 }),
    provider: { pricesPerGpuHour: { H100: 2_000_000 } },
    says: 'take model H100 as well (spec.gpus.models); pay 1.00 more per GPU and hour (spec.placement.maxPricePerGpuHour: "2.00")',
  },
]

/** What it is told to wait for, in words. */
function waitsOf(engine: Engine, uid: string): readonly string[] {
  const options = [...engine.advise(uid)].flatMap((advice) => advice.options)
  const words = options.flat().map((change) => ({ change, says: wordsOf(change, (run) => run.uid) }))
  return words.filter(({ change }) => change.change === 'Wait').map(({ says }) => says)
}

describe('advice says', () => {
  test.each(cases)('$name', ({ job, provider, nodes = [{}], bookings = [], says }) => {
    const engine = createEngine()
    engine.setProvider(providerFact(provider))
    for (const change of nodes) engine.setNode(nodeFact(change))
    for (const change of bookings) engine.book(booking(change))
    engine.wait(job)
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    const [advice] = engine.advise(job.uid)
    expect(advice?.options[0]?.map((change) => wordsOf(change, ({ uid }) => uid)).join('; ') ?? '').toBe(says)
  })

  test('nothing of a job that does not wait', () => {
    expect([...createEngine().advise('nobody')]).toEqual([])
  })

  test('that a provider would take it as it is, before the engine has decided', () => {
    const engine = createEngine()
    engine.setProvider(providerFact())
    engine.setNode(nodeFact())
    engine.wait(jobFact())
    expect([...engine.advise('job')]).toEqual([{ provider: 'acme', reasons: [], fits: true, options: [] }])
  })

  test('never that nodes which are kept for another job are to be waited for: they are no runs', () => {
    const engine = createEngine()
    engine.setProvider(providerFact())
    for (const change of two) engine.setNode(nodeFact(change))
    engine.book(booking({ ...full({ uid: 'busy' }), endsMs: 3_600_000 }))
    engine.wait(jobFact({ uid: 'gang', gpus: 8, workers: 2 }))
    engine.wait(jobFact({ uid: 'small', gpus: 8, createdMs: 1 }))
    expect(engine.decide({ nowMs: 600_000 })).toEqual([])
    expect(waitsOf(engine, 'small')).toEqual([])
    expect(waitsOf(engine, 'gang')).toEqual(['wait for busy until 1970-01-01T01:00:00Z at the latest'])
  })

  test('never to wait where too many runs would have to end: only the first 500 are looked at', () => {
    const engine = createEngine()
    engine.setProvider(providerFact())
    const names = Array.from({ length: 501 }, (_, i) => `n${i}`)
    for (const name of names) {
      engine.setNode(nodeFact({ name }))
      engine.book(booking({ ...full({ uid: name }), nodes: [{ name, workers: 1 }], endsMs: 3_600_000 }))
    }
    engine.wait(jobFact({ uid: 'all', gpus: 8, workers: 501 }))
    engine.wait(jobFact({ uid: 'one', gpus: 8, createdMs: 1 }))
    expect(engine.decide({ nowMs: 0 })).toEqual([])
    expect(waitsOf(engine, 'all')).toEqual([])
    expect(waitsOf(engine, 'one')).toEqual(['wait for n0 until 1970-01-01T01:00:00Z at the latest'])
  })

  test('runs that the reader may not know by name are counted', () => {
    const runs = ['a', 'b', 'c', 'd'].map((uid) => ({ uid, run: 1 }))
    const nameOf = ({ uid }: { uid: string }) => (uid === 'b' ? 'run 1 of mine' : undefined)
    expect(wordsOf({ change: 'Wait', runs }, nameOf)).toBe('wait for run 1 of mine, 2 other runs and 1 more')
  })
})
