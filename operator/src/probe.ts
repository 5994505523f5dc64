// Whether this pod reaches the API server of its cluster. It says so by its exit code: see domain/workload/isolation-probe.ts.
import { reaches } from './adapters/reach.ts'
import { systemClock, systemTimers } from './adapters/system-clock.ts'
import { inCluster } from './config.ts'
import { pause } from './controllers/clock.ts'
import { CLOSED, probeSeconds, REACHED } from './domain/workload/isolation-probe.ts'

const { host, port } = inCluster()
if (host === '') throw new Error('this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set')
const { boot } = systemClock()
const { signal } = new AbortController()
const until = boot() + probeSeconds * 1000
let reached = false
do {
  reached = await reaches({ host, port: Number(port), timeoutMs: 2000 })
  await pause(1000, { timers: systemTimers, signal })
} while (boot() < until)
console.log(`${host}:${port} is ${reached ? 'reached' : 'out of reach'}`)
process.exitCode = reached ? REACHED : CLOSED
