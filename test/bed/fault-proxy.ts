/**
 * Stands in front of one API server and does to its clients what networks, load balancers and busy servers do.
 * It speaks HTTP/1.1 with the server's own certificate and passes tokens through.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as ask, createServer } from 'node:https'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { dump, load } from 'js-yaml'
import type { ControlPlane } from './control-plane.ts'
import { onFreePorts } from './ports.ts'

/** Which requests: all that fit what is said; nothing said: every one. */
export interface Match {
  readonly kind?: 'watch' | 'other'
  /** Of the path with its query. */
  readonly path?: RegExp
  readonly method?: string
}

export type Fault =
  /** The connection is reset, unanswered; the server does not hear of the request. */
  | { readonly do: 'cut' }
  /**
   * Half-open: the request is taken, and never a byte comes back on this connection, not even its end. Matching every
   * request, it also leaves new connections in the middle of their handshake.
   */
  | { readonly do: 'freeze' }
  /** The server does not hear of the request. `message` as the API server words it while its storage starts. */
  | { readonly do: 'tooMany'; readonly retryAfterSeconds: number; readonly message?: string }
  /** 410: the version asked for is forgotten. */
  | { readonly do: 'gone' }
  /** A token that is not accepted. */
  | { readonly do: 'unauthorized' }
  /** The server acts at once; its answer, the start of a watch as well, comes so much later. */
  | { readonly do: 'delayAnswer'; readonly ms: number }
  /** Each byte of the answer comes so much later, in order. A watch then lags by this. */
  | { readonly do: 'delayBytes'; readonly ms: number }
  /** The server acts, and the whole answer is changed on its way; for what is no watch. */
  | { readonly do: 'change'; readonly answer: (body: string) => Promise<string> }

export type Rule = Match & Fault

export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** For requests that come from now on: the first rule that fits; none: passed on. */
  readonly set: (rules: readonly Rule[]) => void
  /** Resets connections: those with such a request under way, all of them where nothing is said. Gives how many. */
  readonly cutOpen: (match?: Match) => number
  /** Makes such connections half-open; they never heal, new ones are what the rules say. Gives how many. */
  readonly freezeOpen: (match?: Match) => number
  /** Requests, and frozen handshakes, that a rule has hit. */
  readonly hits: () => number
  /** Writes a copy of a kubeconfig of this API server that leads through here; gives the copy. */
  readonly kubeconfig: (original: string, copy: string) => Promise<string>
}

export async function startFaultProxy(
  controlPlane: Pick<ControlPlane, 'url' | 'caFile' | 'serverKeyFile'>,
): Promise<FaultProxy> {
  const [cert, key] = await Promise.all([readFile(controlPlane.caFile), readFile(controlPlane.serverKeyFile)])
  const proxy = new Proxy(controlPlane.url, { cert, key })
  const port = await onFreePorts((free) => proxy.listen(free))
  const url = `https://127.0.0.1:${port}`
  return {
    url,
    set: (rules) => proxy.set(rules),
    cutOpen: (match) => proxy.cutOpen(match),
    freezeOpen: (match) => proxy.freezeOpen(match),
    hits: () => proxy.hits,
    kubeconfig: async (original, copy) => {
      const config = load(await readFile(original, 'utf8')) as { clusters: { cluster: { server: string } }[] }
      for (const { cluster } of config.clusters) {
        if (cluster.server !== controlPlane.url) throw new Error(`${original} leads to ${cluster.server}, not here`)
        cluster.server = url
      }
      await writeFile(copy, dump(config), { mode: 0o600 })
      return copy
    },
    [Symbol.asyncDispose]: () => proxy.close(),
  }
}

/** One connection of a client. */
interface Line {
  readonly socket: Socket
  /** The request under way. */
  current: IncomingMessage | undefined
  frozen: boolean
}

class Proxy {
  hits = 0
  readonly #upstream: string
  readonly #agent: Agent
  readonly #front: Server
  readonly #http: HttpServer
  /** By the client's port, which the encrypted connection has as well. */
  readonly #lines = new Map<number, Line>()
  #rules: readonly Rule[] = []

