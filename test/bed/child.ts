/** Programs that never outlive the one that started them. */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ChildOptions {
  /** As it is called in messages. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** File that gets its stdout and stderr, after what is there. */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  /** 0 (default) to 19: how much all others come before it where the machine's cores do not suffice. */
  readonly niceness?: number
  /** Hears how it ended when nobody had told it to. */
  readonly onUnexpectedEnd?: (how: string) => void
}

export interface Child extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  /** How it ended (`exit code 1`, `SIGKILL`), absent while it runs. */
  readonly ended: () => string | undefined
  /** Resolves when it has ended, whatever way. */
  readonly end: Promise<void>
  /** SIGTERM, and SIGKILL when it has not ended after so many seconds (default 8). */
  readonly stop: (seconds?: number) => Promise<void>
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  /** What it has written since it was started. */
  readonly output: () => Promise<string>
  /** What went wrong, with the last lines of its log. */
  readonly failure: (what: string) => Promise<Error>
}

/** Whoever lost its parent before the kernel was asked to watch it would not hear of it. Seen on a busy machine. */
const unlessOrphaned = '[ "$PPID" = "$0" ] || exit 1;'

/**
 * Linux shares its cores among sessions first, and `nice` speaks within one session alone: ours has but one program in it, which
 * would have as much as any other (sched(7), "The autogroup feature"). So the session is told as well.
 */
const behind = (niceness: number) =>
  `[ ! -e /proc/self/autogroup ] || echo ${niceness} >/proc/self/autogroup; exec nice -n ${niceness} "$@"`

/** Starts a program in a session of its own, so that Ctrl-C reaches us first and the order of stopping is ours. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, log, env, niceness = 0 } = options
  const begin = `${unlessOrphaned} ${niceness === 0 ? 'exec "$@"' : behind(niceness)}`
  const file = openSync(log, 'a')
  const before = fstatSync(file).size
  // The kernel kills it when the thread that started it ends: that holds for SIGKILL, a crash and process.exit() alike,
  // where no handler of ours would run. setpriv (util-linux) and the shell become the program, so the pid is its own.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'sh', '-c', begin, `${process.pid}`, command, ...args], {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, ...env },
  })
  closeSync(file)
  let ended: string | undefined
  let told = false
  const end = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = signal ?? `exit code ${code}`
      if (!told) options.onUnexpectedEnd?.(ended)
      resolve()
    })
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause) =>
      reject(new Error(`starting ${name} through setpriv (package util-linux)`, { cause })),
    )
  })

  async function kill(): Promise<void> {
    told = true
    if (ended === undefined) child.kill('SIGKILL')
    await end
  }
  async function stop(seconds = 8): Promise<void> {
    told = true
    if (ended === undefined) child.kill('SIGTERM')
    const cancel = new AbortController()
    await Promise.race([end, sleep(seconds * 1000, undefined, { signal: cancel.signal }).catch(() => undefined)])
    cancel.abort()
    await kill()
  }
  return {
    name,
    pid: child.pid ?? 0,
    ended: () => ended,
    end,
    stop,
    kill,
    output: async () => (await readFile(log)).subarray(before).toString(),
    failure: async (what) => new Error(`${what}; the end of ${log}:\n${await lastLines(log)}`),
    [Symbol.asyncDispose]: kill,
  }
}

async function lastLines(log: string): Promise<string> {
  return (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-15).join('\n')
}

export interface Wait {
  /** Completes the sentence "waiting for …". */
  readonly what: string
  readonly seconds: number
  readonly signal?: AbortSignal | undefined
  /** The one whose end makes waiting pointless. */
  readonly child?: Child
}

/** Asks until the answer is something, and gives up when the time is over, the child has ended or the signal says so. */
export async function waitUntil<T>(
  ask: () => Promise<T | undefined>,
  { what, seconds, signal, child }: Wait,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    signal?.throwIfAborted()
    if (child?.ended() !== undefined) throw await child.failure(`${child.name} ended (${child.ended()}) before ${what}`)
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) {
      const message = `waited ${seconds} s for ${what}`
      throw child ? await child.failure(message) : new Error(message)
    }
    await sleep(50)
  }
}
