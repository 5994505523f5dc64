import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { apiRequests } from './api-requests.ts'
import { waitUntil } from './child.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { leftRunning } from './left-running.ts'

jest.setTimeout(120_000)

const folder = mkdtempSync(join(tmpdir(), 'bed-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An API server with nothing beside it: the quickest to start. */
const bare = { controllerManager: false, scheduler: false, report: () => undefined } as const

describe('a control plane', () => {
  const dir = join(folder, 'hub')
  let hub: ControlPlane
  beforeAll(async () => {
    hub = await startControlPlane({ name: 'hub', dir, controllerManager: true, scheduler: false, audit: true })
  })
  afterAll(async () => {
    await hub?.[Symbol.asyncDispose]()
  })

  test('answers kubectl by its kubeconfig alone', async () => {
    expect(await hub.kubectl(['config', 'current-context'])).toBe('hub\n')
    expect(await hub.kubectl(['get', 'namespace', 'kube-system', '-o', 'name'])).toBe('namespace/kube-system\n')
  })

  test('is of the pinned version, and so is its kubectl', async () => {
    const { clientVersion, serverVersion } = JSON.parse(await hub.kubectl(['version', '-o', 'json']))
    expect(clientVersion.gitVersion).toBe(serverVersion.gitVersion)
  })

  test('makes ServiceAccounts, and holds them to RBAC', async () => {
    const token = (await hub.kubectl(['create', 'token', 'default'])).trim()
    await using requests = apiRequests(hub.url, { ca: readFileSync(hub.caFile, 'utf8'), token })
    const paths = ['/version', '/api/v1/namespaces/default/secrets']
    const answers = await Promise.all(paths.map((path) => requests.ask(path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 403])
  })

  test('says in its audit log who wrote what', async () => {
    await hub.kubectl(['create', 'namespace', 'audited'])
    const lines = readFileSync(hub.auditLog, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const create = lines.find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'audited')
    expect(create?.user.username).toBe('admin')
  })

  test('has the same address, certificates and data after a restart of its API server', async () => {
    await hub.kubectl(['create', 'configmap', 'kept'])
    const certificates = readFileSync(hub.caFile, 'utf8')
    await hub.stopApiServer()
    await expect(hub.ask('/readyz')).rejects.toThrow('ECONNREFUSED')
    await hub.startApiServer()
    expect(await hub.kubectl(['get', 'configmap', 'kept', '-o', 'name'])).toBe('configmap/kept\n')
    expect(readFileSync(hub.caFile, 'utf8')).toBe(certificates)
  })
})

describe('nothing is left running', () => {
  test('after it is disposed', async () => {
    const dir = join(folder, 'disposed')
    const controlPlane = await startControlPlane({ name: 'x', dir, ...bare })
    expect(leftRunning(dir)).toHaveLength(2)
    await controlPlane[Symbol.asyncDispose]()
    expect(leftRunning(dir)).toEqual([])
  })

  test('after a start that failed, whose error has the end of the log', async () => {
    const dir = join(folder, 'failed')
    const start = startControlPlane({ name: 'x', dir, ...bare, apiServerArgs: ['--no-such-flag'] })
    await expect(start).rejects.toThrow(/x kube-apiserver ended \(exit code 1\).*unknown flag: --no-such-flag/s)
    expect(leftRunning(dir)).toEqual([])
  })

  test('after a start that was called off', async () => {
    const dir = join(folder, 'aborted')
    const control = new AbortController()
    const start = startControlPlane({ name: 'x', dir, ...bare }, control.signal)
    await waitUntil(async () => leftRunning(dir).length > 0 || undefined, { what: 'etcd', seconds: 20 })
    control.abort(new Error('called off'))
    await expect(start).rejects.toThrow('called off')
    expect(leftRunning(dir)).toEqual([])
  })

  test.each(['SIGKILL', 'SIGINT'] as const)('after its owner gets %s', async (signal) => {
    const dir = join(folder, signal)
    const owner = `import { startControlPlane } from ${JSON.stringify(join(import.meta.dirname, 'control-plane.ts'))}
      await startControlPlane({ name: 'x', dir: ${JSON.stringify(dir)}, controllerManager: false, scheduler: true })
      console.log('up'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', owner], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    expect(leftRunning(dir).length).toBeGreaterThanOrEqual(3)
    child.kill(signal)
    await once(child, 'exit')
    const ended = async () => leftRunning(dir).length === 0 || undefined
    await waitUntil(ended, { what: 'its programs to end', seconds: 5 })
  })
})
