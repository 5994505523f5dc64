// Takes the agent off its cluster, before its chart is uninstalled: node operator/src/leave.ts --provider acme --deployment gpu-commons-agent
import { leave } from './adapters/kubernetes/agent/leave.ts'
import { connect } from './adapters/kubernetes/connect.ts'
import { systemClock, systemTimers } from './adapters/system-clock.ts'
import { inCluster, leaveConfig, WrongFlags } from './config.ts'

/** Exit codes: 0 all is removed, 1 something is left, 2 wrong flags. */
async function main(): Promise<void> {
  const ending = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => ending.abort(new Error(`told to end by ${name}`)))
  }
  const { kubeconfig, graceSeconds, ...config } = leaveConfig(process.argv.slice(2))
  const where = kubeconfig === undefined ? { inCluster: inCluster() } : { kubeconfig }
  await using client = await connect({ ...where, userAgent: 'gpu-commons-leave' })
  await leave({
    ...config,
    client,
    clock: systemClock(),
    timers: systemTimers,
    signal: ending.signal,
    graceMs: graceSeconds * 1000,
    nonce: () => crypto.randomUUID(),
    say: (what) => console.log(what),
  })
}

try {
  await main()
} catch (error) {
  process.exitCode = error instanceof WrongFlags ? 2 : 1
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
}
