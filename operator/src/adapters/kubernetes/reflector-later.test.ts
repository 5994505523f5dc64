// A reflector that reads first what lives, and later what is over.
import { afterEach, describe, expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { aborted } from '../../controllers/clock.ts'
import type { KubeClient, ListOptions, Resource, Selection, WatchOptions } from './client.ts'
import { ApiError } from './errors.ts'
import { reflect } from './reflector.ts'
import type { Metadata } from './resources.ts'

interface Widget {
  readonly metadata: Metadata
  readonly spec: object
  readonly status?: { readonly phase?: string }
}

/** A kind that the fake selects by `status.phase`. */
const widgets: Resource<Widget> = {
  apiVersion: 'contract.gpucommons.io/v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
}

const stops: AbortController[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort()
})

/** Widgets `live` and `over`, and a reflector of which the test says when it reads those that are over. */
async function bench({
  client = (api: KubeClient): Pick<KubeClient, 'list' | 'watch'> => api,
  ...selection
}: { client?: (api: KubeClient) => Pick<KubeClient, 'list' | 'watch'> } & Selection = {}) {
  const time = fakeTime()
  const api = fakeKubeApi({ ...time, namespaces: ['ns'] })
  const stop = new AbortController()
  stops.push(stop)
  const ref = (name: string) => ({ namespace: 'ns', name })
  const end = (name: string) =>
    api.mergePatch(widgets, { ref: ref(name), patch: { status: { phase: 'Over' } } }, { subresource: 'status' })
  const put = (name: string) => api.create(widgets, { metadata: ref(name), spec: {} })
  const remove = (name: string) => api.delete(widgets, ref(name))
  for (const name of ['live', 'over', 'old']) await put(name)
  for (const name of ['over', 'old']) await end(name)
  const errors: string[] = []
  const setBacks: string[] = []
  const log: string[] = []
  const reached: string[] = []
  const goOn = Promise.withResolvers<void>()
  const { store, begun, synced, done } = reflect<Widget, Widget>({
    client: client(api),
    resource: widgets,
    ...selection,
    project: (widget) => widget,
    later: { field: 'status.phase', values: ['Over'], after: goOn.promise },
    clock: time.clock,
    timers: time.timers,
    random: () => 1,
    signal: stop.signal,
    onError: (error) => errors.push(error.message),
    onSetBack: (error) => setBacks.push(error.message),
  })
  begun.then(
    () => reached.push('begun'),
    () => reached.push('never begun'),
  )
  synced.then(
    () => reached.push('synced'),
    () => reached.push('never synced'),
  )
  store.subscribe(({ type, object }) =>
    log.push(`${type} ${object.metadata.name} ${object.status?.phase ?? ''}`.trim()),
  )
  await time.turn()
  const readRest = async () => {
    goOn.resolve()
    await time.turn()
  }
  return { time, api, stop, put, end, remove, store, reached, errors, setBacks, log, readRest, done }
}

test('begins without them, and tells of each once', async () => {
  const { api, log, reached, readRest, errors } = await bench()
  expect([log, reached]).toEqual([['added live'], ['begun']])
  await readRest()
  expect([log, reached]).toEqual([
    ['added live', 'added old Over', 'added over Over'],
    ['begun', 'synced'],
  ])
  expect([errors, api.watches()]).toEqual([[], 1])
})

test('follows every change meanwhile, also of what it has not read', async () => {
  const { time, put, end, remove, log, readRest } = await bench()
  await put('new')
  await end('live')
  await remove('old')
  await time.turn()
  expect(log).toEqual(['added live', 'added new', 'modified live Over'])
  await readRest()
  expect(log.slice(3)).toEqual(['added over Over'])
})

/** The stream of those that are over as it was before something happened, and which the watch has told of since. */
function lateStream() {
  const hold = Promise.withResolvers<void>()
  const client = (api: KubeClient): Pick<KubeClient, 'list' | 'watch'> => ({
    list: api.list,
    watch: async function* (resource, options) {
      for await (const batch of api.watch(resource, options)) {
        if (options.fieldSelector === 'status.phase=Over') await hold.promise
        yield batch
      }
    },
  })
  return { client, send: hold.resolve }
}

