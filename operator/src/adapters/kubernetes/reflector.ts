// Keeps a store equal to what the API server has, through cuts, restarts and forgotten history, until it is told to stop.
import { aborted, type Clock, pause, type Random, type Timers } from '../../controllers/clock.ts'
import { isOlder } from '../../domain/lifecycle/hub-identity.ts'
import type { KubeClient, KubeObject, Resource, Selection, WatchEvent } from './client.ts'
import { ApiError, isGone, isInvalid } from './errors.ts'
import { guardSilence } from './silence.ts'
import { type Change, readPages, readStream, type Way, wayAfter } from './snapshot.ts'
import { createStore, type Indexes, keyOf, type Projected, type Store, type WritableStore } from './store.ts'

export interface ReflectOptions<T extends KubeObject, P extends Projected> extends Selection {
  readonly client: Pick<KubeClient, 'list' | 'watch'>
  readonly resource: Resource<T>
  /**
   * What is kept of an object; the rest is dropped on arrival. `held` is what is kept of that name so far, whatever its uid.
   * An object on which it throws is reported and left as it was.
   */
  readonly project: (object: T, held: P | undefined) => P
  readonly indexes?: Indexes<P>
  /** What is read after all the rest, such as the many objects that are over; absent: all is read in one go. */
  readonly later?: Later | undefined
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
  readonly random: Random
  readonly signal: AbortSignal
  /** The server has all objects of an earlier time; called before the store is made equal to it. */
  readonly onSetBack?: ((why: Error) => void) | undefined
  /** Each failed try. The reflector goes on by itself. */
  readonly onError: (error: Error) => void
}

/**
 * Objects that have one of these values in a field by which the server selects (`selectableFields` of a CRD, on by default
 * from Kubernetes 1.31). From a server that cannot select by it all objects are read in one go.
 */
export interface Later {
  readonly field: string
  readonly values: readonly string[]
  /** They are read after that. */
  readonly after: Promise<unknown>
}

export interface Reflection<T, P> {
  readonly store: Store<P>
  /** Takes the answer to a write of our own, so that the next look does not wait for the watch; see WritableStore. */
  readonly learn: (object: T) => void
  /** The store holds all objects but those that are read later. Rejects only when the signal aborts before. */
  readonly begun: Promise<void>
  /** The store holds all objects. Rejects only when the signal aborts before. */
  readonly synced: Promise<void>
  /** Resolves after the signal has aborted and nothing is under way any more. */
  readonly done: Promise<void>
}

const firstRetryMs = 200
const lastRetryMs = 30_000

/** The server is asked to end a watch after 4 to 6 minutes, so that watches spread over its replicas. */
const shortestWatchSeconds = 240
const watchSpreadSeconds = 120

/**
 * A stream that has been silent for so long is cut and taken up again where it was. Each is asked to send bookmarks, and
 * an API server does so about once a minute, so its peer is probably dead; where it is not, little is lost.
 */
const shortestSilenceMs = 75_000
const silenceSpreadMs = 15_000

/** A stream that ended sooner, and without a word, counts as a failure: a broken proxy must not make us spin. */
const shortStreamMs = 1_000

export function reflect<T extends KubeObject, P extends Projected>(options: ReflectOptions<T, P>): Reflection<T, P> {
  const reflector = new Reflector(options)
  const done = reflector.run()
  const learn = (object: T) => reflector.learn(object)
  return { store: reflector.store, learn, begun: reflector.begun.promise, synced: reflector.synced.promise, done }
}

class Reflector<T extends KubeObject, P extends Projected> {
  readonly store: WritableStore<P>
  readonly begun = Promise.withResolvers<void>()
  readonly synced = Promise.withResolvers<void>()
  readonly #options: ReflectOptions<T, P>
  readonly #selection: Selection
  /** Up to where the store has followed; absent: it must be filled anew. */
  #version: string | undefined
  /** The highest version that the store has had. */
  #reached: string | undefined
  #listNext = false
  #neverStream = false
  /** Absent once the store has begun, and where the server cannot select. */
  #later: Later | undefined
  #beginsBy: Way = 'stream'
  /** While what comes later is read; who has been deleted meanwhile must not come back with it. */
  #completing: { readonly stop: AbortController; readonly gone: Set<string> } | undefined
  #completed = Promise.resolve()
  /** Ends the stream that is followed. */
  #cut = new AbortController()
  /** Failed tries in a row. */
  #failures = 0
  #goneAt = Number.NEGATIVE_INFINITY

