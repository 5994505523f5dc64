import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type ExecPlugin, execCredential, execSchema } from './exec-plugin.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'exec-'))
})
// A plugin that still starts may write into it meanwhile.
afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 20 }))

const v1 = 'client.authentication.k8s.io/v1'
const start = Date.parse('2026-01-01T00:00:00Z')

/** A plugin that prints its answer, counts its calls and writes down what it was told. */
function plugin(script: string, more: Partial<ExecPlugin> = {}) {
  writeFileSync(join(dir, 'plugin.sh'), `#!/bin/sh\necho x >> ${dir}/calls\n${script}\n`, { mode: 0o700 })
  let now = start
  const given: ExecPlugin = { apiVersion: v1, command: './plugin.sh', ...more }
  const credential = execCredential(given, { directory: dir, cluster: { server: 'https://hub' }, now: () => now })
  const calls = () => readFileSync(join(dir, 'calls'), 'utf8').length / 2
  return { credential, calls, pass: (seconds: number) => (now += seconds * 1000) }
}

const says = (status: object, apiVersion = v1) =>
  `echo '${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}'`
const after = (seconds: number) => new Date(start + seconds * 1000).toISOString()

describe('an exec plugin', () => {
  test('is asked once by all who ask together, and not again while its answer is good', async () => {
    const { credential, calls } = plugin(says({ token: 'abc' }))
    const answers = await Promise.all([credential(), credential(), credential()])
    expect(answers.map(({ token }) => token)).toEqual(['abc', 'abc', 'abc'])
    await credential()
    expect(calls()).toBe(1)
  })

  test.each([
    { lasts: 3600, good: 3539, over: 3541 },
    { lasts: 60, good: 47, over: 49 },
  ])('is asked again before what lasts $lasts s expires', async ({ lasts, good, over }) => {
    const { credential, calls, pass } = plugin(says({ token: 'abc', expirationTimestamp: after(lasts) }))
    await credential()
    pass(good)
    await credential()
    expect(calls()).toBe(1)
    pass(over - good)
    await credential()
    while (calls() < 2) await new Promise((resolve) => setImmediate(resolve)) // Beside the one that is good still.
    expect(calls()).toBe(2)
  })

  test('that hangs holds up nobody while its last answer is good', async () => {
    const once = `[ $(wc -l < ${dir}/calls) = 1 ] || while [ -e ${dir}/calls ]; do sleep 0.05; done`
    const { credential, pass } = plugin(`${once}\n${says({ token: 'abc', expirationTimestamp: after(100) })}`)
    await credential()
    pass(90)
    expect((await credential()).token).toBe('abc')
  })

  test('that fails before its last answer has expired is no fault yet; after that it is', async () => {
    const once = `[ $(wc -l < ${dir}/calls) = 1 ] || { echo 'no network' >&2; exit 3; }`
    const { credential, pass } = plugin(`${once}\n${says({ token: 'abc', expirationTimestamp: after(100) })}`)
    await credential()
    pass(90)
    expect((await credential()).token).toBe('abc')
    pass(10)
    await expect(credential()).rejects.toThrow('exec ./plugin.sh: no network')
  })

  test('hears what it is asked for, and finds our environment and its own', async () => {
    const { credential } = plugin(
      `echo "$KUBERNETES_EXEC_INFO $GIVEN $1 $HOME" > ${dir}/heard\n${says({ token: 'a' })}`,
      {
        args: ['one'],
        env: [{ name: 'GIVEN', value: 'given' }],
        provideClusterInfo: true,
      },
    )
    await credential()
    const spec = { interactive: false, cluster: { server: 'https://hub' } }
    const info = JSON.stringify({ apiVersion: v1, kind: 'ExecCredential', spec })
    expect(readFileSync(join(dir, 'heard'), 'utf8')).toBe(`${info} given one ${process.env['HOME'] ?? ''}\n`)
  })

  test('may give a client certificate', async () => {
    const { credential } = plugin(says({ clientCertificateData: 'CERT', clientKeyData: 'KEY' }))
    expect(await credential()).toEqual({ token: undefined, cert: 'CERT', key: 'KEY' })
  })

  const faults: readonly { name: string; script: string; more?: Partial<ExecPlugin>; error: string }[] = [
    { name: 'what is no JSON, which is not repeated', script: 'echo secret', error: 'it did not print JSON' },
    { name: 'another version', script: says({ token: 'a' }, 'v2'), error: 'it answered in v2, not in' },
    { name: 'nothing to show', script: says({}), error: 'it gave neither a token nor a client certificate' },
    {
      name: 'half a pair',
      script: says({ clientKeyData: 'K' }),
      error: 'a client certificate and its key must come together',
    },
    { name: 'no status', script: `echo '{"apiVersion":"${v1}","kind":"ExecCredential"}'`, error: 'its answer.status' },
    {
      name: 'nothing, being absent, with the hint of the kubeconfig',
      script: '',
      more: { command: './absent.sh', installHint: 'install it so' },
      error: 'install it so',
    },
  ]
  test.each(faults)('that answers $name is an error', async ({ script, more, error }) => {
    await expect(plugin(script, more).credential()).rejects.toThrow(error)
  })

  test('that needs a terminal, or speaks an old version, is refused when the file is read', () => {
    const given = { apiVersion: v1, command: 'x' }
    expect(execSchema.safeParse({ ...given, interactiveMode: 'Always' }).success).toBe(false)
    expect(execSchema.safeParse({ ...given, apiVersion: 'client.authentication.k8s.io/v1alpha1' }).success).toBe(false)
    expect(execSchema.safeParse({ ...given, interactiveMode: 'IfAvailable', args: null, env: null }).success).toBe(true)
  })
})
