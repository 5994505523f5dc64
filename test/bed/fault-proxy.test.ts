import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import type { WatchEvent } from '../../operator/src/adapters/kubernetes/client.ts'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { ApiError } from '../../operator/src/adapters/kubernetes/errors.ts'
import { namespaces } from '../../operator/src/adapters/kubernetes/resources.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { type FaultProxy, type Rule, startFaultProxy } from './fault-proxy.ts'

jest.setTimeout(120_000)

const folder = mkdtempSync(join(tmpdir(), 'bed-faults-'))
let server: ControlPlane
let proxy: FaultProxy
let client: Awaited<ReturnType<typeof connect>>

beforeAll(async () => {
  server = await startControlPlane({ name: 'hub', dir: folder, controllerManager: false, scheduler: false })
  proxy = await startFaultProxy(server)
  const kubeconfig = await proxy.kubeconfig(server.kubeconfigOf('admin'), join(folder, 'through.kubeconfig'))
  client = await connect({ kubeconfig, userAgent: 'test' })
})
afterEach(() => proxy.set([]))
afterAll(async () => {
  await client?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const system = () => client.get(namespaces, { name: 'kube-system' })
const soon = (ms = 300) => AbortSignal.timeout(ms)
const make = (name: string) => server.kubectl(['create', 'namespace', name])
type Batch = readonly WatchEvent<{ metadata: { name: string } }>[]
const names = (batch: Batch) => batch.map((event) => (event.type === 'BOOKMARK' ? '' : event.object.metadata.name))

/** Those of the next batch that is more than a bookmark. */
async function nextNames(stream: AsyncIterator<Batch>): Promise<string[]> {
  for (;;) {
    const { value } = await stream.next()
    const found = names(value as Batch).filter((name) => name !== '')
    if (found.length > 0) return found
  }
}

/** A watch of namespaces that has shown all there are. */
async function watching(signal?: AbortSignal) {
  const options = { initialEvents: true, timeoutSeconds: 60, signal }
  const stream = client.watch(namespaces, options)[Symbol.asyncIterator]()
  for (let began = false; !began; ) {
    const { value } = await stream.next()
    began = (value as Batch).some((event) => event.type === 'BOOKMARK' && event.initialEventsEnd)
  }
  return stream
}

test('passes requests, tokens and watches', async () => {
  expect((await system())?.metadata.name).toBe('kube-system')
  const stream = await watching()
  await make('passed')
  expect(await nextNames(stream)).toEqual(['passed'])
  await stream.return?.()
})

const refusals: readonly { rule: Rule; status: number; retryAfterSeconds?: number }[] = [
  { rule: { do: 'tooMany', retryAfterSeconds: 3 }, status: 429, retryAfterSeconds: 3 },
  { rule: { do: 'gone' }, status: 410 },
  { rule: { do: 'unauthorized' }, status: 401 },
]
test.each(refusals)('$rule.do is answered with $status', async ({ rule, status, retryAfterSeconds }) => {
  proxy.set([{ ...rule, path: /kube-system/ }])
  const refused = await system().catch((error: unknown) => error as ApiError)
  expect(refused).toMatchObject({ status, ...(retryAfterSeconds ? { retryAfterSeconds } : {}) })
  expect((await client.get(namespaces, { name: 'default' }))?.metadata.name).toBe('default')
})

test('a cut is an error that is no answer; watches alone can be hit', async () => {
  proxy.set([{ do: 'cut', kind: 'watch' }])
  const before = proxy.hits()
  await expect(watching()).rejects.not.toBeInstanceOf(ApiError)
  expect(proxy.hits()).toBe(before + 1)
  expect(await system()).toBeDefined()
})

test('a watch under way is cut', async () => {
  const stream = await watching()
  expect(proxy.cutOpen({ kind: 'watch' })).toBe(1)
  await expect(stream.next()).rejects.toThrow('WATCH namespaces')
})

test('a frozen watch says nothing more, nor that it ended; a new one does', async () => {
  const stop = new AbortController()
  const stream = await watching(stop.signal)
  expect(proxy.freezeOpen({ kind: 'watch' })).toBe(1)
  const other = await watching()
  const next = stream.next()
  next.catch(() => undefined)
  await make('unheard')
  expect(await nextNames(other)).toEqual(['unheard'])
  await system()
  stop.abort(new Error('enough'))
  await expect(next).rejects.toMatchObject({ cause: { message: 'enough' } })
  await other.return?.()
})

test('a frozen request has no answer, and the server has not heard of it', async () => {
  proxy.set([{ do: 'freeze', kind: 'other' }])
  const creating = client.create(namespaces, { metadata: { name: 'never' } }, { signal: soon() })
  await expect(creating).rejects.toMatchObject({ cause: { name: 'TimeoutError' } })
  proxy.set([])
  expect(await client.get(namespaces, { name: 'never' })).toBeUndefined()
})

test('where all is frozen not even a connection is made', async () => {
  proxy.set([{ do: 'freeze' }])
  const kubeconfig = join(folder, 'through.kubeconfig')
  await using fresh = await connect({ kubeconfig, userAgent: 'test' })
  await expect(fresh.get(namespaces, { name: 'default' }, { signal: soon() })).rejects.toThrow('GET namespaces default')
})

test('a late answer: the server acts at once', async () => {
  proxy.set([{ do: 'delayAnswer', ms: 400, method: 'POST' }])
  const began = performance.now()
  const creating = client.create(namespaces, { metadata: { name: 'late' } })
  await client.get(namespaces, { name: 'default' })
  await creating
  expect(performance.now() - began).toBeGreaterThanOrEqual(399)
})

test('an answer that is changed on its way', async () => {
  const answer = async (body: string) => body.replaceAll('kube-system', 'kube-changed')
  proxy.set([{ do: 'change', path: /kube-system/, answer }])
  expect((await system())?.metadata.name).toBe('kube-changed')
  expect((await client.get(namespaces, { name: 'default' }))?.metadata.name).toBe('default')
})

test('a lagging watch shows everything in order, so much later', async () => {
  proxy.set([{ do: 'delayBytes', ms: 500, kind: 'watch' }])
  const stream = await watching()
  const began = performance.now()
  await server.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'lag-1' } } })
  await server.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'lag-2' } } })
  const seen: string[] = []
  while (seen.length < 2) seen.push(...(await nextNames(stream)))
  expect(seen).toEqual(['lag-1', 'lag-2'])
  expect(performance.now() - began).toBeGreaterThanOrEqual(499)
  await stream.return?.()
})

test('a server that is restarted is a cut, and answers again', async () => {
  const stream = await watching()
  const [broken] = await Promise.allSettled([stream.next(), server.restartApiServer()])
  expect(broken).toMatchObject({ status: 'rejected', reason: { message: 'WATCH namespaces' } })
  expect(await system()).toBeDefined()
})
