// The mains as they are started: by Node, with flags, ended by a signal.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'

jest.setTimeout(60_000) // Node starts five times.

let home = ''
let kubeconfig = ''
const silent = createServer(() => {}) // An API server that takes connections and never answers.

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'gpu-commons-main-'))
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  kubeconfig = join(home, 'kubeconfig')
  const server = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const config = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster: { server } }],
    users: [{ name: 'x', user: { token: 't' } }],
  }
  await writeFile(kubeconfig, JSON.stringify(config))
})

afterAll(async () => {
  silent.closeAllConnections()
  silent.close()
  await rm(home, { recursive: true })
})

/** Starts a main; `when` some text of it is there, it is told to end. Its exit code and all that it said. */
async function run(main: 'hub' | 'agent', args: readonly string[], endWhen?: RegExp) {
  const path = join(import.meta.dirname, '..', `${main}.ts`)
  const child = spawn(process.execPath, [path, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const hear = (text: Buffer) => {
    said += text.toString()
    if (endWhen?.test(said)) child.kill('SIGTERM')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}

describe('a main', () => {
  test.each(['hub', 'agent'] as const)('%s: wrong flags are told as they are, and the exit code is 2', async (main) => {
    const { code, said } = await run(main, ['--nonsense', 'x'])
    expect([code, said.split('\n')[0]]).toEqual([2, 'unknown flag --nonsense'])
    expect(said).not.toContain('    at ')
  })

  test('a kubeconfig that is not there: the exit code is 1, and the file is named', async () => {
    const missing = join(home, 'missing')
    const { code, said } = await run('hub', ['--kubeconfig', missing, '--http-address', '127.0.0.1:0'])
    expect(code).toBe(1)
    expect(said).toContain(missing)
  })

  test('what cannot go on ends, whatever still beats in it', async () => {
    const script = join(home, 'main.mjs')
    await writeFile(
      script,
      `import { runMain } from ${JSON.stringify(join(import.meta.dirname, 'run-main.ts'))}
      const beat = async (signal) => {
        const timer = setInterval(() => {}, 1000)
        signal.addEventListener('abort', () => clearInterval(timer))
      }
      const readConfig = () => ({ logLevel: 'info', http: { host: '127.0.0.1', port: 0 } })
      const metrics = { registry: { contentType: 'text/plain', metrics: async () => '' } }
      const run = async (_, { signal }) => { void beat(signal); throw new Error('broken') }
      await runMain({ name: 'test', readConfig, metrics, run })`,
    )
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString()
    })
    const [code] = (await once(child, 'close')) as [number | null]
    expect([code, said.includes('Error: broken')]).toEqual([1, true])
  })

  test.each([
    { main: 'hub', flags: [] },
    { main: 'agent', flags: ['--provider', 'acme', '--hub-kubeconfig'] },
  ] as const)(
    '$main: told to end while it waits for an API server, it ends, and that is no failure',
    async ({ main, flags }) => {
      const own = ['--kubeconfig', kubeconfig, '--http-address', '127.0.0.1:0']
      const { code, said } = await run(main, [...own, ...flags, ...(main === 'agent' ? [kubeconfig] : [])], /serving/)
      expect([code, said.includes('serving /metrics')]).toEqual([0, true])
    },
  )
})
