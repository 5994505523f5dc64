import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { booking, jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { type Change, followed } from './changes.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, JobFact } from './facts.ts'
import type { Reason } from './reasons.ts'

const names = ['acme', 'bolt'] as const
const labels = fc.constantFrom<Record<string, string>>({}, {}, { zone: 'a' }, { zone: 'b', disk: 'fast' })
const wanted = fc.constantFrom<Record<string, string>>({}, {}, {}, { zone: 'a' }, { disk: 'fast', zone: 'b' })
const amount = { gpus: fc.constantFrom(1, 2, 3, 4, 8, 0.1, 0.25), cpuMilli: fc.constantFrom(0, 1000, 4000, 9000) }
const perWorker = fc.record({
  ...amount,
  memoryMiB: fc.constantFrom(0, 1024, 16_384),
  storageMiB: fc.constantFrom(0, 0, 10_240),
})
const seldom = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 3 })

const provider = fc.record({
  labels,
  state: fc.constantFrom('Connected' as const, 'Connected' as const, 'Disconnected' as const, 'OutsideHours' as const),
  tolerates: seldom(fc.constantFrom([], ['team'])),
  pricesPerGpuHour: seldom(fc.constantFrom({ H100: 3 }, { H100: 1, A100: 2 })),
  rules: seldom(fc.constant({ mostGpusPerRun: 4 } as never)),
})
const node = fc.record({
  model: fc.constantFrom('H100', 'A100'),
  gpuMemoryMiB: fc.constantFrom(40_960, 81_920),
  gpus: fc.constantFrom(1, 2, 4, 8),
  cpuMilli: fc.constantFrom(4000, 32_000),
  memoryMiB: fc.constantFrom(8192, 65_536),
  storageMiB: fc.constantFrom(4096, 102_400),
  labels,
  slices: fc.constantFrom(undefined, 4),
  slicesPerWorker: fc.constantFrom(undefined, 1),
  taints: fc.constantFrom([], [], [{ key: 'team', value: 'x', effect: 'NoSchedule' }]),
  withheld: fc.constantFrom(undefined, undefined, undefined, undefined, 'Mig'),
})
const job = fc
  .record({
    workers: fc.constantFrom(1, 1, 2, 3, 4, 6),
    perWorker,
    models: fc.constantFrom([], ['H100'], ['A100'], ['B200']),
    gpuMemoryMiB: seldom(fc.constant(81_920)),
    maxPrice: seldom(fc.constantFrom(0, 1, 2)),
    providerSelector: wanted,
    nodeSelector: wanted,
    tolerations: fc.constantFrom([], [], [{ operator: 'Exists' }]),
    excludedProviders: fc.subarray(['acme'], { maxLength: 1 }),
    refusedBy: seldom(fc.constantFrom<JobFact['refusedBy']>({ acme: 'NeedsRoot' }, { bolt: 'OwnerRuleTenant' })),
    avoidNodes: seldom(fc.constantFrom(['acme/n0'], ['bolt/n1'])),
  })
  .map((change) => jobFact(change))
const other = fc.record({
  provider: fc.constantFrom(...names),
  node: fc.constantFrom('n0', 'n1', 'n2'),
  workers: fc.constantFrom(1, 2),
  perWorker,
  endsMs: seldom(fc.nat(5)),
})

/** An engine that has decided all that it can, with a job that may still wait. */
const scene = fc
  .record({
    providers: fc.tuple(provider, provider),
    nodes: fc.tuple(...names.map(() => fc.array(node, { maxLength: 3 }))),
    others: fc.array(other, { maxLength: 6 }),
    job,
  })
  .map(({ providers, nodes, others, job: asked }) => {
    const engine = createEngine()
    for (const [i, name] of names.entries()) {
      const fact = providerFact({ name, ...providers[i] })
      engine.setProvider(fact)
      for (const [k, each] of nodes[i]?.entries() ?? []) {
        engine.setNode(nodeFact({ ...each, provider: name, name: `n${k}` }))
      }
      const limit = fact.rules?.mostGpusPerRun ?? Infinity
      if (asked.workers * asked.perWorker.gpus <= limit || asked.refusedBy?.[name]) continue
      asked = { ...asked, refusedBy: { ...asked.refusedBy, [name]: 'OwnerRuleGpus' } }
    }
    for (const [k, { node: at, workers, ...rest }] of others.entries()) {
      engine.book(booking({ ...rest, uid: `other-${k}`, nodes: [{ name: at, workers }] }))
    }
    engine.wait(asked)
    engine.decide({ nowMs: 0 })
    return { engine, job: asked }
  })

