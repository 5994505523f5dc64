// Jobs that no GpuRun orders, on API servers in memory.
import { expect, test } from '@jest/globals'
import { clusters, jobOf, order, startAgent } from '../../../../../test/builders/agent-world.ts'
import { ApiError } from '../errors.ts'
import { gpuRuns } from '../kinds.ts'
import { orphanPorts } from './orphan-ports.ts'

const minute = 60_000
/** No pod ever comes here: its provider shall not give it up for that. */
const patient = { bindTimeoutSeconds: 86_400 }

async function orphan() {
  const world = clusters()
  const agent = await startAgent(world)
  const run = await order(world, { spec: patient })
  await world.hub.delete(gpuRuns, run.metadata)
  await world.time.advance(0)
  return { ...world, world, agent, run }
}

test('a Job whose GpuRun was deleted stays for ten minutes, and goes then', async () => {
  const { world, run, time } = await orphan()
  await time.advance(9 * minute)
  expect(await jobOf(world, run)).toBeDefined()
  await time.advance(2 * minute)
  expect(await jobOf(world, run)).toBeUndefined()
})

test('a Job whose GpuRun was made again in time stays', async () => {
  const { world, run, time } = await orphan()
  await time.advance(9 * minute)
  await order(world, { spec: patient })
  await time.advance(20 * minute)
  expect(await jobOf(world, run)).toBeDefined()
})

test('a Job that is ordered again while the hub is asked for its word stays', async () => {
  const { world, run, hub, time } = await orphan()
  const vouched = Promise.withResolvers<void>()
  const ports = orphanPorts({
    hub,
    provider: world.provider,
    caches: { jobs: { get: () => undefined }, runs: { by: () => [] } } as never,
    clock: { boot: () => 0 },
    namespace: 'provider-acme',
    vouched: () => vouched.promise,
    signal: new AbortController().signal,
    orphanAfterSeconds: 600,
  })
  const isOrdered = ports.isOrdered(`gpc/${run.metadata.name}`)
  await time.advance(0)
  await order(world, { spec: patient })
  vouched.resolve()
  expect(await isOrdered).toBe(true)
})

test('a Job stays while the hub does not serve the kind', async () => {
  const { world, run, hub, time, agent } = await orphan()
  const missing = new ApiError('LIST', { status: 404, reason: 'Unknown', message: '404 page not found' })
  hub.fail(/^(LIST|WATCH) gpuruns/, { with: missing, times: 10_000 })
  await time.advance(20 * minute)
  agent.stop()
  expect(await jobOf(world, run)).toBeDefined()
})
