import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import { ApiError } from '../errors.ts'
import { endpointSlices } from '../resources.ts'
import { surroundings } from './surroundings.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'surroundings-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

async function cluster(addresses: readonly string[] = ['203.0.113.7']) {
  const { provider } = clusters()
  const metadata = { namespace: 'default', name: 'kubernetes' }
  await provider.create(endpointSlices, { metadata, endpoints: [{ addresses }] })
  return provider
}

async function resolvConf(text: string): Promise<string> {
  const file = join(dir, 'resolv.conf')
  await writeFile(file, text)
  return file
}

describe('of its cluster the agent finds', () => {
  test.each([
    ['the usual one', 'search a.svc\nnameserver 10.96.0.10\noptions ndots:5\n', ['10.96.0.10']],
    ['one on each node', 'nameserver 169.254.20.10\n', ['169.254.20.10']],
    ['two, one of them by IPv6', 'nameserver fd00::a\nnameserver\t10.96.0.10\n', ['fd00::a', '10.96.0.10']],
    ['one twice, and a comment', '# nameserver 1.1.1.1\nnameserver 10.0.0.1\nnameserver 10.0.0.1\n', ['10.0.0.1']],
    ['none', 'search a.svc\nnameserver nonsense\n', []],
  ])('the nameservers of a pod: %s', async (_, text, says) => {
    const look = surroundings({
      provider: await cluster(),
      serviceHost: '10.96.0.1',
      closedRanges: [],
      resolvConf: await resolvConf(text),
    })
    expect((await look()).nameservers).toEqual(says)
  })

  test('the API servers, as pods have them and as they are behind that', async () => {
    const look = surroundings({
      provider: await cluster(['203.0.113.7', '203.0.113.8']),
      serviceHost: '10.96.0.1',
      closedRanges: ['198.51.100.0/24'],
      resolvConf: await resolvConf(''),
    })
    expect(await look()).toEqual({
      nameservers: [],
      apiServers: ['10.96.0.1', '203.0.113.7', '203.0.113.8'],
      closedRanges: ['198.51.100.0/24'],
    })
  })

  test('no nameservers where it is in no pod: those are of another machine', async () => {
    const look = surroundings({ provider: await cluster(), serviceHost: undefined, closedRanges: [] })
    expect(await look()).toEqual({ nameservers: [], apiServers: ['203.0.113.7'], closedRanges: [] })
  })

  test('all of it once, and again after a failure', async () => {
    const provider = await cluster()
    const look = surroundings({ provider, serviceHost: undefined, closedRanges: [] })
    provider.fail(/^GET endpointslices/, {
      with: new ApiError('GET', { status: 500, reason: 'InternalError', message: 'etcd' }),
    })
    await expect(look()).rejects.toThrow('etcd')
    await Promise.all([look(), look()])
    expect(provider.requests.filter((one) => one.startsWith('GET endpointslices'))).toHaveLength(2)
  })
})
