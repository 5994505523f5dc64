// What every main does around its wiring: flags, signals, exit code.
import { WrongFlags } from '../config.ts'

export interface Running {
  readonly signal: AbortSignal
  /** Ends the program with exit code 1: whoever runs it starts it anew. */
  readonly stop: (why: Error) => void
}

/** Exit codes: 0 told to end, 1 cannot go on, 2 wrong flags. */
export async function runMain<Config>(
  read: (args: readonly string[]) => Config,
  main: (config: Config, running: Running) => Promise<void>,
): Promise<void> {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.once(name, () => controller.abort(new Error(`told to end by ${name}`)))
  try {
    await main(read(process.argv.slice(2)), {
      signal: controller.signal,
      stop: (why) => {
        process.exitCode = 1
        console.error(why.message)
        controller.abort(why)
      },
    })
  } catch (error) {
    if (controller.signal.aborted) return
    process.exitCode = error instanceof WrongFlags ? 2 : 1
    console.error(error instanceof WrongFlags ? error.message : error)
  }
}
