// What every main does around its wiring: flags, signals, log, HTTP, errors, exit code.

import { type CommonConfig, WrongFlags } from '../config.ts'
import type { Clock, Random, Timers } from '../controllers/clock.ts'
import { type Reconcile, type WorkQueue, workQueue } from '../controllers/work-queue.ts'
import { type SnapshotSource, serveHttp } from './http/server.ts'
import { isBusy } from './kubernetes/errors.ts'
import { type Logger, logger } from './log.ts'
import type { RuntimeMetrics } from './prometheus/metrics.ts'
import { systemClock, systemTimers } from './system-clock.ts'

/** What a main works with while it runs. */
export interface Program {
  readonly log: Logger
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Aborts when the program is to end. */
  readonly signal: AbortSignal
  /** Aborts when what was under way at the end has had its time: nothing is waited for any more. */
  readonly late: AbortSignal
  /** Ends the program with exit code 1: whoever runs it starts it anew. */
  readonly stop: (why: Error) => void
  /** What /readyz answers: what is waited for, or nothing when the work has begun. */
  readonly waitsFor: (what: string | undefined) => void
  /** From now on /debug/snapshot has something to show. */
  readonly show: (source: SnapshotSource) => void
  /** A reporter of errors that are tried again, for the part `where`. */
  readonly onError: (where: string) => (error: unknown, key?: string) => void
  readonly queue: (name: string, reconcile: Reconcile, concurrency: number) => WorkQueue
}

export interface Main<Config extends CommonConfig> {
  readonly name: string
  readonly readConfig: (args: readonly string[]) => Config
  readonly metrics: RuntimeMetrics
  readonly run: (config: Config, program: Program) => Promise<void>
}

/** Shorter than the 30 s that Kubernetes gives a pod to end, by what giving a Lease back may take. */
const graceMs = 15_000

/** Exit codes: 0 told to end, 1 cannot go on, 2 wrong flags. */
export async function runMain<Config extends CommonConfig>(main: Main<Config>): Promise<void> {
  const ending = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => ending.abort(new Error(`told to end by ${name}`)))
  }
  try {
    await runUntil(main, ending)
  } catch (error) {
    if (ending.signal.aborted) return
    process.exitCode = error instanceof WrongFlags ? 2 : 1
    console.error(error instanceof WrongFlags ? error.message : error)
    ending.abort(error) // What still beats would keep a process alive that does nothing any more.
  }
}

async function runUntil<Config extends CommonConfig>(
  { name, readConfig, metrics, run }: Main<Config>,
  ending: AbortController,
): Promise<void> {
  const config = readConfig(process.argv.slice(2))
  const log = logger(name, config.logLevel)
  let waiting: string | undefined = 'its start'
  let shown: SnapshotSource | undefined
  const { registry } = metrics
  await using http = await serveHttp({ ...config.http, registry, notReady: () => waiting, snapshot: () => shown })
  log.info({ address: http.address }, 'serving /metrics, /healthz and /readyz')

  const onError = (where: string) => (error: unknown, key?: string) => {
    metrics.countError(where)
    const line = { err: error, where, ...(key === undefined ? {} : { key }) }
    // A server that asks for patience is not broken; it does so whenever it starts.
    if (isBusy(error)) log.warn(line, `${where} was told to wait and tries again`)
    else log.error(line, `${where} failed and tries again`)
  }
  const late = new AbortController()
  const giveUp = () => late.abort(new Error(`not ended ${graceMs / 1000} s after it was told to`))
  ending.signal.addEventListener('abort', () => setTimeout(giveUp, graceMs).unref(), { once: true })
  const tools = { clock: systemClock(), timers: systemTimers, random: Math.random }
  await run(config, {
    ...tools,
    log,
    signal: ending.signal,
    late: late.signal,
    stop: (why) => {
      log.fatal({ err: why }, 'cannot go on')
      process.exitCode = 1
      ending.abort(why)
    },
    waitsFor: (what) => {
      waiting = what
      log.info(what === undefined ? 'ready' : `waits for ${what}`)
    },
    show: (source) => {
      shown = source
    },
    onError,
    queue: (queueName, reconcile, concurrency) =>
      workQueue({
        ...tools,
        name: queueName,
        reconcile,
        concurrency,
        onError: onError(queueName),
        observe: metrics.observePass,
      }),
  })
}
