import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { accessInCluster, accessOfKubeconfig } from './kubeconfig.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kubeconfig-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const base64 = (text: string) => Buffer.from(text).toString('base64')

function write(name: string, text: string): string {
  const file = join(dir, name)
  writeFileSync(file, text)
  return file
}

/** A kubeconfig in which only this differs from a plain one. */
function kubeconfig({
  cluster = 'server: https://hub:6443',
  user = 'token: abc',
  current = 'current-context: main',
} = {}) {
  return write(
    'config',
    `
apiVersion: v1
kind: Config
${current}
contexts:
- {name: main, context: {cluster: hub, user: me, namespace: team-a}}
- {name: other, context: {cluster: far, user: me}}
- {name: broken, context: {cluster: nowhere, user: me}}
clusters:
- name: hub
  cluster: {${cluster}}
- name: far
  cluster: {server: "https://far:443/k8s/clusters/c-1/"}
- name: never-looked-at
  cluster: {proxy-url: "socks5://x"}
users:
- name: me
  user: {${user}}
`,
  )
}

const plain = { server: 'https://hub:6443', tls: {}, authorization: 'Bearer abc' }

/** What differs from the plain one. */
const cases = [
  {
    name: 'a token',
    given: {},
    says: {},
  },
  {
    name: 'a CA, a server name and a client certificate in the file itself',
    given: {
      cluster: `server: https://hub:6443, certificate-authority-data: ${base64('CA')}, tls-server-name: kubernetes`,
      user: `client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}`,
    },
    says: { tls: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'kubernetes' }, authorization: undefined },
  },
  {
    name: 'files beside the kubeconfig',
    given: {
      cluster: 'server: https://hub:6443, certificate-authority: ca.pem',
      user: 'client-certificate: cert.pem, client-key: key.pem',
    },
    says: { tls: { ca: 'ca of file', cert: 'cert of file', key: 'key of file' }, authorization: undefined },
  },
  {
    name: 'content rather than a file where both are given, as kubectl does',
    given: {
      cluster: `server: https://hub:6443, certificate-authority: missing.pem, certificate-authority-data: ${base64('CA')}`,
    },
    says: { tls: { ca: 'CA' } },
  },
  {
    name: 'a server that is not to be checked',
    given: { cluster: 'server: https://hub:6443, insecure-skip-tls-verify: true' },
    says: { tls: { rejectUnauthorized: false } },
  },
  {
    name: 'YAML 1.1, as kubectl does',
    given: { cluster: 'server: https://hub:6443, insecure-skip-tls-verify: yes' },
    says: { tls: { rejectUnauthorized: false } },
  },
  { name: 'nobody in particular', given: { user: '' }, says: { authorization: undefined } },
  { name: 'another context', given: {}, context: 'other', says: { server: 'https://far:443/k8s/clusters/c-1' } },
]

