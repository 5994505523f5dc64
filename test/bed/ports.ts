import { createServer } from 'node:net'

/**
 * A port of 127.0.0.1 that was free a moment ago. It lies below the range from which the kernel takes ports for
 * outgoing connections, so that only another server can take it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if (await canListen(port)) return port
  }
}

/** Starts a server on free ports, and again on others where somebody else was faster. */
export async function onFreePorts<T>(start: (port: number, another: number) => Promise<T>): Promise<T> {
  for (let attemptsLeft = 5; ; attemptsLeft--) {
    try {
      return await start(await freePort(), await freePort())
    } catch (error) {
      if (attemptsLeft === 0 || !/address already in use|EADDRINUSE/.test(String(error))) throw error
    }
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
