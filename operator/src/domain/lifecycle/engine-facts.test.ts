import { describe, expect, test } from '@jest/globals'
import type { GpuJobOptions } from '../../../../test/builders/gpujob.ts'
import { type KeptRunOptions, keptJob, keptRun } from '../../../../test/builders/kept.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import type { GpuJobStatus } from '../../api/gpujob.ts'
import { toTime } from '../../api/time.ts'
import { bookingOfPlacement, bookingOfRun, placementHolds, wishOf } from './engine-facts.ts'
import { type KeptRun, workerRoom } from './kept.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const nodes = [{ name: 'node-1', workers: 1 }]
const placement = { run: 2, provider: 'acme', nodes, recordedAt: BEGINNING }
const finished: Partial<GpuJobStatus> = {
  conditions: [{ type: 'Finished', status: 'True', reason: 'Succeeded', message: '', lastTransitionTime: BEGINNING }],
}
const image = { name: 'main', image: 'i' }
const needsSecret = { spec: { containers: [{ ...image, envFrom: [{ secretRef: { name: 'key' } }] }] } }

describe('what a job wants of the engine', () => {
  const cases: readonly { name: string; job: GpuJobOptions; says: string }[] = [
    { name: 'a new job wants room', job: {}, says: 'Room for run 1' },
    {
      name: 'the next run comes after the last that was recorded',
      job: { status: { lastRun: 4 } },
      says: 'Room for run 5',
    },
    { name: 'a placed job wants nothing', job: { status: { placement, lastRun: 2 } }, says: 'Nothing' },
    { name: 'a finished job wants nothing', job: { status: finished }, says: 'Nothing' },
    { name: 'a suspended job wants nothing', job: { spec: { suspend: true } }, says: 'Nothing' },
    {
      name: 'a job on its way out wants nothing',
      job: { metadata: { deletionTimestamp: BEGINNING } },
      says: 'Nothing',
    },
    { name: 'a job with a Secret wants nothing', job: { spec: { template: needsSecret } }, says: 'Nothing' },
    {
      name: 'a job that backs off wants room later',
      job: { status: { notBefore: toTime(now + 5000) } },
      says: 'Later in 5 s',
    },
    { name: 'and in time', job: { status: { notBefore: toTime(now) } }, says: 'Room for run 1' },
  ]
  test.each(cases)('$name', ({ job, says }) => {
    const wish = wishOf(keptJob(job), now)
    const more =
      wish.wish === 'Room'
        ? ` for run ${wish.fact.run}`
        : wish.wish === 'Later'
          ? ` in ${(wish.atMs - now) / 1000} s`
          : ''
    expect(wish.wish + more).toBe(says)
  })

  test('all that decides where it may go', () => {
    const resources = { requests: { cpu: '500m', memory: '2Gi' }, limits: { 'nvidia.com/gpu': 4 } }
    const tolerations = [
      { key: 'nvidia.com/gpu', operator: 'Exists' as const },
      { key: 'team', operator: 'Exists' as const },
    ]
    const spec = {
      workers: 4,
      priority: 7,
      gpus: { count: 4, models: ['H100', 'H200'], memory: '80Gi' },
      placement: {
        providerSelector: { region: 'eu' },
        nodeSelector: { disk: 'fast' },
        maxPricePerGpuHour: '2.50',
        trust: 'Verified' as const,
      },
      topology: { within: 'Rack' as const, rule: 'Required' as const },
      maxRuntimeSeconds: 60,
      template: { spec: { containers: [{ ...image, resources }], tolerations } },
    }
    expect(wishOf(keptJob({ spec, status: { excludedProviders: ['bad'] } }), now)).toMatchObject({
      fact: {
        key: 'team/train',
        priority: 7,
        createdMs: Date.parse(BEGINNING),
        workers: 4,
        perWorker: { gpus: 4, cpuMilli: 500, memoryMiB: 2048, storageMiB: 0 },
        models: ['H100', 'H200'],
        gpuMemoryMiB: 81_920,
        maxPrice: 2_500_000,
        trust: 'Verified',
        topology: { within: 'Rack', rule: 'Required' },
        maxRuntimeMs: 60_000,
        providerSelector: { region: 'eu' },
        nodeSelector: { disk: 'fast' },
        tolerations,
        excludedProviders: ['bad'],
      },
    })
  })

  test('it keeps away from places where it found no room, until their time is over', () => {
    const avoid = [
      { provider: 'acme', node: 'node-1', until: toTime(now + 60_000) },
      { provider: 'b', until: toTime(now + 30_000) },
      { provider: 'c', until: toTime(now) },
    ]
    const job = keptJob({ status: { avoid, excludedProviders: ['bad'] } })
    const fact = { avoidNodes: ['acme/node-1'], excludedProviders: ['bad', 'b'] }
    expect(wishOf(job, now)).toMatchObject({ fact, changesAtMs: now + 30_000 })
    const later = wishOf(job, now + 60_000)
    expect(later).toMatchObject({ fact: { avoidNodes: [], excludedProviders: ['bad'] } })
    expect(later).not.toHaveProperty('changesAtMs')
  })

  test('it and its run take the part of a GPU that it names', () => {
    const job = keptJob({ spec: { gpus: { fraction: '0.25' } } })
    expect(wishOf(job, now)).toMatchObject({ fact: { perWorker: { gpus: 0.25 } } })
    expect(bookingOfRun(keptRun({ job }), 'acme')?.perWorker.gpus).toBe(0.25)
  })

  test('its GPUs are what gpus.count says, not what the template repeats', () => {
    const containers = [{ ...image, resources: { limits: { 'nvidia.com/gpu': 8 } } }]
    expect(workerRoom(2, { spec: { containers } }).gpus).toBe(2)
  })
})

