// Rights that a program gives to itself in one namespace, out of a ClusterRole that it may bind.
import { pause, type Timers } from '../../controllers/clock.ts'
import type { KubeClient, OwnerReference } from './client.ts'
import { isAlreadyExists } from './errors.ts'
import { type RoleBinding, roleBindings } from './resources.ts'

export type Subject = NonNullable<RoleBinding['subjects']>[number]

/** Who the API server takes us for. */
export async function ownSubject(client: KubeClient, options?: { readonly signal: AbortSignal }): Promise<Subject> {
  const { username } = await ownUser(client, options)
  const account = accountOf(username)
  return account
    ? { kind: 'ServiceAccount', ...account }
    : { kind: 'User', name: username, apiGroup: 'rbac.authorization.k8s.io' }
}

/** For what is ours in our own namespace: Kubernetes removes it when our ServiceAccount goes. Empty where we are no account of it. */
export async function ownedByUs(
  client: Pick<KubeClient, 'request'>,
  namespace: string,
): Promise<{ readonly ownerReferences?: readonly OwnerReference[] }> {
  const { username, uid } = await ownUser(client)
  const account = accountOf(username)
  if (account?.namespace !== namespace || uid === undefined) return {}
  return { ownerReferences: [{ apiVersion: 'v1', kind: 'ServiceAccount', name: account.name, uid }] }
}

function accountOf(username: string): { readonly namespace: string; readonly name: string } | undefined {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? []
  return namespace === undefined || name === undefined ? undefined : { namespace, name }
}

async function ownUser(
  client: Pick<KubeClient, 'request'>,
  options?: { readonly signal: AbortSignal },
): Promise<{ readonly username: string; readonly uid?: string }> {
  const answer = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    signal: options?.signal,
  })
  const user = (answer as { status?: { userInfo?: { username?: unknown; uid?: unknown } } }).status?.userInfo
  const { username, uid } = user ?? {}
  if (typeof username !== 'string' || username === '') throw new Error('the API server did not say who we are')
  return { username, ...(typeof uid === 'string' && uid !== '' ? { uid } : {}) }
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
