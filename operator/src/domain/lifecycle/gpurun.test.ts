import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { isRunOf, outcomeOf, providerNamespace, providerOf, runName } from './gpurun.ts'

describe('a GpuRun', () => {
  test.each(['Succeeded', 'Failed', 'Rejected', 'Lapsed', 'Reclaimed', 'Stopped'] as const)('%s is over', (state) => {
    expect(outcomeOf(gpuRun({ status: { state } }))).toBe(state)
  })

  test.each([{ state: 'Running' } as const, {}, undefined])('with status %p may still be alive', (status) => {
    expect(outcomeOf(gpuRun({ ...(status && { status }) }))).toBeUndefined()
  })

  test('a state of a newer agent that this hub does not know is not over', () => {
    expect(outcomeOf(gpuRun({ status: { state: 'Paused' as never } }))).toBeUndefined()
  })

  test('has a name of job, uid and number', () => {
    const job = gpuJob({ metadata: { uid: '01234567-89ab-4000-8000-000000000000' } })
    expect(runName(job, 12)).toBe('train-01234567-12')
  })

  test('is of the job with its uid and number alone', () => {
    const job = gpuJob()
    const again = gpuJob({ metadata: { uid: '99999999-0000-4000-8000-000000000000' } })
    const run = gpuRun({ job, run: 2 })
    expect([isRunOf(run, job, 2), isRunOf(run, job, 1), isRunOf(run, again, 2)]).toEqual([true, false, false])
  })

  test('lies in the namespace of its provider', () => {
    expect(['acme', 'a-b'].map((name) => providerOf(providerNamespace(name)))).toEqual(['acme', 'a-b'])
    expect([providerOf('default'), providerOf(undefined)]).toEqual([undefined, undefined])
  })
})