describe('what is booked', () => {
  const gang = { workers: 2, nodes: [{ name: 'node-1', workers: 2 }] }
  const apart = [
    { index: 0, node: 'node-2' },
    { index: 1, node: 'node-3' },
  ]
  const cases: readonly { name: string; run: KeptRunOptions; says: string }[] = [
    { name: 'a run that was ordered', run: {}, says: 'node-1×1' },
    {
      name: 'a run that runs, where it really is',
      run: { spec: gang, status: { state: 'Running', workers: apart } },
      says: 'node-2×1,node-3×1',
    },
    {
      name: 'a gang of which not all are known, where it was ordered',
      run: { spec: gang, status: { workers: apart.slice(1) } },
      says: 'node-1×2',
    },
    {
      name: 'a run that is told to stop, until it has',
      run: { spec: { stop: { reason: 'Suspended', requestedAt: BEGINNING } } },
      says: 'node-1×1',
    },
    { name: 'a run that nobody knows of', run: { status: { state: 'Running', reason: 'NodeLost' } }, says: 'node-1×1' },
    { name: 'nothing of a run that is over', run: { status: { state: 'Reclaimed' } }, says: 'nothing' },
  ]
  test.each(cases)('$name', ({ run, says }) => {
    const booking = bookingOfRun(keptRun(run), 'acme')
    expect(booking?.nodes.map(({ name, workers }) => `${name}×${workers}`).join() ?? 'nothing').toBe(says)
  })

  test('a placement and its run book the same', () => {
    const job = keptJob()
    const planned = bookingOfPlacement(job, { ...placement, queue: 'research' }, 'H100')
    expect(bookingOfRun(keptRun({ job, run: 2 }), 'acme', planned)).toEqual(planned)
  })
})

describe('how long a record holds its room', () => {
  const job = keptJob({ status: { placement, lastRun: 2 } })
  const done = keptJob({ status: { placement, lastRun: 2, ...finished } })
  const other = keptJob({ name: 'other' })
  const cases: readonly { name: string; job: typeof job; run: KeptRun | undefined; says: boolean }[] = [
    { name: 'before its run is made', job, run: undefined, says: true },
    { name: 'while its run lives', job, run: keptRun({ job, run: 2, status: { state: 'Running' } }), says: true },
    { name: 'not once its run is over', job, run: keptRun({ job, run: 2, status: { state: 'Failed' } }), says: false },
    {
      name: 'the end of an earlier run says nothing',
      job,
      run: keptRun({ job, run: 1, status: { state: 'Failed' } }),
      says: true,
    },
    { name: 'nor does a namesake', job, run: keptRun({ job: other, run: 2, status: { state: 'Failed' } }), says: true },
    { name: 'not of a finished job, which only tells where it ran', job: done, run: undefined, says: false },
    { name: 'not without a record', job: keptJob(), run: undefined, says: false },
  ]
  test.each(cases)('$name', ({ job: of, run, says }) => {
    expect(placementHolds(of, run)).toBe(says)
  })
})
