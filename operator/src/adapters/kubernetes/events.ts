// Events for people who `kubectl describe`: best effort. They never hold up, and never fail, what they tell of.
import { createHash } from 'node:crypto'
import { toTime } from '../../api/time.ts'
import type { Clock } from '../../controllers/clock.ts'
import type { KubeClient } from './client.ts'
import { isNotFound } from './errors.ts'
import { events, type KubeEvent } from './resources.ts'

export interface Happening {
  readonly regarding: KubeEvent['involvedObject'] & { readonly uid: string }
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase, such as `Placed`. */
  readonly reason: string
  readonly message: string
}

export interface RecorderOptions {
  readonly client: Pick<KubeClient, 'create' | 'mergePatch'>
  /** `gpu-commons-hub`, and which replica of it. */
  readonly component: string
  readonly instance: string
  readonly clock: Clock
  /** An event that could not be written; it is not tried again. */
  readonly onError: (error: Error) => void
  /** For metrics. `dropped`: too many about one object, or too many waiting. */
  readonly observe?: (outcome: 'written' | 'dropped' | 'failed') => void
}

export interface Recorder {
  /** Returns at once. */
  readonly record: (happening: Happening) => void
  /** Resolves when everything recorded so far is written or given up. */
  readonly flushed: () => Promise<void>
}

/** The same reason on the same object within this time is the same event, counted up. */
const sameWithinMs = 10 * 60_000

/** About one object: so many at once, then one in five minutes. */
const burst = 25
const refillMs = 5 * 60_000

/** Objects and reasons remembered, and events waiting; the oldest is forgotten, the newest dropped. */
const remembered = 4096
const longestQueue = 1000

const longestMessage = 1024 // The API server refuses longer ones.

export function eventRecorder(options: RecorderOptions): Recorder {
  const { clock, onError, observe } = options
  const written = recently<Written>()
  const budgets = recently<Budget>()
  let last: Promise<void> = Promise.resolve()
  let waiting = 0

  function record(happening: Happening): void {
    if (waiting >= longestQueue || !mayWrite(happening.regarding.uid)) {
      observe?.('dropped')
      return
    }
    waiting++
    // One after the other: a later count of an event must not overtake the event.
    last = last.then(() => write(happening))
  }

  function mayWrite(uid: string): boolean {
    const now = clock.boot()
    const { tokens, at } = budgets.get(uid) ?? { tokens: burst, at: now }
    const refilled = Math.min(burst, tokens + (now - at) / refillMs)
    const allowed = refilled >= 1
    budgets.set(uid, { tokens: allowed ? refilled - 1 : refilled, at: now })
    return allowed
  }

  async function write(happening: Happening): Promise<void> {
    const { regarding, reason } = happening
    const key = `${regarding.uid} ${happening.type} ${reason}`
    try {
      const before = written.get(key)
      const next =
        before && clock.boot() - before.at < sameWithinMs
          ? await countUp(options, { before, happening })
          : await create(options, happening)
      written.set(key, next)
      observe?.('written')
    } catch (error) {
      observe?.('failed')
      onError(new Error(`writing the event ${reason} of ${regarding.kind} ${regarding.name}`, { cause: error }))
    } finally {
      waiting--
    }
  }

  return { record, flushed: () => last }
}

interface Written {
  readonly namespace: string
  readonly name: string
  readonly count: number
  /** Boot time of the first. */
  readonly at: number
}

interface Budget {
  readonly tokens: number
  readonly at: number
}

async function create({ client, component, instance, clock }: RecorderOptions, happening: Happening): Promise<Written> {
  const { regarding, type, reason, message } = happening
  const now = toTime(clock.now())
  const namespace = regarding.namespace ?? 'default' // Where events of what has no namespace live.
  const name = eventName(happening, clock.now())
  await client.create(events, {
    metadata: { namespace, name },
    involvedObject: regarding,
    type,
    reason,
    message: message.slice(0, longestMessage),
    source: { component },
    reportingComponent: component,
    reportingInstance: instance,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
  })
  return { namespace, name, count: 1, at: clock.boot() }
}

async function countUp(
  options: RecorderOptions,
  { before, happening }: { before: Written; happening: Happening },
): Promise<Written> {
  const count = before.count + 1
  const patch = {
    count,
    message: happening.message.slice(0, longestMessage),
    lastTimestamp: toTime(options.clock.now()),
  }
  try {
    await options.client.mergePatch(events, { ref: before, patch })
    return { ...before, count }
  } catch (error) {
    if (isNotFound(error)) return create(options, happening) // The API server forgets events after an hour, or sooner.
    throw error
  }
}

/** Ends in what makes it its own; the object's name is cut so that the whole stays a valid name. */
function eventName({ regarding, type, reason, message }: Happening, now: number): string {
  const digest = createHash('sha256')
    .update(`${regarding.uid} ${type} ${reason} ${message} ${now}`)
    .digest('hex')
    .slice(0, 16)
  return `${regarding.name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${digest}`
}

/** A Map that forgets what was set longest ago. */
function recently<V>() {
  const map = new Map<string, V>()
  return {
    get: (key: string) => map.get(key),
    set: (key: string, value: V) => {
      map.delete(key)
      map.set(key, value)
      const [oldest] = map.keys()
      if (map.size > remembered && oldest !== undefined) map.delete(oldest)
    },
  }
}