test('does not bring back what was deleted after that was read', async () => {
  const { client, send } = lateStream()
  const { time, remove, store, readRest } = await bench({ client })
  await readRest()
  await remove('over')
  await time.turn()
  send()
  await time.turn()
  expect([...store.keys()].toSorted()).toEqual(['ns/live', 'ns/old'])
})

test('does not put what was deleted in the place of what has come under its name', async () => {
  const { client, send } = lateStream()
  const { time, put, remove, log, readRest } = await bench({ client })
  await readRest()
  await remove('over')
  await put('over')
  await time.turn()
  send()
  await time.turn()
  expect(log).toEqual(['added live', 'added over', 'added old Over'])
})

type Asked = Partial<ListOptions & WatchOptions>

const noSuchField = new ApiError('WATCH', {
  status: 400,
  reason: 'BadRequest',
  message: 'field label not supported: status.phase',
})
const noSuchStream = new ApiError('WATCH', {
  status: 422,
  reason: 'Invalid',
  message: 'sendInitialEvents is forbidden',
})

/** A server that refuses some of what it is asked. */
function refusing(refuses: (asked: Asked) => ApiError | undefined) {
  const check = (asked: Asked) => {
    const error = refuses(asked)
    if (error) throw error
  }
  return (api: KubeClient): Pick<KubeClient, 'list' | 'watch'> => ({
    list: async (resource, options) => {
      check(options ?? {})
      return api.list(resource, options)
    },
    watch: (resource, options) => {
      check(options)
      return api.watch(resource, options)
    },
  })
}

test('reads all in one go where the server cannot select by that field', async () => {
  const { errors, log, reached } = await bench({
    client: refusing(({ fieldSelector }) => (fieldSelector === undefined ? undefined : noSuchField)),
  })
  expect([log.length, reached, errors]).toEqual([3, ['begun', 'synced'], []])
})

test('begins and goes on with pages where the server knows no stream of what is there', async () => {
  const { errors, log, reached, readRest } = await bench({
    client: refusing(({ initialEvents }) => (initialEvents ? noSuchStream : undefined)),
  })
  expect([log, reached]).toEqual([['added live'], ['begun']])
  await readRest()
  expect([log.length, reached, errors]).toEqual([3, ['begun', 'synced'], []])
})

/** A server of which some streams never bring anything: they break, or stay silent until they are cut. */
function barren(isBarren: (asked: WatchOptions) => boolean, how: 'breaks' | 'is silent') {
  return (api: KubeClient): Pick<KubeClient, 'list' | 'watch'> => ({
    list: api.list,
    watch: async function* (resource, options) {
      if (isBarren(options) && how === 'breaks') throw new Error('reset')
      if (!isBarren(options)) yield* api.watch(resource, options)
      else if (options.signal) await aborted(options.signal)
    },
  })
}

test.each([403, 500, 501, 504])(
  'begins and goes on with pages where a stream is always answered with %s',
  async (status) => {
    const refused = new ApiError('WATCH', { status, reason: 'Refused', message: 'no' })
    const { time, log, reached, readRest } = await bench({
      client: refusing(({ initialEvents }) => (initialEvents ? refused : undefined)),
    })
    await time.advance(1000)
    await readRest()
    await time.advance(1000)
    expect([log.length, reached]).toEqual([3, ['begun', 'synced']])
  },
)

test.each(['as a stream', 'in pages'])(
  'takes what is written while the rest is read %s for no set-back',
  async (how) => {
    const hold = Promise.withResolvers<void>()
    const isLate = ({ fieldSelector }: Asked) => fieldSelector === 'status.phase=Over'
    const { time, put, errors, log, reached, readRest } = await bench({
      client: (api) => ({
        list: async (resource, options) => {
          const page = await api.list(resource, options) // Of the moment when it was asked for.
          if (isLate(options ?? {})) await hold.promise
          return page
        },
        watch: async function* (resource, options) {
          if (isLate(options) && how === 'in pages') throw noSuchStream
          for await (const batch of api.watch(resource, options)) {
            if (isLate(options)) await hold.promise
            yield batch
          }
        },
      }),
    })
    await readRest()
    await put('new')
    await time.turn()
    hold.resolve()
    await time.advance(1000)
    expect([errors, reached, log.length]).toEqual([[], ['begun', 'synced'], 4])
  },
)

