import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { booking, jobFact, nodeFact, providerFact } from '../../../test/builders/scheduling.ts'
import { createEngine } from '../domain/scheduling/engine.ts'
import type { EngineSnapshot } from '../domain/scheduling/facts.ts'
import { replay } from '../domain/scheduling/replay.ts'
import { weightsOf } from '../domain/scheduling/weights.ts'
import { readSnapshot, snapshotPieces } from './snapshot-file.ts'

const takenAt = '2026-01-01T00:00:00Z'

function written(snapshot: EngineSnapshot): string {
  return [...snapshotPieces(snapshot, takenAt)].join('')
}

/** All that facts can say. */
const rich: EngineSnapshot = {
  providers: [
    providerFact({ trust: 'Unverified', tolerates: ['team'], pricesPerGpuHour: { H100: 2_000_000 }, lostShare: 0.5 }),
  ],
  nodes: [
    nodeFact({
      taints: [{ key: 'team', effect: 'NoSchedule' }],
      topology: { rack: 'r1' },
      slices: 4,
      slicesPerWorker: 1,
      withheld: 'Mig',
    }),
  ],
  waiting: [
    jobFact({
      queue: 'ml',
      gpuMemoryMiB: 1,
      maxPrice: 2,
      trust: 'Verified',
      refusedBy: { acme: 'NeedsRoot' },
      avoidNodes: ['acme/n1'],
      tolerations: [{ key: 'team', operator: 'Exists' }],
      topology: { within: 'Rack', rule: 'Required' },
      maxRuntimeMs: 1000,
      ranAt: 'acme',
    }),
  ],
  bookings: [
    booking({ queue: 'ml', priority: 1, model: 'H100', startedMs: 1, endsMs: 5, endingMs: 4, checkpointMs: 3 }),
  ],
  queues: [
    {
      name: 'ml',
      parent: 'all',
      weight: 2,
      quota: { '*': { guaranteed: 8, borrowLimit: 4, lendLimit: 0 } },
      maxRunning: 3,
      preemption: { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 1 },
    },
  ],
  usages: [{ name: 'ml', share: 0.5, atMs: 7 }],
  weights: weightsOf('price=2,breaking=0.5'),
  demand: [{ gpus: 0.5, workers: 3, cpuMilli: 12_000, squares: 384_000 }],
}

/** A file with one thing in it changed. */
function spoilt(change: (file: { snapshot: Record<string, Record<string, unknown>[]> }) => void): string {
  const file = JSON.parse(written(rich))
  change(file)
  return JSON.stringify(file)
}

describe('the file of a snapshot', () => {
  test('has all that the engine knows', () => {
    expect(readSnapshot(written(rich))).toEqual({ kind: 'GpuCommonsSnapshot', version: 1, takenAt, snapshot: rich })
  })

  test('of a version that knew fewer weights has the usual ones for the others', () => {
    const old = { ...rich, weights: [{ name: 'price', weight: 2 } as const] }
    expect(readSnapshot(written(old)).snapshot.weights).toEqual(weightsOf('price=2'))
  })

  test('has all of lists that are written in several pieces', () => {
    const nodes = Array.from({ length: 1201 }, (_, i) => nodeFact({ name: `n${i}` }))
    expect(readSnapshot(written({ ...rich, nodes })).snapshot.nodes).toEqual(nodes)
  })

  test.each([
    { name: 'what is no JSON', text: 'PK', says: /^it is no JSON: / },
    {
      name: 'another kind of file',
      text: '{"kind":"List"}',
      says: /^kind is not GpuCommonsSnapshot: it was not written/,
    },
    {
      name: 'another version',
      text: '{"kind":"GpuCommonsSnapshot","version":2}',
      says: /^version is 2, and this kubectl-gpu reads 1: use the one of that hub$/,
    },
    {
      name: 'a number that is none',
      text: spoilt(({ snapshot }) => Object.assign(snapshot['nodes']?.[0] ?? {}, { gpus: 'many' })),
      says: /^snapshot\.nodes\[0\]\.gpus: /,
    },
    {
      name: 'a field that nobody knows',
      text: spoilt(({ snapshot }) => Object.assign(snapshot['waiting']?.[0] ?? {}, { colour: 'red' })),
      says: /^snapshot\.waiting\[0\]: Unrecognized key: "colour"/,
    },
    {
      name: 'a negative amount',
      text: spoilt(({ snapshot }) => Object.assign(snapshot['bookings']?.[0] ?? {}, { run: 0 })),
      says: /^snapshot\.bookings\[0\]\.run: /,
    },
    {
      name: 'a list that is missing',
      text: spoilt((file) => delete file.snapshot['nodes']),
      says: /^snapshot\.nodes: /,
    },
  ])('is refused for $name', ({ text, says }) => {
    expect(() => readSnapshot(text)).toThrow(says)
  })

  test('leads to the same decisions as the engine that it was taken of', () => {
    const worker = fc.constantFrom(1, 2, 4, 8)
    const scene = fc.record({
      nodes: fc.array(fc.record({ provider: fc.constantFrom('acme', 'bolt'), gpus: worker }), { maxLength: 6 }),
      jobs: fc.array(
        fc.record({ gpus: worker, workers: fc.constantFrom(1, 2, 3), priority: fc.nat(2), createdMs: fc.nat(3) }),
      ),
    })
    fc.assert(
      fc.property(scene, ({ nodes, jobs }) => {
        const engine = createEngine()
        for (const name of ['acme', 'bolt']) engine.setProvider(providerFact({ name }))
        for (const [i, node] of nodes.entries()) engine.setNode(nodeFact({ ...node, name: `n${i}` }))
        for (const [i, job] of jobs.entries()) engine.wait(jobFact({ ...job, uid: `job-${i}` }))
        const text = written(engine.snapshot())
        const { decisions, waiting } = replay(readSnapshot(text).snapshot, 0)
        expect(decisions).toEqual(engine.decide({ nowMs: 0 }))
        expect(waiting.map(({ key }) => key)).toEqual(
          engine
            .snapshot()
            .waiting.map(({ key }) => key)
            .toSorted(),
        )
      }),
      { numRuns: 300 },
    )
  })
})
