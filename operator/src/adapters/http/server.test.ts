import { describe, expect, test } from '@jest/globals'
import { Counter, Registry } from 'prom-client'
import { serveHttp } from './server.ts'

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
