/** One of our programs under a supervisor that starts it again at once, whatever it died of. */
import { waitUntil } from '../bed/child.ts'
import { type Program, type ProgramOptions, startProgram } from '../bed/program.ts'

interface Living {
  readonly control: AbortController
  readonly bornAt: number
  readonly ready: Promise<Program>
}

export class Supervised implements AsyncDisposable {
  readonly name: string
  /** How it ended when nobody had killed it. */
  readonly endings: string[] = []
  #kills = 0
  readonly #options: ProgramOptions
  readonly #over = new AbortController()
  readonly #ended: Promise<void>
  #identities = 1
  #living: Living
  #born = Promise.withResolvers<void>()

  constructor(options: ProgramOptions) {
    this.name = options.name
    this.#options = options
    this.#living = this.#bear()
    this.#ended = this.#keepUp()
  }

  get kills(): number {
    return this.#kills
  }

  /** The one that lives now, when it is ready; whichever that is in the end. */
  async ready(seconds = 60): Promise<Program> {
    const isReady = async () => this.#living.ready.catch(() => undefined)
    return waitUntil(isReady, { what: `${this.name} to be ready`, seconds, signal: this.#over.signal })
  }

  /** Milliseconds since the one that lives now was started. */
  get age(): number {
    return performance.now() - this.#living.bornAt
  }

  /** SIGKILL, ready or not; resolves when the next one has been started. As a pod, it keeps its uid over restarts. */
  async kill(next: 'Same' | 'New'): Promise<void> {
    this.#kills++
    if (next === 'New') this.#identities++
    const born = this.#born.promise
    this.#living.control.abort(new Error(`${this.name} was killed`))
    await born
  }

  #bear(): Living {
    const control = new AbortController()
    const signal = AbortSignal.any([control.signal, this.#over.signal])
    const env = { ...this.#options.env, POD_UID: `${this.name}-${process.pid}-${this.#identities}` }
    const ready = startProgram({ ...this.#options, env, report: () => {} }, signal)
    ready.catch(() => undefined) // `#keepUp` looks at it too, but not in this turn.
    return { control, bornAt: performance.now(), ready }
  }

  async #keepUp(): Promise<void> {
    for (;;) {
      const how = await this.#live(this.#living)
      if (this.#over.signal.aborted) return
      if (how !== undefined) this.endings.push(how)
      if (this.endings.length > 50)
        throw new Error(`${this.name} ends by itself again and again: ${this.endings.at(-1)}`)
      this.#living = this.#bear()
      this.#born.resolve()
      this.#born = Promise.withResolvers()
    }
  }

  /** Gives how it ended by itself; nothing where it was killed. */
  async #live({ control, ready }: Living): Promise<string | undefined> {
    const { signal } = control
    const killed = Promise.withResolvers<void>()
    for (const one of [signal, this.#over.signal]) {
      one.addEventListener('abort', () => killed.resolve(), { once: true })
      if (one.aborted) killed.resolve()
    }
    try {
      const program = await ready
      await Promise.race([program.end, killed.promise])
      const how = program.ended()
      await program.kill()
      return signal.aborted ? undefined : how
    } catch (error) {
      return signal.aborted || this.#over.signal.aborted ? undefined : String(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error(`${this.name} is over`))
    await this.#ended
  }
}
