import { describe, expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import type { RawRequest } from './client.ts'
import { ApiError } from './errors.ts'
import { ownedByUs, ownSubject, takeRights } from './own-rights.ts'
import { roleBindings } from './resources.ts'

const wanted = {
  namespace: 'team',
  role: 'gpc-some-role',
  sample: { verb: 'create', group: 'batch', resource: 'jobs' },
  labels: { of: 'us' },
}
const binding = { namespace: 'team', name: 'gpc-some-role' }

/** An API server whose authorizer lets us from the n-th question on. */
function cluster({ allowedAt = 1, username = 'system:serviceaccount:gpu-commons:agent' } = {}) {
  const time = fakeTime()
  let asked = 0
  const answer = ({ path }: RawRequest) => {
    if (path.endsWith('/selfsubjectreviews')) return { status: { userInfo: { username, uid: 'uid-of-it' } } }
    asked += 1
    return { status: { allowed: asked >= allowedAt } }
  }
  const client = fakeKubeApi({ ...time, namespaces: ['team'], answer })
  const stop = new AbortController()
  const taken = () => takeRights({ client, timers: time.timers, signal: stop.signal }, wanted)
  return { time, client, stop, taken, asked: () => asked }
}

const errorOf = (act: Promise<void>) => act.then(() => '', String)

test.each([
  { of: 'gpu-commons', says: [{ apiVersion: 'v1', kind: 'ServiceAccount', name: 'agent', uid: 'uid-of-it' }] },
  { of: 'another', says: undefined },
])('what a program makes in $of goes with its ServiceAccount, if that is there', async ({ of, says }) => {
  const { client } = cluster()
  expect((await ownedByUs(client, of)).ownerReferences).toEqual(says)
})

describe('rights in a namespace', () => {
  test('that are there already cost one question and no write', async () => {
    const { client, taken } = cluster()
    await taken()
    expect(client.requests).toEqual(['POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews'])
  })

  test('are bound to who we are, and waited for until they are in force', async () => {
    const { time, client, taken, asked } = cluster({ allowedAt: 4 })
    const taking = taken()
    await time.advance(1000)
    await taking
    expect([await client.get(roleBindings, binding), asked()]).toMatchObject([
      {
        metadata: { labels: { of: 'us' } },
        roleRef: { kind: 'ClusterRole', name: 'gpc-some-role' },
        subjects: [{ kind: 'ServiceAccount', namespace: 'gpu-commons', name: 'agent' }],
      },
      4,
    ])
  })

  test('that another of us has just bound are waited for too', async () => {
    const { time, client, taken } = cluster({ allowedAt: 3 })
    client.fail(/POST rolebindings/, {
      with: new ApiError('POST', { status: 409, reason: 'AlreadyExists', message: 'there' }),
    })
    const taking = taken()
    await time.advance(1000)
    await expect(taking).resolves.toBeUndefined()
  })

  test('that a binding does not give after all are an error that names it', async () => {
    const { time, taken } = cluster({ allowedAt: Number.POSITIVE_INFINITY })
    const failure = errorOf(taken())
    await time.advance(60_000)
    expect(await failure).toContain('RoleBinding team/gpc-some-role is there and does not give us')
  })

  test('are not waited for by who has to end', async () => {
    const { time, stop, taken } = cluster({ allowedAt: Number.POSITIVE_INFINITY })
    const failure = errorOf(taken())
    await time.advance(0)
    stop.abort(new Error('told to end'))
    expect(await failure).toContain('told to end')
  })
})

describe('who the API server takes us for', () => {
  test.each([
    {
      username: 'system:serviceaccount:gpu-commons:agent',
      says: { kind: 'ServiceAccount', namespace: 'gpu-commons', name: 'agent' },
    },
    { username: 'jane', says: { kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' } },
  ])('$username', async ({ username, says }) => {
    expect(await ownSubject(cluster({ username }).client)).toEqual(says)
  })

  test.each([undefined, '', 7])('is an error where it says %p', async (username) => {
    const { client } = cluster()
    const strange = { ...client, request: async () => ({ status: { userInfo: { username, uid: 'uid-of-it' } } }) }
    await expect(ownSubject(strange)).rejects.toThrow('did not say who we are')
  })
})
