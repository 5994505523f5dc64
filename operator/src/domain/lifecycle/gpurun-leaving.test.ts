import { describe, expect, test } from '@jest/globals'
import { now, providerJob, renderedRun, runOnProvider, runSeen } from '../../../../test/builders/gpurun-seen.ts'
import { failed, record, succeeded, workerPod } from '../../../../test/builders/worker-pod.ts'
import { toTime } from '../../api/time.ts'
import type { Seen } from './gpurun-seen.ts'
import { decide } from './gpurun-steps.ts'

interface Case {
  readonly name: string
  readonly seen: Partial<Seen>
  readonly says: string
}

const running = runOnProvider({ state: 'Running', workers: [{ index: 0, node: 'node-1' }] })
const stop = { reason: 'Suspended', requestedAt: toTime(now) } as const
const leaves = 'the owner takes this cluster out of the federation'
const told = { reason: 'ProviderLeaves', message: leaves } as const

const cases: readonly Case[] = [
  {
    name: 'that runs is told so first',
    seen: { leaving: true, run: running, workers: [record(workerPod())] },
    says: 'Running/ProviderLeaves',
  },
  {
    name: 'that was told so loses its Job',
    seen: {
      leaving: true,
      run: runOnProvider({ ...running.status, ...told }),
      workers: [record(workerPod())],
    },
    says: 'deleteJob',
  },
  {
    name: 'whose pod has ended is Reclaimed, whatever the exit code: the job is placed elsewhere',
    seen: {
      leaving: true,
      run: runOnProvider({ ...running.status, ...told }),
      job: undefined,
      workers: [record(failed(143))],
    },
    says: 'Reclaimed/ProviderLeaves',
  },
  {
    name: 'that has not begun does not begin',
    seen: { leaving: true, job: undefined },
    says: 'not begun/ProviderLeaves',
  },
  {
    name: 'that has not begun, and was told so, is over at once',
    seen: { leaving: true, run: runOnProvider(told), job: undefined },
    says: 'Reclaimed/ProviderLeaves',
  },
  {
    name: 'that the hub has stopped is stopped',
    seen: { leaving: true, run: runOnProvider(running.status, { stop }), workers: [record(workerPod())] },
    says: 'deleteJob',
  },
  {
    name: 'that has succeeded has succeeded',
    seen: { leaving: true, run: running, job: providerJob({ complete: true }), workers: [record(succeeded())] },
    says: 'Succeeded/Completed',
  },
]

describe('when the hours of its owner are over, a run', () => {
  const toldHours = { reason: 'OwnerRuleHours', message: 'm' }
  const closing: readonly Case[] = [
    {
      name: 'that runs is told so first',
      seen: { isOpen: false, run: running, workers: [record(workerPod())] },
      says: 'Running/OwnerRuleHours',
    },
    {
      name: 'that was told so loses its Job, though they have begun again',
      seen: { run: runOnProvider({ ...running.status, ...toldHours }), workers: [record(workerPod())] },
      says: 'deleteJob',
    },
    {
      name: 'that has not begun does not begin',
      seen: { isOpen: false, job: undefined },
      says: 'not begun/OwnerRuleHours',
    },
    {
      name: 'that was told so is Reclaimed, without blame',
      seen: { isOpen: false, run: runOnProvider(toldHours), job: undefined },
      says: 'Reclaimed/OwnerRuleHours',
    },
    {
      name: 'that has succeeded has succeeded',
      seen: { isOpen: false, run: running, job: providerJob({ complete: true }), workers: [record(succeeded())] },
      says: 'Succeeded/Completed',
    },
  ]
  test.each(closing)('$name', ({ seen, says }) => {
    expect(renderedRun(decide(runSeen(seen)))).toBe(says)
  })
})

describe('when its owner takes the cluster out of the federation, a run', () => {
  test.each(cases)('$name', ({ seen, says }) => {
    expect(renderedRun(decide(runSeen(seen)))).toBe(says)
  })
})
