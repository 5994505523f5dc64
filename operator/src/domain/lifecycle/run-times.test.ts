import { describe, expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import type { GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import type { Condition } from '../../api/meta.ts'
import { toTime } from '../../api/time.ts'
import { type RunTimes, timesOfPlacement, timesOfRun } from './run-times.ts'

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
