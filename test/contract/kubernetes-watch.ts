import { describe, expect, test } from '@jest/globals'
import type { WatchOptions } from '../../operator/src/adapters/kubernetes/client.ts'
import { ApiError, isGone, isInvalid } from '../../operator/src/adapters/kubernetes/errors.ts'
import { type Bench, eventually, refusal, type Widget, widgets } from './kubernetes-bench.ts'

/** Follows a watch in the background and writes down what comes. */
function follow({ client, namespace }: Bench, options: Partial<WatchOptions>) {
  const stop = new AbortController()
  const log: string[] = []
  const versions: string[] = []
  const read = async () => {
    const watch = client.watch(widgets, { namespace, timeoutSeconds: 60, signal: stop.signal, ...options })
    for await (const batch of watch) {
      for (const event of batch) {
        if (event.type !== 'BOOKMARK') versions.push(event.object.metadata.resourceVersion)
        if (event.type !== 'BOOKMARK') log.push(`${event.type} ${event.object.metadata.name} ${event.object.spec.size}`)
        else if (event.initialEventsEnd) log.push('all sent')
      }
    }
  }
  const ended = read().then(
    () => 'ended',
    (error: unknown) => error,
  )
  return { log, versions, stop, ended }
}

async function widget(
  { client, namespace }: Bench,
  name: string,
  labels: Record<string, string> = {},
): Promise<Widget> {
  return client.create(widgets, { metadata: { namespace, name, labels }, spec: { size: 1 } })
}

export function watchRows(bench: () => Promise<Bench>): void {
  describe('a watch', () => {
    delivery(bench)
    endings(bench)
  })
}

function delivery(bench: () => Promise<Bench>): void {
  test('sends first what there is, says so, then what happens', async () => {
    const on = await bench()
    for (const name of ['b', 'a']) await widget(on, name)
    const { log, stop, ended } = follow(on, { initialEvents: true })
    await eventually(on.server, () => log.includes('all sent'))
    const { metadata } = await widget(on, 'c')
    await on.client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 2 } } })
    await on.client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 2 } } }) // Changes nothing.
    await on.client.delete(widgets, metadata)
    await eventually(on.server, () => log.includes('DELETED c 2'))
    stop.abort()
    await ended
    expect(log).toEqual(['ADDED a 1', 'ADDED b 1', 'all sent', 'ADDED c 1', 'MODIFIED c 2', 'DELETED c 2'])
  })

  test('begins after the version that it is given, and each event moves the version on', async () => {
    const on = await bench()
    const { metadata } = await widget(on, 'a')
    await on.client.delete(widgets, metadata)
    await widget(on, 'b')
    const { log, versions, stop, ended } = follow(on, { resourceVersion: metadata.resourceVersion })
    await eventually(on.server, () => log.includes('ADDED b 1'))
    stop.abort()
    await ended
    expect(log).toEqual(['DELETED a 1', 'ADDED b 1'])
    const numbers = [metadata.resourceVersion, ...versions].map(Number)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(new Set(numbers).size).toBe(3)
  })

  test('that selects sees an object come and go as its labels change', async () => {
    const on = await bench()
    const { metadata } = await widget(on, 'a')
    const { log, stop, ended } = follow(on, { initialEvents: true, labelSelector: 'hot=yes' })
    await eventually(on.server, () => log.includes('all sent'))
    await on.client.mergePatch(widgets, { ref: metadata, patch: { metadata: { labels: { hot: 'yes' } } } })
    await on.client.mergePatch(widgets, { ref: metadata, patch: { spec: { size: 2 } } })
    await on.client.mergePatch(widgets, { ref: metadata, patch: { metadata: { labels: { hot: null } } } })
    await widget(on, 'b', { hot: 'yes' })
    await eventually(on.server, () => log.includes('ADDED b 1'))
    stop.abort()
    await ended
    expect(log).toEqual(['all sent', 'ADDED a 1', 'MODIFIED a 2', 'DELETED a 2', 'ADDED b 1'])
  })
}

function endings(bench: () => Promise<Bench>): void {
  test('ends by itself when its time is over', async () => {
    const on = await bench()
    const { log, ended } = follow(on, { initialEvents: true, timeoutSeconds: 1 })
    await eventually(on.server, () => log.includes('all sent'))
    await on.server.pass(1000)
    expect(await ended).toBe('ended')
  })

  test('that is given up fails', async () => {
    const on = await bench()
    const { log, stop, ended } = follow(on, { initialEvents: true })
    await eventually(on.server, () => log.includes('all sent'))
    stop.abort(new Error('enough'))
    expect(await ended).toBeInstanceOf(Error)
  })

  test('by a selector that cannot be read is refused', async () => {
    const on = await bench()
    expect(isInvalid(await follow(on, { initialEvents: true, labelSelector: 'a=(' }).ended)).toBe(true)
  })

  test('from before what is remembered is told so', async () => {
    const on = await bench()
    const { metadata } = await widget(on, 'a')
    await on.server.forget()
    const error = await eventually(on.server, async () => {
      const ended = await follow(on, { resourceVersion: '1' }).ended
      return ended instanceof ApiError && ended.status === 429 ? undefined : ended // It is still starting.
    })
    expect(String(error)).toContain('too old resource version')
    expect(isGone(error)).toBe(true)
    // Forgetting what was loses nothing of what is.
    expect((await on.client.get(widgets, metadata))?.metadata).toEqual(metadata)
  }, 60_000)

  test('of pages that are not its own is refused', async () => {
    const { client, namespace } = await bench()
    await refusal(client.list(widgets, { namespace, limit: 1, continue: 'nonsense' }))
  })
}
