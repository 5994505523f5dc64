import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from './client.ts'
import { isGone } from './errors.ts'
import { lineSplitter, watchEvents } from './watch.ts'

const added = { type: 'ADDED', object: { metadata: { name: 'größe-€-😀', resourceVersion: '5' } } }
const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '6' } } }
const end = {
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: '7', annotations: { 'k8s.io/initial-events-end': 'true' } } },
}
const expired = {
  type: 'ERROR',
  object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' },
}
const broken = {
  type: 'ERROR',
  object: { code: 500, reason: 'InternalError', message: 'etcd', details: { retryAfterSeconds: 3 } },
}

const stream = (...events: readonly object[]) =>
  Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(chunks: AsyncIterable<Buffer>) {
  const events: string[] = []
  try {
    for await (const batch of watchEvents<KubeObject>(chunks, 'WATCH gpujobs')) {
      for (const event of batch) {
        events.push(
          event.type === 'BOOKMARK'
            ? `bookmark ${event.resourceVersion}${event.initialEventsEnd ? ' end' : ''}`
            : `${event.type} ${event.object.metadata.name}`,
        )
      }
    }
    return { events }
  } catch (error) {
    return { events, error: error as Error }
  }
}

describe('the stream of a watch', () => {
  const whole = stream(added, bookmark, end, { ...added, type: 'MODIFIED' }, { ...added, type: 'DELETED' })
  const says = ['ADDED größe-€-😀', 'bookmark 6', 'bookmark 7 end', 'MODIFIED größe-€-😀', 'DELETED größe-€-😀']

  test.each([1, 2, 3, 7, 64, 100, 1000])('reads the same in pieces of %i bytes', async (size) => {
    expect(await read(pieces(whole, size))).toEqual({ events: says })
  })

  test('reads the same wherever it is cut in two', async () => {
    for (let cut = 0; cut <= whole.length; cut++) {
      async function* halves() {
        yield whole.subarray(0, cut)
        yield whole.subarray(cut)
      }
      expect(await read(halves())).toEqual({ events: says })
    }
  })

  test('drops a last line that never ended', async () => {
    expect(await read(pieces(Buffer.concat([stream(added), Buffer.from('{"type":"DELETED","obj')]), 50))).toEqual({
      events: ['ADDED größe-€-😀'],
    })
  })

  test('delivers what came before an error, then throws it', async () => {
    const { events, error } = await read(pieces(stream(added, expired, added), 10_000))
    expect(events).toEqual(['ADDED größe-€-😀'])
    expect(isGone(error)).toBe(true)
    expect(error?.message).toBe('WATCH gpujobs: too old resource version (410 Expired)')
  })

  test('carries how long the server wants to be left alone', async () => {
    const { error } = await read(pieces(stream(broken), 1000))
    expect(error).toMatchObject({ status: 500, retryAfterSeconds: 3 })
  })

  test.each([
    {
      name: 'an unknown type',
      bytes: stream({ type: 'SURPRISE', object: {} }),
      says: 'an event of type "SURPRISE" is not known',
    },
    { name: 'what is not JSON', bytes: Buffer.from('<html>\n'), says: 'Unexpected token' },
  ])('refuses $name', async ({ bytes, says }) => {
    expect((await read(pieces(bytes, 1000))).error?.message).toContain(says)
  })

  test('holds no more of a line than it may', () => {
    const split = lineSplitter(10)
    expect(split(Buffer.from('123456789\n12345'))).toEqual(['123456789'])
    expect(() => split(Buffer.from('678901'))).toThrow('a line is longer than 10 bytes')
  })
})
