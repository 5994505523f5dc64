// Credentials that end while we run, held by a real API server.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { dump, load } from 'js-yaml'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { namespaces } from '../../operator/src/adapters/kubernetes/resources.ts'
import { waitUntil } from '../bed/child.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'

jest.setTimeout(180_000)

const folder = mkdtempSync(join(tmpdir(), 'credentials-'))
const file = (name: string) => join(folder, name)
let server: ControlPlane

beforeAll(async () => {
  server = await startControlPlane({ name: 'plane', dir: file('plane'), controllerManager: true, scheduler: false })
  await server.kubectl([
    'create',
    'clusterrolebinding',
    'reader',
    '--clusterrole=cluster-admin',
    '--serviceaccount=default:default',
  ])
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** A token that is good until the Secret to which it is bound is deleted. */
async function boundToken(secret: string): Promise<string> {
  await server.kubectl(['create', 'secret', 'generic', secret])
  const bound = ['--bound-object-kind=Secret', `--bound-object-name=${secret}`]
  return (await server.kubectl(['create', 'token', 'default', ...bound])).trim()
}

/** Resolves when the API server, which remembers tokens for some seconds, no longer takes it. */
async function revoke(secret: string, token: string): Promise<void> {
  await server.kubectl(['delete', 'secret', secret])
  writeKubeconfig('revoked.kubeconfig', { token })
  await using client = await connect({ kubeconfig: file('revoked.kubeconfig'), userAgent: 'test' })
  const isRefused = async () => {
    const refused = await client.get(namespaces, { name: 'default' }).catch((error: unknown) => error)
    return (refused as { status?: unknown }).status === 401 || undefined
  }
  await waitUntil(isRefused, { what: 'the token to be refused', seconds: 30 })
}

function writeKubeconfig(name: string, user: object): string {
  const config = load(readFileSync(server.kubeconfig, 'utf8')) as { users: { user: object }[] }
  for (const one of config.users) one.user = user
  writeFileSync(file(name), dump(config))
  return file(name)
}

test('a token in a file is renewed while a watch is open, and the old one is revoked', async () => {
  const first = await boundToken('first')
  writeFileSync(file('token'), first)
  await using client = await connect({
    kubeconfig: writeKubeconfig('file.kubeconfig', { tokenFile: 'token' }),
    userAgent: 'test',
  })
  const stream = client.watch(namespaces, { initialEvents: true, timeoutSeconds: 120 })[Symbol.asyncIterator]()
  await stream.next()
  writeFileSync(file('token'), await boundToken('second'))
  await revoke('first', first)
  expect((await client.create(namespaces, { metadata: { name: 'renewed' } })).metadata.name).toBe('renewed')
  for (let seen = false; !seen; ) {
    const { value, done } = await stream.next()
    if (done) throw new Error('the watch ended')
    seen = value.some((event) => event.type === 'ADDED' && event.object.metadata.name === 'renewed')
  }
  await stream.return?.()
})

test('an exec plugin is asked anew when its token was revoked before it expired, and nobody notices', async () => {
  const first = await boundToken('third')
  writeFileSync(file('given'), first)
  const plugin = `#!/bin/sh
echo x >> ${file('calls')}
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$(cat ${file('given')})"
`
  writeFileSync(file('plugin.sh'), plugin, { mode: 0o700 })
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin.sh', interactiveMode: 'Never' }
  await using client = await connect({ kubeconfig: writeKubeconfig('exec.kubeconfig', { exec }), userAgent: 'test' })
  expect(await client.get(namespaces, { name: 'default' })).toBeDefined()
  writeFileSync(file('given'), await boundToken('fourth'))
  await revoke('third', first)
  const answers = await Promise.all([1, 2, 3].map(() => client.get(namespaces, { name: 'default' })))
  expect(answers.every((answer) => answer !== undefined)).toBe(true)
  expect(readFileSync(file('calls'), 'utf8')).toBe('x\nx\n')
})
