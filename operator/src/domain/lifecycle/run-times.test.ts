import { describe, expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import type { GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import type { Condition } from '../../api/meta.ts'
import { toTime } from '../../api/time.ts'
import { awaitsOrder, hasOnlyBegun, type RunTimes, timesOfPlacement, timesOfRun } from './run-times.ts'

const ordered = Date.parse('2026-01-01T00:00:00Z')
const at = (seconds: number) => toTime(ordered + seconds * 1000)

function job(status: Condition['status'] | undefined, heard = 60) {
  const running = { type: 'Running', reason: 'Running', message: '', lastTransitionTime: at(heard) }
  return keptJob({ status: { conditions: status === undefined ? [] : [{ ...running, status }] } })
}

function run(status: Partial<GpuRunStatus>, spec: Partial<GpuRunSpec> = {}) {
  return keptRun({ status, spec, metadata: { creationTimestamp: at(0) } })
}

/** In seconds since the order: `began 60, ends 3660`. */
function rendered(times: RunTimes): string {
  const words = { startedMs: 'began', endsMs: 'ends', endingMs: 'told to stop' } as const
  return (['startedMs', 'endsMs', 'endingMs'] as const)
    .flatMap((what) => (times[what] === undefined ? [] : [`${words[what]} ${(times[what] - ordered) / 1000}`]))
    .join(', ')
}

const hour = { maxRuntimeSeconds: 3600, bindTimeoutSeconds: 120 }
const cases: readonly {
  name: string
  job: ReturnType<typeof job> | undefined
  run: ReturnType<typeof run>
  says: string
}[] = [
  {
    name: 'it began when its provider says so',
    job: job('True'),
    run: run({ state: 'Running', startedAt: at(40) }, hour),
    says: 'began 40, ends 3640',
  },
  {
    name: 'not before it was ordered',
    job: job('True'),
    run: run({ state: 'Running', startedAt: at(-9999) }),
    says: 'began 0',
  },
  {
    name: 'nor after the hub heard that it runs',
    job: job('True'),
    run: run({ state: 'Running', startedAt: at(9999) }),
    says: 'began 60',
  },
  {
    name: 'that nobody hears of it for a while makes it no younger',
    job: job('Unknown', 500),
    run: run({ state: 'Running', startedAt: at(40) }),
    says: 'began 40',
  },
  {
    name: 'what has not begun may end later than it was ordered',
    job: job('False'),
    run: run({}, hour),
    says: 'ends 3720',
  },
  {
    name: 'what the hub has not taken down as running has not begun',
    job: job(undefined),
    run: run({ state: 'Running', startedAt: at(40) }),
    says: '',
  },
  {
    name: 'nobody knows the end of what has no limit',
    job: job('True'),
    run: run({ state: 'Running' }),
    says: 'began 60',
  },
  {
    name: 'what was told to stop says since when',
    job: job('True'),
    run: run({ state: 'Running' }, { stop: { reason: 'Suspended', requestedAt: at(90) } }),
    says: 'began 60, told to stop 90',
  },
  { name: 'a run whose job is gone has no start', job: undefined, run: run({ state: 'Running' }), says: '' },
]

describe('when a run began and is over', () => {
  test.each(cases)('$name', ({ job: of, run: one, says }) => {
    expect(rendered(timesOfRun(one, of))).toBe(says)
  })

  test('a placement whose run is not seen yet is over after it had time to start', () => {
    const placement = { run: 1, provider: 'acme', nodes: [], recordedAt: at(10) }
    expect(rendered(timesOfPlacement(keptJob({ spec: hour }), placement))).toBe('ends 3730')
  })
})

describe('a job of which nothing is new but that its run runs', () => {
  const placement = { run: 1, provider: 'acme', nodes: [{ name: 'n1', workers: 1 }], recordedAt: at(0) }
  const said = (reason: string) => [
    { type: 'Running', status: 'False', reason, message: '', lastTransitionTime: at(0) } as const,
  ]
  const starting = { status: { placement, lastRun: 1, conditions: said('Starting') } }
  const stop = { reason: 'Preempted', requestedAt: at(0) } as const
  const told: readonly {
    name: string
    job?: Parameters<typeof keptJob>[0]
    status?: Partial<GpuRunStatus>
    spec?: Partial<GpuRunSpec>
    is: boolean
  }[] = [
    { name: 'is one whose run has begun', is: true },
    { name: 'is none whose run has not', status: {}, is: false },
    { name: 'is none whose run is over', status: { state: 'Succeeded' }, is: false },
    { name: 'is none whose run is in trouble', status: { state: 'Running', reason: 'NodeLost' }, is: false },
    { name: 'is none whose run is told to stop', spec: { stop }, is: false },
    { name: 'is none that is told to stop', job: { spec: { suspend: true } }, is: false },
    { name: 'is none on its way out', job: { metadata: { deletionTimestamp: at(0) } }, is: false },
    { name: 'is none of which it is said', job: { status: { placement, conditions: said('Running') } }, is: false },
    { name: 'is none that had trouble', job: { status: { placement, conditions: said('StartTrouble') } }, is: false },
    { name: 'is none whose record is of another run', spec: { run: 2 }, is: false },
    { name: 'is none without a record', job: { status: { conditions: said('Starting') } }, is: false },
  ]

  test.each(told)('$name', ({ job: options, status = { state: 'Running' }, spec, is }) => {
    const one = keptJob({ ...starting, ...options })
    expect(hasOnlyBegun(one, [{ run: keptRun({ job: one, status, ...(spec && { spec }) }) }])).toBe(is)
  })
})

test('a job awaits its order from its record until its run is seen, or it is finished', () => {
  const placement = { run: 1, provider: 'acme', nodes: [{ name: 'n1', workers: 1 }], recordedAt: at(0) }
  const waits = keptJob()
  const placed = keptJob({ status: { placement } })
  const finished = {
    type: 'Finished',
    status: 'True',
    reason: 'Succeeded',
    message: '',
    lastTransitionTime: at(0),
  } as const
  const over = keptJob({ status: { placement, conditions: [finished] } })
  const seen = [waits, placed, over].map((one) => awaitsOrder(one, []))
  expect([...seen, awaitsOrder(placed, [{ run: keptRun({ job: placed }) }])]).toEqual([false, true, false, false])
})
