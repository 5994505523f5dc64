// The stream of a watch: one JSON object a line, cut into chunks anywhere.
import type { KubeObject, WatchEvent } from './client.ts'
import { ApiError } from './errors.ts'

/** An object in etcd has at most 1.5 MiB by default; JSON and managed fields make it longer, not this long. */
const longestLineBytes = 16 * 2 ** 20

/** Bookmark annotation: all objects that existed have been sent. */
export const initialEventsEnd = 'k8s.io/initial-events-end'

/** The lines of a stream. A line is held back until its end has come; what follows the last line end is cut off and dropped. */
export function lineSplitter(longestBytes = longestLineBytes): (chunk: Buffer) => string[] {
  let begun: Buffer[] = []
  let begunBytes = 0

  /** Kept as bytes until the line is whole: a chunk may end within a character. */
  function keep(part: Buffer): void {
    if (part.length === 0) return
    begun.push(part)
    begunBytes += part.length
    if (begunBytes > longestBytes) throw new Error(`a line is longer than ${longestBytes} bytes`)
  }

  return (chunk) => {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      if (begunBytes === 0) {
        lines.push(chunk.toString('utf8', start, end))
      } else {
        keep(chunk.subarray(start, end))
        lines.push(Buffer.concat(begun, begunBytes).toString('utf8'))
        begun = []
        begunBytes = 0
      }
      start = end + 1
    }
    keep(chunk.subarray(start))
    return lines
  }
}

/** What was asked (`what`) is for error messages. Throws ApiError for an ERROR event. */
export async function* watchEvents<T extends KubeObject>(
  chunks: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
  const split = lineSplitter()
  for await (const chunk of chunks) {
    const batch: WatchEvent<T>[] = []
    let failed: ApiError | undefined
    for (const line of split(chunk)) {
      if (line === '') continue
      const event = eventOf<T>(line, what)
      if (event instanceof ApiError) {
        failed = event
        break // The server says no more after this.
      }
      batch.push(event)
    }
    if (batch.length > 0) yield batch // What came before the error counts.
    if (failed) throw failed
  }
}

interface Line {
  readonly type?: unknown
  readonly object?: {
    readonly metadata?: {
      readonly name?: unknown
      readonly resourceVersion?: unknown
      readonly annotations?: Readonly<Record<string, string>>
    }
    readonly code?: unknown
    readonly reason?: unknown
    readonly message?: unknown
    readonly details?: { readonly retryAfterSeconds?: unknown }
  }
}

/** What is no event at all throws: the stream is of no use from there on, and is taken up again before it. */
function eventOf<T extends KubeObject>(line: string, what: string): WatchEvent<T> | ApiError {
  const parsed = JSON.parse(line) as Line | null
  const { type, object } = parsed ?? {}
  const { name, resourceVersion, annotations } = object?.metadata ?? {}
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      if (!isText(name) || !isText(resourceVersion))
        throw new Error(`${what}: an event of type ${type} names no object`)
      return { type, object: object as unknown as T }
    case 'BOOKMARK':
      if (!isText(resourceVersion)) throw new Error(`${what}: a bookmark has no version`)
      return { type, resourceVersion, initialEventsEnd: annotations?.[initialEventsEnd] === 'true' }
    case 'ERROR':
      return refusal(object ?? {}, what)
    default:
      throw new Error(`${what}: an event of type ${JSON.stringify(type)} is not known`)
  }
}

function refusal({ code, reason, message, details }: NonNullable<Line['object']>, what: string): ApiError {
  const seconds = details?.retryAfterSeconds
  return new ApiError(what, {
    status: typeof code === 'number' ? code : 500,
    reason: isText(reason) ? reason : 'Unknown',
    message: isText(message) ? message : 'the watch ended with an error',
    retryAfterSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : undefined,
  })
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
