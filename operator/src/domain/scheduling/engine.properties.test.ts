import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { overQuota } from '../../../../test/builders/queues-reference.ts'
import { nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { gpusTakenTooOften, leftOf } from '../../../../test/builders/scheduling-costs.ts'
import { live, take, tell, world } from '../../../../test/builders/scheduling-ledger.ts'
import { decideNaively, everFits } from '../../../../test/builders/scheduling-reference.ts'
import { job, node, type Step, story } from '../../../../test/builders/scheduling-stories.ts'
import { createEngine } from './engine.ts'

describe('the engine', () => {
  test('decides as one would who tries every set of nodes', () => {
    fc.assert(
      fc.property(story, (steps) => {
        live(steps, (before, what, decided) => {
          if (what.do !== 'decide') return
          const expected = decideNaively(world(before), what)
          expect(decided.map((each) => rendered({ ...each, key: '' }))).toEqual(expected.map(rendered))
        })
      }),
      { numRuns: cases },
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
              expect(gpusTakenTooOften(fact ?? nodeFact(), bookings)).toEqual([])
            }
          }
        })
      }),
      { numRuns: cases },
    )
  })

  test('lets no queue have more than its quota, nor a tree more than is guaranteed in it', () => {
    fc.assert(
      fc.property(story, (steps) => {
        live(steps, (before, what, decided) => {
          if (what.do !== 'decide') return
          const after = { ...before, bookings: new Map(before.bookings) }
          take(after, what, decided)
          const known = new Set(overQuota(world(before)))
          expect(overQuota(world(after)).filter((each) => !known.has(each))).toEqual([])
        })
      }),
      { numRuns: cases },
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
      { numRuns: cases },
    )
  })

  test('cares not for the order of the facts, nor for what it went through', () => {
    const shuffled = fc.record({ steps: story, seed: fc.infiniteStream(fc.nat()) })
    fc.assert(
      fc.property(shuffled, ({ steps, seed }) => {
        const { engine, ledger } = live(steps.slice(0, -1), () => {})
        const { providers, nodes, waiting, bookings, queues } = world(ledger)
        const facts: Step[] = [
          ...providers.map((fact): Step => ({ do: 'setProvider', fact })),
          ...nodes.map((fact): Step => ({ do: 'setNode', fact })),
          ...waiting.map((each): Step => ({ do: 'wait', job: each })),
          ...bookings.map((each): Step => ({ do: 'book', booking: each })),
          ...queues.map((fact): Step => ({ do: 'setQueue', fact })),
          ...engine.snapshot().usages.map((each): Step => ({ do: 'setUsage', usage: each })),
          { do: 'setDemand', demand: engine.snapshot().demand },
        ]
        const other = createEngine()
        const order = facts.map((fact) => ({ fact, at: seed.next().value ?? 0 })).toSorted((a, b) => a.at - b.at)
        for (const { fact } of order) tell(other, fact)

        expect(other.snapshot()).toEqual(engine.snapshot())
        const again = createEngine(engine.snapshot())
        const nowMs = 60_000 * 60 * 24 * 7 * 60
        const decided = engine.decide({ nowMs })
        expect(other.decide({ nowMs })).toEqual(decided)
        expect(again.decide({ nowMs })).toEqual(decided)
        expect(other.queues(nowMs)).toEqual(engine.queues(nowMs))
      }),
      { numRuns: cases },
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
      { numRuns: cases },
    )
  })
})
