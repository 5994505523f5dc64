/** Our own programs, started as they are in production: another Node, its flags, its /readyz. */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Child, startChild, waitUntil } from './child.ts'
import { onFreePorts } from './ports.ts'

/**
 * How our programs run in production. Most of what they allocate is an answer that is dropped at once: with Node's
 * defaults a burst leaves a hub with 10,000 jobs at 240 MiB resident, with these at 140 to 150, for no more CPU time. What
 * glibc has freed it keeps, unless its limits are fixed: 9 MiB in the one pair of runs that compared it.
 */
const production = {
  nodeArgs: ['--max-semi-space-size=4', '--heap-growing-percent=30'],
  env: { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' },
} as const

export interface ProgramOptions {
  /** In messages, and of its log `<name>.log`. */
  readonly name: string
  /** Its file, from the root of the repository. */
  readonly main: string
  /** Its flags; `--http-address` is added. */
  readonly args: readonly string[]
  /** For its log. */
  readonly dir: string
  readonly env?: Readonly<Record<string, string>>
  /** Flags of Node itself. */
  readonly nodeArgs?: readonly string[]
  readonly readySeconds?: number
  /** For one that shall not become ready: until its /readyz answers, whatever it says. */
  readonly until?: 'Ready' | 'Answers'
  /** Hears when it ended by itself. Default: stderr. */
  readonly report?: (line: string) => void
}

/** Disposing is `stop`. */
export interface Program extends Pick<Child, 'name' | 'pid' | 'ended' | 'end' | 'stop' | 'kill'>, AsyncDisposable {
  /** Of its HTTP server: `/metrics`, `/healthz`, `/readyz`. */
  readonly url: string
  readonly log: string
}

const root = join(import.meta.dirname, '..', '..')

/** Starts one and waits until its /readyz says so. */
export async function startProgram(options: ProgramOptions, signal?: AbortSignal): Promise<Program> {
  const { name, dir, report = (line: string) => console.error(line) } = options
  await mkdir(dir, { recursive: true })
  const log = join(dir, `${name}.log`)
  return onFreePorts(async (port) => {
    const address = `127.0.0.1:${port}`
    const child = await startChild({
      name,
      command: process.execPath,
      args: [
        ...(options.nodeArgs ?? production.nodeArgs),
        resolve(root, options.main),
        ...options.args,
        '--http-address',
        address,
      ],
      log,
      env: { ...production.env, ...options.env },
      onUnexpectedEnd: (how) => report(`${name} ended by itself with ${how}, see ${log}`),
    })
    const url = `http://${address}`
    const isReady = async () => {
      const answer = await fetch(`${url}/readyz`).catch(() => undefined)
      await answer?.body?.cancel()
      return answer?.ok || (answer && options.until === 'Answers') || undefined
    }
    try {
      await waitUntil(isReady, { what: 'its /readyz', seconds: options.readySeconds ?? 60, signal, child })
    } catch (error) {
      await child.kill()
      throw error
    }
    const { pid, ended, end, stop, kill } = child
    return { name, pid, ended, end, stop, kill, url, log, [Symbol.asyncDispose]: () => stop() }
  })
}