/** What becomes of the job where these changes are made. */
function placedAfter({ engine, job: asked }: Scene, changes: readonly Change[], at?: string): Booking | undefined {
  const known = engine.snapshot()
  const nodes = known.nodes.filter((each) => at === undefined || each.provider === at)
  const copy = createEngine({ ...known, nodes, waiting: [] })
  const changed = changes.reduce(followed, asked)
  for (const change of changes) {
    if (change.change === 'Wait') for (const { uid, run } of change.runs) copy.release(uid, run)
    const fact = known.providers.find(({ name }) => 'provider' in change && name === change.provider)
    if (change.change === 'ProviderState' && fact) copy.setProvider({ ...fact, state: 'Connected' })
  }
  // The hub asks the owners again: a smaller job may come in, and one that is let in by a rule may break this one.
  const refusedBy: Record<string, Reason> = { ...changed.refusedBy }
  for (const { name, rules } of known.providers) {
    const isTooMany = changed.workers * changed.perWorker.gpus > (rules?.mostGpusPerRun ?? Infinity)
    if (isTooMany) refusedBy[name] ??= 'OwnerRuleGpus'
    else if (refusedBy[name] === 'OwnerRuleGpus') delete refusedBy[name]
  }
  copy.wait({ ...changed, refusedBy })
  return copy.decide({ nowMs: 0 }).find(({ uid }) => uid === asked.uid)
}

type Scene = { readonly engine: Engine; readonly job: JobFact }

function check(rule: (scene: Scene) => void): void {
  fc.assert(fc.property(scene, rule), { numRuns: cases })
}

describe('advice', () => {
  test('places the job where it is followed', () => {
    check((found) => {
      for (const { provider: at, options } of found.engine.advise(found.job.uid)) {
        for (const changes of options)
          expect({ changes, at: placedAfter(found, changes, at)?.provider }).toEqual({ changes, at })
      }
    })
  })

  test('asks for nothing that could be left out', () => {
    check((found) => {
      for (const { provider: at, options } of found.engine.advise(found.job.uid)) {
        for (const changes of options) {
          for (const one of changes) {
            const fewer = changes.filter((change) => change !== one)
            expect({ changes, one, at: placedAfter(found, fewer, at) }).toEqual({ changes, one, at: undefined })
          }
        }
      }
    })
  })

  test('there is some for every job that waits and could be placed', () => {
    check(({ engine, job: { uid } }) => {
      if (engine.explain(uid)?.verdict !== 'Waits') return
      expect([...engine.advise(uid)].some(({ options, fits }) => options.length > 0 || fits)).toBe(true)
    })
  })

  test('leaves the engine as it was', () => {
    check(({ engine, job: { uid } }) => {
      const before = engine.snapshot()
      expect([...engine.advise(uid)].filter(({ fits }) => fits)).toEqual([])
      expect(engine.snapshot()).toEqual(before)
      expect(engine.decide({ nowMs: 0 })).toEqual([])
    })
  })

  test('counts of each provider what the explanation counts of all', () => {
    check(({ engine, job: { uid } }) => {
      const sums = new Map<string, number>()
      for (const { reasons } of engine.advise(uid)) {
        for (const { reason, count } of reasons) sums.set(reason, (sums.get(reason) ?? 0) + count)
      }
      const all = (engine.explain(uid)?.reasons ?? []).filter(({ reason }) => reason !== 'NoNodes')
      expect(all.map(({ reason }) => ({ reason, count: sums.get(reason) }))).toEqual(all)
    })
  })
})
