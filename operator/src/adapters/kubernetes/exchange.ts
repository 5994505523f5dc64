// One request and its whole answer. undici's `dispatch` and not its `request`: only here is the moment known at which a
// request that waited for a connection is sent, and it costs no stream.
import type { Dispatcher } from 'undici'

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | undefined
  /** Called when a connection is free, directly before the first byte; what it throws fails the exchange, unsent. */
  readonly beforeSending: (() => void) | undefined
  readonly signal: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly body: string
  readonly retryAfter?: string | undefined
  readonly warning?: string | undefined
}

/** Rejects when no whole answer came; whether the server has acted is then unknown. */
export function exchange(dispatcher: Dispatcher, { beforeSending, signal, ...request }: Exchange): Promise<Answer> {
  if (signal?.aborted) return Promise.reject(signal.reason as Error)
  return new Promise((resolve, reject) => {
    let sending: Dispatcher.DispatchController | undefined
    let head: Omit<Answer, 'body'> = { status: 0 }
    const chunks: Buffer[] = []

    /** A request that still waits for its connection is given up here, and aborted when its turn comes. */
    const giveUp = () => {
      if (sending) sending.abort(signal?.reason as Error)
      else reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', giveUp, { once: true })
    const leave = () => signal?.removeEventListener('abort', giveUp)

    dispatcher.dispatch(
      { ...request, body: request.body ?? null },
      {
        onRequestStart(controller) {
          if (signal?.aborted) throw signal.reason
          sending = controller
          beforeSending?.()
        },
        onResponseStart(_controller, status, headers) {
          head = { status, retryAfter: first(headers['retry-after']), warning: first(headers['warning']) }
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk)
        },
        onResponseEnd() {
          leave()
          const [only] = chunks
          const whole = chunks.length === 1 && only ? only : Buffer.concat(chunks)
          resolve({ ...head, body: whole.toString('utf8') })
        },
        onResponseError(_controller, error) {
          leave()
          reject(error)
        },
      },
    )
  })
}

function first(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
