// Against a server of the test's own, for what a real API server cannot be made to do; the rest is in test/contract.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type ConnectOptions, connect } from './connect.ts'
import { leases, namespaces, nodes } from './resources.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

let dir: string
let server: Server
let answer: Answer
let seen: IncomingMessage[]

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'connect-'))
  seen = []
  server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(dir, { recursive: true, force: true })
})

function client(how: Partial<ConnectOptions> = {}, path = '') {
  const { port } = server.address() as AddressInfo
  const kubeconfig = join(dir, 'config')
  const cluster = { server: `http://127.0.0.1:${port}${path}` }
  const config = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 'abc' } }],
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
  return connect({ ...how, kubeconfig, userAgent: 'hub/1' })
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(status, headers).end(JSON.stringify(body))
  }

const node = { metadata: { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '' }, spec: {} }

async function rejection(promise: Promise<unknown>): Promise<Error & { cause?: Error }> {
  const outcome = await promise.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  )
  return outcome as Error & { cause?: Error }
}

test('says who it is, and finds the server behind a path', async () => {
  answer = json(200, node)
  await using kube = await client({}, '/k8s/clusters/c-1/')
  await kube.get(nodes, { name: 'a' })
  expect(seen[0]?.url).toBe('/k8s/clusters/c-1/api/v1/nodes/a')
  expect(seen[0]?.headers).toMatchObject({
    authorization: 'Bearer abc',
    'user-agent': 'hub/1',
    accept: 'application/json',
  })
})

test('names what it asked, what was answered, and how long it shall wait', async () => {
  const status = { kind: 'Status', reason: 'TooManyRequests', message: 'too many' }
  answer = json(429, status, { 'retry-after': '3' })
  await using kube = await client()
  const error = await rejection(kube.get(leases, { namespace: 'ns', name: 'a' }, { lane: 'Urgent' }))
  expect(error.message).toBe('GET leases ns/a: too many (429 TooManyRequests)')
  expect(error).toMatchObject({ status: 429, retryAfterSeconds: 3 })
  expect(seen).toHaveLength(1)
})

/** Timers that fire at once, and how long each was to wait. */
function hurried() {
  const waits: number[] = []
  let boot = 0
  const set = (fire: () => void, ms: number) => {
    waits.push(ms)
    boot += ms
    return setImmediate(fire)
  }
  const clear = (handle: unknown) => clearImmediate(handle as NodeJS.Immediate)
  const how = { clock: { now: () => 0, boot: () => boot }, timers: { set, clear }, random: () => 0.5 }
  return { waits, how }
}

test('asks a busy server again when it wants to be asked, and leaves it alone with everything until then', async () => {
  let busy = true
  answer = (request, response) => {
    if (busy) json(429, {}, { 'retry-after': '2' })(request, response)
    else json(200, node)(request, response)
    busy = false
  }
  const { waits, how } = hurried()
  await using kube = await client(how)
  expect(await kube.create(namespaces, { metadata: { name: 'a' } })).toEqual(node)
  expect(waits).toEqual([3000])
  expect(seen.map(({ method }) => method)).toEqual(['POST', 'POST'])
})

test('gives a server up that is always busy, which says so', async () => {
  answer = json(429, { reason: 'TooManyRequests', message: 'storage is (re)initializing' })
  const { waits, how } = hurried()
  await using kube = await client(how)
  const error = await rejection(kube.get(nodes, { name: 'a' }))
  expect(error.message).toBe('GET nodes a: storage is (re)initializing (429 TooManyRequests)')
  expect(seen).toHaveLength(5)
  expect(waits).toHaveLength(4)
})

test('asks whether it may still write before it writes again', async () => {
  answer = json(429, {})
  let leads = true
  const beforeWrite = () => {
    if (!leads) throw new Error('not the leader')
    leads = false
  }
  await using kube = await client({ ...hurried().how, beforeWrite })
  const error = await rejection(kube.create(namespaces, { metadata: { name: 'a' } }))
  expect(error.cause?.message).toBe('not the leader')
  expect(seen).toHaveLength(1)
})

test('keeps no Lease waiting for a server that wants patience', async () => {
  answer = (request, response) => json(request.url?.includes('nodes') ? 429 : 200, node)(request, response)
  const stuck = { set: () => 0, clear: () => undefined }
  await using kube = await client({ ...hurried().how, timers: stuck })
  const waiting = rejection(kube.get(nodes, { name: 'a' }, { signal: AbortSignal.timeout(2000) }))
  while (seen.length < 1) await new Promise((resolve) => setImmediate(resolve))
  expect(await kube.get(leases, { namespace: 'ns', name: 'a' }, { lane: 'Urgent' })).toEqual(node)
  await kube[Symbol.asyncDispose]()
  expect((await waiting).message).toBe('GET nodes a')
})

test('reads its token again when it was refused, and asks once more', async () => {
  answer = (request, response) =>
    json(request.headers.authorization === 'Bearer new' ? 200 : 401, node)(request, response)
  await using kube = await client()
  const kubeconfig = join(dir, 'config')
  writeFileSync(kubeconfig, readFileSync(kubeconfig, 'utf8').replace('abc', 'new'))
  expect(await kube.get(nodes, { name: 'a' })).toEqual(node)
  expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer abc', 'Bearer new'])
})

test('asks no second time with what was refused', async () => {
  answer = json(401, { reason: 'Unauthorized', message: 'who?' })
  await using kube = await client()
  expect((await rejection(kube.get(nodes, { name: 'a' }))).message).toBe('GET nodes a: who? (401 Unauthorized)')
  expect(seen).toHaveLength(1)
})

