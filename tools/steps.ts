import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { type JestResults, oneFailed, onePassed, type Tally, tallyOfJest } from './tally.ts'

export const resultsFolder = '.results'

/** One command of `make verify` or `make test`. */
export interface Step {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** Where the command writes jest's results, when all is over; a step without them counts as one test. */
  readonly results?: string
}

/** A step that does not end is ended: CI would otherwise wait for it until its own time is over, and count nothing. */
export interface Patience {
  /** For a whole step. */
  readonly stepSeconds: number
  /** For a step that has written its results; what still keeps it alive is something that a test left open. */
  readonly leaveSeconds: number
}

const patience: Patience = { stepSeconds: 1200, leaveSeconds: 30 }

export interface Running {
  /** How many steps may run side by side. */
  readonly atOnce: number
  /** Held output is shown only where the step failed; live output is for long steps that say what they wait for. */
  readonly output: 'Held' | 'Live'
  readonly patience?: Patience
  readonly signal: AbortSignal
  readonly print: (line: string) => void
}

/** Of files rather than of patterns, which jest would match against the path of the checkout too. */
export function jestStep(name: string, files: readonly string[], workers: number): Step {
  const results = `${resultsFolder}/${name.replaceAll(/\W+/g, '-')}.json`
  return {
    name,
    command: [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      `--maxWorkers=${workers}`,
      '--json',
      `--outputFile=${results}`,
      '--runTestsByPath',
      ...files,
    ],
    results,
  }
}

/** Runs all steps, also after one failed, and says of each how it ended and after how many seconds. */
export async function runSteps(steps: readonly Step[], running: Running): Promise<Tally[]> {
  const waiting = [...steps]
  const tallies: Tally[] = []
  async function work(): Promise<void> {
    for (let step = waiting.shift(); step; step = waiting.shift()) tallies.push(await runStep(step, running))
  }
  await Promise.all(Array.from({ length: running.atOnce }, work))
  return tallies
}

async function runStep(step: Step, running: Running): Promise<Tally> {
  const { output, print } = running
  if (step.results) {
    mkdirSync(resultsFolder, { recursive: true })
    rmSync(step.results, { force: true })
  }
  if (output === 'Live') print(`\n── ${step.name}`)
  const started = performance.now()
  const { exitCode, said, endedBecause } = await execute(step, running)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)

  const tally = step.results ? tallyOfJest(readResults(step.results), exitCode) : exitCode === 0 ? onePassed : oneFailed
  const ended = tally.failed > 0 ? 'failed' : 'ok'
  print(`${ended.padEnd(7)} ${step.name.padEnd(24)} ${seconds.padStart(6)} s`)
  if (endedBecause !== undefined) print(`${step.name}: ${endedBecause}`)
  if (tally.failed > 0 && said) print(`${said.trimEnd()}\n`)
  return tally
}

interface Ended {
  readonly exitCode: number
  /** Both streams in the order in which they came; empty where they went to the terminal. */
  readonly said: string
  /** Why patience was lost with it. */
  readonly endedBecause?: string
}

async function execute(
  { command: [program, ...args], results }: Step,
  { output, signal, patience: { stepSeconds, leaveSeconds } = patience }: Running,
): Promise<Ended> {
  const stream = output === 'Held' ? 'pipe' : 'inherit'
  const child = spawn(program, args, { stdio: ['ignore', stream, stream], signal })
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('error', (error) => chunks.push(Buffer.from(`${program}: ${error.message}\n`)))
  let endedBecause: string | undefined
  const end = (why: string) => {
    endedBecause ??= why
    child.kill('SIGKILL') // What a suite had started goes with it, see test/bed/child.ts.
  }
  const tooLong = setTimeout(() => end(`did not end in ${stepSeconds} s, and was killed`), stepSeconds * 1000)
  let writtenAt: number | undefined
  const looking = setInterval(() => {
    if (results === undefined || !existsSync(results)) return
    writtenAt ??= performance.now()
    const isLate = performance.now() - writtenAt > leaveSeconds * 1000
    if (isLate) end(`was done and did not end in ${leaveSeconds} s: a test left something open; it was killed`)
  }, 1000)
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  clearTimeout(tooLong)
  clearInterval(looking)
  const said = Buffer.concat(chunks).toString()
  return { exitCode: code ?? 1, said, ...(endedBecause === undefined ? {} : { endedBecause }) }
}

/** `undefined` where the command ended before it wrote any. */
function readResults(path: string): JestResults | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as JestResults) : undefined
}

/** Aborted by Ctrl-C or SIGTERM, which then reaches the running step; the steps after it fail at once. */
export function untilSignalled(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  return stop.signal
}
