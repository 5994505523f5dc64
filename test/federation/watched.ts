/** Watches of the tests' own: what the API servers themselves say, whatever our status claims. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import type { ControlPlane } from '../bed/control-plane.ts'

export interface Named {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
}

export interface Seen<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: T
}

export interface WaitFor<T, R> {
  /** Completes the sentence "waited for …". */
  readonly what: string
  readonly seconds: number
  readonly find: (all: ReadonlyMap<string, T>) => R | undefined
  /** What to say of it when the time is over. */
  readonly state?: () => string
}

/** By the API server. */
class Refused extends Error {}

/** Its history no longer goes back so far. */
class Forgotten extends Refused {}

const longestAwayMs = 60_000

/** All objects of a kind and every change of them; once it has missed something, waiting for it throws. */
export class Watched<T extends Named> implements AsyncDisposable {
  /** What exists now, by `namespace/name`. */
  readonly all: ReadonlyMap<string, T>
  readonly #all = new Map<string, T>()
  readonly #listeners = new Set<(seen: Seen<T>) => void>()
  readonly #askers = new Set<() => void>()
  readonly #allTold = Promise.withResolvers<void>()
  readonly #stream: Stream
  readonly #reading: Promise<void>
  #version = ''
  /** What is known from before and has not been told anew yet. */
  #stale = new Set<string>()
  #isOver = false
  #missed: Error | undefined

  /** Use `watched`. */
  constructor(stream: Stream) {
    this.all = this.#all
    this.#stream = stream
    this.#reading = this.#follow().catch((cause: unknown) => this.#end(new Error(stream.what, { cause })))
  }

  /** All that existed at the beginning is known. */
  get begun(): Promise<void> {
    return this.#allTold.promise
  }

  /** Hears every change from now on, until what it gives is called. */
  onChange(listener: (seen: Seen<T>) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Asks `find` now and after each change until it gives something. */
  until<R>({ what, seconds, find, state }: WaitFor<T, R>): Promise<R> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        this.#askers.delete(ask)
        clearTimeout(timer)
        how()
      }
      const ask = () => {
        if (this.#missed) return settle(() => reject(this.#missed))
        const found = find(this.all)
        if (found !== undefined) settle(() => resolve(found))
      }
      const tooLate = () => reject(new Error(`waited ${seconds} s for ${what}${state ? `; now: ${state()}` : ''}`))
      const timer = setTimeout(() => settle(tooLate), seconds * 1000)
      this.#askers.add(ask)
      ask()
    })
  }

  /**
   * A busy API server ends watches that it cannot serve fast enough, one that is restarted breaks them off; from the last
   * version on, nothing is missed. Where a restart has forgotten that version, what exists is told anew, and what came
   * and went meanwhile is not.
   */
  async #follow(): Promise<void> {
    let brokeAt = Number.POSITIVE_INFINITY
    while (!this.#isOver) {
      try {
        for await (const line of this.#stream.lines(this.#version)) {
          this.#take(line)
          brokeAt = Number.POSITIVE_INFINITY
        }
      } catch (error) {
        if (error instanceof Forgotten && this.#version !== '') {
          this.#version = ''
          this.#stale = new Set(this.#all.keys())
          continue
        }
        brokeAt = Math.min(brokeAt, performance.now())
        const isAway = !(error instanceof Refused) && performance.now() - brokeAt < longestAwayMs
        if (this.#version === '' || !isAway) throw error
        await sleep(100) // Until it is there again: nothing else says so.
      }
    }
  }

  #take(line: string): void {
    const { type, object } = JSON.parse(line) as {
      readonly type: Seen<T>['type'] | 'BOOKMARK' | 'ERROR'
      readonly object: T
    }
    if (type === 'ERROR') throw line.includes('"code":410') ? new Forgotten(line) : new Refused(line)
    this.#version = object.metadata.resourceVersion
    if (type === 'BOOKMARK') {
      if (object.metadata.annotations?.['k8s.io/initial-events-end']) this.#toldAll()
      return
    }
    const { namespace, name } = object.metadata
    const key = namespace === undefined ? name : `${namespace}/${name}`
    const isKnown = this.#stale.delete(key) && this.#all.get(key)?.metadata.resourceVersion === this.#version
    if (!isKnown) this.#tell(key, { type, object })
  }

  #tell(key: string, seen: Seen<T>): void {
    if (seen.type === 'DELETED') this.#all.delete(key)
    else this.#all.set(key, seen.object)
    for (const listener of this.#listeners) listener(seen)
    for (const asker of this.#askers) asker()
  }

  #toldAll(): void {
    this.#allTold.resolve()
    for (const key of this.#stale) {
      const object = this.#all.get(key)
      if (object) this.#tell(key, { type: 'DELETED', object })
    }
    this.#stale.clear()
  }

  #end(why: Error): void {
    if (this.#isOver) return
    this.#missed = why
    this.#allTold.reject(why)
    for (const asker of this.#askers) asker()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#stream.close()
    await this.#reading
  }
}

/** Begins a watch and waits until all that exists has been told. */
export async function watched<T extends Named>(plane: ControlPlane, path: string): Promise<Watched<T>> {
  const watch = new Watched<T>(await streamOf(plane, path))
  await watch.begun
  return watch
}

interface Stream {
  readonly what: string
  /** One event each: all that exists, a bookmark that says so, then the changes; or the changes after a version. */
  readonly lines: (version: string) => AsyncIterable<string>
  readonly close: () => Promise<void>
}

async function streamOf(plane: ControlPlane, path: string): Promise<Stream> {
  const pool = new Pool(plane.url, { connect: { ca: await readFile(plane.caFile, 'utf8') }, bodyTimeout: 0 })
  const headers = { authorization: `Bearer ${plane.token}` }
  return {
    what: `watching ${path} of ${plane.name}`,
    lines: async function* (version) {
      const from = version === '' ? fromTheBeginning : `resourceVersion=${version}`
      const query = `?watch=1&allowWatchBookmarks=true&${from}`
      const { statusCode, body } = await pool.request({ method: 'GET', headers, path: path + query })
      if (statusCode !== 200 && statusCode !== 429 && statusCode < 500) throw new Refused(await body.text())
      if (statusCode !== 200) throw new Error(await body.text())
      yield* createInterface({ input: body })
    },
    close: () => pool.destroy(),
  }
}

const fromTheBeginning = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
