import { describe, expect, test } from '@jest/globals'
import { keptJob, keptRun } from '../../../../test/builders/kept.ts'
import type { GpuJobStatus } from '../../api/gpujob.ts'
import type { GpuRunSpec, GpuRunStatus } from '../../api/gpurun.ts'
import { toTime } from '../../api/time.ts'
import { condition } from './claims.ts'
import { type Decision, decide, type Seen } from './gpujob-steps.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const ago = (seconds: number) => toTime(now - seconds * 1000)

const placement = { run: 1, provider: 'acme', nodes: [{ name: 'node-1', workers: 1 }], recordedAt: ago(60) }

/** A job whose run is recorded; with `seconds`, it says that it has run for so long. */
function job(seconds?: number) {
  const running = { type: 'Running', status: 'True', reason: 'Running', message: 'all workers run' } as const
  const conditions = seconds === undefined ? [] : [{ ...running, lastTransitionTime: ago(seconds) }]
  const status: Partial<GpuJobStatus> = { placement, lastRun: 1, conditions }
  return keptJob({ status })
}

function run(status: Partial<GpuRunStatus>, spec: Partial<GpuRunSpec> = {}) {
  return keptRun({ status, spec })
}

/** What is said of its running, the effect, and when to look again. */
function rendered({ effect, status, recheckMs }: Decision): string {
  const running = condition(status?.conditions, 'Running')
  return [
    ...(effect?.do === 'stopRun' ? [`stopRun ${effect.reason}${effect.message ? ` ${effect.message}` : ''}`] : []),
    ...(running ? [`${running.status}/${running.reason}`] : []),
    ...(recheckMs === undefined ? [] : [`again in ${recheckMs / 1000} s`]),
  ].join(' ')
}

const hourAtMost = { maxRuntimeSeconds: 3600, bindTimeoutSeconds: 120 }
const stop = { reason: 'Suspended', requestedAt: ago(5) } as const
const preempted = { run: 1, key: 'team/big', queue: 'research' }

const cases: readonly { readonly name: string; readonly seen: Partial<Seen>; readonly says: string }[] = [
  {
    name: 'a worker that cannot start is told with the words of its kubelet',
    seen: { run: run({ reason: 'ImagePullBackOff', message: 'no such host', troubleSince: ago(5) }) },
    says: 'False/StartTrouble',
  },
  {
    name: 'a run that was given up is over in a moment: no word of that',
    seen: { run: run({ reason: 'ImagePullBackOff', message: 'no such host' }) },
    says: 'False/Starting',
  },
  {
    name: 'a provider that has been silent for a moment is no news yet',
    seen: { job: job(10), run: run({ state: 'Running' }), silentSince: now - 10_000 },
    says: 'True/Running again in 20 s',
  },
  {
    name: 'then nobody knows whether it runs',
    seen: { job: job(10), run: run({ state: 'Running' }), silentSince: now - 30_000 },
    says: 'Unknown/ProviderSilent',
  },
  {
    name: 'or whether it began',
    seen: { run: run({}), silentSince: now - 30_000 },
    says: 'False/ProviderSilent',
  },
  {
    name: 'or whether it has stopped',
    seen: { run: run({ state: 'Running' }, { stop }), silentSince: now - 30_000 },
    says: 'Unknown/ProviderSilent',
  },
  {
    name: 'of one that was shut out nobody knows either, and it is ordered nothing',
    seen: { run: run({ state: 'Running' }), shutOut: true },
    says: 'Unknown/ProviderRevoked',
  },
  {
    name: 'not even what was recorded before',
    seen: { run: undefined, shutOut: true },
    says: 'Unknown/ProviderRevoked',
  },
  {
    name: 'what it said before it was shut out counts',
    seen: { run: run({ state: 'Succeeded' }), shutOut: true },
    says: 'False/Over',
  },
  {
    name: 'what it said before it fell silent counts',
    seen: { run: run({ state: 'Succeeded' }), silentSince: now - 30_000 },
    says: 'False/Over',
  },
  {
    name: 'its provider is back',
    seen: { job: job(), run: run({ state: 'Running' }) },
    says: 'True/Running',
  },
  {
    name: 'a run that has a limit is looked at when nobody can keep it any more',
    seen: { job: job(600), run: run({ state: 'Running' }, hourAtMost) },
    says: 'True/Running again in 3180 s',
  },
  {
    name: 'and then the hub orders it to stop, by its own clock',
    seen: { job: job(3780), run: run({ state: 'Running', startedAt: ago(1) }, hourAtMost) },
    says: 'stopRun DeadlineExceeded',
  },
  {
    name: 'once',
    seen: {
      job: job(9999),
      run: run({ state: 'Running' }, { ...hourAtMost, stop: { reason: 'DeadlineExceeded', requestedAt: ago(5) } }),
    },
    says: 'True/Stopping',
  },
  {
    name: 'a run whose GPUs another job gets is told to stop',
    seen: { job: job(10), run: run({ state: 'Running' }), preempted },
    says: 'stopRun Preempted by job team/big of queue research',
  },
  {
    name: 'what a job of another namespace is called is told to nobody',
    seen: { job: job(10), run: run({ state: 'Running' }), preempted: { ...preempted, key: 'rivals/secret' } },
    says: 'stopRun Preempted by another job of queue research',
  },
  {
    name: 'once, and what is over in a moment is told then',
    seen: { job: job(10), run: run({ state: 'Running' }, { stop: { ...stop, reason: 'Preempted' } }), preempted },
    says: 'True/Running again in 25 s',
  },
  {
    name: 'one that takes its time to end says so',
    seen: {
      job: job(10),
      run: run({ state: 'Running' }, { stop: { reason: 'Preempted', requestedAt: ago(30) } }),
    },
    says: 'True/Stopping',
  },
  {
    name: 'another run than the one whose GPUs were wanted runs on',
    seen: { job: job(10), run: run({ state: 'Running' }), preempted: { ...preempted, run: 2 } },
    says: 'True/Running',
  },
  {
    name: 'nobody orders one that is shut out to give way',
    seen: { job: job(10), run: run({ state: 'Running' }), preempted, shutOut: true },
    says: 'Unknown/ProviderRevoked',
  },
  {
    name: 'that has no limit runs on',
    seen: { job: job(99_999_999), run: run({ state: 'Running' }) },
    says: 'True/Running',
  },
]

describe('what is said of a job while its run is on a provider', () => {
  test.each(cases)('$name', ({ seen, says }) => {
    const world = { job: job(), run: undefined, choice: undefined, explain: () => undefined, now, ...seen }
    expect(rendered(decide(world))).toBe(says)
  })

  test('the words of the kubelet stand in the column WHY', () => {
    const troubled = run({ reason: 'ImagePullBackOff', message: 'worker 0: no such host', troubleSince: ago(5) })
    const world = { job: job(), run: troubled, choice: undefined, explain: () => undefined, now }
    expect(decide(world).status).toMatchObject({ state: 'Placed', why: 'ImagePullBackOff: worker 0: no such host' })
  })
})
