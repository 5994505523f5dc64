import { describe, expect, test } from '@jest/globals'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { type KeptRun, keptRun } from './kept.ts'
import { countLosses } from './losses.ts'

function runIn(state: string): KeptRun {
  return keptRun(gpuRun({ status: { state } as never }))
}

describe('the losses of a provider', () => {
  test('are the part of its runs that it took back or that were not heard of again, with ten good ones for a start', () => {
    const losses = countLosses()
    expect(losses.shareOf('acme')).toBe(0)
    for (const state of ['Lapsed', 'Reclaimed', 'Lapsed', 'Reclaimed', 'Lapsed'])
      losses.count('acme', runIn('Running'), runIn(state))
    expect(losses.shareOf('acme')).toBe(5 / 16) // Of 15, in sixteenths.
    for (let i = 0; i < 10; i += 1) losses.count('acme', undefined, runIn('Succeeded'))
    expect(losses.shareOf('acme')).toBe(3 / 16)
    expect(losses.shareOf('bolt')).toBe(0)
  })

  test('do not count refusals, nor what runs, and what failed or was stopped counts as no loss', () => {
    const losses = countLosses()
    losses.count('acme', undefined, runIn('Lapsed'))
    const before = losses.shareOf('acme')
    for (const state of ['Rejected', 'Running']) expect(losses.count('acme', undefined, runIn(state))).toBe(false)
    expect(losses.shareOf('acme')).toBe(before)
    for (let i = 0; i < 40; i += 1) losses.count('acme', undefined, runIn(i % 2 ? 'Failed' : 'Stopped'))
    expect(losses.shareOf('acme')).toBe(0)
  })

  test('go with the runs, and say when the share moves', () => {
    const losses = countLosses()
    expect(losses.count('acme', undefined, runIn('Lapsed'))).toBe(true)
    expect(losses.count('acme', runIn('Lapsed'), runIn('Lapsed'))).toBe(false)
    expect(losses.count('acme', runIn('Lapsed'), undefined)).toBe(true)
    expect(losses.shareOf('acme')).toBe(0)
  })
})
