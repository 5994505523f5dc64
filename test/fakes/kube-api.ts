// A small API server in memory. All that it does is held by test/contract/kubernetes.contract.ts, which the real one passes too.
import {
  type KubeClient,
  type KubeObject,
  type ListOptions,
  type Page,
  type RawRequest,
  type Resource,
  type Selection,
  type WatchEvent,
  type WatchOptions,
} from '../../operator/src/adapters/kubernetes/client.ts'
import { ApiError } from '../../operator/src/adapters/kubernetes/errors.ts'
import {
  namespaces as namespaceKind,
  secrets,
  serviceAccounts,
} from '../../operator/src/adapters/kubernetes/resources.ts'
import { keyOf } from '../../operator/src/adapters/kubernetes/store.ts'
import { toTime } from '../../operator/src/api/time.ts'
import type { Clock, Timers } from '../../operator/src/controllers/clock.ts'
import { type Change, type Incoming, kindKey, Storage, type Stored } from './kube-storage.ts'
import { type Selectable, selects } from './selectors.ts'

export interface FakeKubeApi extends KubeClient {
  /** Another client of the same server. */
  readonly client: (options: { readonly beforeWrite?: () => void }) => KubeClient
  /** Each request so far, as errors name it: `POST gpujobs team-a/train`, `PATCH gpujobs/status team-a/train`. */
  readonly requests: string[]
  /**
   * The next request (or as many as `times` says) whose name matches fails with this. `answerLost`: it is carried out,
   * and only then fails.
   */
  readonly fail: (
    match: RegExp,
    how: { readonly with: Error; readonly times?: number; readonly answerLost?: boolean },
  ) => void
  /** Ends all open watches: without a word, or with an error. */
  readonly cutWatches: (error?: Error) => void
  /** Sends a bookmark of now to all open watches, as the real one does about once a minute. */
  readonly bookmark: () => void
  /** Forgets what was: a watch or list that goes on from before is answered with 410. */
  readonly compact: () => void
  /** How many watches are open. */
  readonly watches: () => number
}

export interface FakeKubeApiOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly timers: Timers
  /** Made beforehand, beside `default`. */
  readonly namespaces?: readonly string[]
  /** Answers what is asked with `request`; default: you are `admin`, and you may do everything. */
  readonly answer?: (request: RawRequest) => unknown
}

export function fakeKubeApi(options: FakeKubeApiOptions): FakeKubeApi {
  const server = new Server(options)
  return {
    ...server.client({}),
    client: (how) => server.client(how),
    requests: server.requests,
    fail: (match, how) => server.faults.push({ match, times: 1, answerLost: false, ...how }),
    cutWatches: (error) => {
      for (const watch of server.watches) watch.end(error)
    },
    bookmark: () => {
      for (const watch of server.watches) watch.tell()
    },
    compact: () => server.compact(),
    watches: () => server.watches.size,
  }
}

interface Fault {
  readonly match: RegExp
  readonly with: Error
  readonly answerLost: boolean
  times: number
}

interface OpenWatch {
  /** A change of the kind that it watches, or nothing: a bookmark. */
  readonly tell: (change?: Change) => void
  readonly end: (error?: Error) => void
}

class Server {
  readonly requests: string[] = []
  readonly faults: Fault[] = []
  readonly watches = new Set<OpenWatch>()
  readonly #options: FakeKubeApiOptions
  readonly #storage: Storage
  readonly #history: Change[] = []
  readonly #pages = new Map<string, { readonly version: string; readonly rest: readonly Stored[] }>()
  #oldest = 0
  #tokens = 0

  constructor(options: FakeKubeApiOptions) {
    this.#options = options
    this.#storage = new Storage({ now: () => toTime(options.clock.now()), onChange: (change) => this.#changed(change) })
    for (const name of ['default', ...(options.namespaces ?? [])])
      this.#storage.create(namespaceKind, { metadata: { name } })
  }

