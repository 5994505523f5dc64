import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import { provider } from '../../../../test/builders/provider.ts'
import type { WorkQueue } from '../../controllers/work-queue.ts'
import type { QueueState } from '../../domain/scheduling/facts.ts'
import { agentGauges, agentMetrics, hubGauges, hubMetrics, type RuntimeMetrics } from './metrics.ts'

/** The lines of one metric of ours. */
async function lines({ registry }: RuntimeMetrics, name: string): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(name))
}

const queue = (name: string, depth: number): WorkQueue => ({
  name,
  depth: () => depth,
  add: () => {},
  run: async () => {},
})

describe('the metrics of the hub', () => {
  test('a transition is counted by all that it is', async () => {
    const metrics = hubMetrics()
    const condition = {
      type: 'Placed',
      status: 'False',
      reason: 'NeverFits',
      message: 'x',
      lastTransitionTime: BEGINNING,
    } as const
    metrics.countTransition({ kind: 'GpuJob', object: gpuJob().metadata, condition })
    expect(await lines(metrics, 'gpucommons_condition_transitions_total')).toEqual([
      'gpucommons_condition_transitions_total{kind="GpuJob",condition="Placed",status="False",reason="NeverFits"} 1',
    ])
  })

  test('placements are counted, and passes measured', async () => {
    const metrics = hubMetrics()
    metrics.observeScheduling({ decisions: 3, seconds: 0.004 })
    metrics.observeScheduling({ decisions: 0, seconds: 0.004 })
    expect(await lines(metrics, 'gpucommons_placements_decided_total')).toEqual([
      'gpucommons_placements_decided_total 3',
    ])
    expect(await lines(metrics, 'gpucommons_scheduling_pass_seconds_count')).toEqual([
      'gpucommons_scheduling_pass_seconds_count 2',
    ])
  })

  test('whether it leads', async () => {
    const metrics = hubMetrics()
    const before = await lines(metrics, 'gpucommons_leading')
    metrics.setLeading(true)
    expect([before, await lines(metrics, 'gpucommons_leading')]).toEqual([
      ['gpucommons_leading 0'],
      ['gpucommons_leading 1'],
    ])
  })

  test('jobs, providers and queues are counted when they are asked for, and what is gone is gone', async () => {
    const metrics = hubMetrics()
    const jobs = [gpuJob(), gpuJob({ status: { state: 'Running' } }), gpuJob({ status: { state: 'Running' } })]
    metrics.observeQueues([queue('gpujob', 7)])
    hubGauges(metrics, { jobs: () => jobs, providers: () => [provider()], queues: () => [] })
    expect(await lines(metrics, 'gpucommons_jobs')).toEqual([
      'gpucommons_jobs{state="Waiting"} 1',
      'gpucommons_jobs{state="Running"} 2',
    ])
    jobs.splice(0, 1)
    expect(await lines(metrics, 'gpucommons_jobs')).toEqual(['gpucommons_jobs{state="Running"} 2'])
    expect(await lines(metrics, 'gpucommons_providers')).toEqual(['gpucommons_providers{connected="Unknown"} 1'])
    expect(await lines(metrics, 'gpucommons_queue_depth')).toEqual(['gpucommons_queue_depth{controller="gpujob"} 7'])
  })
})

test('of queues there is a series each, and beyond a thousand they count as one', async () => {
  const metrics = hubMetrics()
  const state = (name: string): QueueState => ({
    name,
    state: 'Active',
    usage: { H100: 2, L4: 0.5 },
    share: 0,
    averageShare: 0,
    fairShare: 0,
    pending: { '0': 3, '7': 1 },
    running: 1,
    borrowed: {},
    lent: {},
  })
  let states = [state('b'), state('a')]
  hubGauges(metrics, { jobs: () => [], providers: () => [], queues: () => states })
  expect(await lines(metrics, 'gpucommons_gpuqueue_gpus')).toEqual([
    'gpucommons_gpuqueue_gpus{queue="a"} 2.5',
    'gpucommons_gpuqueue_gpus{queue="b"} 2.5',
  ])
  expect(await lines(metrics, 'gpucommons_gpuqueue_waiting_jobs')).toHaveLength(2)
  states = Array.from({ length: 1002 }, (_, i) => state(`q${i}`))
  const waiting = await lines(metrics, 'gpucommons_gpuqueue_waiting_jobs')
  expect([waiting.length, waiting.at(-1)]).toEqual([1001, 'gpucommons_gpuqueue_waiting_jobs{queue="(others)"} 8'])
})

describe('the metrics of an agent', () => {
  test('heartbeats, and whether it holds its Lease', async () => {
    const metrics = agentMetrics()
    metrics.countHeartbeat()
    metrics.setHolding(true)
    expect(await lines(metrics, 'gpucommons_agent_heartbeats')).toEqual(['gpucommons_agent_heartbeats_total 1'])
    expect(await lines(metrics, 'gpucommons_agent_holding')).toEqual(['gpucommons_agent_holding 1'])
  })

  test('its runs by state', async () => {
    const metrics = agentMetrics()
    agentGauges(metrics, { queues: [], runs: () => [gpuRun(), gpuRun({ status: { state: 'Failed' } })] })
    expect(await lines(metrics, 'gpucommons_agent_runs')).toEqual([
      'gpucommons_agent_runs{state="Ordered"} 1',
      'gpucommons_agent_runs{state="Failed"} 1',
    ])
  })
})

test.each([
  ['hub', hubMetrics],
  ['agent', agentMetrics],
] as const)('the %s measures its passes and counts its errors', async (_, make) => {
  const metrics: RuntimeMetrics = make()
  metrics.observePass({ name: 'gpujob', seconds: 0.2, outcome: 'failed' })
  metrics.countError('watch')
  expect(await lines(metrics, 'gpucommons_reconcile_seconds_sum')).toEqual([
    'gpucommons_reconcile_seconds_sum{controller="gpujob",outcome="failed"} 0.2',
  ])
  expect(await lines(metrics, 'gpucommons_errors_total')).toEqual(['gpucommons_errors_total{where="watch"} 1'])
  expect((await lines(metrics, 'process_cpu_seconds_total')).length).toBe(1)
})
