import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, jest, test } from '@jest/globals'
import { load } from 'js-yaml'
import { startFederation } from './federation.ts'
import { federationFlags } from './federation-flags.ts'
import { kubectlAs } from './kubectl.ts'
import { leftRunning } from './left-running.ts'
import { agentKubeconfig } from './operator.ts'
import { startProgram } from './program.ts'

jest.setTimeout(120_000)

const folder = mkdtempSync(join(tmpdir(), 'bed-federation-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const silent = () => undefined

describe('a federation', () => {
  test('has a hub, providers with GPU nodes, and for each agent a token of its ServiceAccount alone', async () => {
    await using federation = await startFederation({ providers: 2, nodes: 2, dir: join(folder, 'two') }, silent)
    const { hub, providers } = federation
    expect(providers.map(({ name }) => name)).toEqual(['acme', 'borealis'])
    const gpus = providers.map(({ controlPlane }) =>
      controlPlane.kubectl(['get', 'nodes', '-o', String.raw`jsonpath={.items[*].status.allocatable.nvidia\.com/gpu}`]),
    )
    expect(await Promise.all(gpus)).toEqual(['8 8', '8 8'])

    const file = join(folder, 'agent.kubeconfig')
    const written = agentKubeconfig(hub, { provider: 'acme', file, report: silent })
    await hub.kubectl(['create', 'namespace', 'provider-acme'])
    await hub.kubectl(['create', 'serviceaccount', 'agent', '-n', 'provider-acme'])
    await written
    const asAgent = kubectlAs({ binary: hub.binaries.kubectl, kubeconfig: file, cacheDir: join(folder, 'agent-cache') })
    expect(await asAgent(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).toBe(
      'system:serviceaccount:provider-acme:agent',
    )
    const { users } = load(readFileSync(file, 'utf8')) as { users: { user: object }[] }
    expect(users.map(({ user }) => Object.keys(user))).toEqual([['token']])
  })

  test('leaves nothing running when one of its providers cannot be started', async () => {
    const dir = join(folder, 'broken')
    const nodes = (provider: string) => {
      if (provider === 'borealis') throw new Error('no nodes for borealis')
      return []
    }
    await expect(startFederation({ providers: 2, nodes, dir }, silent)).rejects.toThrow('no nodes for borealis')
    expect(leftRunning(dir)).toEqual([])
  })
})

describe('a program of ours', () => {
  const server = `
    const [host, port] = process.argv.at(-1).split(':')
    require('node:http').createServer((request, response) => response.writeHead(request.url === '/readyz' ? 200 : 404).end()).listen(port, host)
    process.on('SIGTERM', () => { console.log('asked to stop'); process.exit(0) })`

  function main(name: string, text: string): string {
    const file = join(folder, name)
    writeFileSync(file, text)
    return file
  }

  test('is ready when its /readyz says so, and can stop by itself', async () => {
    const program = await startProgram({ name: 'ready', main: main('ready.cjs', server), args: [], dir: folder })
    expect((await fetch(`${program.url}/readyz`)).status).toBe(200)
    await program.stop()
    expect([program.ended(), readFileSync(program.log, 'utf8')]).toEqual(['exit code 0', 'asked to stop\n'])
  })

  test('that is killed gets no chance to', async () => {
    const program = await startProgram({ name: 'killed', main: main('killed.cjs', server), args: [], dir: folder })
    await program.kill()
    expect([program.ended(), readFileSync(program.log, 'utf8')]).toEqual(['SIGKILL', ''])
  })

  test('that ends before it is ready says its last words in the error', async () => {
    const text = 'console.error("provider is not a name", process.argv[2]); process.exitCode = 3'
    const broken = { name: 'broken', main: main('broken.cjs', text), args: ['--provider'], dir: folder, report: silent }
    await expect(startProgram(broken)).rejects.toThrow(/broken ended \(exit code 3\).*not a name --provider/s)
  })
})

describe('npm run federation', () => {
  test.each([
    { args: [], says: { providers: 3, nodes: 8, dir: '.federation', operator: false } },
    { args: ['--providers', '0', '--operator'], says: { providers: 0, operator: true } },
  ])('takes $args', ({ args, says }) => {
    expect(federationFlags(args)).toMatchObject(says)
  })

  test.each([
    { args: ['--provders', '3'], says: "Unknown option '--provders'" },
    { args: ['three'], says: "Unexpected argument 'three'" },
    { args: ['--nodes', '1e9'], says: '--nodes is "1e9", but must be a whole number from 0 to 500' },
    { args: ['--nodes', ''], says: '--nodes is "", but must be' },
    { args: ['--providers', '21'], says: '--providers is "21", but must be a whole number from 0 to 20' },
    { args: ['--dir='], says: '--dir needs the name of a folder' },
  ])('refuses $args', ({ args, says }) => {
    expect(() => federationFlags(args)).toThrow(says)
  })
})