  #changed(change: Change): void {
    this.#history.push(change)
    for (const watch of this.watches) watch.tell(change)
  }

  compact(): void {
    this.#oldest = this.#storage.version
    this.#history.length = 0
    this.#pages.clear()
  }

  client({ beforeWrite }: { readonly beforeWrite?: () => void }): KubeClient {
    const ask = async <R>(what: string, signal: AbortSignal | undefined, answer: () => unknown): Promise<R> => {
      await Promise.resolve() // Never within the caller's own turn, as on a wire.
      signal?.throwIfAborted()
      if (!/^(GET|LIST) /.test(what)) beforeWrite?.()
      this.requests.push(what)
      const fault = this.#faultFor(what)
      if (fault && !fault.answerLost) throw fault.with
      const result = named(what, answer)
      if (fault) throw fault.with
      return asOnAWire(result) as R
    }
    return {
      ...this.#reads(ask),
      ...this.#writes(ask),
      watch: (resource, options) => this.#watch(resource, options),
      request: (request) =>
        ask(`${request.method} ${request.path}`, request.signal, () => {
          const answer = this.#options.answer?.(request) ?? reviews[request.path] ?? this.#token(request)
          if (!answer) throw new Error(`this fake has no answer to ${request.method} ${request.path}`)
          return answer
        }),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  /** Answers a TokenRequest; `undefined` where it is none. */
  #token({ path, body }: RawRequest): object | undefined {
    const [, namespace, name] = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/.exec(path) ?? []
    if (namespace === undefined || name === undefined) return undefined
    const { expirationSeconds, boundObjectRef: bound } = (body as TokenRequest).spec
    const { uid } = this.#storage.mustFind(serviceAccounts, { namespace, name }).metadata
    const secret = bound && this.#storage.mustFind(secrets, { namespace, name: bound.name })
    if (bound?.uid !== undefined && bound.uid !== secret?.metadata.uid) {
      throw new ApiError('', { status: 409, reason: 'Conflict', message: 'the UID in the bound object reference' })
    }
    this.#tokens++
    const expirationTimestamp = toTime(this.#options.clock.now() + expirationSeconds * 1000)
    return {
      spec: { audiences: ['https://kubernetes.default.svc'] },
      status: { token: `${uid}/${secret?.metadata.uid ?? ''}/${this.#tokens}`, expirationTimestamp },
    }
  }

  #reads(ask: Ask): Pick<KubeClient, 'get' | 'list'> {
    return {
      get: (resource, ref, { signal } = {}) =>
        ask(`GET ${resource.plural} ${keyOf(ref)}`, signal, () => this.#storage.find(resource, ref)),
      list: (resource, options = {}) =>
        ask(`LIST ${resource.plural}`, options.signal, () => this.#list(resource, options)),
    }
  }

  #writes(ask: Ask): Pick<KubeClient, 'create' | 'replace' | 'mergePatch' | 'delete'> {
    const storage = this.#storage
    return {
      create: (resource, draft, { signal } = {}) =>
        ask(`POST ${resource.plural} ${keyOf(draft.metadata)}`, signal, () =>
          storage.create(resource, { ...draft } as Incoming),
        ),
      replace: (resource, object, { signal, subresource } = {}) =>
        ask(`PUT ${at(resource, subresource)} ${keyOf(object.metadata)}`, signal, () => {
          if (!object.metadata.resourceVersion) throw withoutVersion()
          return storage.update(resource, { ...object } as unknown as Incoming, subresource)
        }),
      mergePatch: (resource, { ref, patch }, { signal, subresource } = {}) =>
        ask(`PATCH ${at(resource, subresource)} ${keyOf(ref)}`, signal, () => {
          const found = storage.mustFind(resource, ref)
          const { resourceVersion: _, ...metadata } = found.metadata // It is a precondition only where the patch names it.
          const next = merge({ ...found, metadata }, patch) as Incoming
          if (next.metadata.uid !== found.metadata.uid) throw immutableUid()
          return storage.update(resource, next, subresource)
        }),
      delete: async (resource, ref, options = {}) => {
        try {
          await ask(`DELETE ${resource.plural} ${keyOf(ref)}`, options.signal, () =>
            storage.delete(resource, ref, options),
          )
          return 'deleted'
        } catch (error) {
          if (!(error instanceof ApiError) || ![404, 409].includes(error.status)) throw error
          const found = storage.find(resource, ref)
          if (!found) return 'absent'
          if (options.uid && found.metadata.uid !== options.uid) return 'otherUid'
          throw error
        }
      },
    }
  }

  #faultFor(what: string): Fault | undefined {
    const fault = this.faults.find(({ match, times }) => times > 0 && match.test(what))
    if (fault) fault.times--
    return fault
  }

  #list(resource: Resource<KubeObject>, options: ListOptions): Page<Stored> {
    const { limit = Number.POSITIVE_INFINITY } = options
    const begun = options.continue === undefined ? undefined : this.#pages.get(options.continue)
    if (options.continue !== undefined && !begun) throw gone('The provided continue parameter is too old')
    const version = begun?.version ?? String(this.#storage.version)
    const items = begun?.rest ?? this.#storage.all(resource).filter(selectorOf(options, resource))
    if (items.length <= limit) return { items, resourceVersion: version }
    this.#tokens++
    const token = `page-${this.#tokens}`
    this.#pages.set(token, { version, rest: items.slice(limit) })
    return { items: items.slice(0, limit), resourceVersion: version, continue: token }
  }

  async *#watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
    await Promise.resolve()
    const what = `WATCH ${resource.plural}`
    this.requests.push(what)
    const fault = this.#faultFor(what)
    if (fault) throw fault.with
    const matches = named(what, () => selectorOf(options, resource))
    const stream = this.#open(resource, { options, matches })
    try {
      named(what, () => this.#replay(stream.tell, resource, { options, matches, send: stream.send }))
      for (;;) {
        const batch = await stream.next()
        if (!batch) return
        yield asOnAWire(batch) as readonly WatchEvent<T>[]
      }
    } finally {
      stream.close()
    }
  }

  /** What a watch is sent first: all that there is, or what it missed. */
  #replay(
    tell: OpenWatch['tell'],
    resource: Resource<KubeObject>,
    how: { options: WatchOptions; matches: (object: Selectable) => boolean; send: (event: WatchEvent<Stored>) => void },
  ): void {
    const { options, matches, send } = how
    if (options.initialEvents) {
      for (const object of this.#storage.all(resource).filter(matches)) send({ type: 'ADDED', object })
      send({ type: 'BOOKMARK', resourceVersion: String(this.#storage.version), initialEventsEnd: true })
      return
    }
    const from = Number(options.resourceVersion ?? this.#storage.version)
    if (from < this.#oldest) throw gone(`too old resource version: ${from} (${this.#oldest})`)
    for (const change of this.#history) if (change.version > from) tell(change)
  }

  #open(resource: Resource<KubeObject>, how: { options: WatchOptions; matches: (object: Selectable) => boolean }) {
    const { signal, timeoutSeconds } = how.options
    const kind = kindKey(resource)
    let batch: WatchEvent<Stored>[] = []
    let ended = false
    let failed: unknown
    let wake = () => {}
    const send = (event: WatchEvent<Stored>) => {
      batch.push(event)
      wake()
    }
    const watch: OpenWatch = {
      tell: (change) => {
        const event = change ? eventOf(change, how.matches) : this.#bookmark()
        if (event && (!change || change.kind === kind)) send(event)
      },
      end: (error) => {
        ended = true
        failed ??= error
        wake()
      },
    }
    const abort = () => watch.end(signal?.reason as Error)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    const timer = this.#options.timers.set(() => watch.end(), timeoutSeconds * 1000)
    this.watches.add(watch)
    const next = async () => {
      if (batch.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve))
      const sent = batch
      batch = []
      if (sent.length > 0) return sent
      if (failed !== undefined) throw failed
      return undefined
    }
    const close = () => {
      this.watches.delete(watch)
      this.#options.timers.clear(timer)
      signal?.removeEventListener('abort', abort)
    }
    return { send, tell: watch.tell, next, close }
  }

  #bookmark(): WatchEvent<Stored> {
    return { type: 'BOOKMARK', resourceVersion: String(this.#storage.version), initialEventsEnd: false }
  }
}

interface TokenRequest {
  readonly spec: {
    readonly expirationSeconds: number
    readonly boundObjectRef?: { readonly name: string; readonly uid?: string }
  }
}

const reviews: Readonly<Record<string, object>> = {
  '/apis/authentication.k8s.io/v1/selfsubjectreviews': { status: { userInfo: { username: 'admin' } } },
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { status: { allowed: true } },
}

type Ask = <R>(what: string, signal: AbortSignal | undefined, answer: () => unknown) => Promise<R>

function at({ plural }: Resource<KubeObject>, subresource: string | undefined): string {
  return subresource ? `${plural}/${subresource}` : plural
}

/** To who selects, an object that no longer matches is gone, and one that begins to match is new. */
function eventOf(
  { before, after, version }: Change,
  matches: (object: Selectable) => boolean,
): WatchEvent<Stored> | undefined {
  const had = before && matches(before)
  const has = after && matches(after)
  if (has) return { type: had ? 'MODIFIED' : 'ADDED', object: after }
  if (!had) return undefined
  return { type: 'DELETED', object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } } }
}

function selectorOf(selection: Selection, { plural }: Resource<KubeObject>): (object: Selectable) => boolean {
  const matches = selects(selection, plural)
  if (matches) return matches
  throw new ApiError('', { status: 400, reason: 'BadRequest', message: 'a selector cannot be read' })
}

/** What is undefined is not sent, and what arrives is nobody else's. */
function asOnAWire(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && !Array.isArray(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else if (value !== undefined) result[key] = merge(result[key], value)
  }
  return result
}

function gone(message: string): ApiError {
  return new ApiError('', { status: 410, reason: 'Expired', message })
}

function withoutVersion(): ApiError {
  const message = 'metadata.resourceVersion: Invalid value: 0: must be specified for an update'
  return new ApiError('', { status: 422, reason: 'Invalid', message })
}

function immutableUid(): ApiError {
  return new ApiError('', { status: 422, reason: 'Invalid', message: 'metadata.uid: field is immutable' })
}

/** Gives an error of the storage the name of the request. */
function named<R>(what: string, answer: () => R): R {
  try {
    return answer()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { status, reason } = error
    const message = error.message.replace(/^: /, '').replace(/ \(\d+ \w+\)$/, '')
    throw new ApiError(what, { status, reason, message })
  }
}
