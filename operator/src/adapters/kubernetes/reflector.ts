// Keeps a store equal to what the API server has, through cuts, restarts and forgotten history, until it is told to stop.
import type { Clock, Random, Timers } from '../../controllers/clock.ts'
import type { KubeClient, KubeObject, Resource, Selection, WatchEvent } from './client.ts'
import { ApiError, isGone, isInvalid } from './errors.ts'
import { createStore, type Indexes, keyOf, type Projected, type Store } from './store.ts'

export interface ReflectOptions<T extends KubeObject, P extends Projected> extends Selection {
  readonly client: Pick<KubeClient, 'list' | 'watch'>
  readonly resource: Resource<T>
  /** What is kept of an object; the rest is dropped on arrival. An object on which it throws is reported and left as it was. */
  readonly project: (object: T) => P
  readonly indexes?: Indexes<P>
  readonly clock: Pick<Clock, 'boot'>
  readonly timers: Timers
  readonly random: Random
  readonly signal: AbortSignal
  /** Each failed try. The reflector goes on by itself. */
  readonly onError: (error: Error) => void
}

export interface Reflection<P> {
  readonly store: Store<P>
  /** The store holds all objects. Rejects only when the signal aborts before. */
  readonly synced: Promise<void>
  /** Resolves after the signal has aborted and nothing is under way any more. */
  readonly done: Promise<void>
}

const pageSize = 500
const firstRetryMs = 200
const lastRetryMs = 30_000

/** The server is asked to end a watch after 4 to 6 minutes, so that watches spread over its replicas. */
const shortestWatchSeconds = 240
const watchSpreadSeconds = 120

/** A stream that is open so much longer than the server was asked for has a dead peer: the server ends it, not we. */
const overdueMs = 30_000

/** A stream that ended sooner, and without a word, counts as a failure: a broken proxy must not make us spin. */
const shortStreamMs = 1_000

export function reflect<T extends KubeObject, P extends Projected>(options: ReflectOptions<T, P>): Reflection<P> {
  const { client, resource, clock, timers, random, signal, onError } = options
  const store = createStore<P>(options.indexes)
  const selection: Selection = {
    namespace: options.namespace,
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
  }
  const synced = Promise.withResolvers<void>()
  synced.promise.catch(() => {}) // Whoever waits for it hears of it; nobody has to.

  /** Up to where the store has followed; absent: it must be filled anew. */
  let resourceVersion: string | undefined
  let listNext = false
  let neverStream = false
  /** Failed tries in a row. */
  let failures = 0

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await follow()
      } catch (error) {
        if (signal.aborted) break
        await recover(error as Error)
      }
    }
    synced.reject(signal.reason)
  }

  async function follow(): Promise<void> {
    if (resourceVersion === undefined && (neverStream || listNext)) {
      resourceVersion = await fillFromPages()
      listNext = false
      synced.resolve()
    }
    await followStream()
  }

  async function recover(error: Error): Promise<void> {
    failures++
    if (isGone(error)) {
      resourceVersion = undefined
      if (failures === 1) return // History is finite: that is no fault, unless it happens again at once.
    } else if (resourceVersion === undefined && isInvalid(error) && !neverStream) {
      neverStream = true // An API server without WatchList.
      return
    }
    onError(error)
    const asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    await pause(Math.max(asked, backoffMs()))
  }

  function backoffMs(): number {
    return Math.min(lastRetryMs, firstRetryMs * 2 ** (failures - 1)) * (0.5 + random() / 2)
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timers.clear(timer)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = timers.set(wake, ms)
      signal.addEventListener('abort', wake, { once: true })
      if (signal.aborted) wake()
    })
  }

  /** A quorum read; its pages are one consistent whole, of the version that is returned. */
  async function fillFromPages(): Promise<string> {
    const fresh = new Map<string, P>()
    let version: string | undefined
    let next: string | undefined
    do {
      const page = await client.list(resource, { ...selection, limit: pageSize, continue: next, signal })
      version ??= page.resourceVersion
      for (const object of page.items) collect(fresh, object)
      next = page.continue
    } while (next !== undefined)
    store.replaceAll(fresh)
    return version
  }

  /** One watch from its start to its end: fills the store first when that is still to be done. */
  async function followStream(): Promise<void> {
    const fill = resourceVersion === undefined ? new Map<string, P>() : undefined
    const timeoutSeconds = shortestWatchSeconds + Math.floor(random() * watchSpreadSeconds)
    const watch = guarded(timeoutSeconds * 1000 + overdueMs)
    const began = clock.boot()
    let heard = false
    try {
      const asked = fill ? { initialEvents: true } : { resourceVersion }
      for await (const batch of client.watch(resource, { ...selection, ...asked, timeoutSeconds, signal: watch.signal })) {
        if (signal.aborted) return
        if (!heard) failures = 0
        heard = true
        for (const event of batch) take(event, fill)
      }
    } catch (error) {
      // A stream that broke before it was complete may break there again: take the other way once.
      if (resourceVersion === undefined && !(error instanceof ApiError)) listNext = true
      throw watch.overdue() ? new Error(`WATCH ${resource.plural}: silent for longer than was asked`, { cause: error }) : error
    } finally {
      watch.end()
    }
    if (signal.aborted) return
    if (resourceVersion === undefined) {
      listNext = true
      throw new Error(`WATCH ${resource.plural}: the stream ended before all objects were sent`)
    }
    if (!heard && clock.boot() - began < shortStreamMs) {
      throw new Error(`WATCH ${resource.plural}: the stream ended at once`)
    }
  }

  /** Aborts when we are told to stop, or when the peer must be dead. */
  function guarded(ms: number) {
    const controller = new AbortController()
    let overdue = false
    const forward = () => controller.abort(signal.reason)
    const timer = timers.set(() => {
      overdue = true
      controller.abort(new Error('no end of the stream'))
    }, ms)
    signal.addEventListener('abort', forward, { once: true })
    if (signal.aborted) forward()
    const end = () => {
      timers.clear(timer)
      signal.removeEventListener('abort', forward)
    }
    return { signal: controller.signal, overdue: () => overdue, end }
  }

  /** The version moves before anybody hears of the event: a listener that fails must not hear the same again and again. */
  function take(event: WatchEvent<T>, fill: Map<string, P> | undefined): void {
    if (event.type === 'BOOKMARK') {
      if (fill && resourceVersion === undefined) {
        if (!event.initialEventsEnd) return
        resourceVersion = event.resourceVersion
        store.replaceAll(fill)
        fill.clear()
        synced.resolve()
        return
      }
      resourceVersion = event.resourceVersion
      return
    }
    const { object } = event
    if (resourceVersion === undefined && fill) {
      if (event.type === 'DELETED') fill.delete(keyOf(object.metadata))
      else collect(fill, object)
      return
    }
    resourceVersion = object.metadata.resourceVersion
    if (event.type === 'DELETED') {
      store.remove(keyOf(object.metadata))
      return
    }
    const projected = projectionOf(object)
    if (projected) store.put(projected)
  }

  /** An object that cannot be read stays as it was last read: its absence would be taken for its end. */
  function collect(into: Map<string, P>, object: T): void {
    const key = keyOf(object.metadata)
    const projected = projectionOf(object) ?? store.get(key)
    if (projected) into.set(key, projected)
  }

  function projectionOf(object: T): P | undefined {
    try {
      return options.project(object)
    } catch (error) {
      onError(new Error(`reading ${resource.plural} ${keyOf(object.metadata)}`, { cause: error }))
      return undefined
    }
  }

  return { store, synced: synced.promise, done: run() }
}
