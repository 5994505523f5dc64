import { connect } from 'node:net'

export interface Reaching {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/** Whether a TCP connection can be made. Some networks refuse what a policy forbids, others lose it. */
export function reaches({ host, port, timeoutMs }: Reaching): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (outcome: boolean) => {
      socket.destroy()
      resolve(outcome)
    }
    socket.setTimeout(timeoutMs, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
