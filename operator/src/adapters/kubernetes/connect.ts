// A client for one real API server.
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Random, Timers } from '../../controllers/clock.ts'
import { systemClock, systemTimers } from '../system-clock.ts'
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
import { Connections, isSilence } from './connections.ts'
import { ApiError, apiError, isConflict, isNotFound } from './errors.ts'
import { type Answer, exchange } from './exchange.ts'
import { type Access, accessInCluster, accessOfKubeconfig, type Identity } from './kubeconfig.ts'
import { type Patience, patience } from './patience.ts'
import { keyOf } from './store.ts'
import { watchEvents } from './watch.ts'

export type ConnectOptions = Where & {
  /** `program/version`: how audit logs and flow control see us. */
  readonly userAgent: string
  /** Called directly before the bytes of a mutating request are sent; what it throws fails the request, unsent. */
  readonly beforeWrite?: () => void
  /** A Warning that came with an answer, such as the use of a field that does not exist. */
  readonly onWarning?: (text: string) => void
  /** Ends all requests, so that nothing is waited for any more; the client is of no use after that. */
  readonly giveUp?: AbortSignal | undefined
  /** For measuring; the default is right for use. */
  readonly connections?: number
  /** For tests; the machine's own where absent. */
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
}

type Where =
  | { readonly kubeconfig: string; readonly context?: string | undefined }
  | { readonly inCluster: { readonly host: string; readonly port: string } }
  | { readonly access: Access }

/** How often a request is sent that is answered with 429. */
const tries = 5

/** Reads the identity; the first request opens the first connection. */
export async function connect(options: ConnectOptions): Promise<KubeClient> {
  return clientOf(await accessOf(options), options)
}

async function accessOf(where: Where): Promise<Access> {
  if ('access' in where) return where.access
  if ('kubeconfig' in where) return accessOfKubeconfig(where.kubeconfig, where.context)
  return accessInCluster(where.inCluster)
}

/** What all requests of one client share. */
interface Line {
  readonly access: Access
  readonly options: ConnectOptions
  /** Of the server's path, where it has one. */
  readonly prefix: string
  readonly connections: Connections
  readonly patient: Patience
  /** Aborts when the client is closed. */
  readonly closed: AbortSignal
}

async function clientOf(access: Access, options: ConnectOptions): Promise<KubeClient> {
  const { clock = systemClock(), timers = systemTimers, random = Math.random, giveUp } = options
  const { origin, pathname } = new URL(access.server)
  const { tls } = await access.identity()
  const connections = new Connections({ origin, tls, clock, connections: options.connections })
  const closing = new AbortController()
  const close = async () => {
    giveUp?.removeEventListener('abort', onGivenUp)
    closing.abort(new Error('the client is closed'))
    await connections.destroy()
  }
  const onGivenUp = () => void close()
  giveUp?.addEventListener('abort', onGivenUp, { once: true })
  if (giveUp?.aborted) await close()
  const line: Line = {
    access,
    options,
    prefix: pathname === '/' ? '' : pathname,
    connections,
    patient: patience({ clock, timers, random }),
    closed: closing.signal,
  }
  const send = sender(line)
  return {
    ...verbs(send),
    watch: watcher(line),
    request: (request) => send(`${request.method} ${request.path.replace(/\?.*/, '')}`, request),
    [Symbol.asyncDispose]: close,
  }
}

function headersFor({ options }: Line, { authorization }: Identity, contentType?: string): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': options.userAgent,
    ...(authorization ? { authorization } : {}),
    ...(contentType ? { 'content-type': contentType } : {}),
  }
}

