import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { type JestResults, oneFailed, onePassed, type Tally, tallyOfJest } from './tally.ts'

export const resultsFolder = '.results'

/** One command of `make verify` or `make test`. */
export interface Step {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** Where the command writes jest's results; a step without them counts as one test. */
  readonly results?: string
}

export interface Running {
  /** How many steps may run side by side. */
  readonly atOnce: number
  /** Held output is shown only where the step failed; live output is for long steps that say what they wait for. */
  readonly output: 'Held' | 'Live'
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

async function runStep(step: Step, { output, signal, print }: Running): Promise<Tally> {
  if (step.results) {
    mkdirSync(resultsFolder, { recursive: true })
    rmSync(step.results, { force: true })
  }
  if (output === 'Live') print(`\n── ${step.name}`)
  const started = performance.now()
  const { exitCode, said } = await execute(step.command, { output, signal })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)

  const tally = step.results ? tallyOfJest(readResults(step.results), exitCode) : exitCode === 0 ? onePassed : oneFailed
  const ended = tally.failed > 0 ? 'failed' : 'ok'
  print(`${ended.padEnd(7)} ${step.name.padEnd(14)} ${seconds.padStart(6)} s`)
  if (tally.failed > 0 && said) print(`${said.trimEnd()}\n`)
  return tally
}

interface Ended {
  readonly exitCode: number
  /** Both streams in the order in which they came; empty where they went to the terminal. */
  readonly said: string
}

function execute(
  [program, ...args]: Step['command'],
  { output, signal }: Pick<Running, 'output' | 'signal'>,
): Promise<Ended> {
  return new Promise((resolve) => {
    const stream = output === 'Held' ? 'pipe' : 'inherit'
    const child = spawn(program, args, { stdio: ['ignore', stream, stream], signal })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => chunks.push(Buffer.from(`${program}: ${error.message}\n`)))
    child.on('close', (code) => resolve({ exitCode: code ?? 1, said: Buffer.concat(chunks).toString() }))
  })
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
