// Whatever a network, a proxy or a confused server makes of a stream: once it is whole again, the store equals the server.
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { KubeClient, KubeObject, ListOptions, Resource, WatchOptions } from './client.ts'
import { ApiError } from './errors.ts'
import { reflect } from './reflector.ts'
import { type Secret, secrets } from './resources.ts'
import { watchEvents } from './watch.ts'

interface Change {
  readonly name: string
  /** `end`: it becomes one of those that are read later. */
  readonly how: 'put' | 'end' | 'remove'
}

/** How one stream ends. What is left of it is cut at `keep` thousandths of its bytes; then comes `tail`. */
interface Spoilt {
  readonly keep: number
  readonly tail: string
  readonly ends: 'quietly' | 'broken' | 'never'
  readonly chunk: number
  /** What happens at the server meanwhile, and whether it then forgets its history. */
  readonly changes: readonly Change[]
  readonly forgets: boolean
}

const status = (object: object) => `${JSON.stringify({ type: 'ERROR', object })}\n`
const tails = [
  '',
  '\n',
  'null\n',
  '42\n',
  '{}\n',
  '{"type":"ADDED"}\n',
  '{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n',
  '{"type":"MODIFIED","object":null}\n',
  '{"type":"BOOKMARK","object":{"metadata":{}}}\n',
  '{"type":"BOOKMARK"}\n',
  '{"type":"SURPRISE","object":{}}\n',
  '<html><body>502 Bad Gateway</body></html>\n',
  '\u0000\u0001\ufffd{"type":\n',
  status({ code: 410, reason: 'Expired', message: 'too old resource version' }),
  status({ code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 2 } }),
  status({ code: 500, reason: 'InternalError' }),
  status({ code: 504, reason: 'Timeout', message: 'Too large resource version', details: { retryAfterSeconds: 1 } }),
  status({ code: '410', details: { retryAfterSeconds: 'soon' } }),
  status({}),
  '{"type":"ERROR"}\n',
]

const changeOf = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'größe-😀'),
  how: fc.constantFrom('put' as const, 'put' as const, 'end' as const, 'remove' as const),
})
const known: fc.Arbitrary<Knows> = fc.record({ streams: fc.boolean(), fields: fc.boolean() })
const spoilt: fc.Arbitrary<Spoilt> = fc.record({
  keep: fc.oneof(fc.constant(1000), fc.integer({ min: 0, max: 1000 })),
  tail: fc.constantFrom(...tails),
  ends: fc.constantFrom('quietly' as const, 'broken' as const, 'never' as const),
  chunk: fc.integer({ min: 1, max: 200 }),
  changes: fc.array(changeOf, { maxLength: 4 }),
  forgets: fc.boolean(),
})

/** Whether the server sends what is there as a stream, and selects by a field. */
interface Knows {
  readonly streams: boolean
  readonly fields: boolean
}

