import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Pool } from 'undici'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { Connections, isSilence } from './connections.ts'

let server: Server
let connected: number
let time: ReturnType<typeof fakeTime>
let connections: Connections
const tls = {}

beforeEach(async () => {
  connected = 0
  server = createServer((request, response) => {
    if (request.url !== '/silent') response.end('ok')
  })
  server.on('connection', () => connected++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  time = fakeTime()
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  connections = new Connections({ origin, tls, clock: time.clock })
})
afterEach(async () => {
  await connections.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function ask(pool: Pool, path = '/'): Promise<string> {
  const { body } = await pool.request({ method: 'GET', path })
  const text = await body.text()
  await new Promise((resolve) => setImmediate(resolve)) // Only then is its connection free.
  return text
}

test('a connection is used again, until one of them got no answer: then none is', async () => {
  const pool = connections.of('Normal', tls)
  await ask(pool)
  await ask(pool)
  expect(connected).toBe(1)
  connections.distrust(pool, 0)
  await ask(connections.of('Normal', tls))
  expect(connected).toBe(2)
})

test('what is under way elsewhere is not hurt, and of many that got no answer one is enough', async () => {
  const pool = connections.of('Normal', tls)
  const other = ask(pool)
  connections.distrust(pool, 0)
  const next = connections.of('Normal', tls)
  connections.distrust(pool, 0)
  expect(connections.of('Normal', tls)).toBe(next)
  expect(await other).toBe('ok')
})

test('other certificates mean other connections, in every lane', () => {
  const before = connections.of('Watch', tls)
  const renewed = { ca: 'new' }
  connections.of('Urgent', renewed)
  expect(connections.of('Watch', renewed)).not.toBe(before)
})

test('a watch that was silent for as long as a request is cut with it, one that spoke is not', async () => {
  const silent = connections.watching(undefined)
  const lively = connections.watching(undefined)
  const sentAt = connections.now()
  await time.advance(5_000)
  lively.heard()
  connections.distrust(connections.of('Urgent', tls), sentAt)
  expect([silent.signal.aborted, lively.signal.aborted]).toEqual([true, false])
})

test('a server that is only slow is not asked for all watches anew each time', async () => {
  const cuts: number[] = []
  for (let second = 0; second < 60; second += 5) {
    const watch = connections.watching(undefined)
    const sentAt = connections.now()
    await time.advance(5_000)
    connections.distrust(connections.of('Urgent', tls), sentAt)
    if (watch.signal.aborted) cuts.push(second)
    watch.close()
  }
  expect(cuts).toEqual([0, 30])
})

test('silence is known by its names', async () => {
  const pool = connections.of('Urgent', tls)
  const silence = pool.request({ method: 'GET', path: '/silent', headersTimeout: 50 })
  await expect(silence.catch(isSilence)).resolves.toBe(true)
  expect(isSilence(new Error('reset'))).toBe(false)
})
