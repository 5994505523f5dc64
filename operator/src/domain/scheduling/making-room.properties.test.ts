import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { cases } from '../../../../test/builders/cases.ts'
import { jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { createEngine, type Engine } from './engine.ts'
import type { Booking, Choice, EngineSnapshot, JobFact, QueueFact } from './facts.ts'
import { gpusOf } from './ground.ts'

const minute = 60_000
const nodes = ['n1', 'n2', 'n3']
const guard = 5 * minute

const none = { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 } as const

/** Together they are guaranteed all that there is. */
const queues: readonly QueueFact[] = [
  { name: 'all', weight: 1, quota: {}, preemption: none },
  queue('a', 8, { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 0 }),
  queue('b', 16, { withinQueue: 'Never', reclaim: 'LowerPriority', minRuntimeMs: guard }),
]

function queue(name: string, guaranteed: number, preemption: QueueFact['preemption']): QueueFact {
  return { name, parent: 'all', weight: 1, quota: { '*': { guaranteed } }, preemption }
}

const arrival = fc.record({
  queue: fc.constantFrom('a', 'b'),
  priority: fc.constantFrom(0, 0, 1, 5),
  workers: fc.constantFrom(1, 1, 1, 2, 3),
  gpus: fc.constantFrom(1, 1, 2, 4, 8),
})
const partArrival = fc.record({
  queue: fc.constantFrom('a', 'b'),
  priority: fc.constantFrom(0, 0, 1, 5),
  gpus: fc.constantFrom(0.1, 0.25),
})
const steps = {
  /** Which of those that run leaves by itself. */
  leaves: fc.nat(9),
  /** Whether those that were told to end are over by now. */
  ends: fc.boolean(),
}
const step = fc.record({ ...steps, arrivals: fc.array(arrival, { maxLength: 4 }) })
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
const story = fc.array(step, { minLength: 1, maxLength: 12 })

/** A hub in small: it records what may be recorded, and ends what is to be ended. */
interface Hub {
  readonly engine: Engine
  /** On their GPUs. */
  readonly running: Map<string, Booking>
  /** Chosen, while some of their victims are not over. */
  readonly waiting: Map<string, Choice>
  /** What the engine knew before the last pass. */
  before: EngineSnapshot
  nowMs: number
}

function newHub(): Hub {
  const engine = createEngine()
  engine.setProvider(providerFact())
  for (const name of nodes) engine.setNode(nodeFact({ name }))
  for (const fact of queues) engine.setQueue(fact)
  const before = engine.snapshot()
  return { engine, running: new Map(), waiting: new Map(), before, nowMs: 3_600_000 }
}

function pass(hub: Hub): readonly Choice[] {
  hub.before = hub.engine.snapshot()
  const choices = hub.engine.decide({ nowMs: hub.nowMs })
  for (const choice of choices) {
    hub.waiting.set(choice.uid, choice)
    for (const { uid } of choice.preempts ?? []) {
      const victim = hub.running.get(uid)
      if (victim) book(hub, { ...victim, endingMs: victim.endingMs ?? hub.nowMs })
    }
  }
  record(hub)
  return choices
}

function book({ engine, running }: Hub, booking: Booking): void {
  running.set(booking.uid, booking)
  engine.book(booking)
}

/** Those whose victims are over begin to run. */
function record(hub: Hub): void {
  for (const { key: _, preempts = [], ...choice } of hub.waiting.values()) {
    if (preempts.some(({ uid }) => hub.running.has(uid))) continue
    hub.waiting.delete(choice.uid)
    book(hub, { ...choice, startedMs: hub.nowMs })
  }
}

function leave({ engine, running }: Hub, uid: string): void {
  const run = running.get(uid)?.run ?? 1
  running.delete(uid)
  engine.release(uid, run)
}

function live(
  hub: Hub,
  steps: readonly (Omit<Step, 'arrivals'> & { arrivals: readonly Parameters<typeof jobFact>[0][] })[],
  look: (choices: readonly Choice[]) => void,
) {
  let made = 0
  for (const { arrivals, leaves, ends } of steps) {
    for (const each of arrivals) {
      made += 1
      hub.engine.wait(jobFact({ uid: `j${made}`, createdMs: hub.nowMs, ...each }))
    }
    look(pass(hub))
    const gone = [...hub.running.keys()][leaves]
    if (gone !== undefined) leave(hub, gone)
    if (ends) endThoseWhoAreTold(hub)
    hub.nowMs += minute
  }
}

/** Who asked for what is guaranteed to its queue stands in line again. */
function endThoseWhoAreTold(hub: Hub): void {
  for (const { uid, run, queue, endingMs } of hub.running.values()) {
    if (endingMs === undefined) continue
    leave(hub, uid)
    if (uid.startsWith('own')) hub.engine.wait(ownJob(uid, { queue, run: run + 1, createdMs: hub.nowMs }))
  }
  record(hub)
}

function ownJob(uid: string, rest: Pick<JobFact, 'queue' | 'run' | 'createdMs'>): JobFact {
  return jobFact({ uid, priority: 9, ...rest })
}

/** Nobody comes, and nobody leaves by himself: only those who are told to. */
function stayQuiet(hub: Hub, passes: number): void {
  for (let i = 0; i < passes; i += 1) {
    pass(hub)
    endThoseWhoAreTold(hub)
    hub.nowMs += guard
  }
}

/** A queue asks for all that is guaranteed to it. */
function askForAll(hub: Hub, name: string): void {
  for (let i = 0; i < guaranteedTo(name); i += 1)
    hub.engine.wait(ownJob(`own${i}`, { queue: name, run: 1, createdMs: hub.nowMs }))
}

function guaranteedTo(name: string): number {
  return queues.find((fact) => fact.name === name)?.quota['*']?.guaranteed ?? 0
}

function usedOn(node: string, bookings: Iterable<Booking>): number {
  let used = 0
  for (const { nodes: of, perWorker } of bookings)
    for (const { name, workers } of of) if (name === node) used += workers * perWorker.gpus
  return used
}

function workersOn(node: string, bookings: Iterable<Booking>): number {
  let workers = 0
  for (const { nodes: of } of bookings) for (const each of of) if (each.name === node) workers += each.workers
  return workers
}

function usedBy(name: string, { running }: Hub): number {
  return [...running.values()].reduce((sum, run) => sum + (run.queue === name ? gpusOf(run) : 0), 0)
}

describe('whoever preempts whom', () => {
  test('never two run on a GPU, and who was promised room has it when those before are over', () => {
    fc.assert(
      fc.property(story, (steps) => {
        const hub = newHub()
        live(hub, steps, () => {
          for (const node of nodes) {
            expect(usedOn(node, hub.running.values())).toBeLessThanOrEqual(8)
            const told = [...hub.running.values()].filter(({ endingMs }) => endingMs === undefined)
            expect(usedOn(node, [...told, ...hub.waiting.values()])).toBeLessThanOrEqual(8)
          }
        })
      }),
      { numRuns: cases },
    )
  })

  test('never more run on GPUs that are shared than there are parts', () => {
    const part = fc.record({ ...steps, arrivals: fc.array(fc.oneof(arrival, partArrival), { maxLength: 8 }) })
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), (told) => {
        const hub = newHub()
        const shared = { n2: 4, n3: 4 }
        for (const name of Object.keys(shared))
          hub.engine.setNode(nodeFact({ name, gpus: 1, slices: 4, slicesPerWorker: 1 }))
        live(hub, told, () => {
          for (const [node, parts] of Object.entries(shared)) {
            expect(workersOn(node, hub.running.values())).toBeLessThanOrEqual(parts)
            const staying = [...hub.running.values()].filter(({ endingMs }) => endingMs === undefined)
            expect(workersOn(node, [...staying, ...hub.waiting.values()])).toBeLessThanOrEqual(parts)
          }
        })
      }),
      { numRuns: cases },
    )
  })

  test('nobody goes who is guarded, or told to by one who may not; none who was just chosen', () => {
    fc.assert(
      fc.property(story, (steps) => {
        const hub = newHub()
        live(hub, steps, (choices) => {
          for (const { uid, queue: own, priority = 0, preempts = [] } of choices) {
            for (const victim of preempts) {
              const run = hub.running.get(victim.uid)
              expect(run?.startedMs).toBeLessThanOrEqual(hub.nowMs)
              expect(victim.uid).not.toBe(uid)
              if (!run || run.endingMs !== hub.nowMs) continue
              const isYoung = run.queue === 'b' && hub.nowMs - (run.startedMs ?? 0) < guard
              const isHigher = (run.priority ?? 0) >= priority
              expect([isYoung, isHigher && !(own === 'a' && run.queue === 'b')]).toEqual([false, false])
            }
          }
        })
      }),
      { numRuns: cases },
    )
  })

  test('what is guaranteed to a queue can be had again, though nobody leaves by himself', () => {
    fc.assert(
      fc.property(story, fc.constantFrom('a', 'b'), (steps, name) => {
        const hub = newHub()
        live(hub, steps, () => {})
        askForAll(hub, name)
        stayQuiet(hub, 6)
        expect(usedBy(name, hub)).toBeGreaterThanOrEqual(guaranteedTo(name))
      }),
      { numRuns: cases },
    )
  })

  test('who lends has nothing lent any more, and who borrows has borrowed nothing, as soon as all is asked for', () => {
    fc.assert(
      fc.property(story, fc.constantFrom('a', 'b'), (steps, name) => {
        const hub = newHub()
        live(hub, steps, () => {})
        askForAll(hub, name)
        stayQuiet(hub, 6)
        const states = hub.engine.queues(hub.nowMs)
        expect(states.find((state) => state.name === name)?.lent).toEqual({})
        expect(states.find((state) => state.name === (name === 'a' ? 'b' : 'a'))?.borrowed).toEqual({})
      }),
      { numRuns: cases },
    )
  })

  test('who preempts had found no place without it', () => {
    fc.assert(
      fc.property(story, (steps) => {
        const hub = newHub()
        live(hub, steps, (choices) => {
          const first = choices.find(({ preempts }) => preempts)
          if (!first) return
          const peaceful = hub.before.queues.map((fact) => ({ ...fact, preemption: none }))
          const placed = createEngine({ ...hub.before, queues: peaceful }).decide({ nowMs: hub.nowMs })
          expect(placed.map(({ uid }) => uid)).not.toContain(first.uid)
        })
      }),
      { numRuns: cases },
    )
  })
})
