import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { emptyLedger, take, tell, world } from '../../../../test/builders/scheduling-ledger.ts'
import { type Step, story } from '../../../../test/builders/scheduling-stories.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, EngineSnapshot } from './facts.ts'
import { replay } from './replay.ts'

/** Tells the story to an engine, and compares at each pass what it decides with what others do on what it knows. */
function atEachPass(steps: readonly Step[], look: (pass: Pass) => void): void {
  const engine = createEngine()
  const ledger = emptyLedger()
  for (const what of steps) {
    const known = engine.snapshot()
    ledger.usages = known.usages
    const facts = world(ledger)
    const decided = tell(engine, what)
    if (what.do === 'decide') look({ engine, known, facts, decided, what })
    take(ledger, what, decided)
  }
}

interface Pass {
  readonly engine: Engine
  /** The snapshot of the engine before. */
  readonly known: EngineSnapshot
  /** All that it was told and has not been taken back, kept beside it. */
  readonly facts: EngineSnapshot
  readonly decided: readonly Booking[]
  readonly what: Step & { readonly do: 'decide' }
}

describe('at each pass of any story', () => {
  test('a replay of the snapshot decides as the engine did, and says the same of those who wait', () => {
    fc.assert(
      fc.property(story, (steps) => {
        atEachPass(steps, ({ engine, known, decided, what: { nowMs, limit } }) => {
          const { decisions, waiting } = replay(JSON.parse(JSON.stringify(known)) as EngineSnapshot, nowMs)
          expect(JSON.stringify(decisions.slice(0, limit))).toBe(JSON.stringify(decided))
          if (decisions.length > decided.length) return
          const said = engine.snapshot().waiting.map(({ uid, key, run }) => ({ key, run, ...engine.explain(uid) }))
          expect(waiting).toEqual(said.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
        })
      }),
      { numRuns: cases },
    )
  })

  test('an engine that is told all facts at once decides as the one that learned them one by one', () => {
    fc.assert(
      fc.property(story, (steps) => {
        atEachPass(steps, ({ known, facts, decided, what }) => {
          const fresh = createEngine()
          // Prices move in steps, and the last step was with what was asked for then.
          fresh.setDemand(known.demand)
          // The waiting first, and the nodes last: each of them finds a world that is not complete.
          facts.waiting.forEach(fresh.wait)
          facts.usages.forEach(fresh.setUsage)
          facts.bookings.forEach(fresh.book)
          facts.queues.forEach(fresh.setQueue)
          facts.providers.forEach(fresh.setProvider)
          facts.nodes.forEach(fresh.setNode)
          expect(fresh.decide(what)).toEqual(decided)
        })
      }),
      { numRuns: cases },
    )
  })
})
