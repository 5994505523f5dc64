import { afterEach, describe, expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { KubeClient, KubeObject, Resource, WatchOptions } from './client.ts'
import { ApiError } from './errors.ts'
import { type ReflectOptions, reflect } from './reflector.ts'
import { type Secret, secrets } from './resources.ts'

type Options = ReflectOptions<Secret, Secret>

const stops: AbortController[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort()
})

/** A reflector of secrets on the fake API server; `client` may change what it hears. */
async function bench({
  had = [] as readonly string[],
  client,
  ...how
}: Partial<Options> & { had?: readonly string[] } = {}) {
  const time = fakeTime()
  const api = fakeKubeApi({ ...time, namespaces: ['ns'] })
  const stop = new AbortController()
  stops.push(stop)
  const put = (name: string) => api.create(secrets, { metadata: { namespace: 'ns', name } })
  for (const name of had) await put(name)
  const errors: string[] = []
  const log: string[] = []
  const start = (over: Partial<Options> = {}) => {
    const reflection = reflect<Secret, Secret>({
      client: api,
      resource: secrets,
      project: (secret) => secret,
      clock: time.clock,
      timers: time.timers,
      random: () => 1,
      signal: stop.signal,
      onError: (error) => errors.push(error.message),
      ...how,
      ...over,
    })
    reflection.store.subscribe(({ type, key }) => log.push(`${type} ${key}`))
    return reflection
  }
  const names = (reflection: ReturnType<typeof start>) =>
    [...reflection.store.keys()].map((key) => key.slice(3)).toSorted()
  const change = (name: string) =>
    api.mergePatch(secrets, { ref: { namespace: 'ns', name }, patch: { data: { at: String(time.clock.boot()) } } })
  return { time, api, stop, put, change, errors, log, start, names }
}

const refused = new ApiError('WATCH', { status: 422, reason: 'Invalid', message: 'sendInitialEvents is forbidden' })
const expired = new ApiError('WATCH secrets', { status: 410, reason: 'Expired', message: 'too old' })
const busy = new ApiError('WATCH secrets', {
  status: 429,
  reason: 'TooManyRequests',
  message: 'wait',
  retryAfterSeconds: 7,
})

describe('a reflector fills its store', () => {
  test('from one stream', async () => {
    const { api, time, start, names } = await bench({ had: ['a', 'b'] })
    const reflection = start()
    await reflection.synced
    await time.turn()
    expect(names(reflection)).toEqual(['a', 'b'])
    expect(api.requests.filter((request) => /LIST|WATCH/.test(request))).toEqual(['WATCH secrets'])
  })

  test('from pages where the server knows no such stream, and never asks for one again', async () => {
    const had = Array.from({ length: 1203 }, (_, at) => `s${at}`)
    const { api, time, errors, start } = await bench({ had })
    api.fail(/WATCH/, { with: refused })
    const reflection = start()
    await reflection.synced
    await time.turn()
    expect(reflection.store.size).toBe(1203)
    api.compact()
    api.cutWatches(expired)
    await time.turn()
    expect(
      api.requests
        .filter((request) => /LIST|WATCH/.test(request))
        .map((request) => request[0])
        .join(''),
    ).toBe('WLLLWLLLW')
    expect(errors).toEqual([])
  })

  test('from pages once when the stream broke before all was sent', async () => {
    const { api, time, errors, start, names } = await bench({ had: ['a'] })
    let cut = true
    const watch = (resource: typeof secrets, options: WatchOptions) => {
      if (!cut) return api.watch(resource, options)
      cut = false
      return brokenWatch()
    }
    const reflection = start({ client: { list: api.list, watch: watch as unknown as KubeClient['watch'] } })
    await time.turn()
    await time.advance(200)
    expect(names(reflection)).toEqual(['a'])
    expect(errors).toEqual(['WATCH secrets: the stream ended before all objects were sent'])
    expect(api.requests.filter((request) => request.startsWith('LIST'))).toHaveLength(1)
  })

  test('starts the pages again when the list grew too old between two of them', async () => {
    const { api, time, errors, start } = await bench({ had: Array.from({ length: 501 }, (_, at) => `s${at}`) })
    api.fail(/WATCH/, { with: refused })
    const list: KubeClient['list'] = (resource, options) => {
      if (options?.continue && forgets) api.compact()
      forgets = forgets && !options?.continue
      return api.list(resource, options)
    }
    let forgets = true
    const reflection = start({ client: { list, watch: api.watch } })
    await reflection.synced
    expect(reflection.store.size).toBe(501)
    await time.turn()
    expect(errors).toEqual([])
  })

  test('and is synced only then; stopped before, it says so', async () => {
    const { api, stop, start } = await bench()
    api.fail(/WATCH/, { with: new Error('no route'), times: 99 })
    const { synced, done } = start()
    stop.abort(new Error('enough'))
    await expect(synced).rejects.toThrow('enough')
    await done
  })
})

