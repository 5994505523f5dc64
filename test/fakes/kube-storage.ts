// What the fake API server keeps, and the rules by which a write changes it. No I/O, no waiting.
import type {
  DeleteOptions,
  ObjectRef,
  OwnerReference,
  Resource,
} from '../../operator/src/adapters/kubernetes/client.ts'
import { ApiError } from '../../operator/src/adapters/kubernetes/errors.ts'
import { keyOf } from '../../operator/src/adapters/kubernetes/store.ts'

export interface StoredMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
}

export interface Stored {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: StoredMeta
  readonly spec?: unknown
  readonly status?: unknown
}

/** What a writer sends. */
export type Incoming = Readonly<Record<string, unknown>> & { readonly metadata: Partial<StoredMeta> & ObjectRef }

/** One write: what was, what is. */
export interface Change {
  readonly version: number
  readonly kind: string
  readonly before?: Stored
  readonly after?: Stored
}

type AnyResource = Resource<{ readonly metadata: { readonly name: string } }>

export interface StorageOptions {
  /** As metav1.Time. */
  readonly now: () => string
  readonly onChange: (change: Change) => void
}

/** Kinds of the core that have no status of their own to write to. */
const withoutStatus = new Set(['leases', 'secrets', 'serviceaccounts', 'events', 'roles', 'rolebindings', 'configmaps'])
/** Kinds of the core whose generation counts; those of custom resources always do. */
const withGeneration = new Set(['jobs'])

export class Storage {
  version = 0
  readonly #collections = new Map<string, Map<string, Stored>>()
  readonly #options: StorageOptions
  #created = 0

  constructor(options: StorageOptions) {
    this.#options = options
  }

  /** In the order of etcd: by key. */
  all(resource: AnyResource): Stored[] {
    const collection = this.#collection(resource)
    return [...collection.keys()].toSorted().map((key) => collection.get(key) as Stored)
  }

  find(resource: AnyResource, ref: ObjectRef): Stored | undefined {
    return this.#collection(resource).get(keyOf(ref))
  }

  mustFind(resource: AnyResource, ref: ObjectRef): Stored {
    return (
      this.find(resource, ref) ?? refuse(resource, ref.name, { status: 404, reason: 'NotFound', says: 'not found' })
    )
  }

  create(resource: AnyResource, draft: Incoming): Stored {
    const { name, namespace } = draft.metadata
    if (resource.namespaced && !this.#collections.get('v1/namespaces')?.has(namespace ?? '')) {
      throw new ApiError('', { status: 404, reason: 'NotFound', message: `namespaces "${namespace}" not found` })
    }
    if (this.find(resource, draft.metadata)) {
      refuse(resource, name, { status: 409, reason: 'AlreadyExists', says: 'already exists' })
    }
    this.#created++
    const uid = `00000000-0000-4000-8000-${String(this.#created).padStart(12, '0')}`
    const { status: asked, ...content } = draft
    const object = {
      ...written(resource, content),
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: {
        ...draft.metadata,
        uid,
        creationTimestamp: this.#options.now(),
        ...(counts(resource) ? { generation: 1 } : {}),
      },
      ...(hasStatus(resource) ? bornWith(resource) : status(asked)),
    }
    return this.#write(resource, undefined, object as unknown as Stored)
  }

  /** Writes `next` over the object of that name. What a writer may not change stays as it was. */
  update(resource: AnyResource, next: Incoming, subresource?: string): Stored {
    const { uid, resourceVersion } = next.metadata
    const found = this.find(resource, next.metadata)
    if (!found && resource.plural === 'leases') return this.#recreate(resource, next)
    const before = found ?? this.mustFind(resource, next.metadata)
    const conflict = (why: string) =>
      refuse(resource, before.metadata.name, { status: 409, reason: 'Conflict', says: why, cannotFulfil: true })
    if (uid !== undefined && uid !== before.metadata.uid) conflict(`uid is ${before.metadata.uid}`)
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      conflict('the object has been modified')
    }
    if (subresource === 'status') return this.#write(resource, before, { ...before, status: next['status'] })

