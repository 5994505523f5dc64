import { expect, test } from '@jest/globals'
import { systemClock, systemTimers } from './system-clock.ts'

/** The clocks of a machine, in ms: one stands still while it sleeps, one moves in steps of a second, one can be set. */
function machine() {
  const at = { performance: 1_000_400, uptime: 5_000_700, wall: 1_800_000_000_000 }
  let reads = 0
  const clock = systemClock({
    performance: () => at.performance,
    uptime: () => {
      reads++
      return Math.floor(at.uptime / 1000)
    },
    wall: () => Math.floor(at.wall),
  })
  const run = (ms: number) => {
    at.performance += ms
    at.uptime += ms
    at.wall += ms
  }
  const sleep = (ms: number) => {
    at.uptime += ms
    at.wall += ms
  }
  const setWall = (ms: number) => {
    at.wall += ms
  }
  return { clock, run, sleep, setWall, reads: () => reads }
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

test('the first look after a sleep knows of it', () => {
  const { clock, run, sleep } = machine()
  run(1500)
  const before = clock.boot()
  sleep(60_000)
  expect(clock.boot() - before).toBeGreaterThanOrEqual(59_000)
})

test('a sleep that a wall clock set back hides is known of within a second', () => {
  const { clock, run, sleep, setWall } = machine()
  run(1500)
  const before = clock.boot()
  sleep(60_000)
  setWall(-60_000)
  run(1001)
  expect(clock.boot() - before).toBeGreaterThanOrEqual(60_000)
})

test('a wall clock that is set moves nothing', () => {
  const { clock, run, setWall } = machine()
  run(2000)
  const before = clock.boot()
  setWall(3_600_000)
  run(100)
  const after = clock.boot()
  setWall(-7_200_000)
  expect(clock.boot()).toBe(after)
  expect(after - before).toBeLessThanOrEqual(1100)
})

test('many looks cost few questions to the machine', () => {
  const { clock, run, reads } = machine()
  const before = reads()
  for (let look = 0; look < 5000; look++) {
    run(1)
    clock.boot()
  }
  expect(reads() - before).toBeLessThanOrEqual(5)
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