async function* brokenWatch() {
  yield [{ type: 'BOOKMARK' as const, resourceVersion: '1', initialEventsEnd: false }]
}

describe('a reflector goes on', () => {
  test('where a cut stream ended, without reading all again', async () => {
    const { api, time, put, log, errors, start } = await bench({ had: ['a'] })
    await start().synced
    await put('b')
    await time.turn()
    api.cutWatches(new Error('reset'))
    await put('c')
    await time.advance(200)
    expect(log).toEqual(['added ns/a', 'added ns/b', 'added ns/c'])
    expect(errors).toEqual(['reset'])
    expect(api.watches()).toBe(1)
  })

  test('from the last bookmark, although history before it is forgotten', async () => {
    const { api, time, put, log, start } = await bench({ had: ['a'] })
    await start().synced
    await api.create(secrets, { metadata: { namespace: 'default', name: 'elsewhere' } })
    await time.turn()
    api.bookmark()
    await time.turn()
    api.compact()
    api.cutWatches(new Error('reset'))
    await time.advance(200)
    await put('b')
    await time.turn()
    expect(log).toEqual(['added ns/a', 'added default/elsewhere', 'added ns/b'])
    expect(api.requests.filter((request) => request.startsWith('LIST'))).toEqual([])
  })

  test('at once when a stream ended in its time', async () => {
    const { api, time, errors, start } = await bench()
    await start().synced
    for (let minute = 1; minute <= 6; minute++) {
      await time.advance(60_000)
      api.bookmark()
    }
    expect(api.requests.filter((request) => request.startsWith('WATCH'))).toHaveLength(2)
    expect(errors).toEqual([])
  })

  test('by difference after it missed everything: tells of what changed, came and went, and of nothing else', async () => {
    const { api, time, put, change, log, errors, start, names } = await bench({
      had: ['same', 'changed', 'gone', 'anew'],
    })
    const reflection = start()
    await reflection.synced
    log.length = 0
    api.cutWatches(new Error('reset'))
    await time.turn()
    await change('changed')
    await api.delete(secrets, { namespace: 'ns', name: 'gone' })
    await api.delete(secrets, { namespace: 'ns', name: 'anew' })
    await put('anew')
    await put('new')
    api.compact()
    await time.advance(200)
    expect(names(reflection)).toEqual(['anew', 'changed', 'new', 'same'])
    expect(log.toSorted()).toEqual([
      'added ns/anew',
      'added ns/new',
      'deleted ns/anew',
      'deleted ns/gone',
      'modified ns/changed',
    ])
    expect(errors).toEqual(['reset'])
  })

  test('and keeps what it knows while the server is away', async () => {
    const { api, time, log, start, names } = await bench({ had: ['a'] })
    const reflection = start()
    await reflection.synced
    api.fail(/./, { with: new Error('no route'), times: 1000 })
    api.cutWatches(new Error('reset'))
    await time.advance(600_000)
    expect(names(reflection)).toEqual(['a'])
    expect(log).toEqual(['added ns/a'])
  })
})

describe('a reflector waits', () => {
  /** The waits between tries, in ms, while every try fails. */
  async function waits(error: Error, tries: number) {
    const { api, time, start } = await bench()
    api.fail(/WATCH|LIST/, { with: error, times: tries })
    start()
    await time.turn()
    const found: number[] = []
    for (let count = 0; count < tries; count++) {
      const before = time.clock.boot()
      await time.advanceToNext()
      found.push(time.clock.boot() - before)
    }
    return found
  }

  test('twice as long after each failure, up to half a minute', async () => {
    expect(await waits(new Error('no route'), 10)).toEqual([
      200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
    ])
  })

  test('as long as the server asks', async () => {
    expect(await waits(busy, 2)).toEqual([7000, 7000])
  })

  test('when it is told again and again that history is forgotten', async () => {
    expect((await waits(expired, 4)).slice(0, 3)).toEqual([400, 800, 1600])
  })

  test('by asking for all anew, where the server will never go on from what it has', async () => {
    const { api, time, put, start, names } = await bench()
    const reflection = start()
    await reflection.synced
    api.fail(/^WATCH/, { with: refused, times: 99 })
    api.cutWatches()
    await put('b')
    await time.advance(2000)
    expect(names(reflection)).toEqual(['b'])
  })

  test('a short time again after something went well', async () => {
    const { api, time, errors, start } = await bench()
    await start().synced
    api.fail(/WATCH/, { with: new Error('no route'), times: 3 })
    api.cutWatches(new Error('reset'))
    await time.advance(60_000)
    api.bookmark()
    await time.turn()
    api.cutWatches(new Error('reset'))
    await time.turn()
    const before = time.clock.boot()
    await time.advanceToNext()
    expect(time.clock.boot() - before).toBe(200)
    expect(errors).toEqual(['reset', 'no route', 'no route', 'no route', 'reset'])
  })

  test('when a stream ends at once and silently, which would otherwise spin', async () => {
    const { api, time, errors, start } = await bench()
    await start().synced
    api.cutWatches()
    await time.turn()
    api.cutWatches()
    await time.turn()
    expect(api.watches()).toBe(0)
    await time.advance(200)
    expect(api.watches()).toBe(1)
    expect(errors).toEqual(['WATCH secrets: the stream ended at once'])
  })
})

