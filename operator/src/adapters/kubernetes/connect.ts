// A client for one real API server.
import { Pool } from 'undici'
import {
  type DeleteOptions,
  type Draft,
  type KubeClient,
  type KubeObject,
  type ListOptions,
  type MergePatch,
  type ObjectRef,
  type Page,
  pathOf,
  type RawRequest,
  type RequestOptions,
  type Resource,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from './client.ts'
import { ApiError, apiError, isConflict, isNotFound } from './errors.ts'
import { type Answer, exchange } from './exchange.ts'
import { type Access, accessInCluster, accessOfKubeconfig } from './kubeconfig.ts'
import { keyOf } from './store.ts'
import { watchEvents } from './watch.ts'

export type ConnectOptions = Where & {
  /** `program/version`: how audit logs and flow control see us. */
  readonly userAgent: string
  /** Called directly before the bytes of a mutating request are sent; what it throws fails the request, unsent. */
  readonly beforeWrite?: () => void
  /** A Warning that came with an answer, such as the use of a field that does not exist. */
  readonly onWarning?: (text: string) => void
  /** For measuring; the default is right for use. */
  readonly connections?: number
}

type Where =
  | { readonly kubeconfig: string; readonly context?: string | undefined }
  | { readonly inCluster: { readonly host: string; readonly port: string } }

/**
 * How many requests are under way at once. Measured with creates on a local 1.34 API server on two cores: 8 reach
 * 2,200/s, 16 to 64 between 2,000 and 3,000/s (0.10 to 0.14 ms of our CPU each); a distant server needs the more of them.
 * Far below the server's own limit for writes (200). Watches have connections of their own.
 */
const requestConnections = 32

/** The API server gives a request up after 60 s; a server that is silent for half of that is not worth waiting for. */
const silenceMs = 30_000

/** Idle connections are closed before the API server (90 s) or a load balancer (often 60 s) does it in our back. */
const keepAliveMs = 45_000

/** No answer that we ask for comes near this. */
const longestAnswerBytes = 128 * 2 ** 20

/** Reads the identity; the first request opens the first connection. */
export async function connect(options: ConnectOptions): Promise<KubeClient> {
  const access =
    'kubeconfig' in options
      ? await accessOfKubeconfig(options.kubeconfig, options.context)
      : accessInCluster(options.inCluster)
  return clientOf(access, options)
}

function poolsOf(access: Access, { connections = requestConnections }: ConnectOptions) {
  const { origin, pathname } = new URL(access.server)
  const shared: Pool.Options = {
    allowH2: false,
    headersTimeout: silenceMs,
    keepAliveTimeout: keepAliveMs,
    connect: { ...access.tls, keepAlive: true, keepAliveInitialDelay: 15_000 },
  }
  return {
    prefix: pathname === '/' ? '' : pathname,
    pool: new Pool(origin, { ...shared, bodyTimeout: silenceMs, connections, maxResponseSize: longestAnswerBytes }),
    watchPool: new Pool(origin, { ...shared, bodyTimeout: 0, connections: null }),
  }
}

function clientOf(access: Access, options: ConnectOptions): KubeClient {
  const { prefix, pool, watchPool } = poolsOf(access, options)

  async function headersFor(contentType?: string): Promise<Record<string, string>> {
    const authorization = await access.authorization()
    return {
      accept: 'application/json',
      'user-agent': options.userAgent,
      ...(authorization ? { authorization } : {}),
      ...(contentType ? { 'content-type': contentType } : {}),
    }
  }

  /** `what` names the request in errors: `PATCH gpujobs team-a/train`. */
  async function send<R>(what: string, request: RawRequest): Promise<R> {
    const { method, path, body, contentType, signal } = request
    let answer: Answer
    try {
      answer = await exchange(pool, {
        method,
        path: prefix + path,
        headers: await headersFor(body === undefined ? undefined : (contentType ?? 'application/json')),
        body: body === undefined ? undefined : JSON.stringify(body),
        beforeSending: method === 'GET' ? undefined : options.beforeWrite,
        signal,
      })
    } catch (error) {
      throw new Error(what, { cause: error })
    }
    if (answer.warning) options.onWarning?.(`${what}: ${answer.warning}`)
    if (answer.status >= 300) throw apiError(what, answer)
    return parse<R>(what, answer.body)
  }

  async function* watch<T extends KubeObject>(
    resource: Resource<T>,
    { signal, ...asked }: WatchOptions,
  ): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
    const what = `WATCH ${resource.plural}${asked.namespace ? ` ${asked.namespace}` : ''}`
    const path = `${prefix}${pathOf(resource, asked)}${watchQuery(asked)}`
    try {
      const headers = await headersFor()
      const response = await watchPool.request({ method: 'GET', path, headers, signal: signal ?? null })
      if (response.statusCode !== 200) {
        const body = await response.body.text()
        throw apiError(what, { status: response.statusCode, body, retryAfter: response.headers['retry-after'] })
      }
      yield* watchEvents<T>(response.body, what)
    } catch (error) {
      throw error instanceof ApiError ? error : new Error(what, { cause: error })
    }
  }

  return {
    ...verbs(send),
    watch,
    request: (request) => send(`${request.method} ${request.path.replace(/\?.*/, '')}`, request),
    async [Symbol.asyncDispose]() {
      await Promise.all([pool.destroy(), watchPool.destroy()])
    },
  }
}

