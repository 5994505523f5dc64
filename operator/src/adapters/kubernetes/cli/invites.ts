// Invites: what the operator of a federation gives to the owner of a cluster, who joins with it once.
import { randomInt } from 'node:crypto'
import { apiVersion, GROUP } from '../../../api/group.ts'
import { INVITE_ID_LENGTH } from '../../../api/joinrequest.ts'
import {
  INVITE_CA_ANNOTATION,
  INVITE_LABEL,
  INVITE_SECONDS_ANNOTATION,
  INVITE_TAKEOVER_ANNOTATION,
} from '../../../api/labels.ts'
import type { ProviderSpec } from '../../../api/provider.ts'
import { pause, type Timers } from '../../../controllers/clock.ts'
import { condition } from '../../../domain/lifecycle/claims.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import { isRevoked } from '../../../domain/lifecycle/provider-steps.ts'
import { sha256 } from '../../joining.ts'
import type { KubeClient, OwnerReference } from '../client.ts'
import { isAlreadyExists } from '../errors.ts'
import { inviteAccount } from '../hub/rights.ts'
import { providers } from '../kinds.ts'
import { roleBindings, roles, serviceAccounts } from '../resources.ts'
import { requestToken } from '../token-request.ts'

export interface InviteWanted {
  readonly provider: string
  /** Of the Provider, where it is made with this invite. */
  readonly spec: Partial<ProviderSpec>
  readonly seconds: number
  readonly takeover: boolean
  /** The hub's CA certificates, PEM, as the agent will use them. */
  readonly ca: string
}

export interface Invite {
  readonly provider: string
  readonly id: string
  readonly token: string
  /** RFC 3339. */
  readonly expiresAt: string
  /** Whether the Provider was made for it. */
  readonly isNewProvider: boolean
}

export interface Inviting {
  readonly client: KubeClient
  readonly timers: Timers
  readonly signal: AbortSignal
}

/** The hub makes the home of a Provider within a second. */
const homeTries = 60
const lookMs = 500

/** Throws where the Provider gets no home from the hub: then no hub runs, or the Provider says why. */
export async function makeInvite(inviting: Inviting, wanted: InviteWanted): Promise<Invite> {
  const { client } = inviting
  const { provider, seconds, takeover, ca } = wanted
  const isNewProvider = await ensureProvider(client, wanted)
  await untilHome(inviting, provider)

  const id = newId()
  const namespace = providerNamespace(provider)
  const name = inviteAccount(id)
  const ref = { namespace, name }
  const annotations = {
    [INVITE_SECONDS_ANNOTATION]: String(seconds),
    [INVITE_CA_ANNOTATION]: sha256(ca),
    ...(takeover ? { [INVITE_TAKEOVER_ANNOTATION]: 'true' } : {}),
  }
  const labels = { [INVITE_LABEL]: id }
  const { metadata } = await client.create(serviceAccounts, { metadata: { ...ref, labels, annotations } })
  // Kubernetes removes them with the account.
  const ownerReferences: OwnerReference[] = [{ apiVersion: 'v1', kind: 'ServiceAccount', name, uid: metadata.uid }]
  const meta = { ...ref, labels, ownerReferences }
  await client.create(roles, {
    metadata: meta,
    rules: [
      { apiGroups: [GROUP], resources: ['joinrequests'], verbs: ['create'] },
      { apiGroups: [GROUP], resources: ['joinrequests'], resourceNames: [id], verbs: ['get'] },
    ],
  })
  await client.create(roleBindings, {
    metadata: meta,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  })
  const { token, expiresAt } = await requestToken(client, ref, { seconds })
  return { provider, id, token, expiresAt, isNewProvider }
}

async function ensureProvider(client: KubeClient, { provider, spec }: InviteWanted): Promise<boolean> {
  const there = await client.get(providers, { name: provider })
  if (isRevoked(there)) {
    throw new Error(
      `Provider ${provider} is revoked: nobody may join as it, until you say kubectl gpu uncordon ${provider}`,
    )
  }
  if (there) return false
  try {
    await client.create(providers, { metadata: { name: provider }, spec: { intake: 'Open', ...spec } })
    return true
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    return false
  }
}

async function untilHome({ client, timers, signal }: Inviting, provider: string): Promise<void> {
  let said = 'no hub has looked at it'
  for (let tries = 0; tries < homeTries && !signal.aborted; tries++) {
    const { status } = (await client.get(providers, { name: provider })) ?? {}
    if (status?.namespaceUid) return
    said = condition(status?.conditions, 'Ready')?.message ?? said
    await pause(lookMs, { timers, signal })
  }
  signal.throwIfAborted()
  throw new Error(`Provider ${provider} (${apiVersion}) has no namespace on the hub: ${said}`)
}

/** 36^10 of them: no secret, and never the same twice. */
function newId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length: INVITE_ID_LENGTH }, () => letters[randomInt(letters.length)]).join('')
}