  constructor(options: ReflectOptions<T, P>) {
    const { namespace, labelSelector, fieldSelector } = options
    this.#options = options
    this.#later = options.later
    this.#selection = { namespace, labelSelector, fieldSelector }
    this.store = createStore<P>({ indexes: options.indexes, onError: options.onError })
    for (const { promise } of [this.begun, this.synced]) promise.catch(() => {}) // Whoever waits for it hears of it; nobody has to.
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      try {
        while (this.#later && !signal.aborted) await this.#begin(this.#later)
        if (this.#version === undefined && (this.#neverStream || this.#listNext)) await this.#fillFromPages()
        await this.#followStream()
      } catch (error) {
        if (!signal.aborted) await this.#recover(error instanceof Error ? error : new Error(String(error)))
      }
    }
    await this.#completed
    for (const { reject } of [this.begun, this.synced]) reject(signal.reason)
  }

  learn(object: T): void {
    const projected = this.#projectionOf(object)
    if (projected) this.store.learn(projected)
  }

  async #recover(error: Error): Promise<void> {
    const { clock, signal, onError } = this.#options
    this.#failures++
    if (isGone(error)) {
      this.#version = undefined
      const now = clock.boot()
      const again = now - this.#goneAt < lastRetryMs
      this.#goneAt = now
      if (!again) return // History is finite: that is no fault, unless it happens again at once.
    } else if (this.#version === undefined && isInvalid(error) && !this.#neverStream) {
      this.#neverStream = true // An API server without WatchList.
      return
    } else if (isInvalid(error)) {
      this.#version = undefined // Nothing that it says of that version will ever be more.
      this.#listNext = true
    }
    onError(error)
    await this.#pauseAfter(error, { failures: this.#failures, signal })
  }

