import { expect, test } from '@jest/globals'
import { systemClock, systemTimers } from './system-clock.ts'

/** The two clocks of a machine, in ms: one stands still while it sleeps, the other moves in steps of a second. */
function machine() {
  const at = { performance: 1_000_400, uptime: 5_000_700 }
  const clock = systemClock({ performance: () => at.performance, uptime: () => Math.floor(at.uptime / 1000) })
  const run = (ms: number) => {
    at.performance += ms
    at.uptime += ms
  }
  const sleep = (ms: number) => {
    at.uptime += ms
  }
  return { clock, run, sleep }
}

test('boot time runs with the machine, never back, and is off by one step of the coarse clock at most', () => {
  const { clock, run } = machine()
  const start = clock.boot()
  let ran = 0
  let last = start
  for (let step = 0; step < 1000; step++) {
    run(37)
    ran += 37
    const now = clock.boot()
    expect(now).toBeGreaterThanOrEqual(last + 37 - 1e-6)
    expect(now - start).toBeLessThanOrEqual(ran + 1000)
    last = now
  }
})

test('boot time counts the time that the machine slept', () => {
  const { clock, run, sleep } = machine()
  const start = clock.boot()
  run(5000)
  sleep(60_000)
  run(5000)
  const passed = clock.boot() - start
  expect(passed).toBeGreaterThanOrEqual(69_000)
  expect(passed).toBeLessThanOrEqual(71_000)
})

test('the real boot time moves with the real machine', () => {
  const { boot } = systemClock()
  const began = performance.now()
  const start = boot()
  while (performance.now() - began < 20);
  expect(boot() - start).toBeGreaterThanOrEqual(19)
})

test('a timer of a hundred days does not fire at once', async () => {
  let fired = false
  const handle = systemTimers.set(() => {
    fired = true
  }, 100 * 86_400_000)
  await new Promise((resolve) => setTimeout(resolve, 5))
  systemTimers.clear(handle)
  expect(fired).toBe(false)
})
