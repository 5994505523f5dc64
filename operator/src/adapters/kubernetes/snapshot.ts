// Reads what a selection is at one moment: by a stream that is left when all of it is there, or in pages.
import type { KubeClient, KubeObject, Resource, Selection, WatchEvent } from './client.ts'
import { isBusy, isInvalid } from './errors.ts'
import type { SilenceGuard } from './silence.ts'

export type Change<T> = Exclude<WatchEvent<T>, { readonly type: 'BOOKMARK' }>

export interface SnapshotOf<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'list' | 'watch'>
  readonly resource: Resource<T>
  readonly selection: Selection
  readonly take: (change: Change<T>) => void
}

/** Each is slower than the one before, and asks less of the server. */
export type Way = 'stream' | 'pages' | 'unselected pages'

const pageSize = 500
const longestStreamSeconds = 240

/**
 * How to try again after an error. A stream that broke may break there again, who stands between may never let one through,
 * and a server may know no such stream (WatchList), or not the field by which it is to select.
 */
export function wayAfter(error: unknown, way: Way): Way {
  // A server that has too much to do is not asked for more.
  if (way === 'stream') return isBusy(error) ? way : 'pages'
  return isInvalid(error) ? 'unselected pages' : way
}

/** Gives the version of which it is. Throws where the stream ends or falls silent before all is there. */
export async function readStream<T extends KubeObject>(
  { client, resource, selection, take }: SnapshotOf<T>,
  guard: SilenceGuard,
): Promise<string> {
  const asked = { ...selection, initialEvents: true, timeoutSeconds: longestStreamSeconds }
  try {
    for await (const batch of client.watch(resource, { ...asked, signal: guard.signal })) {
      if (guard.signal.aborted) break
      guard.heard()
      for (const event of batch) {
        if (event.type !== 'BOOKMARK') take(event)
        else if (event.initialEventsEnd) return event.resourceVersion
      }
    }
  } finally {
    guard.end()
  }
  throw new Error(`WATCH ${resource.plural}: the stream ended before all objects were sent`)
}

/** A quorum read; its pages are one consistent whole, of the version that it gives. */
export async function readPages<T extends KubeObject>(
  { client, resource, selection, take }: SnapshotOf<T>,
  signal: AbortSignal,
): Promise<string> {
  let version: string | undefined
  let next: string | undefined
  do {
    const page = await client.list(resource, { ...selection, limit: pageSize, continue: next, signal })
    version ??= page.resourceVersion
    for (const object of page.items) take({ type: 'ADDED', object })
    next = page.continue
  } while (next !== undefined)
  return version
}