type Send = <R>(what: string, request: RawRequest) => Promise<R>

/** The verbs of the API as paths and bodies. */
function verbs(send: Send): Pick<KubeClient, 'get' | 'list' | 'create' | 'replace' | 'mergePatch' | 'delete'> {
  const get = reader(send)

  async function list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    const { namespace, labelSelector, fieldSelector, limit, signal } = options
    const path =
      pathOf(resource, { namespace }) + query({ labelSelector, fieldSelector, limit, continue: options.continue })
    const page = await send<{ items: T[]; metadata: { resourceVersion: string; continue?: string } }>(
      `LIST ${resource.plural}${namespace ? ` ${namespace}` : ''}`,
      { method: 'GET', path, signal },
    )
    const { resourceVersion, continue: more } = page.metadata
    return more ? { items: page.items, resourceVersion, continue: more } : { items: page.items, resourceVersion }
  }

  function create<T extends KubeObject>(resource: Resource<T>, object: Draft<T>, { signal }: RequestOptions = {}) {
    const { apiVersion, kind } = resource
    const path = pathOf(resource, { namespace: object.metadata.namespace })
    const body = { ...object, apiVersion, kind }
    return send<T>(`POST ${resource.plural} ${keyOf(object.metadata)}`, { method: 'POST', path, body, signal })
  }

  function replace<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}) {
    const { apiVersion, kind } = resource
    const path = pathOf(resource, { ...refOf(object), subresource: options.subresource })
    const body = { ...object, apiVersion, kind } // Items of a list come without them.
    return send<T>(`PUT ${resource.plural} ${keyOf(object.metadata)}`, {
      method: 'PUT',
      path,
      body,
      signal: options.signal,
    })
  }

  function mergePatch<T extends KubeObject>(
    resource: Resource<T>,
    { ref, patch }: { readonly ref: ObjectRef; readonly patch: MergePatch<T> },
    options: WriteOptions = {},
  ) {
    const path = pathOf(resource, { ...ref, subresource: options.subresource })
    return send<T>(`PATCH ${resource.plural} ${keyOf(ref)}`, {
      method: 'PATCH',
      path,
      body: patch,
      contentType: 'application/merge-patch+json',
      signal: options.signal,
    })
  }

  return { get, list, create, replace, mergePatch, delete: remover(send) }
}

function reader(send: Send): KubeClient['get'] {
  return async function get<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    { signal }: RequestOptions = {},
  ): Promise<T | undefined> {
    try {
      return await send<T>(`GET ${resource.plural} ${keyOf(ref)}`, {
        method: 'GET',
        path: pathOf(resource, ref),
        signal,
      })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}

function remover(send: Send): KubeClient['delete'] {
  const get = reader(send)
  return async function remove<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ) {
    const { uid, resourceVersion, propagationPolicy, gracePeriodSeconds, signal } = options
    const body = { preconditions: { uid, resourceVersion }, propagationPolicy, gracePeriodSeconds }
    try {
      const what = `DELETE ${resource.plural} ${keyOf(ref)}`
      await send<unknown>(what, { method: 'DELETE', path: pathOf(resource, ref), body, signal })
      return 'deleted' as const
    } catch (error) {
      if (isNotFound(error)) return 'absent' as const
      if (!uid || !isConflict(error)) throw error
      // The server does not say which precondition failed in a form that we could rely upon: look.
      const found = await get(resource, ref, { signal })
      if (!found) return 'absent' as const
      if (found.metadata.uid !== uid) return 'otherUid' as const
      throw error
    }
  }
}

function refOf({ metadata: { namespace, name } }: KubeObject): ObjectRef {
  return { namespace, name }
}

function parse<R>(what: string, body: string): R {
  try {
    return JSON.parse(body) as R
  } catch (error) {
    throw new Error(`${what}: the answer is not JSON`, { cause: error })
  }
}

function watchQuery({
  labelSelector,
  fieldSelector,
  resourceVersion,
  initialEvents,
  timeoutSeconds,
}: WatchOptions): string {
  return query({
    watch: 1,
    allowWatchBookmarks: 'true',
    ...(initialEvents ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } : {}),
    labelSelector,
    fieldSelector,
    resourceVersion,
    timeoutSeconds,
  })
}

function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const set = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  )
  return set.length === 0 ? '' : `?${new URLSearchParams(set as [string, string][]).toString()}`
}
