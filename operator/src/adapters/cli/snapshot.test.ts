// kubectl gpu snapshot by way of an API server: what it asks for, and what it says where that fails.
import { describe, expect, test } from '@jest/globals'
import type { KubeClient, RawRequest } from '../kubernetes/client.ts'
import { ApiError } from '../kubernetes/errors.ts'
import { snapshotPieces } from '../snapshot-file.ts'
import { snapshot } from './snapshot.ts'

const nothing = { providers: [], nodes: [], waiting: [], bookings: [], queues: [], usages: [], weights: [], demand: [] }
const file = [...snapshotPieces(nothing, '2026-01-01T00:00:00Z')].join('')

interface World {
  readonly holder?: string
  readonly token?: ApiError
  readonly answer?: string
}

/** An API server with one pod of the hub. */
function server({ holder = 'uid-2', token, answer = file }: World = {}) {
  const asked: RawRequest[] = []
  const request = async (one: RawRequest) => {
    asked.push(one)
    if (one.method === 'GET') return JSON.parse(answer) as unknown
    if (token) throw token
    return { spec: {}, status: { token: 'secret', expirationTimestamp: '2026-01-01T00:10:00Z' } }
  }
  const list = async () => ({ items: [{ metadata: { name: 'hub-1', uid: 'uid-2' } }], resourceVersion: '1' })
  const client = { request, list, get: async () => ({ metadata: {}, spec: { holderIdentity: holder } }) }
  return { asked, take: () => snapshot(client as unknown as KubeClient, { namespace: 'gpu-commons' }) }
}

function refusal(status: number, reason: string): ApiError {
  return new ApiError('POST', { status, reason, message: 'no' })
}

describe('a snapshot by way of the API server', () => {
  test('comes from the pod that leads, for a token that is good for the hub alone', async () => {
    const { asked, take } = server()
    expect(JSON.parse(await take())).toEqual(JSON.parse(file))
    expect(asked.map(({ method, path, headers, body }) => ({ method, path, headers, body }))).toMatchObject([
      {
        path: '/api/v1/namespaces/gpu-commons/serviceaccounts/gpc-snapshot-reader/token',
        body: { spec: { audiences: ['gpu-commons-hub'], expirationSeconds: 600 } },
      },
      {
        method: 'GET',
        path: '/api/v1/namespaces/gpu-commons/pods/hub-1:8080/proxy/debug/snapshot',
        headers: { 'x-gpu-commons-token': 'secret' },
      },
    ])
  })

  test.each<World & { readonly name: string; readonly says: RegExp }>([
    { name: 'no hub leads', holder: '', says: /^no hub leads in namespace gpu-commons; name it with --hub-namespace$/ },
    {
      name: 'the hub is no pod',
      holder: 'laptop',
      says: /^the hub that leads \(laptop\) is no pod .* with --address$/,
    },
    {
      name: 'there is no such ServiceAccount',
      token: refusal(404, 'NotFound'),
      says: /^there is no ServiceAccount gpc-snapshot-reader in namespace gpu-commons/,
    },
    {
      name: 'the right is missing',
      token: refusal(403, 'Forbidden'),
      says: /^it takes the right to create serviceaccounts\/token of gpc-snapshot-reader in gpu-commons$/,
    },
    { name: 'a hub is of another version', answer: '{"kind":"GpuCommonsSnapshot","version":7}', says: /^version is 7/ },
  ])('says it where $name', async ({ says, ...world }) => {
    await expect(server(world).take()).rejects.toThrow(says)
  })
})
