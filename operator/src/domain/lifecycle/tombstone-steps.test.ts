import { describe, expect, test } from '@jest/globals'
import { keptRun } from '../../../../test/builders/kept.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { decide, type Seen } from './tombstone-steps.ts'

const born = Date.parse(BEGINNING)
const stop = { reason: 'JobDeleted', requestedAt: BEGINNING } as const
const cleaned: Partial<GpuRunStatus> = { state: 'Stopped', cleanedAt: BEGINNING }
const fromBefore = { labels: { 'gpucommons.io/gpujobs-uid': 'of an earlier kind' } }
const letGo = { labels: { 'gpucommons.io/gpujobs-uid': 'let-go' } }
const after = (seconds: number) => born + seconds * 1000

const cases: readonly { name: string; seen: Partial<Seen>; says: string }[] = [
  {
    name: 'stays while its job lives',
    seen: { job: 'Lives', run: keptRun({ spec: { stop }, status: cleaned }) },
    says: '',
  },
  {
    name: 'is told to stop when its job is gone',
    seen: { run: keptRun({ status: { state: 'Running' } }) },
    says: 'stopRun',
  },
  {
    name: 'also when it is over: something may be left of it',
    seen: { run: keptRun({ status: { state: 'Succeeded' } }) },
    says: 'stopRun',
  },
  { name: 'also when it has not begun', seen: { run: keptRun() }, says: 'stopRun' },
  {
    name: 'stays until the provider has cleaned up',
    seen: { run: keptRun({ spec: { stop }, status: { state: 'Stopped' } }) },
    says: '',
  },
  {
    name: 'stays for ten minutes at the least, cleaned or not',
    seen: { run: keptRun({ spec: { stop }, status: cleaned }), now: after(500) },
    says: 'again in 100 s',
  },
  {
    name: 'then it is buried',
    seen: { run: keptRun({ spec: { stop }, status: cleaned }), now: after(600) },
    says: 'deleteRun',
  },
  {
    name: 'stays for an absent provider, however long that is absent',
    seen: { run: keptRun({ spec: { stop }, status: { state: 'Running' } }), now: after(10_000_000) },
    says: '',
  },
  {
    name: 'is not told to stop when all jobs went with their kind',
    seen: { job: 'KindGone', run: keptRun({ status: { state: 'Running' } }) },
    says: '',
  },
  {
    name: 'nor afterwards, when the kind was made again',
    seen: { run: keptRun({ metadata: fromBefore, status: { state: 'Running' } }) },
    says: '',
  },
  {
    name: 'nor where nobody knows under which kind it was ordered',
    seen: { run: keptRun({ metadata: { labels: {} } }) },
    says: '',
  },
  {
    name: 'of the time before the kind was made again goes when it is over',
    seen: { run: keptRun({ metadata: fromBefore, status: { state: 'Succeeded' } }) },
    says: 'stopRun',
  },
  {
    name: 'that a person lets go is not told to stop',
    seen: { run: keptRun({ metadata: letGo, status: { state: 'Running' } }) },
    says: '',
  },
  {
    name: 'that a person lets go is cleaned when it is over',
    seen: { run: keptRun({ metadata: letGo, status: { state: 'Failed' } }) },
    says: 'stopRun',
  },
  {
    name: 'is left alone when somebody deletes it already',
    seen: { run: keptRun({ metadata: { deletionTimestamp: BEGINNING } }) },
    says: '',
  },
]

describe('the afterlife of a GpuRun', () => {
  test.each(cases)('$name', ({ seen, says }) => {
    const { effect, recheckMs } = decide({
      run: keptRun(),
      job: 'Gone',
      jobsUid: 'jobs-uid',
      now: born,
      tombstoneSeconds: 600,
      ...seen,
    })
    const again = recheckMs === undefined ? '' : `again in ${recheckMs / 1000} s`
    expect(effect?.do ?? again).toBe(says)
  })
})
