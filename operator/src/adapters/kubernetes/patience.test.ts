import { expect, test } from '@jest/globals'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { patience } from './patience.ts'

function bench(random = 0) {
  const time = fakeTime()
  const patient = patience({ clock: time.clock, timers: time.timers, random: () => random })
  /** How long somebody who comes now has to wait. */
  const waits = async () => {
    const began = time.clock.boot()
    const waiting = patient.wait()
    if (!waiting) return 0
    await time.advanceToNext()
    await waiting
    return time.clock.boot() - began
  }
  return { time, patient, waits }
}

test.each([
  { name: 'nothing while nobody was refused', asked: undefined, ms: 0 },
  { name: 'as long as the server asked', asked: 7, ms: 7000 },
  { name: 'a second where it asked for less', asked: 0.1, ms: 1000 },
  { name: 'half a minute where it asked for an hour', asked: 3600, ms: 30_000 },
])('waits $name', async ({ asked, ms }) => {
  const { patient, waits } = bench()
  if (asked !== undefined) patient.refused(asked)
  expect(await waits()).toBe(ms)
})

test('spreads those who wait over as long again', async () => {
  const { patient, waits } = bench(0.5)
  patient.refused(4)
  expect(await waits()).toBe(6000)
})

test('is over when the time is over, and a shorter wish does not shorten a longer one', async () => {
  const { time, patient, waits } = bench()
  patient.refused(10)
  patient.refused(1)
  await time.advance(9000)
  expect(await waits()).toBe(1000)
  expect(await waits()).toBe(0)
})

test('ends early when told to', async () => {
  const { time, patient } = bench()
  patient.refused(10)
  const stop = new AbortController()
  const waiting = patient.wait(undefined, stop.signal)
  stop.abort()
  await waiting
  expect(time.pending()).toBe(0)
})
