// What a reflector knows: the projected objects of one kind by key, with indexes, and whoever wants to hear of changes.
import type { ObjectMeta } from './client.ts'

/** What every projection keeps: it is how the store tells objects and their versions apart. */
export interface Projected {
  readonly metadata: {
    readonly namespace?: string | undefined
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
}

export interface StoreEvent<P> {
  readonly type: 'added' | 'modified' | 'deleted'
  readonly key: string
  /** When deleted: as it was last seen. */
  readonly object: P
  /** When modified: as it was before. */
  readonly previous?: P
}

export type Listener<P> = (event: StoreEvent<P>) => void

/** Under which values an object is found in an index. */
export type Indexes<P> = Readonly<Record<string, (object: P) => readonly string[]>>

/** The reader's side. Everything returned is shared: nobody changes it. */
export interface Store<P> {
  readonly get: (key: string) => P | undefined
  readonly keys: () => IterableIterator<string>
  readonly values: () => IterableIterator<P>
  readonly size: number
  /** Empty when there is none; throws for an index that does not exist. */
  readonly by: (index: string, value: string) => readonly P[]
  /** Calls the listener for each change from now on, after the store has it; returns how to stop that. */
  readonly subscribe: (listener: Listener<P>) => () => void
}

/** The reflector's side. */
export interface WritableStore<P> extends Store<P> {
  /** An object that is older than what is held under its name is left out: a stream may lag behind what was learned otherwise. */
  readonly put: (object: P) => void
  /** Takes the answer to a write of our own, before any watch has it. Only for an object that is held: one that is not may be gone by now. */
  readonly learn: (object: P) => void
  /** With the version of its removal; what is held of that name and newer stays. */
  readonly remove: (removed: ObjectMeta) => void
  /** Makes the store hold exactly these; tells only of what differs. */
  readonly replaceAll: (objects: ReadonlyMap<string, P>) => void
}

/** `namespace/name`, or `name` of what has no namespace. */
export function keyOf({ namespace, name }: { readonly namespace?: string | undefined; readonly name: string }): string {
  return namespace ? `${namespace}/${name}` : name
}

export function createStore<P extends Projected>({
  indexes = {},
  onError,
}: {
  readonly indexes?: Indexes<P> | undefined
  /** A listener that threw: a bug, and no reason to keep anything from the others. */
  readonly onError: (error: Error) => void
}): WritableStore<P> {
  const objects = new Map<string, P>()
  const tables = new Map(Object.entries(indexes).map(([name, of]) => [name, createIndex(of)]))
  const { tell, subscribe } = announcer<P>(onError)

  function put(object: P): void {
    const known = objects.get(keyOf(object.metadata))
    if (known && isOlder(object.metadata.resourceVersion, known.metadata.resourceVersion)) return
    take(object)
  }

  function learn(object: P): void {
    if (objects.get(keyOf(object.metadata))?.metadata.uid === object.metadata.uid) put(object)
  }

  function take(object: P): void {
    const key = keyOf(object.metadata)
    const known = objects.get(key)
    if (known && known.metadata.uid !== object.metadata.uid) drop(key) // The end of the first of that name was missed.
    const previous = objects.get(key)
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion) return // A stream was resumed.
    objects.set(key, object)
    for (const table of tables.values()) {
      if (previous) table.drop(key, previous)
      table.add(key, object)
    }
    tell(previous ? { type: 'modified', key, object, previous } : { type: 'added', key, object })
  }

  function remove(removed: ObjectMeta): void {
    const key = keyOf(removed)
    const held = objects.get(key)?.metadata.resourceVersion
    if (held !== undefined && removed.resourceVersion !== undefined && isOlder(removed.resourceVersion, held)) return
    drop(key)
  }

  function drop(key: string): void {
    const object = objects.get(key)
    if (!object) return
    objects.delete(key)
    for (const table of tables.values()) table.drop(key, object)
    tell({ type: 'deleted', key, object })
  }

  function replaceAll(wanted: ReadonlyMap<string, P>): void {
    for (const key of objects.keys()) if (!wanted.has(key)) drop(key)
    // Older ones too: an API server that was set back to a backup says what is so now.
    for (const object of wanted.values()) take(object)
  }

  return {
    get: (key) => objects.get(key),
    keys: () => objects.keys(),
    values: () => objects.values(),
    get size() {
      return objects.size
    },
    by: (name, value) => {
      const table = tables.get(name)
      if (!table) throw new Error(`no index is named ${name}`)
      return table.find(value)
    },
    subscribe,
    put,
    learn,
    remove,
    replaceAll,
  }
}

/** Versions of one kind are decimal numbers that grow: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
function isOlder(one: string, other: string): boolean {
  return one.length === other.length ? one < other : one.length < other.length
}

function announcer<P>(onError: (error: Error) => void) {
  const listeners = new Set<Listener<P>>()

  function tell(event: StoreEvent<P>): void {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        onError(new Error(`telling that ${event.key} was ${event.type}`, { cause: error }))
      }
    }
  }

  function subscribe(listener: Listener<P>): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { tell, subscribe }
}

function createIndex<P>(valuesOf: (object: P) => readonly string[]) {
  const byValue = new Map<string, Map<string, P>>()

  function add(key: string, object: P): void {
    for (const value of valuesOf(object)) {
      const found = byValue.get(value)
      if (found) found.set(key, object)
      else byValue.set(value, new Map([[key, object]]))
    }
  }

  function drop(key: string, object: P): void {
    for (const value of valuesOf(object)) {
      const found = byValue.get(value)
      found?.delete(key)
      if (found?.size === 0) byValue.delete(value)
    }
  }

  return { add, drop, find: (value: string): readonly P[] => [...(byValue.get(value)?.values() ?? [])] }
}
