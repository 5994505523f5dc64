// What the life of a GpuJob does about Secrets and ConfigMaps that it names.
import { expect, test } from '@jest/globals'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { keptJob } from '../../../../test/builders/kept.ts'
import type { GpuJobStatus, Placement } from '../../api/gpujob.ts'
import type { GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import { toTime } from '../../api/time.ts'
import { wishOf } from './engine-facts.ts'
import { asksForPayload, decide, type Seen } from './gpujob-steps.ts'
import { type KeptJob, type KeptRun, keptRun } from './kept.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const ago = (seconds: number) => toTime(now - seconds * 1000)
const envFrom = [{ secretRef: { name: 'key' } }]
const template = { spec: { containers: [{ name: 'main', image: 'i', envFrom }] } }
const unlabelled = { reason: 'MayNotTravel', message: 'lacks a label' } as const
const nodes = [{ name: 'node-1', workers: 1 }]
const placement: Placement = { run: 1, provider: 'acme', nodes, recordedAt: ago(60) }
const choice = {
  uid: '',
  key: '',
  run: 1,
  provider: 'acme',
  nodes,
  perWorker: { gpus: 1, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
}

function withSecret(status?: Partial<GpuJobStatus>, spec = {}): KeptJob {
  return keptJob({ spec: { template, ...spec }, ...(status && { status }) })
}

function admitted(status: 'True' | 'False', seconds = 60): Partial<GpuJobStatus> {
  const said = { type: 'Admitted', status, reason: 'MayNotTravel', message: 'm', lastTransitionTime: ago(seconds) }
  return { conditions: [said] }
}

function run(status?: Partial<GpuRunStatus>, spec: Partial<GpuRunSpec> = {}): KeptRun {
  const payload = { name: 'train-1', sha256: '0'.repeat(64) }
  return keptRun(gpuRun({ spec: { payload, ...spec }, ...(status && { status }) }))
}

const placed = withSecret({ ...admitted('True'), placement, lastRun: 1 })

const huge = keptJob({
  spec: { template: { spec: { containers: [{ name: 'main', image: 'i', args: ['x'.repeat(600_000)] }] } } },
})

test('a template that is too large to travel holds no GPUs', () => {
  expect(wishOf(huge, now)).toEqual({ wish: 'Nothing' })
})

test.each<{ name: string; seen: Partial<Seen>; says: string }>([
  { name: 'and says so', seen: { job: huge }, says: 'Admitted=False/TemplateTooLarge' },
  {
    name: 'what may not travel is said, and not placed although there is a choice',
    seen: { job: withSecret(), choice, payload: unlabelled },
    says: 'Admitted=False/MayNotTravel again in 2 s',
  },
  {
    name: 'the longer it has been so, the later it is looked at again',
    seen: { job: withSecret(admitted('False', 50)), payload: unlabelled },
    says: 'Admitted=False/MayNotTravel again in 50 s',
  },
  {
    name: 'but never later than after five minutes',
    seen: { job: withSecret(admitted('False', 5000)), payload: unlabelled },
    says: 'Admitted=False/MayNotTravel again in 300 s',
  },
  {
    name: 'that a label was taken away is found soon',
    seen: { job: withSecret(admitted('True', 5000)), choice, payload: unlabelled },
    says: 'Admitted=False/MayNotTravel again in 2 s',
  },
  {
    name: 'what may travel is admitted, and waits',
    seen: { job: withSecret(admitted('False')), payload: 'MayTravel' },
    says: 'Admitted=True/Admitted again in 60 s',
  },
  {
    name: 'nothing is placed that nobody has looked at',
    seen: { job: withSecret(admitted('True')), choice },
    says: 'Admitted=True/Admitted again in 60 s',
  },
  {
    name: 'what may travel is placed',
    seen: { job: withSecret(admitted('True')), choice, payload: 'MayTravel' },
    says: 'Admitted=True/Admitted placed',
  },
  {
    name: 'a run whose payload nobody has seen gets it',
    seen: { job: placed, run: run() },
    says: 'deliverPayload again in 0.001 s',
  },
  {
    name: 'a run that has it',
    seen: { job: placed, run: run(), delivered: true },
    says: 'Admitted=True/MayNotTravel placed',
  },
  {
    name: 'a run that has begun needs none',
    seen: { job: placed, run: run({ state: 'Running' }) },
    says: 'Admitted=True/MayNotTravel placed',
  },
  {
    name: 'nor does one that was told to stop',
    seen: { job: placed, run: run(undefined, { stop: { reason: 'PayloadGone', requestedAt: ago(1) } }) },
    says: 'Admitted=True/MayNotTravel placed',
  },
  {
    name: 'when a run is over its payload goes before the outcome is settled',
    seen: { job: placed, run: run({ state: 'Stopped', reason: 'Stopped' }) },
    says: 'removePayload Admitted=True/MayNotTravel',
  },
])('$name', ({ seen, says }) => {
  const world: Seen = { job: placed, run: undefined, choice: undefined, explain: () => undefined, now, ...seen }
  const { effect, status, recheckMs } = decide(world)
  const one = status?.conditions.find(({ type }) => type === 'Admitted')
  const words = [
    ...(effect ? [effect.do] : []),
    ...(one ? [`${one.type}=${one.status}/${one.reason}`] : []),
    ...(status?.placement ? ['placed'] : []),
    ...(recheckMs === undefined ? [] : [`again in ${recheckMs / 1000} s`]),
  ]
  expect(words.join(' ')).toBe(says)
})

test.each<{ name: string; job: KeptJob; chosen?: boolean; asks: boolean }>([
  { name: 'it was never looked at', job: withSecret(), asks: true },
  { name: 'it was refused', job: withSecret(admitted('False')), asks: true },
  { name: 'it is admitted and waits for GPUs', job: withSecret(admitted('True')), asks: false },
  { name: 'it is about to be placed', job: withSecret(admitted('True')), chosen: true, asks: true },
  { name: 'it is placed', job: placed, asks: false },
  { name: 'it is suspended', job: withSecret(undefined, { suspend: true }), asks: false },
  { name: 'it names none', job: keptJob(), chosen: true, asks: false },
])('Secrets are read where $name: $asks', ({ job, chosen, asks }) => {
  expect(asksForPayload({ job, choice: chosen ? choice : undefined })).toBe(asks)
})

test.each([
  { name: 'was not looked at', job: withSecret(), wish: 'Nothing' },
  { name: 'is refused', job: withSecret(admitted('False')), wish: 'Nothing' },
  { name: 'is admitted', job: withSecret(admitted('True')), wish: 'Room' },
  { name: 'has no Secrets', job: keptJob(), wish: 'Room' },
])('a job that $name asks the engine for: $wish', ({ job, wish }) => {
  expect(wishOf(job, now).wish).toBe(wish)
})
