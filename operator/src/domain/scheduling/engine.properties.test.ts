import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { booking, jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { decideNaively, everFits, leftOf } from '../../../../test/builders/scheduling-reference.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, EngineSnapshot, JobFact, NodeFact, ProviderFact } from './facts.ts'

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
  gpus: fc.constantFrom(0, 0, 0, 1, 2),
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
  pricesPerGpuHour: seldom(fc.constant({ H100: 3 })),
})
const node = fc.record({
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
})
const worker = fc.record({
  gpus: fc.constantFrom(1, 1, 2, 4, 8),
  cpuMilli: fc.constantFrom(0, 1000, 4000, 9000),
  memoryMiB: fc.constantFrom(0, 1024, 16_384),
  storageMiB: fc.constantFrom(0, 0, 1024, 16_384),
})
const job = fc
  .record({
    uid,
    run,
    priority: fc.constantFrom(0, 0, 5),
    createdMs: fc.nat(3),
    workers: fc.constantFrom(1, 1, 1, 2, 3, 4, 6),
    perWorker: worker,
    models: fc.subarray(['H100', 'A100']),
    gpuMemoryMiB: seldom(fc.constant(81_920)),
    maxPrice: seldom(fc.constantFrom(1, 5)),
    providerSelector: selector,
    nodeSelector: selector,
    tolerations: fc.array(toleration, { maxLength: 2 }),
    excludedProviders: fc.subarray(['acme', 'bolt'], { maxLength: 1 }),
    refusedBy: seldom(fc.constantFrom<JobFact['refusedBy']>({ acme: 'NeedsRoot' }, { bolt: 'OwnerRuleImage' })),
    avoidNodes: seldom(fc.constant(['acme/n1', 'bolt/n2'])),
  })
  .map((change) => jobFact(change))
const foreign = fc
  .record({ uid, run, provider: providerName, nodes: fc.uniqueArray(nodeName, { maxLength: 2 }), perWorker: worker })
  .map((change) => booking({ ...change, nodes: change.nodes.map((name) => ({ name, workers: 1 })) }))

/** What happens to an engine, as data. */
type Step =
  | { readonly do: 'setProvider'; readonly fact: ProviderFact }
  | { readonly do: 'removeProvider'; readonly name: string }
  | { readonly do: 'setNode'; readonly fact: NodeFact }
  | { readonly do: 'removeNode'; readonly provider: string; readonly name: string }
  | { readonly do: 'wait'; readonly job: JobFact }
  | { readonly do: 'withdraw'; readonly uid: string }
  | { readonly do: 'book'; readonly booking: Booking }
  | { readonly do: 'release'; readonly uid: string; readonly run: number }
  | { readonly do: 'decide'; readonly limit: number }

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
  { weight: 4, arbitrary: fc.constantFrom(1, 2, Infinity).map((limit): Step => ({ do: 'decide', limit })) },
)

/** All three providers are there from the start, so that most steps have something to do. */
const story = fc
  .tuple(fc.array(step, { maxLength: 60 }), fc.array(node, { minLength: 2, maxLength: 6 }))
  .map(([steps, nodes]): readonly Step[] => [
    ...['acme', 'bolt', 'core'].map((name): Step => ({ do: 'setProvider', fact: providerFact({ name }) })),
    ...nodes.map((fact): Step => ({ do: 'setNode', fact })),
    ...steps,
    { do: 'decide', limit: Infinity },
  ])

/** What an engine should know, kept in the plainest way. */
interface Ledger {
  readonly providers: Map<string, ProviderFact>
  readonly nodes: Map<string, NodeFact>
  readonly waiting: Map<string, JobFact>
  readonly bookings: Map<string, Booking>
}

function world({ providers, nodes, waiting, bookings }: Ledger): EngineSnapshot {
  const lists = { providers: [...providers.values()], nodes: [...nodes.values()] }
  return { ...lists, waiting: [...waiting.values()], bookings: [...bookings.values()], queues: [], usages: [] }
}

function take(ledger: Ledger, what: Step, decided: readonly Booking[]): void {
  if (what.do === 'setProvider') ledger.providers.set(what.fact.name, what.fact)
  if (what.do === 'removeProvider') ledger.providers.delete(what.name)
  if (what.do === 'setNode') ledger.nodes.set(`${what.fact.provider}/${what.fact.name}`, what.fact)
  if (what.do === 'removeNode') ledger.nodes.delete(`${what.provider}/${what.name}`)
  if (what.do === 'wait') {
    ledger.waiting.delete(what.job.uid)
    if (!ledger.bookings.has(`${what.job.uid}/${what.job.run}`)) ledger.waiting.set(what.job.uid, what.job)
  }
  if (what.do === 'withdraw') ledger.waiting.delete(what.uid)
  if (what.do === 'release') ledger.bookings.delete(`${what.uid}/${what.run}`)
  for (const each of what.do === 'book' ? [what.booking] : decided) {
    if (ledger.waiting.get(each.uid)?.run === each.run) ledger.waiting.delete(each.uid)
    const { key: _, ...booked } = { key: '', ...each }
    ledger.bookings.set(`${each.uid}/${each.run}`, booked)
  }
}

