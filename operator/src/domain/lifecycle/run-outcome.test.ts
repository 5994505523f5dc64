import { describe, expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import type { GpuJobSpec, GpuJobStatus } from '../../api/gpujob.ts'
import type { GpuRunStatus } from '../../api/gpurun.ts'
import { toMillis, toTime } from '../../api/time.ts'
import type { RunOutcome } from './gpurun.ts'
import { afterRun, backOffMs } from './run-outcome.ts'

const now = Date.parse('2026-01-01T01:00:00.400Z')
const placement = { run: 3, provider: 'acme', nodes: [{ name: 'node-1', workers: 1 }], recordedAt: toTime(now) }

interface Case {
  readonly name: string
  readonly ended: Partial<GpuRunStatus> & { readonly state: RunOutcome }
  readonly spec?: Partial<GpuJobSpec>
  readonly status?: Partial<GpuJobStatus>
  /** The hub told the run to stop. */
  readonly ordered?: true
  /** For another job, in these words. */
  readonly preempted?: string
  readonly says: string
}

function statusAfter({ ended, spec = {}, status = {}, ...told }: Omit<Case, 'name' | 'says'>): GpuJobStatus {
  const job = keptJob({ spec, status: { placement, lastRun: 3, ...status } })
  const { ordered, preempted: message } = told
  const reason = message === undefined ? 'Suspended' : 'Preempted'
  const stop = { reason, requestedAt: toTime(now), ...(message && { message }) } as const
  const run = keptRun({ job, run: 3, status: ended, ...(ordered || message ? { spec: { stop } } : {}) })
  return afterRun(job, { run, outcome: ended.state, now })
}

/** What becomes of the job, whom it is blamed on, and how long it waits. */
function rendered(status: GpuJobStatus): string {
  const { conditions, failures, rejections, notBefore, excludedProviders = [], avoid = [] } = status
  const left = avoid.map(
    ({ provider, node = 'all', until }) => `${provider}/${node} for ${(toMillis(until) - now) / 1000} s`,
  )
  const finished = conditions.find(({ type, status }) => type === 'Finished' && status === 'True')
  const placed = conditions.find(({ type }) => type === 'Placed')
  return [
    finished ? `finished ${finished.reason}` : `again ${placed?.reason}`,
    ...(failures > 0 ? [`failures ${failures}`] : []),
    ...(rejections === undefined ? [] : [`rejections ${rejections}`]),
    ...(notBefore === undefined ? [] : [`in ${(toMillis(notBefore) - now) / 1000} s`]),
    ...(excludedProviders.length > 0 ? [`not on ${excludedProviders.join()}`] : []),
    ...(left.length > 0 ? [`keeps away from ${left.join()}`] : []),
  ].join(', ')
}

const rule42 = { retry: { limit: 3, exitCodes: [{ in: [42], action: 'Fail' as const }] } }
const firstRule = {
  retry: {
    limit: 0,
    exitCodes: [
      { in: [7, 8], action: 'Retry' as const },
      { in: [8], action: 'Fail' as const },
    ],
  },
}
/** A run that was over before this one. */
function past(outcome: RunOutcome, reason: string): NonNullable<GpuJobStatus['runs']>[number] {
  return { run: 2, provider: 'acme', outcome, reason, finishedAt: toTime(now) }
}

const noRetry = { retry: { limit: 0 } }

const cases: readonly Case[] = [
  { name: 'success is the end', ended: { state: 'Succeeded' }, says: 'finished Succeeded' },
  {
    name: 'success after failures is success',
    ended: { state: 'Succeeded' },
    status: { failures: 3 },
    says: 'finished Succeeded, failures 3',
  },
  {
    name: 'a first failure is tried again after ten seconds, rounded up',
    ended: { state: 'Failed', reason: 'NonZeroExit', exitCode: 1 },
    says: 'again BackingOff, failures 1, in 10.6 s',
  },
  {
    name: 'the wait doubles',
    ended: { state: 'Failed' },
    status: { failures: 2 },
    says: 'again BackingOff, failures 3, in 40.6 s',
  },
  {
    name: 'as many failures as the limit are repeated, one more is not',
    ended: { state: 'Failed' },
    status: { failures: 3 },
    says: 'finished RetriesExhausted, failures 4',
  },
  {
    name: 'without retries the first failure ends it',
    ended: { state: 'Failed' },
    spec: noRetry,
    says: 'finished RetriesExhausted, failures 1',
  },
  {
    name: 'an exit code for which the job says Fail ends it',
    ended: { state: 'Failed', exitCode: 42 },
    spec: rule42,
    says: 'finished ExitCodeFails, failures 1',
  },
  {
    name: 'another exit code does not',
    ended: { state: 'Failed', exitCode: 41 },
    spec: rule42,
    says: 'again BackingOff, failures 1, in 10.6 s',
  },
  {
    name: 'a failure without an exit code meets no rule',
    ended: { state: 'Failed', reason: 'OOMKilled' },
    spec: rule42,
    says: 'again BackingOff, failures 1, in 10.6 s',
  },
  {
    name: 'the first rule that names the code decides; Retry is still bound by the limit',
    ended: { state: 'Failed', exitCode: 8 },
    spec: firstRule,
    says: 'finished RetriesExhausted, failures 1',
  },
  {
    name: 'too long is too long, whatever the retries',
    ended: { state: 'Failed', reason: 'DeadlineExceeded' },
    says: 'finished DeadlineExceeded, failures 1',
  },
  {
    name: 'taken back by its owner: no blame, no wait',
    ended: { state: 'Reclaimed' },
    spec: noRetry,
    says: 'again Waiting',
  },
  { name: 'lapsed: no blame, no wait', ended: { state: 'Lapsed' }, spec: noRetry, says: 'again Waiting' },
  {
    name: 'stopped: no blame, no wait',
    ended: { state: 'Stopped' },
    spec: noRetry,
    ordered: true,
    says: 'again Waiting',
  },
  {
    name: 'preempted: no blame, no wait, no provider left out',
    ended: { state: 'Stopped', reason: 'Preempted' },
    spec: noRetry,
    status: { rejections: 2 },
    preempted: 'by job team/big',
    says: 'again Preempted',
  },
  {
    name: 'preempted, by the word of the hub: its agent may be older than that word',
    ended: { state: 'Stopped', reason: 'Stopped' },
    preempted: 'by job team/big',
    says: 'again Preempted',
  },
  {
    name: 'done before the order came is done',
    ended: { state: 'Succeeded' },
    preempted: 'by job team/big',
    says: 'finished Succeeded',
  },
  {
    name: 'failed before the order came has failed',
    ended: { state: 'Failed', reason: 'NonZeroExit', exitCode: 1 },
    preempted: 'by job team/big',
    says: 'again BackingOff, failures 1, in 10.6 s',
  },
  {
    name: 'stopped, and nobody had ordered it: this provider does not want it',
    ended: { state: 'Stopped', reason: 'Stopped' },
    spec: noRetry,
    says: 'again BackingOff, rejections 1, in 5.6 s, not on acme',
  },
  {
    name: 'a full node may have room later; until then another is tried',
    ended: { state: 'Rejected', reason: 'NoRoom' },
    spec: noRetry,
    says: 'again BackingOff, rejections 1, in 5.6 s, keeps away from acme/node-1 for 600.6 s',
  },
  {
    name: 'what stands in the way its owner can remove; until then another provider is tried',
    ended: { state: 'Rejected', reason: 'NameTaken' },
    says: 'again BackingOff, rejections 1, in 5.6 s, keeps away from acme/all for 600.6 s',
  },
  {
    name: 'places whose time is over are forgotten',
    ended: { state: 'Rejected', reason: 'NoRoom' },
    status: {
      avoid: [
        { provider: 'acme', node: 'old', until: toTime(now - 1000) },
        { provider: 'b', node: 'full', until: toTime(now + 5000) },
      ],
    },
    says: 'again BackingOff, rejections 1, in 5.6 s, keeps away from b/full for 4.6 s,acme/node-1 for 600.6 s',
  },
  {
    name: 'what a provider refuses it refuses again: the job goes elsewhere',
    ended: { state: 'Rejected', reason: 'Invalid' },
    status: { excludedProviders: ['b', 'acme'] },
    says: 'again BackingOff, rejections 1, in 5.6 s, not on b,acme',
  },
  ...['NodeRefused', 'CreateContainerError', 'StartError', 'StartTimeout'].map((reason) => ({
    name: `${reason}: no failure, and its nodes are avoided`,
    ended: { state: 'Rejected' as const, reason },
    spec: noRetry,
    says: 'again BackingOff, rejections 1, in 5.6 s, keeps away from acme/node-1 for 600.6 s',
  })),
  ...['Forbidden', 'ImagePullBackOff'].map((reason) => ({
    name: `${reason}: no failure, and its provider is avoided for a while`,
    ended: { state: 'Rejected' as const, reason },
    spec: noRetry,
    says: 'again BackingOff, rejections 1, in 5.6 s, keeps away from acme/all for 600.6 s',
  })),
  {
    name: 'what could not start twice in a row has failed, and keeps away all the same',
    ended: { state: 'Rejected', reason: 'ImagePullBackOff' },
    status: { runs: [past('Rejected', 'StartError')] },
    says: 'again BackingOff, failures 1, in 10.6 s, keeps away from acme/all for 600.6 s',
  },
  {
    name: 'and ends a job that may not be repeated',
    ended: { state: 'Rejected', reason: 'StartError' },
    spec: noRetry,
    status: { runs: [past('Rejected', 'ImagePullBackOff')] },
    says: 'finished RetriesExhausted, failures 1',
  },
  {
    name: 'not one that found no room in between',
    ended: { state: 'Rejected', reason: 'ImagePullBackOff' },
    status: { runs: [past('Rejected', 'ImagePullBackOff'), past('Rejected', 'NoRoom')], rejections: 2 },
    says: 'again BackingOff, rejections 3, in 20.6 s, keeps away from acme/all for 600.6 s',
  },
  {
    name: 'a node that refuses again and again is never the job’s fault',
    ended: { state: 'Rejected', reason: 'NodeRefused' },
    spec: noRetry,
    status: { runs: [past('Rejected', 'NodeRefused')], rejections: 1 },
    says: 'again BackingOff, rejections 2, in 10.6 s, keeps away from acme/node-1 for 600.6 s',
  },
  {
    name: 'rejections in a row wait longer',
    ended: { state: 'Rejected', reason: 'NoRoom' },
    status: { rejections: 2 },
    says: 'again BackingOff, rejections 3, in 20.6 s, keeps away from acme/node-1 for 600.6 s',
  },
  {
    name: 'a run that was taken ends the row of rejections',
    ended: { state: 'Failed' },
    status: { rejections: 7 },
    says: 'again BackingOff, failures 1, in 10.6 s',
  },
]

describe('what a run that is over means for its job', () => {
  test.each(cases)('$name', (one) => {
    expect(rendered(statusAfter(one))).toBe(one.says)
  })

  test.each(['Failed', 'Rejected', 'Lapsed', 'Reclaimed', 'Stopped'] as const)('after %s no run is placed', (state) => {
    expect(statusAfter({ ended: { state } })).not.toHaveProperty('placement')
  })

  test('a run that the hub stopped because it ran too long ends its job', () => {
    const job = keptJob({ status: { placement, lastRun: 3 } })
    const spec = { stop: { reason: 'DeadlineExceeded', requestedAt: toTime(now) } } as const
    const run = keptRun({ job, run: 3, status: { state: 'Stopped', reason: 'Stopped' }, spec })
    expect(rendered(afterRun(job, { run, outcome: 'Stopped', now }))).toBe('finished DeadlineExceeded, failures 1')
  })

  test.each([137, 143])('an exit code of %i that says Fail does not count where the provider caused it', (exitCode) => {
    const retry = { limit: 0, exitCodes: [{ in: [137, 143], action: 'Fail' as const }] }
    const says = (state: RunOutcome) => rendered(statusAfter({ ended: { state, exitCode }, spec: { retry } }))
    expect([says('Failed'), says('Reclaimed')]).toEqual(['finished ExitCodeFails, failures 1', 'again Waiting'])
  })

  test('a finished job still tells where it ran, and when it began and ended', () => {
    const status = statusAfter({ ended: { state: 'Succeeded', startedAt: toTime(now - 60_000) } })
    expect(status).toMatchObject({ placement, startedAt: toTime(now - 60_000), finishedAt: toTime(now) })
  })

  test('only the end of the job has a time of its end', () => {
    expect(statusAfter({ ended: { state: 'Reclaimed' } })).not.toHaveProperty('finishedAt')
  })

  test('the last ten runs are remembered, oldest first', () => {
    const past = { provider: 'b', outcome: 'Failed', reason: 'NonZeroExit', finishedAt: toTime(0) } as const
    const runs = Array.from({ length: 10 }, (_, i) => ({ ...past, run: i + 1 }))
    const ended = { state: 'Failed', reason: 'NonZeroExit', exitCode: 3, finishedAt: toTime(now - 1000) } as const
    const status = statusAfter({ ended, status: { runs } })
    expect(status.runs?.map(({ run }) => run)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 3])
    expect(status.runs?.at(-1)).toEqual({
      run: 3,
      provider: 'acme',
      outcome: 'Failed',
      reason: 'NonZeroExit',
      exitCode: 3,
      finishedAt: toTime(now - 1000),
    })
  })

  test('a run without words of its own is remembered by its outcome', () => {
    expect(statusAfter({ ended: { state: 'Lapsed' } }).runs).toMatchObject([
      { reason: 'Lapsed', finishedAt: toTime(now) },
    ])
  })

  test('a run that was preempted is remembered with the words that say for whom', () => {
    const status = statusAfter({ ended: { state: 'Stopped', reason: 'Stopped' }, preempted: 'by job team/big' })
    expect(status.runs).toMatchObject([{ outcome: 'Stopped', reason: 'Preempted', message: 'by job team/big' }])
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ type: 'Placed', message: 'run 3 was preempted by job team/big' }),
    )
    expect(status.why).toBe('Preempted: run 3 was preempted by job team/big')
  })

  test('no wait is longer than ten minutes', () => {
    expect([1, 6, 7, 100].map((attempt) => backOffMs(attempt, 10_000))).toEqual([10_000, 320_000, 600_000, 600_000])
  })
})
