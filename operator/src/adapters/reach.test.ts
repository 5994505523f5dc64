import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from '@jest/globals'
import { reaches } from './reach.ts'

const to = (port: number) => reaches({ host: '127.0.0.1', port, timeoutMs: 5000 })

test('who listens is reached, who has left is not', async () => {
  const server = createServer((socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(await to(port)).toBe(true)
  server.close()
  await once(server, 'close')
  expect(await to(port)).toBe(false)
})
