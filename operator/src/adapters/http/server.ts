// What hub and agent show of themselves over HTTP: /metrics, /healthz, /readyz.
import fastify from 'fastify'
import type { Registry } from 'prom-client'

export interface HttpOptions {
  readonly host: string
  readonly port: number
  readonly registry: Registry
  /** What it still waits for; `undefined` when it does its work. */
  readonly notReady: () => string | undefined
}

export interface HttpServer extends AsyncDisposable {
  /** As it is really bound: the port is chosen by the system where 0 was asked for. */
  readonly address: string
}

export async function serveHttp({ host, port, registry, notReady }: HttpOptions): Promise<HttpServer> {
  const server = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true })
  server.get('/healthz', () => 'ok\n')
  server.get('/readyz', async (_, reply) => {
    const reason = notReady()
    return reply.code(reason === undefined ? 200 : 503).send(reason === undefined ? 'ok\n' : `waits for ${reason}\n`)
  })
  server.get('/metrics', async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  const address = await server.listen({ host, port })
  return { address, [Symbol.asyncDispose]: () => server.close() }
}