  /** Longer after each failure in a row, and no shorter than the server asks. */
  async #pauseAfter(error: unknown, { failures, signal }: { failures: number; signal: AbortSignal }): Promise<void> {
    const { timers, random } = this.#options
    const asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    const doubled = Math.min(lastRetryMs, firstRetryMs * 2 ** (failures - 1))
    await pause(Math.max(asked, doubled * (0.5 + random() / 2)), { timers, signal })
  }

  /** All but what comes later, and from there on every change. */
  async #begin(later: Later): Promise<void> {
    const { signal } = this.#options
    const fieldSelector = later.values.map((value) => `${later.field}!=${value}`).join(',')
    const fresh = new Map<string, P>()
    try {
      const take = (change: Change<T>) => this.#collect(fresh, change)
      this.#begunAt(await this.#read(this.#beginsBy, { fieldSelector, signal, take }), fresh)
    } catch (error) {
      this.#beginsBy = wayAfter(error, this.#beginsBy)
      if (this.#beginsBy === 'unselected pages') this.#later = undefined // As without.
      if (!isInvalid(error)) throw error
      return
    }
    this.#later = undefined
    const stop = new AbortController()
    this.#completing = { stop, gone: new Set() }
    this.#completed = this.#complete(later, AbortSignal.any([signal, stop.signal]))
  }

  /** Reads what comes later, while the watch goes on: what the store has, or what is gone since it began, the watch knows better. */
  async #complete({ field, values, after }: Later, signal: AbortSignal): Promise<void> {
    await Promise.race([after.catch(() => undefined), aborted(signal)]) // It rejects when all are stopped.
    for (const value of values) {
      if ((await this.#untilRead(`${field}=${value}`, signal)) === 'unselected pages') break // With all other values.
    }
    if (signal.aborted) return
    this.#completing = undefined
    this.synced.resolve()
  }

  /** Gives how it could be read. */
  async #untilRead(fieldSelector: string, signal: AbortSignal): Promise<Way> {
    let way: Way = 'stream'
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const take = (change: Change<T>) => this.#takeLater(change, signal)
        const reached = this.#reached ?? '' // The watch goes on meanwhile, and a snapshot is of the moment of its beginning.
        const version = await this.#read(way, { fieldSelector, signal, take })
        if (isOlder(version, reached)) this.#cut.abort(this.#wentBackTo(version))
        return way
      } catch (error) {
        if (signal.aborted) break
        const before: Way = way
        way = wayAfter(error, before)
        if (way !== before && isInvalid(error)) continue // What a server does not know is no fault.
        this.#options.onError(error instanceof Error ? error : new Error(String(error)))
        await this.#pauseAfter(error, { failures: failures + 1, signal })
      }
    }
    return way
  }

  #takeLater({ type, object }: Change<T>, signal: AbortSignal): void {
    if (type === 'DELETED' || signal.aborted) return
    const key = keyOf(object.metadata)
    if (this.store.get(key) || this.#completing?.gone.has(object.metadata.uid ?? '')) return
    const projected = this.#projectionOf(object)
    if (projected) this.store.put(projected)
  }

  /** A part of it all as it is now; gives the version of which it is. */
  #read(
    way: Way,
    { fieldSelector, signal, take }: { fieldSelector: string; signal: AbortSignal; take: (change: Change<T>) => void },
  ): Promise<string> {
    const selectors = [this.#selection.fieldSelector, fieldSelector].filter((one) => one !== undefined)
    const selection =
      way === 'unselected pages' ? this.#selection : { ...this.#selection, fieldSelector: selectors.join(',') }
    const { client, resource } = this.#options
    const snapshot = { client, resource, selection, take }
    return way === 'stream' ? readStream(snapshot, this.#guard(signal)) : readPages(snapshot, signal)
  }

  async #fillFromPages(): Promise<void> {
    const { client, resource, signal } = this.#options
    const fresh = new Map<string, P>()
    const take = (change: Change<T>) => this.#collect(fresh, change)
    const version = await readPages({ client, resource, selection: this.#selection, take }, signal)
    this.#listNext = false
    this.#filled(fresh, version)
  }

  /** One watch from its start to its end; fills the store first when that is still to be done. */
  async #followStream(): Promise<void> {
    const { client, resource, clock, random } = this.#options
    const timeoutSeconds = shortestWatchSeconds + Math.floor(random() * watchSpreadSeconds)
    const fill = this.#version === undefined ? new Map<string, P>() : undefined
    const asked = fill ? { initialEvents: true } : { resourceVersion: this.#version }
    const cut = new AbortController()
    this.#cut = cut
    const guard = this.#guard(AbortSignal.any([this.#options.signal, cut.signal]))
    const began = clock.boot()
    let heard = false
    try {
      const options = { ...this.#selection, ...asked, timeoutSeconds, signal: guard.signal }
      for await (const batch of client.watch(resource, options)) {
        if (guard.signal.aborted) break
        heard = true
        guard.heard()
        for (const event of batch) this.#take(event, fill)
        if (this.#version !== undefined) this.#failures = 0
      }
      cut.signal.throwIfAborted()
    } catch (error) {
      // A stream that broke before it was complete may break there again: take the other way once.
      if (this.#version === undefined && wayAfter(error, 'stream') === 'pages') this.#listNext = true
      if (!guard.silent()) throw error
    } finally {
      guard.end()
    }
    if (guard.silent() && !heard) await this.#lookForSetBack()
    const fault = this.#faultOf({ sudden: !heard && clock.boot() - began < shortStreamMs })
    if (fault) throw new Error(`WATCH ${resource.plural}: ${fault}`)
  }

  /**
   * An API server that was set back to a backup takes up a watch from its own future, and says nothing until it is there:
   * cacheWatcher drops what is not newer than what was asked for. Only a list tells.
   */
  async #lookForSetBack(): Promise<void> {
    const { client, resource, signal } = this.#options
    const { resourceVersion } = await client.list(resource, { ...this.#selection, limit: 1, signal })
    if (this.#version !== undefined && isOlder(resourceVersion, this.#version)) throw this.#wentBackTo(resourceVersion)
  }

  /** What it knew may never have been: all is read anew. */
  #wentBackTo(version: string | undefined): Error {
    const before = this.#version ?? this.#reached
    this.#version = undefined
    this.#listNext = true
    this.#stopCompleting()
    const { plural } = this.#options.resource
    return new Error(`WATCH ${plural}: the server went back from version ${before} to ${version}`)
  }

  #stopCompleting(): void {
    this.#completing?.stop.abort()
    this.#completing = undefined
  }

  /** What is wrong with a stream that ended without an error; ending in time, or by us for its silence, is right. */
  #faultOf({ sudden }: { sudden: boolean }): string | undefined {
    if (this.#version === undefined) {
      this.#listNext = true
      return 'the stream ended before all objects were sent'
    }
    return sudden ? 'the stream ended at once' : undefined
  }

  /** Of one stream. */
  #guard(signal: AbortSignal) {
    const { timers, clock, random } = this.#options
    return guardSilence(shortestSilenceMs + random() * silenceSpreadMs, { timers, clock, signal })
  }

  #take(event: WatchEvent<T>, fill: Map<string, P> | undefined): void {
    const version = event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion
    if (this.#version !== undefined && isOlder(version ?? '', this.#version)) throw this.#wentBackTo(version)
    if (fill && this.#version === undefined) this.#takeInitial(event, fill)
    else if (event.type === 'BOOKMARK') this.#followed(event.resourceVersion)
    else this.#takeChange(event)
  }

  #takeInitial(event: WatchEvent<T>, fill: Map<string, P>): void {
    if (event.type !== 'BOOKMARK') this.#collect(fill, event)
    else if (event.initialEventsEnd) this.#filled(fill, event.resourceVersion)
  }

  /** With all objects. */
  #filled(fresh: ReadonlyMap<string, P>, version: string): void {
    this.#stopCompleting()
    this.#begunAt(version, fresh)
    this.synced.resolve()
  }

  /** With all that is read at first. */
  #begunAt(version: string, fresh: ReadonlyMap<string, P>): void {
    const { resource, onSetBack } = this.#options
    if (this.#reached !== undefined && isOlder(version, this.#reached)) {
      onSetBack?.(
        new Error(
          `the API server was set back: its ${resource.plural} are of version ${version}, after ${this.#reached}`,
        ),
      )
    }
    this.#reached = version
    this.#version = version
    this.store.replaceAll(fresh)
    this.begun.resolve()
  }

  #followed(version: string | undefined): void {
    this.#version = version
    this.#reached = version ?? this.#reached
  }

  #takeChange({ type, object }: Change<T>): void {
    if (type === 'DELETED') {
      this.#completing?.gone.add(object.metadata.uid ?? '')
      this.store.remove(object.metadata)
    } else if (!this.#isHeld(object)) {
      const projected = this.#projectionOf(object)
      if (projected) this.store.put(projected)
    }
    this.#followed(object.metadata.resourceVersion) // Last: what was not taken is asked for again.
  }

  /** In this version: the answer to a write of our own mostly comes before its watch event, and says the same. */
  #isHeld({ metadata }: T): boolean {
    const held = this.store.get(keyOf(metadata))?.metadata
    return held?.uid === metadata.uid && held?.resourceVersion === metadata.resourceVersion
  }

  /** An object that cannot be read stays as it was last read: its absence would be taken for its end. */
  #collect(into: Map<string, P>, { type, object }: Change<T>): void {
    const key = keyOf(object.metadata)
    if (type === 'DELETED') {
      into.delete(key)
      return
    }
    const projected = this.#projectionOf(object) ?? this.store.get(key)
    if (projected) into.set(key, projected)
  }

  #projectionOf(object: T): P | undefined {
    try {
      return this.#options.project(object, this.store.get(keyOf(object.metadata)))
    } catch (error) {
      const what = `reading ${this.#options.resource.plural} ${keyOf(object.metadata)}`
      this.#options.onError(new Error(what, { cause: error }))
      return undefined
    }
  }
}