    const { status: asked, ...rest } = next
    const content = written(resource, { ...rest, ...status(hasStatus(resource) ? before.status : asked) })
    const changed = !isSame(withoutMeta(content), withoutMeta(before))
    const { generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = before.metadata
    const metadata = {
      ...next.metadata,
      uid: before.metadata.uid,
      creationTimestamp,
      generation: generation === undefined ? undefined : generation + (changed ? 1 : 0),
      deletionTimestamp,
      deletionGracePeriodSeconds,
    }
    const { apiVersion, kind } = resource
    const after = { ...content, apiVersion, kind, metadata: present(metadata) } as unknown as Stored
    if (before.metadata.deletionTimestamp && !after.metadata.finalizers?.length) {
      this.#remove(resource, after)
      return after
    }
    return this.#write(resource, before, after)
  }

  /** A lease may be created by an update, unless that names the uid of another. */
  #recreate(resource: AnyResource, next: Incoming): Stored {
    const { uid, resourceVersion: _, ...metadata } = next.metadata
    if (uid === undefined) return this.create(resource, { ...next, metadata })
    const says = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `
    return refuse(resource, metadata.name, { status: 409, reason: 'Conflict', says, cannotFulfil: true })
  }

  delete(resource: AnyResource, ref: ObjectRef, options: DeleteOptions): void {
    const object = this.mustFind(resource, ref)
    const { uid, resourceVersion } = options
    for (const [field, asked, is] of [
      ['UID', uid, object.metadata.uid],
      ['ResourceVersion', resourceVersion, object.metadata.resourceVersion],
    ] as const) {
      if (asked === undefined || asked === is) continue
      const says = `Precondition failed: ${field} in precondition: ${asked}, ${field} in object meta: ${is}`
      refuse(resource, ref.name, { status: 409, reason: 'Conflict', says, cannotFulfil: true })
    }
    const grace = graceOf(resource, object, options)
    if (object.metadata.finalizers?.length || grace > 0) {
      if (object.metadata.deletionTimestamp) return
      const leaving = { deletionTimestamp: this.#options.now(), deletionGracePeriodSeconds: grace }
      this.#write(resource, object, { ...object, metadata: { ...object.metadata, ...leaving } })
      return
    }
    this.#remove(resource, object)
    // A Job's pods stay behind unless the caller says otherwise: so it is for reasons of history.
    const policy = options.propagationPolicy ?? (resource.plural === 'jobs' ? 'Orphan' : 'Background')
    this.#collectGarbage(object.metadata.uid, policy === 'Orphan')
    if (resource.kind === 'Namespace') this.#empty(object.metadata.name)
  }

  /** What the garbage collector does in time is done at once here: what has lost its last owner goes, or is let go. */
  #collectGarbage(ownerUid: string, orphan: boolean): void {
    for (const [object, resource] of this.#everything()) {
      const owners = object.metadata.ownerReferences ?? []
      if (!owners.some(({ uid }) => uid === ownerUid)) continue
      const left = owners.filter(({ uid }) => uid !== ownerUid)
      if (orphan || left.length > 0) {
        const metadata = present({ ...object.metadata, ownerReferences: left.length > 0 ? left : undefined })
        this.#write(resource, object, { ...object, metadata: metadata as unknown as StoredMeta })
      } else if (this.find(resource, object.metadata)) {
        this.delete(resource, object.metadata, { propagationPolicy: 'Background' })
      }
    }
  }

  /** What the namespace controller does in time is done at once here. */
  #empty(namespace: string): void {
    for (const [object, resource] of this.#everything()) {
      if (object.metadata.namespace === namespace) this.#remove(resource, object)
    }
  }

  #everything(): [Stored, AnyResource][] {
    return [...this.#collections].flatMap(([kind, collection]) => {
      const plural = kind.slice(kind.lastIndexOf('/') + 1)
      return [...collection.values()].map((object): [Stored, AnyResource] => [
        object,
        { apiVersion: object.apiVersion, kind: object.kind, plural, namespaced: Boolean(object.metadata.namespace) },
      ])
    })
  }

  #write(resource: AnyResource, before: Stored | undefined, next: Stored): Stored {
    if (before && isSame(unversioned(before), unversioned(next))) return before // Nothing changes: nothing is written.
    this.version++
    const resourceVersion = String(this.version)
    const after = structuredClone({ ...next, metadata: { ...next.metadata, resourceVersion } })
    this.#collection(resource).set(keyOf(after.metadata), after)
    const kind = kindKey(resource)
    this.#options.onChange(
      before ? { version: this.version, kind, before, after } : { version: this.version, kind, after },
    )
    return after
  }

  #remove(resource: AnyResource, object: Stored): void {
    this.version++
    this.#collection(resource).delete(keyOf(object.metadata))
    const before = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } }
    this.#options.onChange({ version: this.version, kind: kindKey(resource), before })
  }

  #collection(resource: AnyResource): Map<string, Stored> {
    const key = kindKey(resource)
    const found = this.#collections.get(key)
    if (found) return found
    const empty = new Map<string, Stored>()
    this.#collections.set(key, empty)
    return empty
  }
}

export function kindKey({ apiVersion, plural }: Pick<AnyResource, 'apiVersion' | 'plural'>): string {
  return `${apiVersion}/${plural}`
}

function refuse(
  { apiVersion, plural }: AnyResource,
  name: string,
  why: { status: number; reason: string; says: string; cannotFulfil?: true },
): never {
  const [group] = apiVersion.includes('/') ? apiVersion.split('/') : []
  const object = `${plural}${group ? `.${group}` : ''} "${name}"`
  const message = why.cannotFulfil ? `Operation cannot be fulfilled on ${object}: ${why.says}` : `${object} ${why.says}`
  throw new ApiError('', { status: why.status, reason: why.reason, message })
}

function hasStatus({ plural }: AnyResource): boolean {
  return !withoutStatus.has(plural)
}

function counts({ apiVersion, plural }: AnyResource): boolean {
  return withGeneration.has(plural) || /^[^/]+\.gpucommons\.io\/|^gpucommons\.io\//.test(apiVersion)
}

function bornWith({ plural }: AnyResource): { status?: unknown } {
  if (plural === 'pods') return { status: { phase: 'Pending' } }
  if (plural === 'namespaces') return { status: { phase: 'Active' } }
  return plural === 'jobs' ? { status: {} } : {}
}

/** Only pods are given time to end, and only when they are on a node. */
function graceOf({ plural }: AnyResource, { spec }: Stored, { gracePeriodSeconds }: DeleteOptions): number {
  const { nodeName, terminationGracePeriodSeconds } = (spec ?? {}) as Record<string, unknown>
  return plural === 'pods' && nodeName ? (gracePeriodSeconds ?? Number(terminationGracePeriodSeconds ?? 30)) : 0
}

/** Secrets take plain text and keep base64. */
function written({ plural }: AnyResource, content: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { stringData, ...rest } = content
  if (plural !== 'secrets' || !stringData) return content
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(String(text)).toString('base64')])
  return { ...rest, data: { ...(rest['data'] as object | undefined), ...Object.fromEntries(encoded) } }
}

function status(value: unknown): { status?: unknown } {
  return value === undefined ? {} : { status: value }
}

function withoutMeta(object: object): object {
  const { metadata: _, status: __, apiVersion: ___, kind: ____, ...rest } = object as Record<string, unknown>
  return rest
}

function unversioned(object: Stored): object {
  const { resourceVersion: _, ...metadata } = object.metadata
  return present({ ...object, metadata: present(metadata) })
}

function present(object: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

/** As JSON: an absent field and one that is undefined are the same. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => isSame((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}
