import { describe, expect, test } from '@jest/globals'
import { Counter, Registry } from 'prom-client'
import { type Admission, type SnapshotSource, serveHttp } from './server.ts'
import { SNAPSHOT_PATH, TOKEN_HEADER } from './snapshot-path.ts'

const registry = new Registry()
new Counter({ name: 'things_total', help: 'Things', registers: [registry] }).inc(3)

/** Status and text of one path, of a server that waits for this. */
async function answer(path: string, waitsFor?: string) {
  await using server = await serveHttp({ host: '127.0.0.1', port: 0, registry, notReady: () => waitsFor })
  const response = await fetch(`${server.address}${path}`)
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
}

describe('what a program shows of itself', () => {
  test('it lives, whether it is ready or not', async () => {
    expect(await answer('/healthz', 'the hub')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  test('it is ready', async () => {
    expect(await answer('/readyz')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  test('it is not ready, and says what it waits for', async () => {
    expect(await answer('/readyz', 'the hub')).toMatchObject({ status: 503, text: 'waits for the hub\n' })
  })

  test('its metrics, as Prometheus reads them', async () => {
    const { status, text, type } = await answer('/metrics')
    expect([status, text.includes('things_total 3'), type]).toEqual([200, true, registry.contentType])
  })

  test('nothing else', async () => {
    expect((await answer('/')).status).toBe(404)
  })

  test('an address that is taken is an error at once', async () => {
    await using server = await serveHttp({ host: '127.0.0.1', port: 0, registry, notReady: () => undefined })
    const port = Number(new URL(server.address).port)
    await expect(serveHttp({ host: '127.0.0.1', port, registry, notReady: () => undefined })).rejects.toThrow(
      'EADDRINUSE',
    )
  })
})

describe('/debug/snapshot', () => {
  /** Knows token `good` and `stranger`, and lets the first in. */
  const source: SnapshotSource = {
    admit: async (token) => (token === 'good' ? 'Admitted' : token === 'stranger' ? 'Forbidden' : 'Unknown'),
    pieces: () => ['{"a":', '1}', '\n'],
  }
  const serve = (snapshot: () => SnapshotSource | undefined = () => source) =>
    serveHttp({ host: '127.0.0.1', port: 0, registry, notReady: () => undefined, snapshot })

  test.each([
    { name: 'nobody without a token', headers: {}, status: 401 },
    { name: 'nobody with a token that nobody knows', headers: { authorization: 'Bearer bad' }, status: 401 },
    { name: 'nobody with a password', headers: { authorization: 'Basic good' }, status: 401 },
    { name: 'nobody without the right', headers: { authorization: 'Bearer stranger' }, status: 403 },
    { name: 'who may', headers: { authorization: 'Bearer good' }, status: 200 },
    { name: 'who may, by way of an API server', headers: { [TOKEN_HEADER]: 'good' }, status: 200 },
  ])('is for $name: $status', async ({ headers, status }) => {
    await using server = await serve()
    const response = await fetch(`${server.address}${SNAPSHOT_PATH}`, { headers })
    const text = await response.text()
    expect([response.status, text.includes('"a"')]).toEqual([status, status === 200])
  })

  test('travels zipped where that is understood, and plain where it is not', async () => {
    await using server = await serve()
    for (const [asked, said] of [
      ['gzip', 'gzip'],
      ['identity', null],
    ]) {
      const headers = { authorization: 'Bearer good', 'accept-encoding': asked ?? '' }
      const response = await fetch(`${server.address}${SNAPSHOT_PATH}`, { headers })
      expect([response.headers.get('content-encoding'), await response.text()]).toEqual([said, '{"a":1}\n'])
    }
  })

  test('is not there before the program leads', async () => {
    await using server = await serve(() => undefined)
    expect((await fetch(`${server.address}${SNAPSHOT_PATH}`)).status).toBe(503)
  })

  test('is taken by one at a time', async () => {
    const long = () => Array.from({ length: 200 }, () => 'x'.repeat(1_000_000))
    await using server = await serve(() => ({ ...source, pieces: long }))
    const headers = { authorization: 'Bearer good', 'accept-encoding': 'identity' }
    const get = () => fetch(`${server.address}${SNAPSHOT_PATH}`, { headers })
    const first = await get()
    expect([first.status, (await get()).status]).toEqual([200, 429])
    await first.body?.cancel()
    let again = await get()
    while (again.status === 429) again = await get()
    expect(again.status).toBe(200)
    await again.body?.cancel()
  })

  test('is kept from nobody by those whose right is still asked for, of whom there are few at once', async () => {
    const asked = Promise.withResolvers<Admission>()
    const admit: SnapshotSource['admit'] = async (token) => (token === 'good' ? 'Admitted' : asked.promise)
    await using server = await serve(() => ({ ...source, admit }))
    const get = (token: string) =>
      fetch(`${server.address}${SNAPSHOT_PATH}`, { headers: { authorization: `Bearer ${token}` } })
    const strangers = [1, 2, 3].map(() => get('stranger'))
    expect((await get('good')).status).toBe(200)
    const more = [get('stranger'), get('stranger')]
    expect(await Promise.race(more.map(async (one) => (await one).status))).toBe(429)
    asked.resolve('Forbidden')
    const answers = await Promise.all([...strangers, ...more])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([403, 403, 403, 403, 429])
  })
})
