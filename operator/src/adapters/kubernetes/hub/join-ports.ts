// How the hub looks at an invite, and makes the credential of an agent.
import type { JoinRequest } from '../../../api/joinrequest.ts'
import {
  HUB_UID_LABEL,
  INVITE_CA_ANNOTATION,
  INVITE_EXPIRES_ANNOTATION,
  INVITE_TAKEOVER_ANNOTATION,
} from '../../../api/labels.ts'
import { toMillis } from '../../../api/time.ts'
import type { JoiningPorts } from '../../../controllers/hub/joining.ts'
import type { Invite, Seen } from '../../../domain/joining/join-steps.ts'
import { providerNamespace, providerOf } from '../../../domain/lifecycle/gpurun.ts'
import { isSignedBy, sealTo } from '../../joining.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict, isInvalid, isNotFound } from '../errors.ts'
import type { Recorder } from '../events.ts'
import { joinRequests } from '../kinds.ts'
import { configMaps, leases, type ServiceAccount, secrets, serviceAccounts } from '../resources.ts'
import { requestToken } from '../token-request.ts'
import { CREDENTIAL_SECONDS } from './admission.ts'
import type { HubCaches } from './caches.ts'
import type { HubIdentity } from './identity.ts'
import { AGENT_NAME, AGENT_TOKEN_SECRET, HUB_AUDIENCES, inviteAccount } from './rights.ts'

export interface JoinWorld {
  readonly client: KubeClient
  readonly caches: Pick<HubCaches, 'providers' | 'requests'>
  readonly identity: Pick<HubIdentity, 'hubUid'>
  /** How long the Lease of that provider was not renewed, and how long this hub has watched it; see the ports of the providers. */
  readonly heartbeatOf: (provider: string) => Heartbeat | undefined
  /** The hub's own. */
  readonly namespace: string
  readonly recorder: Pick<Recorder, 'record'>
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

interface Heartbeat {
  readonly silentMs: number | undefined
  readonly watchedMs: number
}

/** An agent that lives renews its Lease three times in this time. */
const silentAfterMs = 15_000

export function joiningPorts(world: JoinWorld): JoiningPorts {
  const { client, caches, recorder, now } = world
  return {
    now,
    read: async (key) => {
      const request = caches.requests.get(key)
      const name = providerOf(request?.metadata.namespace)
      if (!request || name === undefined) return undefined
      const account = await client.get(serviceAccounts, inviteRef(request))
      const provider = caches.providers.get(name)
      return {
        request,
        invite: account && inviteOf(account),
        provider: provider === undefined ? 'Gone' : provider.status?.namespaceUid ? 'Ready' : 'NotYet',
        signature: signatureOf(request, { pinned: provider?.spec.publicKey, provider: name, account }),
        agent: await agentOf(world, name),
      }
    },
    mint: (request) => mint(world, request),
    writeStatus: async ({ metadata: { name, namespace, resourceVersion } }, status) => {
      const target = { ref: { name, namespace }, patch: { metadata: { resourceVersion }, status } }
      try {
        await client.mergePatch(joinRequests, target, { subresource: 'status' })
        return true
      } catch (error) {
        if (isConflict(error) || isNotFound(error) || isInvalid(error)) return false
        throw error
      }
    },
    removeInvite: async (request) => {
      await client.delete(serviceAccounts, inviteRef(request))
    },
    removeRequest: async ({ metadata: { name, namespace, uid } }) => {
      await client.delete(joinRequests, { name, namespace }, { uid })
    },
    tellRefusal: ({ metadata }, reason, message) => {
      const provider = caches.providers.get(providerOf(metadata.namespace) ?? '')
      if (!provider) return
      const { name, uid } = provider.metadata
      const regarding = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'Provider', name, uid }
      recorder.record({ regarding, type: 'Warning', reason, message: `invite ${metadata.name}: ${message}` })
    },
  }
}

async function agentOf({ client, heartbeatOf }: JoinWorld, provider: string): Promise<Seen['agent']> {
  const lease = await client.get(leases, { name: AGENT_NAME, namespace: providerNamespace(provider) })
  if (!lease?.spec?.holderIdentity) return 'Silent' // It was never held, or was given back.
  const { silentMs, watchedMs = 0 } = heartbeatOf(provider) ?? {}
  if (silentMs !== undefined) return silentMs < silentAfterMs ? 'Alive' : 'Silent'
  return watchedMs < silentAfterMs ? 'Unknown' : 'Silent'
}

function inviteRef({ metadata: { name, namespace } }: JoinRequest): { name: string; namespace: string | undefined } {
  return { name: inviteAccount(name), namespace }
}

function inviteOf({ metadata: { uid, annotations = {}, deletionTimestamp } }: ServiceAccount): Invite | undefined {
  if (deletionTimestamp !== undefined) return undefined
  const expiresAt = toMillis(annotations[INVITE_EXPIRES_ANNOTATION] ?? '')
  // A time that cannot be read is over.
  return {
    uid,
    expiresAt: Number.isNaN(expiresAt) ? 0 : expiresAt,
    takeover: annotations[INVITE_TAKEOVER_ANNOTATION] === 'true',
  }
}

function signatureOf(
  { metadata, spec }: JoinRequest,
  { pinned, provider, account }: { pinned: string | undefined; provider: string; account: ServiceAccount | undefined },
): Seen['signature'] {
  if (pinned === undefined) return 'NotAsked'
  if (spec.signature === undefined) return 'Missing'
  const hubCaSha256 = account?.metadata.annotations?.[INVITE_CA_ANNOTATION] ?? ''
  const signed = { provider, hubCaSha256, inviteId: metadata.name, publicKey: spec.publicKey }
  return isSignedBy(pinned, spec.signature, signed) ? 'Right' : 'Wrong'
}

/**
 * There is one Secret to which tokens of an agent are bound. Made anew for each credential, it ends all earlier ones, also
 * one that this hub made before it crashed, or that another hub makes at the same time.
 */
async function mint({ client, identity, namespace: ownNamespace }: JoinWorld, request: JoinRequest): Promise<string> {
  const { name: inviteId, namespace = '' } = request.metadata
  const ref = { name: AGENT_TOKEN_SECRET, namespace }
  const earlier = await client.get(secrets, ref)
  if (earlier) await client.delete(secrets, ref, { uid: earlier.metadata.uid })
  const secret = await client.create(secrets, { metadata: { ...ref, labels: { [HUB_UID_LABEL]: identity.hubUid } } })
  const account = { name: AGENT_NAME, namespace }
  const asked = { seconds: CREDENTIAL_SECONDS, secret: { name: secret.metadata.name, uid: secret.metadata.uid } }
  const { token, expiresAt, audiences } = await requestToken(client, account, asked)
  await tellAudiences(client, { namespace: ownNamespace, audiences })
  const provider = providerOf(namespace) ?? ''
  return sealTo(request.spec.publicKey, { provider, inviteId, token, expiresAt })
}

/** For the admission policy of the agents' renewals: what the API server fills in cannot be told from what was asked for. */
async function tellAudiences(
  client: KubeClient,
  { namespace, audiences }: { readonly namespace: string; readonly audiences: readonly string[] },
): Promise<void> {
  const ref = { namespace, name: HUB_AUDIENCES }
  const data = { audiences: audiences.join(' ') }
  try {
    await client.create(configMaps, { metadata: ref, data })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    await client.mergePatch(configMaps, { ref, patch: { data } })
  }
}
