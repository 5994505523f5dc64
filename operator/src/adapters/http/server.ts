// What hub and agent show of themselves over HTTP: /metrics, /healthz, /readyz; a hub that leads also /debug/snapshot.
import { pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { SNAPSHOT_PATH, TOKEN_HEADER } from './snapshot-path.ts'

export interface HttpOptions {
  readonly host: string
  readonly port: number
  readonly registry: Registry
  /** What it still waits for; `undefined` when it does its work. */
  readonly notReady: () => string | undefined
  /** `undefined` while there is none to show. */
  readonly snapshot?: () => SnapshotSource | undefined
}

/** All that the engine knows, for those who may have it. */
export interface SnapshotSource {
  readonly admit: (token: string | undefined) => Promise<Admission>
  /** A text in pieces. */
  readonly pieces: () => Iterable<string>
}

export type Admission = 'Admitted' | 'Unknown' | 'Forbidden'

export interface HttpServer extends AsyncDisposable {
  /** As it is really bound: the port is chosen by the system where 0 was asked for. */
  readonly address: string
}

export async function serveHttp({ host, port, registry, notReady, snapshot }: HttpOptions): Promise<HttpServer> {
  const server = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true })
  server.get('/healthz', () => 'ok\n')
  server.get('/readyz', async (_, reply) => {
    const reason = notReady()
    return reply.code(reason === undefined ? 200 : 503).send(reason === undefined ? 'ok\n' : `waits for ${reason}\n`)
  })
  server.get('/metrics', async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  if (snapshot) serveSnapshot(server, snapshot)
  const address = await server.listen({ host, port })
  return { address, [Symbol.asyncDispose]: () => server.close() }
}

/** Who takes it that slowly is cut off, for it keeps others out. */
const mostMs = 60_000

/** Each try costs the API server a question. */
const mostAsking = 4

/** One at a time, for each costs a look at all that is known. */
function serveSnapshot(server: FastifyInstance, source: NonNullable<HttpOptions['snapshot']>): void {
  let asking = 0
  let isTaken = false
  server.get(SNAPSHOT_PATH, async (request, reply) => {
    const from = source()
    if (!from) return reply.code(503).send('this program is no hub that leads\n')
    if (asking >= mostAsking) return busy(reply)
    asking += 1
    const admission = await from.admit(tokenOf(request)).finally(() => (asking -= 1))
    if (admission !== 'Admitted') return refuse(reply, admission)
    // Who may not have one must not keep out who may.
    if (isTaken) return busy(reply)
    isTaken = true
    return send(request, reply, { pieces: from.pieces(), free: () => (isTaken = false) })
  })
}

function busy(reply: FastifyReply): FastifyReply {
  return reply.code(429).header('retry-after', '5').send('somebody else is taking a snapshot\n')
}

function tokenOf({ headers }: FastifyRequest): string | undefined {
  const own = headers[TOKEN_HEADER]
  return /^Bearer (\S{1,16384})$/i.exec(headers.authorization ?? '')?.[1] ?? (typeof own === 'string' ? own : undefined)
}

function refuse(reply: FastifyReply, admission: Exclude<Admission, 'Admitted'>): FastifyReply {
  if (admission === 'Forbidden') return reply.code(403).send(`it takes the right to get ${SNAPSHOT_PATH}\n`)
  return reply.code(401).header('www-authenticate', 'Bearer').send('it takes a token that is good for this hub\n')
}

interface Sending {
  readonly pieces: Iterable<string>
  readonly free: () => void
}

function send(request: FastifyRequest, reply: FastifyReply, { pieces, free }: Sending): FastifyReply {
  const plain = Readable.from(withTurns(pieces))
  const isZipped = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  // Of the two neither is left open when the other one ends.
  const body = isZipped ? pipeline(plain, createGzip(), () => {}) : plain
  const tooSlow = setTimeout(() => plain.destroy(), mostMs)
  const end = () => {
    clearTimeout(tooSlow)
    plain.destroy()
    free()
  }
  reply.raw.once('close', end)
  void reply.type('application/json').header('cache-control', 'no-store')
  return (isZipped ? reply.header('content-encoding', 'gzip') : reply).send(body)
}

/** Between the pieces whatever else there is gets its turn. */
async function* withTurns(pieces: Iterable<string>): AsyncGenerator<string, void> {
  for (const piece of pieces) {
    yield piece
    await new Promise((resolve) => setImmediate(resolve))
  }
}