/** A server in memory, whose streams are spoilt one after the other until there are no more faults. */
function server(faults: readonly Spoilt[], knows: Knows) {
  const objects = new Map<string, Secret>()
  const history: { readonly version: number; readonly line: string }[] = []
  let version = 10
  let oldest = version
  let at = 0

  function refuse({ initialEvents, fieldSelector }: Partial<WatchOptions>): void {
    const isKnown = (knows.streams || !initialEvents) && (knows.fields || fieldSelector === undefined)
    if (!isKnown) throw new ApiError('secrets', { status: 400, reason: 'BadRequest', message: 'unknown' })
  }
  function change({ name, how }: Change): void {
    const known = objects.get(name)
    if (how === 'remove' && !known) return
    version++
    const metadata = { namespace: 'ns', name, uid: known?.metadata.uid ?? `u${version}`, resourceVersion: `${version}` }
    const type = how === 'end' ? 'over' : known?.type // What is over stays so.
    const object = { metadata: { ...metadata, creationTimestamp: '' }, ...(type ? { type } : {}) } as Secret
    if (how === 'remove') objects.delete(name)
    else objects.set(name, object)
    history.push({ version, line: line(how === 'remove' ? 'DELETED' : known ? 'MODIFIED' : 'ADDED', object) })
  }
  function line(type: string, object: object): string {
    return `${JSON.stringify({ type, object })}\n`
  }
  function selected(fieldSelector: string | undefined): Secret[] {
    const [, not, wanted] = /^type(!?)=(.*)$/.exec(fieldSelector ?? '') ?? []
    return [...objects.values()].filter(({ type }) => !wanted || (type === wanted) === (not === ''))
  }
  function wholeStream({ initialEvents, resourceVersion, fieldSelector }: WatchOptions): Buffer {
    if (initialEvents) {
      const metadata = { resourceVersion: `${version}`, annotations: { 'k8s.io/initial-events-end': 'true' } }
      const lines = selected(fieldSelector).map((object) => line('ADDED', object))
      return Buffer.from([...lines, line('BOOKMARK', { metadata })].join(''))
    }
    const from = resourceVersion ? Number(resourceVersion) : version // Without a version it begins anywhere.
    if (from < oldest) return Buffer.from(status({ code: 410, reason: 'Expired', message: 'too old' }))
    return Buffer.from(
      history
        .filter((one) => one.version > from)
        .map((one) => one.line)
        .join(''),
    )
  }
  async function* chunks(options: WatchOptions): AsyncGenerator<Buffer> {
    const fault = faults[at++]
    for (const one of fault?.changes ?? []) change(one)
    if (fault?.forgets) oldest = version
    const whole = wholeStream(options)
    const kept = fault ? whole.subarray(0, Math.ceil((whole.length * fault.keep) / 1000)) : whole
    const bytes = Buffer.concat([kept, Buffer.from(fault?.tail ?? '')])
    const size = fault?.chunk ?? 4096
    for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
    if (fault?.ends === 'quietly') return
    if (fault?.ends === 'broken') throw new Error('reset')
    await new Promise((_, reject) => options.signal?.addEventListener('abort', () => reject(new Error('cut'))))
  }
  const client: Pick<KubeClient, 'list' | 'watch'> = {
    list: async <T extends KubeObject>(_resource: Resource<T>, options?: ListOptions) => {
      refuse(options ?? {})
      return { items: selected(options?.fieldSelector) as unknown as T[], resourceVersion: `${version}` }
    },
    watch: <T extends KubeObject>(_resource: Resource<T>, options: WatchOptions) => {
      refuse(options)
      return watchEvents<T>(chunks(options), 'WATCH secrets')
    },
  }
  return { client, objects, change, spent: () => at > faults.length }
}

const versions = (objects: Iterable<Secret>) =>
  [...objects].map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`).toSorted()

const ways = [
  { what: 'read in one go', later: undefined },
  { what: 'of which a part is read later', later: { field: 'type', values: ['over'], after: Promise.resolve() } },
]

test.each(ways)(
  'after any spoilt streams, the store equals the server: $what',
  async ({ later }) => {
    const begin = fc.array(changeOf, { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(begin, fc.array(spoilt, { maxLength: 8 }), known, async (before, faults, knows) => {
        const time = fakeTime()
        const api = server(faults, knows)
        for (const one of before) api.change(one)
        const stop = new AbortController()
        const { store, synced, done } = reflect<Secret, Secret>({
          client: api.client,
          resource: secrets,
          project: (secret) => secret,
          later,
          ...time,
          random: () => 0.5,
          signal: stop.signal,
          onError: () => undefined,
        })
        let isSynced = false
        void synced.then(() => {
          isSynced = true
        })
        // It goes on by itself, whatever came: at most so many streams, each silent at most so long.
        const isDone = () => isSynced && api.spent()
        for (let round = 0; round < 4 * (faults.length + 2) && !isDone(); round++) await time.advance(90_000)
        await time.advance(90_000)
        expect([isSynced, api.spent()]).toEqual([true, true])
        expect(versions(store.values())).toEqual(versions(api.objects.values()))
        stop.abort()
        await done
        expect(time.pending()).toBe(0)
      }),
      { numRuns: 300 },
    )
  },
  60_000,
)
