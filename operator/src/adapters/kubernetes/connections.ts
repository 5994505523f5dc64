// The connections to one API server: kept while they serve, and thrown away when they may be dead.
import { isDeepStrictEqual } from 'node:util'
import { Pool } from 'undici'
import type { Clock } from '../../controllers/clock.ts'
import type { Lane } from './client.ts'
import type { Tls } from './kubeconfig.ts'

export interface ConnectionsOptions {
  readonly origin: string
  readonly tls: Tls
  readonly clock: Pick<Clock, 'boot'>
  /** For measuring; the default is right for use. */
  readonly connections?: number | undefined
}

/**
 * How many requests are under way at once. Measured with creates on a local 1.34 API server on two cores: 8 reach
 * 2,200/s, 16 to 64 between 2,000 and 3,000/s (0.10 to 0.14 ms of our CPU each); a distant server needs the more of them.
 * Far below the server's own limit for writes (200). Watches have connections of their own.
 */
const requestConnections = 32

/** The API server gives a request up after 60 s; a server that is silent for half of that is not worth waiting for. */
const silenceMs = 30_000

/** A renewal of a Lease must fail early enough to be tried again before the Lease ends. */
const urgentSilenceMs = 5_000
const urgentConnections = 2

/** Idle connections are closed before the API server (90 s) or a load balancer (often 60 s) does it in our back. */
const keepAliveMs = 45_000

/** No answer that we ask for comes near this. */
const longestAnswerBytes = 128 * 2 ** 20

/** A server that is only slow is not to be asked for all watches anew again and again. */
const cutAgainMs = 30_000

/** A watch under way. */
export interface OpenWatch {
  /** Aborts when the watch is to end. */
  readonly signal: AbortSignal
  /** Bytes have come. */
  readonly heard: () => void
  readonly close: () => void
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #watches = new Set<{ heardAt: number; readonly stop: (why: Error) => void }>()
  readonly #retired = new Set<Pool>()
  #tls: Tls
  #cutAt = Number.NEGATIVE_INFINITY
  #pools: Readonly<Record<Lane | 'Watch', Pool>>

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#pools = this.#open()
  }

  /** Connections that were made with other certificates get no more requests. */
  of(lane: Lane | 'Watch', tls: Tls): Pool {
    if (tls !== this.#tls) {
      const isOther = !isDeepStrictEqual(tls, this.#tls)
      this.#tls = tls
      if (isOther) this.#replace()
    }
    return this.#pools[lane]
  }

  /** Boot time, as `distrust` takes it. */
  now(): number {
    return this.#options.clock.boot()
  }

  watching(signal: AbortSignal | undefined): OpenWatch {
    const controller = new AbortController()
    const told = () => controller.abort(signal?.reason)
    if (signal?.aborted) told()
    signal?.addEventListener('abort', told, { once: true })
    const one = { heardAt: this.#options.clock.boot(), stop: (why: Error) => controller.abort(why) }
    this.#watches.add(one)
    return {
      signal: controller.signal,
      heard: () => {
        one.heardAt = this.#options.clock.boot()
      },
      close: () => {
        this.#watches.delete(one)
        signal?.removeEventListener('abort', told)
      },
    }
  }

  /**
   * A request got no answer: its connection is half-open, and so may be all others that were made with it. Each of
   * them would cost the next request its full time, so none is used again; requests under way may end. A watch that
   * has been silent since that request was sent is cut.
   */
  distrust(used: Pool, sentAt: number): void {
    const now = this.#options.clock.boot()
    if (now - this.#cutAt >= cutAgainMs) {
      const silent = [...this.#watches].filter(({ heardAt }) => heardAt <= sentAt)
      for (const watch of silent) watch.stop(new Error('silent, and so is the server to other requests'))
      if (silent.length > 0) this.#cutAt = now
    }
    if (Object.values(this.#pools).includes(used)) this.#replace() // Else another request has said so already.
  }

  async destroy(): Promise<void> {
    const all = [...Object.values(this.#pools), ...this.#retired]
    for (const watch of this.#watches) watch.stop(new Error('the client is closed'))
    await Promise.all(all.map((pool) => pool.destroy()))
  }

  #replace(): void {
    const old = this.#pools
    this.#pools = this.#open()
    for (const pool of Object.values(old)) {
      this.#retired.add(pool)
      void pool
        .close()
        .catch(() => undefined) // Destroyed meanwhile.
        .then(() => this.#retired.delete(pool))
    }
  }

  #open(): Readonly<Record<Lane | 'Watch', Pool>> {
    const { origin, connections = requestConnections } = this.#options
    const shared = {
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      connect: { ...this.#tls, keepAlive: true, keepAliveInitialDelay: 15_000 },
    }
    const silence = (ms: number) => ({ headersTimeout: ms, bodyTimeout: ms, maxResponseSize: longestAnswerBytes })
    return {
      Normal: new Pool(origin, { ...shared, ...silence(silenceMs), connections }),
      Urgent: new Pool(origin, { ...shared, ...silence(urgentSilenceMs), connections: urgentConnections }),
      Watch: new Pool(origin, { ...shared, headersTimeout: silenceMs, bodyTimeout: 0, connections: null }),
    }
  }
}

/** undici's names for a peer that has taken a request and says nothing. */
export function isSilence(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT'
}
