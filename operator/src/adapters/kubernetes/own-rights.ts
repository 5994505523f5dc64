// Rights that a program gives to itself in one namespace, out of a ClusterRole that it may bind.
import { pause, type Timers } from '../../controllers/clock.ts'
import type { KubeClient } from './client.ts'
import { isAlreadyExists } from './errors.ts'
import { type RoleBinding, roleBindings } from './resources.ts'

export type Subject = NonNullable<RoleBinding['subjects']>[number]

/** Who the API server takes us for. */
export async function ownSubject(client: KubeClient, options?: { readonly signal: AbortSignal }): Promise<Subject> {
  const answer = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    signal: options?.signal,
  })
  const name = (answer as { status?: { userInfo?: { username?: unknown } } }).status?.userInfo?.username
  if (typeof name !== 'string' || name === '') throw new Error('the API server did not say who we are')
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
  if (namespace !== undefined && account !== undefined) return { kind: 'ServiceAccount', name: account, namespace }
  return { kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' }
}

export interface RightsWanted {
  readonly namespace: string
  /** The ClusterRole; the RoleBinding gets its name. */
  readonly role: string
  /** One of the role's rights, by which it is seen whether it is in force. */
  readonly sample: { readonly verb: string; readonly group: string; readonly resource: string }
  readonly labels: Readonly<Record<string, string>>
}

export interface RightsTaker {
  readonly client: KubeClient
  readonly timers: Timers
  readonly signal: AbortSignal
}

/** An authorizer hears of a new binding by a watch of its own: within milliseconds, and seconds where it is laden. */
const firstWaitMs = 5
const longestWaitMs = 1000
const patience = 10

/** Nothing is written where we may already. Throws where we still may not some seconds after the binding was made. */
export async function takeRights(taker: RightsTaker, wanted: RightsWanted): Promise<void> {
  if (await mayWe(taker, wanted)) return
  await bind(taker, wanted)
  for (let attempt = 0; attempt < patience; attempt++) {
    if (await mayWe(taker, wanted)) return
    await pause(Math.min(longestWaitMs, firstWaitMs * 2 ** attempt), taker)
    taker.signal.throwIfAborted()
  }
  const { namespace, role } = wanted
  throw new Error(`RoleBinding ${namespace}/${role} is there and does not give us ClusterRole ${role}; remove it`)
}

async function mayWe({ client, signal }: RightsTaker, { namespace, sample }: RightsWanted): Promise<boolean> {
  const answer = await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, ...sample } },
    },
    signal,
  })
  return (answer as { status?: { allowed?: unknown } }).status?.allowed === true
}

async function bind({ client, signal }: RightsTaker, { namespace, role, labels }: RightsWanted): Promise<void> {
  try {
    await client.create(
      roleBindings,
      {
        metadata: { name: role, namespace, labels },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [await ownSubject(client, { signal })],
      },
      { signal },
    )
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}