function tell(engine: Engine, what: Step): readonly Booking[] {
  if (what.do === 'setProvider') engine.setProvider(what.fact)
  if (what.do === 'removeProvider') engine.removeProvider(what.name)
  if (what.do === 'setNode') engine.setNode(what.fact)
  if (what.do === 'removeNode') engine.removeNode(what.provider, what.name)
  if (what.do === 'wait') engine.wait(what.job)
  if (what.do === 'withdraw') engine.withdraw(what.uid)
  if (what.do === 'book') engine.book(what.booking)
  if (what.do === 'release') engine.release(what.uid, what.run)
  return what.do === 'decide' ? engine.decide({ nowMs: 0, limit: what.limit }) : []
}

function emptyLedger(): Ledger {
  return { providers: new Map(), nodes: new Map(), waiting: new Map(), bookings: new Map() }
}

/** Tells the story to an engine, and calls back before each step is taken over by the ledger. */
function live(steps: readonly Step[], look: (before: Ledger, what: Step, decided: readonly Booking[]) => void) {
  const engine = createEngine()
  const ledger = emptyLedger()
  for (const what of steps) {
    const decided = tell(engine, what)
    look(ledger, what, decided)
    take(ledger, what, decided)
  }
  return { engine, ledger }
}

describe('the engine', () => {
  test('decides as one would who tries every set of nodes', () => {
    fc.assert(
      fc.property(story, (steps) => {
        live(steps, (before, what, decided) => {
          if (what.do !== 'decide') return
          const expected = decideNaively(world(before), what.limit)
          expect(decided.map((each) => rendered({ ...each, key: '' }))).toEqual(expected.map(rendered))
        })
      }),
      { numRuns: 800 },
    )
  })

  test('promises nothing twice, and splits gangs evenly at one provider', () => {
    fc.assert(
      fc.property(story, (steps) => {
        live(steps, (before, _, decided) => {
          const bookings = [...before.bookings.values(), ...decided]
          for (const { nodes, provider: at, perWorker } of decided) {
            expect(new Set(nodes.map(({ workers }) => workers)).size).toBe(1)
            for (const { name } of nodes) {
              const fact = before.nodes.get(`${at}/${name}`)
              const left = leftOf(fact ?? nodeFact({ gpus: -1 }), bookings)
              const wanted = (['gpus', 'cpuMilli', 'memoryMiB', 'storageMiB'] as const).filter(
                (what) => perWorker[what] > 0,
              )
              expect(wanted.filter((what) => left[what] < 0)).toEqual([])
            }
          }
        })
      }),
      { numRuns: 800 },
    )
  })

  test('says NeverFits of exactly the jobs that an empty federation could not take', () => {
    fc.assert(
      fc.property(story, (steps) => {
        const { engine, ledger } = live(steps, () => {})
        for (const waiting of ledger.waiting.values()) {
          const { verdict, reasons } = engine.explain(waiting.uid) ?? {}
          expect(verdict).toBe(everFits(waiting, world(ledger)) ? 'Waits' : 'NeverFits')
          expect(reasons?.reduce((sum, { count }) => sum + count, 0)).toBe(ledger.nodes.size)
        }
      }),
      { numRuns: 800 },
    )
  })

  test('cares not for the order of the facts, nor for what it went through', () => {
    const shuffled = fc.record({ steps: story, seed: fc.infiniteStream(fc.nat()) })
    fc.assert(
      fc.property(shuffled, ({ steps, seed }) => {
        const { engine, ledger } = live(steps.slice(0, -1), () => {})
        const { providers, nodes, waiting, bookings } = world(ledger)
        const facts: Step[] = [
          ...providers.map((fact): Step => ({ do: 'setProvider', fact })),
          ...nodes.map((fact): Step => ({ do: 'setNode', fact })),
          ...waiting.map((each): Step => ({ do: 'wait', job: each })),
          ...bookings.map((each): Step => ({ do: 'book', booking: each })),
        ]
        const other = createEngine()
        const order = facts.map((fact) => ({ fact, at: seed.next().value ?? 0 })).toSorted((a, b) => a.at - b.at)
        for (const { fact } of order) tell(other, fact)

        expect(other.snapshot()).toEqual(engine.snapshot())
        const again = createEngine(engine.snapshot())
        const decided = engine.decide({ nowMs: 0 })
        expect(other.decide({ nowMs: 0 })).toEqual(decided)
        expect(again.decide({ nowMs: 0 })).toEqual(decided)
      }),
      { numRuns: 800 },
    )
  })

  test('places in the end every job that fits at all, as others leave', () => {
    fc.assert(
      fc.property(
        fc.array(node, { minLength: 1, maxLength: 8 }),
        fc.array(job, { minLength: 1, maxLength: 7 }),
        (nodes, jobs) => {
          const engine = createEngine()
          for (const name of ['acme', 'bolt', 'core']) engine.setProvider(providerFact({ name }))
          for (const fact of nodes) engine.setNode({ ...fact, usedByOthers: nodeFact().usedByOthers })
          for (const each of jobs) engine.wait(each)

          for (let decided = engine.decide({ nowMs: 0 }); decided.length > 0; decided = engine.decide({ nowMs: 0 })) {
            for (const each of decided) engine.release(each.uid, each.run)
          }
          const { waiting } = engine.snapshot()
          expect(waiting.filter((each) => engine.explain(each.uid)?.verdict === 'Waits')).toEqual([])
        },
      ),
      { numRuns: 800 },
    )
  })
})
