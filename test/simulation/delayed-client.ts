import type {
  KubeClient,
  KubeObject,
  Resource,
  WatchEvent,
  WatchOptions,
} from '../../operator/src/adapters/kubernetes/client.ts'
import { type Clock, pause, type Timers } from '../../operator/src/controllers/clock.ts'

export interface Delays {
  readonly clock: Clock
  readonly timers: Timers
  /** Milliseconds until the server acts on a request, and until its answer is here; asked for each anew. */
  readonly request: () => number
  readonly answer: () => number
  /** Milliseconds by which what a watch tells is late. */
  readonly watch: () => number
}

/** A client that is far away, or whose process stands still now and then: what it sends and hears is late, in order. */
export function delayedClient(client: KubeClient, delays: Delays): KubeClient {
  const never = new AbortController().signal
  const wait = (ms: number) => pause(ms, { timers: delays.timers, signal: never })
  const late = async <R>(act: () => Promise<R>): Promise<R> => {
    await wait(delays.request())
    try {
      return await act()
    } finally {
      await wait(delays.answer())
    }
  }
  return {
    ...client,
    get: (resource, ref, options) => late(() => client.get(resource, ref, options)),
    list: (resource, options) => late(() => client.list(resource, options)),
    create: (resource, object, options) => late(() => client.create(resource, object, options)),
    replace: (resource, object, options) => late(() => client.replace(resource, object, options)),
    mergePatch: (resource, what, options) => late(() => client.mergePatch(resource, what, options)),
    delete: (resource, ref, options) => late(() => client.delete(resource, ref, options)),
    watch: (resource, options) => lateEvents(client, delays, { resource, options }),
  }
}

async function* lateEvents<T extends KubeObject>(
  client: KubeClient,
  { clock, timers, watch }: Delays,
  { resource, options }: { readonly resource: Resource<T>; readonly options: WatchOptions },
): AsyncGenerator<readonly WatchEvent<T>[], void, undefined> {
  const { signal = new AbortController().signal } = options
  const arrived: { readonly at: number; readonly say: () => readonly WatchEvent<T>[] | undefined }[] = []
  let wake = Promise.withResolvers<void>()
  const arrive = (say: (typeof arrived)[number]['say']) => {
    arrived.push({ at: Math.max(arrived.at(-1)?.at ?? 0, clock.boot() + watch()), say })
    wake.resolve()
  }
  const listen = async () => {
    for await (const batch of client.watch(resource, options)) arrive(() => batch)
  }
  const ending = listen().then(
    () => arrive(() => undefined),
    (error: unknown) =>
      arrive(() => {
        throw error
      }),
  )
  for (;;) {
    await wake.promise
    const next = arrived.shift()
    if (arrived.length === 0) wake = Promise.withResolvers()
    if (!next) continue
    await pause(Math.max(0, next.at - clock.boot()), { timers, signal })
    const batch = next.say()
    if (!batch) return await ending
    yield batch
  }
}