describe.each(['breaks', 'is silent'] as const)('where a stream of what is there always %s', (how) => {
  test('begins with pages', async () => {
    const { time, log, reached } = await bench({ client: barren(({ initialEvents }) => initialEvents === true, how) })
    await time.advance(100_000)
    expect([log, reached]).toEqual([['added live'], ['begun']])
  })

  test('reads what comes later in pages', async () => {
    const isLater = ({ fieldSelector }: WatchOptions) => fieldSelector === 'status.phase=Over'
    const { time, log, reached, errors, readRest } = await bench({ client: barren(isLater, how) })
    await readRest()
    await time.advance(100_000)
    expect([log.slice(1), reached]).toEqual([
      ['added old Over', 'added over Over'],
      ['begun', 'synced'],
    ])
    expect(errors).toHaveLength(1)
  })
})

test('reads everything in pages, and keeps what is over of it, where the server selects no more by that field', async () => {
  const { time, log, reached, errors, readRest, put } = await bench({
    client: refusing(({ fieldSelector }) => (fieldSelector === 'status.phase=Over' ? noSuchField : undefined)),
  })
  await put('new')
  await readRest()
  await time.advance(1000)
  expect([log, reached, errors]).toEqual([
    ['added live', 'added new', 'added old Over', 'added over Over'],
    ['begun', 'synced'],
    [],
  ])
})

test('selects within what it was to select anyway', async () => {
  const asked: string[] = []
  await bench({
    fieldSelector: 'metadata.name=over',
    client: refusing(({ fieldSelector = '' }) => void asked.push(fieldSelector)),
  })
  expect(asked[0]).toBe('metadata.name=over,status.phase!=Over')
})

test('reads all anew where what comes later is older than what it has: the server was set back', async () => {
  const versions: { isOld?: true } = {}
  const { time, log, reached, setBacks, errors, readRest } = await bench({
    client: (api) => ({
      list: async (resource, options) => ({ ...(await api.list(resource, options)), resourceVersion: '1' }),
      watch: async function* (resource, options) {
        for await (const batch of api.watch(resource, options)) {
          if (versions.isOld && options.resourceVersion) return // Of the future: it has nothing to say.
          yield versions.isOld ? [{ type: 'BOOKMARK', resourceVersion: '1', initialEventsEnd: true }] : batch
        }
      },
    }),
  })
  versions.isOld = true
  await readRest()
  await time.advance(1000)
  expect(errors[0]).toMatch(/^WATCH widgets: the server went back from version \d+ to 1$/)
  expect([log.length, reached, setBacks]).toEqual([3, ['begun', 'synced'], [expect.stringMatching(/was set back/)]])
})

test('reads everything anew when history is forgotten meanwhile, and is synced by that', async () => {
  const { time, api, remove, store, reached, readRest } = await bench()
  api.compact()
  api.cutWatches(new ApiError('WATCH', { status: 410, reason: 'Expired', message: 'too old' }))
  await remove('old')
  await time.advance(1000)
  expect([[...store.keys()].toSorted(), reached]).toEqual([
    ['ns/live', 'ns/over'],
    ['begun', 'synced'],
  ])
  await readRest()
  expect(api.watches()).toBe(1)
})

test.each(['before the rest is read', 'while it is read'])(
  'leaves no watch and no timer behind: told %s',
  async (when) => {
    const { client, send } = lateStream()
    const { time, api, stop, reached, readRest, done } = await bench({ client })
    if (when === 'while it is read') await readRest()
    stop.abort(new Error('enough'))
    send()
    await done
    await time.turn()
    expect([reached, time.pending(), api.watches()]).toEqual([['begun', 'never synced'], 0, 0])
  },
)