/** One answer, whatever it is. */
async function ask(line: Line, request: RawRequest, identity: Identity): Promise<Answer> {
  const { method, path, body, contentType, signal, lane = 'Normal' } = request
  const pool = line.connections.of(lane, identity.tls)
  const sentAt = line.connections.now()
  try {
    return await exchange(pool, {
      method,
      path: line.prefix + path,
      headers: {
        ...request.headers,
        ...headersFor(line, identity, body === undefined ? undefined : (contentType ?? 'application/json')),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      beforeSending: method === 'GET' ? undefined : line.options.beforeWrite,
      signal,
    })
  } catch (error) {
    if (isSilence(error)) line.connections.distrust(pool, sentAt)
    throw error
  }
}

/** Asks again what was refused before anything was done: with new credentials once, and when a busy server wants it. */
async function askPatiently(line: Line, request: RawRequest): Promise<Answer> {
  const { access, patient, closed } = line
  const urgent = request.lane === 'Urgent'
  let renewed = false
  for (let left = tries; ; left--) {
    if (!urgent) await patient.wait(request.signal, closed)
    const identity = await access.identity()
    const answer = await ask(line, request, identity)
    if (answer.status === 401 && !renewed) {
      renewed = true
      access.renew(identity)
      if (!isSame(identity, await access.identity())) continue
    }
    if (answer.status !== 429) return answer
    patient.refused(apiError('', answer).retryAfterSeconds)
    if (left <= 1 || urgent) return answer
  }
}

function sender(line: Line): Send {
  return async <R>(what: string, request: RawRequest): Promise<R> => {
    let answer: Answer
    try {
      answer = await askPatiently(line, request)
    } catch (error) {
      throw new Error(what, { cause: error })
    }
    if (answer.warning) line.options.onWarning?.(`${what}: ${answer.warning}`)
    if (answer.status >= 300) throw apiError(what, answer)
    return parse<R>(what, answer.body)
  }
}

function watcher(line: Line): KubeClient['watch'] {
  const { access, connections, patient, closed } = line
  return async function* watch<T extends KubeObject>(
    resource: Resource<T>,
    { signal, ...asked }: WatchOptions,
  ): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
    const what = `WATCH ${resource.plural}${asked.namespace ? ` ${asked.namespace}` : ''}`
    const path = `${line.prefix}${pathOf(resource, asked)}${watchQuery(asked)}`
    const open = connections.watching(signal)
    try {
      await patient.wait(open.signal, closed)
      const identity = await access.identity()
      const pool = connections.of('Watch', identity.tls)
      const response = await pool.request({
        method: 'GET',
        path,
        headers: headersFor(line, identity),
        signal: open.signal,
      })
      if (response.statusCode !== 200) {
        const body = await response.body.text()
        const refusal = apiError(what, {
          status: response.statusCode,
          body,
          retryAfter: response.headers['retry-after'],
        })
        if (refusal.status === 429) patient.refused(refusal.retryAfterSeconds)
        if (refusal.status === 401) access.renew(identity) // For the next try.
        throw refusal
      }
      open.heard()
      for await (const batch of watchEvents<T>(response.body, what)) {
        open.heard()
        yield batch
      }
    } catch (error) {
      throw error instanceof ApiError ? error : new Error(what, { cause: error })
    } finally {
      open.close()
    }
  }
}

function isSame(one: Identity, other: Identity): boolean {
  return one.authorization === other.authorization && isDeepStrictEqual(one.tls, other.tls)
}

/** `what` names the request in errors: `PATCH gpujobs team-a/train`. */
type Send = <R>(what: string, request: RawRequest) => Promise<R>

/** The verbs of the API as paths and bodies. */
function verbs(send: Send): Pick<KubeClient, 'get' | 'list' | 'create' | 'replace' | 'mergePatch' | 'delete'> {
  const get = reader(send)

  async function list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    const { namespace, labelSelector, fieldSelector, limit, signal, lane } = options
    const path =
      pathOf(resource, { namespace }) + query({ labelSelector, fieldSelector, limit, continue: options.continue })
    const page = await send<{ items: T[]; metadata: { resourceVersion: string; continue?: string } }>(
      `LIST ${resource.plural}${namespace ? ` ${namespace}` : ''}`,
      { method: 'GET', path, signal, lane },
    )
    const { resourceVersion, continue: more } = page.metadata
    return more ? { items: page.items, resourceVersion, continue: more } : { items: page.items, resourceVersion }
  }

  function create<T extends KubeObject>(
    resource: Resource<T>,
    object: Draft<T>,
    { signal, lane }: RequestOptions = {},
  ) {
    const { apiVersion, kind } = resource
    const path = pathOf(resource, { namespace: object.metadata.namespace })
    const body = { ...object, apiVersion, kind }
    return send<T>(`POST ${resource.plural} ${keyOf(object.metadata)}`, { method: 'POST', path, body, signal, lane })
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
      lane: options.lane,
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
      lane: options.lane,
    })
  }

  return { get, list, create, replace, mergePatch, delete: remover(send) }
}

function reader(send: Send): KubeClient['get'] {
  return async function get<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    { signal, lane }: RequestOptions = {},
  ): Promise<T | undefined> {
    try {
      return await send<T>(`GET ${resource.plural} ${keyOf(ref)}`, {
        method: 'GET',
        path: pathOf(resource, ref),
        signal,
        lane,
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