test('ends everything when it is to be given up, also what hangs and what is asked later', async () => {
  answer = () => {}
  const giveUp = new AbortController()
  await using kube = await client({ giveUp: giveUp.signal })
  const watch = async () => {
    for await (const _ of kube.watch(nodes, { timeoutSeconds: 60 }));
  }
  const hanging = [rejection(kube.get(nodes, { name: 'a' })), rejection(watch())]
  while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve))
  giveUp.abort()
  expect((await Promise.all(hanging)).map(({ message }) => message)).toEqual(['GET nodes a', 'WATCH nodes'])
  expect((await rejection(kube.get(nodes, { name: 'late' }))).message).toBe('GET nodes late')
})

test('takes no more of a watch than somebody reads', async () => {
  const line = `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '1' }, fill: 'x'.repeat(100_000) } })}\n`
  let sent = 0
  answer = (_request, response) => {
    response.writeHead(200)
    const fill = () => {
      while (sent < 200_000_000) {
        sent += line.length
        if (!response.write(line)) return void response.once('drain', fill)
      }
    }
    fill()
  }
  await using kube = await client()
  const stream = kube.watch(nodes, { timeoutSeconds: 60 })[Symbol.asyncIterator]()
  await stream.next()
  // Until nothing moves any more: the kernel's buffers on both sides are full.
  for (let before = -1; before !== sent; ) {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  expect(sent).toBeLessThan(50_000_000)
  await stream.return?.()
})

test('shows the beginning of an answer that is no Status', async () => {
  answer = (_request, response) => response.writeHead(502).end(`<html>Bad Gateway${' '.repeat(5000)}</html>`)
  await using kube = await client()
  expect((await rejection(kube.list(nodes))).message).toMatch(/^LIST nodes: <html>Bad Gateway\s*\(502 Unknown\)$/)
})

test('says so when an answer is no JSON', async () => {
  answer = (_request, response) => response.end('OK')
  await using kube = await client()
  expect((await rejection(kube.list(nodes))).message).toBe('LIST nodes: the answer is not JSON')
})

test('keeps the cause when the connection breaks', async () => {
  answer = (request) => request.socket.destroy()
  await using kube = await client()
  const error = await rejection(kube.create(namespaces, { metadata: { name: 'a' } }))
  expect(error.message).toBe('POST namespaces a')
  expect(error.cause?.message).toBe('other side closed')
})

test('passes on what the server warns of', async () => {
  answer = json(200, node, { warning: '299 - "unknown field"' })
  const warnings: string[] = []
  await using kube = await client({ onWarning: (text) => warnings.push(text) })
  await kube.mergePatch(nodes, { ref: { name: 'a' }, patch: { spec: {} } })
  expect(warnings).toEqual(['PATCH nodes a: 299 - "unknown field"'])
})

test('asks whether it may write when the request is sent, not when it begins to wait for a connection', async () => {
  let release = () => {}
  answer = (request, response) => {
    release = () => json(200, node)(request, response)
  }
  let leads = true
  const beforeWrite = () => {
    if (!leads) throw new Error('not the leader')
  }
  await using kube = await client({ connections: 1, beforeWrite })
  const first = kube.create(namespaces, { metadata: { name: 'first' } })
  const second = rejection(kube.create(namespaces, { metadata: { name: 'second' } }))
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
  leads = false
  release()
  await first
  expect((await second).cause?.message).toBe('not the leader')
  expect(seen).toHaveLength(1)
})

test('gives up at once what waits for a connection, and does not send it later', async () => {
  let release = () => {}
  answer = (request, response) => {
    release = () => json(200, node)(request, response)
  }
  await using kube = await client({ connections: 1 })
  const first = kube.get(nodes, { name: 'first' })
  const stop = new AbortController()
  const second = rejection(kube.get(nodes, { name: 'second' }, { signal: stop.signal }))
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
  stop.abort(new Error('enough'))
  expect((await second).cause?.message).toBe('enough')
  release()
  await first
  answer = json(200, node)
  await kube.get(nodes, { name: 'third' })
  expect(seen.map(({ url }) => url)).toEqual(['/api/v1/nodes/first', '/api/v1/nodes/third'])
})

test('gives up what hangs when it is told to', async () => {
  answer = () => {}
  await using kube = await client()
  const stop = new AbortController()
  const hanging = rejection(kube.get(nodes, { name: 'a' }, { signal: stop.signal }))
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
  stop.abort(new Error('enough'))
  expect((await hanging).cause?.message).toBe('enough')
})

test('lets no watch take the connections of requests', async () => {
  answer = (request, response) => {
    if (request.url?.includes('watch=1')) response.writeHead(200).write(' ')
    else json(200, node)(request, response)
  }
  await using kube = await client({ connections: 1 })
  const stop = new AbortController()
  const watches = Array.from({ length: 5 }, async () => {
    for await (const _ of kube.watch(nodes, { timeoutSeconds: 60, signal: stop.signal }));
  })
  const ended = Promise.allSettled(watches)
  while (seen.length < 5) await new Promise((resolve) => setImmediate(resolve))
  expect(await kube.get(nodes, { name: 'a' })).toEqual(node)
  stop.abort()
  await ended
})

test('fails a watch that was cut in the middle, by name', async () => {
  answer = (request, response) => {
    response.writeHead(200).write('{"type":"ADD', () => request.socket.destroy())
  }
  await using kube = await client()
  const watch = async () => {
    for await (const _ of kube.watch(nodes, { timeoutSeconds: 60 }));
  }
  expect((await rejection(watch())).message).toBe('WATCH nodes')
})
