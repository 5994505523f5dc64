// What the rest of the code knows of an API server. `connect.ts` speaks to a real one, test/fakes/kube-api.ts is a small one in memory.

/** The part of metadata that this runtime itself relies upon. Kinds say more in their own types. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string | undefined
  readonly uid?: string | undefined
  readonly resourceVersion?: string | undefined
}

export interface KubeObject {
  readonly metadata: ObjectMeta
}

/** A kind of object as the API server names it. */
export interface Resource<T extends KubeObject> {
  /** `v1`, `batch/v1`, `gpucommons.io/v1alpha1` */
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Never set: it carries the type of the objects. */
  readonly objects?: T
}

export interface ObjectRef {
  readonly namespace?: string | undefined
  readonly name: string
}

/** What a writer knows of an object that does not exist yet; apiVersion and kind are filled in from the Resource. */
export type Draft<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind' | 'metadata' | 'status'> & {
  readonly metadata: DraftMeta
}

export interface DraftMeta extends ObjectRef {
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly ownerReferences?: readonly OwnerReference[] | undefined
  readonly finalizers?: readonly string[] | undefined
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean | undefined
  readonly blockOwnerDeletion?: boolean | undefined
}

/** A merge patch (RFC 7396) of T: what is absent stays, `null` removes, a list replaces the whole list. */
export type MergePatch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: MergePatch<T[K]> | null }
    : T

export interface Page<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
  /** Present when there is more: the `continue` of the next call. */
  readonly continue?: string
}

/**
 * Urgent: what keeps a Lease. It has connections of its own, is given up after 5 s of silence, and does not wait when the
 * server asks for patience: whoever sends it comes back in its own beat.
 */
export type Lane = 'Normal' | 'Urgent'

export interface RequestOptions {
  readonly lane?: Lane | undefined
  /** Gives the request up; whether the server has carried out a write is then unknown. */
  readonly signal?: AbortSignal | undefined
}

export interface Selection {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

export interface ListOptions extends Selection, RequestOptions {
  readonly limit?: number | undefined
  readonly continue?: string | undefined
}

export interface WriteOptions extends RequestOptions {
  readonly subresource?: 'status' | 'scale' | undefined
}

export interface DeleteOptions extends RequestOptions {
  readonly uid?: string | undefined
  readonly resourceVersion?: string | undefined
  /** Say it for Jobs: without it the API server orphans a Job's pods. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined
  readonly gracePeriodSeconds?: number | undefined
}

export interface WatchOptions extends Selection, RequestOptions {
  /** Only what happened after this version; absent together with `initialEvents`. */
  readonly resourceVersion?: string | undefined
  /** Streams all objects first as ADDED (a consistent read), then a bookmark with `initialEventsEnd`. */
  readonly initialEvents?: boolean | undefined
  /** The server ends the stream after this time. */
  readonly timeoutSeconds: number
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly initialEventsEnd: boolean }

export interface RawRequest extends RequestOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute path with its query, already escaped. */
  readonly path: string
  readonly body?: unknown
  /** For POST and PUT `application/json` is meant. */
  readonly contentType?: string | undefined
  /** Beside those of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Every method throws ApiError when the server refuses, and an Error with a cause when it could not be asked. A 429 means
 * that nothing was done, and is tried again, within bounds, when the server wants it; so is a 401 with new credentials.
 */
export interface KubeClient extends AsyncDisposable {
  /** A quorum read; undefined when there is no such object. */
  readonly get: <T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: RequestOptions,
  ) => Promise<T | undefined>
  /** One page of a quorum read. */
  readonly list: <T extends KubeObject>(resource: Resource<T>, options?: ListOptions) => Promise<Page<T>>
  readonly create: <T extends KubeObject>(
    resource: Resource<T>,
    object: Draft<T>,
    options?: RequestOptions,
  ) => Promise<T>
  /** PUT. The resourceVersion in the object is the precondition. */
  readonly replace: <T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions) => Promise<T>
  /** A resourceVersion or uid in the patch's metadata is a precondition. */
  readonly mergePatch: <T extends KubeObject>(
    resource: Resource<T>,
    target: { readonly ref: ObjectRef; readonly patch: MergePatch<T> },
    options?: WriteOptions,
  ) => Promise<T>
  /** `otherUid`: an object of that name exists, but it is not the one that was meant, and it was left alone. */
  readonly delete: <T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: DeleteOptions,
  ) => Promise<'deleted' | 'absent' | 'otherUid'>
  /**
   * Events in the batches in which they arrive. Ends when the server ends the stream; throws ApiError (410 among
   * them) for an ERROR event, and for a connection that broke.
   */
  readonly watch: <T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ) => AsyncIterable<readonly WatchEvent<T>[]>
  /** Anything else, such as a token request. The answer is parsed JSON that nobody has checked. */
  readonly request: (request: RawRequest) => Promise<unknown>
}

/** The path under which the API server has this object or, without a name, this collection. */
export function pathOf(
  resource: Resource<KubeObject>,
  { namespace, name, subresource }: { namespace?: string | undefined; name?: string; subresource?: string | undefined },
): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`
  if (name !== undefined && resource.namespaced && !namespace) {
    throw new Error(`${resource.plural} ${name} was named without its namespace`)
  }
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`
  return `${root}${scope}/${resource.plural}${object}${subresource ? `/${subresource}` : ''}`
}