  constructor(upstream: string, { cert, key }: { cert: Buffer; key: Buffer }) {
    this.#upstream = upstream
    // Idle connections go before the API server closes them in our back.
    this.#agent = new Agent({ ca: cert, keepAlive: true, timeout: 60_000 })
    // No time limit of its own: whoever ends a connection is the client, the server or a fault.
    const limits = { keepAliveTimeout: 600_000, requestTimeout: 0, headersTimeout: 0 }
    this.#http = createServer({ cert, key, ...limits }, (request, response) => this.#take(request, response))
    this.#http.on('secureConnection', (socket: Socket) => socket.on('error', () => socket.destroy()))
    this.#http.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
    this.#front = createTcpServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#front.once('error', reject)
      this.#front.listen(port, '127.0.0.1', () => resolve(port))
    })
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#front.close(resolve))
    for (const { socket } of this.#lines.values()) socket.destroy()
    this.#agent.destroy()
    await closed
  }

  set(rules: readonly Rule[]): void {
    this.#rules = rules
  }

  cutOpen(match: Match = {}): number {
    const lines = this.#open(match)
    for (const { socket } of lines) socket.resetAndDestroy()
    return lines.length
  }

  freezeOpen(match: Match = {}): number {
    const lines = this.#open(match)
    for (const line of lines) line.frozen = true
    return lines.length
  }

  #open(match: Match): Line[] {
    const isAll = Object.keys(match).length === 0
    return [...this.#lines.values()].filter(({ current }) => isAll || (current && fits(match, current)))
  }

  #accept(socket: Socket): void {
    const line: Line = { socket, current: undefined, frozen: false }
    const port = socket.remotePort ?? 0
    this.#lines.set(port, line)
    socket.once('close', () => this.#lines.delete(port))
    socket.on('error', () => socket.destroy())
    const [first] = this.#rules
    if (first?.do === 'freeze' && !first.kind && !first.path && !first.method) {
      this.hits++
      line.frozen = true
      socket.resume() // Reads on, so that the client's bytes and its leaving are taken; answers nothing.
      return
    }
    this.#http.emit('connection', socket)
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const line = this.#lines.get(request.socket.remotePort ?? 0)
    if (!line || line.frozen) return
    line.current = request
    response.once('close', () => {
      if (line.current === request) line.current = undefined
    })
    const rule = this.#rules.find((one) => fits(one, request))
    if (rule) this.hits++
    switch (rule?.do) {
      case 'cut':
        line.socket.resetAndDestroy()
        return
      case 'freeze':
        line.frozen = true
        return
      case 'tooMany':
        return refuse(response, tooMany(rule))
      case 'gone':
        return refuse(response, { code: 410, reason: 'Expired', message: 'too old resource version: 1 (2)' })
      case 'unauthorized':
        return refuse(response, { code: 401, reason: 'Unauthorized', message: 'Unauthorized' })
      default:
        this.#pass({ request, response, line }, rule)
    }
  }

  #pass({ request, response, line }: Exchange, rule: Rule | undefined): void {
    const { host: _, ...headers } = request.headers
    const onward = ask(this.#upstream + request.url, { method: request.method, headers, agent: this.#agent })
    const after = rule?.do === 'delayAnswer' ? rule.ms : 0
    const behind = after + (rule?.do === 'delayBytes' ? rule.ms : 0)
    onward.once('response', (answer) => {
      if (rule?.do === 'change') {
        passChanged({ response, line, answer }, rule)
        return
      }
      const later = inOrder(response)
      later(after, () => {
        if (line.frozen) return
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        response.flushHeaders() // A watch that has nothing to say has begun all the same.
      })
      answer.on('data', (chunk: Buffer) => later(behind, () => line.frozen || response.write(chunk)))
      answer.once('end', () => later(behind, () => line.frozen || response.end()))
      answer.once('error', () => later(behind, () => line.frozen || line.socket.resetAndDestroy()))
    })
    onward.once('error', () => line.frozen || line.socket.resetAndDestroy())
    response.once('close', () => onward.destroy())
    request.pipe(onward)
  }
}

function passChanged(
  { response, line, answer }: { response: ServerResponse; line: Line; answer: IncomingMessage },
  { answer: change }: Extract<Fault, { do: 'change' }>,
): void {
  const { 'content-length': _, ...headers } = answer.headers
  text(answer)
    .then(change)
    .then((body) => {
      response.writeHead(answer.statusCode ?? 502, headers)
      response.end(body)
    })
    .catch((error: unknown) => {
      console.error(error) // Whoever waits for the answer learns only that there is none.
      line.socket.resetAndDestroy()
    })
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly line: Line
}

/** Does each thing so many ms from now, in the order in which it was told, until the client has left. */
function inOrder(response: ServerResponse): (ms: number, act: () => unknown) => void {
  const waiting: { readonly at: number; readonly act: () => unknown }[] = []
  let timer: NodeJS.Timeout | undefined
  response.once('close', () => {
    clearTimeout(timer)
    waiting.length = 0
  })
  const run = () => {
    timer = undefined
    for (let next = waiting[0]; next; next = waiting[0]) {
      const ms = next.at - performance.now()
      if (ms > 0) {
        timer = setTimeout(run, ms)
        return
      }
      waiting.shift()
      next.act()
    }
  }
  return (ms, act) => {
    waiting.push({ at: performance.now() + ms, act })
    if (timer === undefined) run()
  }
}

function fits({ kind, path, method }: Match, { url = '', method: asked }: IncomingMessage): boolean {
  const isWatch = /[?&]watch=/.test(url)
  if (kind !== undefined && (kind === 'watch') !== isWatch) return false
  return (path?.test(url) ?? true) && (method ?? asked) === asked
}

interface Refusal {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly retryAfterSeconds?: number
}

function tooMany(rule: Extract<Fault, { do: 'tooMany' }>): Refusal {
  const { retryAfterSeconds, message = 'too many requests, please try again later' } = rule
  return { code: 429, reason: 'TooManyRequests', message, retryAfterSeconds }
}

/** A Status, as an API server refuses. */
function refuse(response: ServerResponse, { code, reason, message, retryAfterSeconds }: Refusal): void {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } }
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code,
    reason,
    message,
    ...details,
  }
  const header = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  response.writeHead(code, { 'content-type': 'application/json', ...header })
  response.end(JSON.stringify(status))
}