describe('a reflector notices', () => {
  test('a stream without a sign of life, and takes it up where it was; a bookmark is a sign', async () => {
    const { api, time, put, errors, log, start } = await bench()
    await start().synced
    await time.advance(80_000)
    api.bookmark()
    await time.turn()
    await time.advance(80_000)
    expect(api.requests.filter((request) => request.startsWith('WATCH'))).toHaveLength(1)
    await time.advance(10_000)
    expect(api.requests.filter((request) => request.startsWith('WATCH'))).toHaveLength(2)
    await put('a')
    await time.turn()
    expect([log, errors]).toEqual([['added ns/a'], []])
  })

  test('a server that was set back and says nothing of it: it takes a watch up from its own future', async () => {
    const { api, time, start, names } = await bench({ had: ['a', 'b'] })
    const setBack: string[] = []
    async function* mute(signal: AbortSignal | undefined) {
      await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
      yield* []
    }
    const client = {
      list: async () => ({ items: [], resourceVersion: '1' }),
      watch: ((resource, options) =>
        options.initialEvents || options.resourceVersion === '1'
          ? api.watch(resource, options)
          : mute(options.signal)) as KubeClient['watch'],
    } as Pick<KubeClient, 'list' | 'watch'>
    const reflection = start({ client, onSetBack: (why) => setBack.push(why.message) })
    await reflection.synced
    expect(names(reflection)).toEqual(['a', 'b'])
    await time.advance(270_000)
    expect(setBack).toEqual([expect.stringContaining('the API server was set back')])
  })

  test.each(['a bookmark', 'an event'])('%s of an earlier time: reads all anew', async (what) => {
    const { api, time, errors, start, names } = await bench({ had: ['a', 'b'] })
    let hurt = true
    const watch: KubeClient['watch'] = async function* <T extends KubeObject>(
      resource: Resource<T>,
      options: WatchOptions,
    ) {
      for await (const batch of api.watch(resource, options)) {
        yield batch
        if (!hurt) continue
        hurt = false
        const object: KubeObject = { metadata: { namespace: 'ns', name: 'ghost', uid: 'g', resourceVersion: '1' } }
        const early =
          what === 'an event'
            ? { type: 'ADDED' as const, object: object as T }
            : { type: 'BOOKMARK' as const, resourceVersion: '1', initialEventsEnd: false }
        yield [early]
      }
    }
    const reflection = start({ client: { list: api.list, watch } })
    await reflection.synced
    await time.advance(200)
    expect(names(reflection)).toEqual(['a', 'b'])
    expect(errors).toEqual([expect.stringMatching(/^WATCH secrets: the server went back from version \d+ to 1$/)])
    expect(api.requests.filter((request) => request.startsWith('LIST'))).toHaveLength(1)
  })

  test('that the server was set back, before it makes the store equal to that', async () => {
    let sent = 0
    const versions = ['7', '5']
    const watch = async function* () {
      const resourceVersion = versions[sent++]
      if (resourceVersion === undefined) throw expired
      yield [{ type: 'BOOKMARK' as const, resourceVersion, initialEventsEnd: true }]
      throw expired
    }
    const said: string[] = []
    const onSetBack = (why: Error) => void said.push(why.message)
    const { time, start } = await bench({ onSetBack })
    const list = async () => ({ items: [], resourceVersion: '9' })
    start({ client: { watch: watch as KubeClient['watch'], list } })
    await time.advance(1000)
    expect(said).toEqual(['the API server was set back: its secrets are of version 5, after 7'])
  })

  test('an object that it cannot read: says so, keeps what it knew of it, and follows all others', async () => {
    let strict = false
    const project = (secret: Secret) => {
      if (strict && secret.metadata.name === 'bad') throw new Error('unreadable')
      return secret
    }
    const { api, time, put, change, errors, start, names } = await bench({ had: ['bad'], project })
    const reflection = start()
    await reflection.synced
    strict = true
    await change('bad')
    await put('good')
    await time.turn()
    api.compact()
    api.cutWatches(expired)
    await time.turn()
    expect(names(reflection)).toEqual(['bad', 'good'])
    expect(errors).toEqual(['reading secrets ns/bad', 'reading secrets ns/bad'])
  })

  test('that it shall stop, leaving no timer and no watch behind', async () => {
    const { api, time, stop, start } = await bench()
    const { synced, done } = start()
    await synced
    stop.abort()
    await done
    expect([api.watches(), time.pending()]).toEqual([0, 0])
  })
})