describe('a kubeconfig is read:', () => {
  test.each(cases)('$name', async ({ given, context, says }) => {
    for (const part of ['ca', 'cert', 'key']) write(`${part}.pem`, `${part} of file`)
    const access = await accessOfKubeconfig(kubeconfig(given), context)
    const { tls, authorization } = await access.identity()
    const readable = Object.fromEntries(
      Object.entries(tls).map(([key, value]) => [key, Buffer.isBuffer(value) ? value.toString() : value]),
    )
    expect({ server: access.server, tls: readable, authorization }).toEqual({ ...plain, ...says })
  })

  test('a token file, again when it has changed', async () => {
    const file = write('token', 'first\n')
    const { identity } = await accessOfKubeconfig(kubeconfig({ user: 'tokenFile: token' }))
    expect(await identity()).toMatchObject({ authorization: 'Bearer first' })
    writeFileSync(file, 'the second\n')
    expect(await identity()).toMatchObject({ authorization: 'Bearer the second' })
    writeFileSync(file, '')
    await expect(identity()).rejects.toThrow(
      `reading kubeconfig ${join(dir, 'config')}: the token file ${file} is empty`,
    )
  })

  test('a token file of the same size and time, when the server did not believe the first', async () => {
    const file = write('token', 'first')
    const time = new Date(1_700_000_000_000)
    utimesSync(file, time, time)
    const { identity, renew } = await accessOfKubeconfig(kubeconfig({ user: 'tokenFile: token' }))
    const first = await identity()
    writeFileSync(file, 'other')
    utimesSync(file, time, time)
    renew(first)
    expect(await identity()).toMatchObject({ authorization: 'Bearer other' })
  })

  test('certificates that change in their files, and the same object until then', async () => {
    for (const part of ['ca', 'cert', 'key']) write(`${part}.pem`, part)
    const cluster = 'server: https://hub:6443, certificate-authority: ca.pem'
    const user = 'client-certificate: cert.pem, client-key: key.pem'
    const { identity } = await accessOfKubeconfig(kubeconfig({ cluster, user }))
    const { tls } = await identity()
    expect((await identity()).tls).toBe(tls)
    write('cert.pem', 'renewed')
    expect(String((await identity()).tls.cert)).toBe('renewed')
  })

  test('itself, when the server did not believe what stood in it', async () => {
    const { identity, renew } = await accessOfKubeconfig(kubeconfig())
    const old = await identity()
    kubeconfig({ user: 'token: new' })
    expect((await identity()).authorization).toBe('Bearer abc')
    renew(old)
    expect((await identity()).authorization).toBe('Bearer new')
    renew(old) // Late, from another request: nothing is read again.
    kubeconfig({ user: 'token: newer' })
    expect((await identity()).authorization).toBe('Bearer new')
  })

  test('a token of an OIDC provider, by the official client', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${part({ alg: 'none' })}.${part({ exp: 4_000_000_000 })}.x`
    const user = `auth-provider: {name: oidc, config: {id-token: ${token}, client-id: c, idp-issuer-url: "https://i"}}`
    const { identity } = await accessOfKubeconfig(kubeconfig({ user }))
    expect(await identity()).toMatchObject({ authorization: `Bearer ${token}` })
  }, 60_000) // The official client is large: a busy machine takes its time to load it.
})

describe('a kubeconfig is refused, and the field is named:', () => {
  test.each([
    { name: 'no context', given: { current: '' }, says: 'it has no current-context; name one' },
    {
      name: 'a context that is not there',
      given: {},
      context: 'nope',
      says: 'it has no context named nope (there are: main, other, broken)',
    },
    { name: 'a cluster that is not there', given: {}, context: 'broken', says: 'it has no cluster named nowhere' },
    { name: 'a server that is no address', given: { cluster: 'server: hub' }, says: 'cluster hub.server: Invalid URL' },
    {
      name: 'a proxy, which would be passed over',
      given: { cluster: 'server: https://hub, proxy-url: "http://p"' },
      says: 'Unrecognized key: "proxy-url"',
    },
    {
      name: 'impersonation, which would be passed over',
      given: { user: 'token: abc, as: root' },
      says: 'Unrecognized key: "as"',
    },
    {
      name: 'a password',
      given: { user: 'username: a, password: b' },
      says: 'user me: Unrecognized keys: "username", "password"',
    },
    {
      name: 'base64 that is none',
      given: { user: 'client-certificate-data: "!"' },
      says: 'user me.client-certificate-data: Invalid base64',
    },
    {
      name: 'a certificate without its key',
      given: { user: `client-certificate-data: ${base64('CERT')}` },
      says: 'a client certificate and its key must come together',
    },
    {
      name: 'a file that is not there',
      given: { cluster: 'server: https://hub, certificate-authority: none.pem' },
      says: 'no such file',
    },
    { name: 'what is no YAML', given: { user: '}' }, says: 'reading kubeconfig' },
  ])('$name', async ({ given, context, says }) => {
    const file = kubeconfig(given)
    const refusal = accessOfKubeconfig(file, context)
    await expect(refusal).rejects.toThrow(says)
    await expect(refusal).rejects.toThrow(`reading kubeconfig ${file}: `)
  })

  test('a file that does not exist', async () => {
    await expect(accessOfKubeconfig(join(dir, 'none'))).rejects.toThrow('no such file')
  })
})

test.each([
  { host: '10.96.0.1', server: 'https://10.96.0.1:443' },
  { host: 'fd00::1', server: 'https://[fd00::1]:443' },
])('in a pod at $host the files of the ServiceAccount say who we are', async ({ host, server }) => {
  write('ca.crt', 'CA')
  write('token', 'abc')
  const access = accessInCluster({ host, port: '443', directory: dir })
  expect(access.server).toBe(server)
  const { tls, authorization } = await access.identity()
  expect(authorization).toBe('Bearer abc')
  expect(String(tls.ca)).toBe('CA')
  write('ca.crt', 'the next CA')
  expect(String((await access.identity()).tls.ca)).toBe('the next CA')
})
