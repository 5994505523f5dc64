// How the hub looks at an invite, and makes the credential of an agent.
import { apiVersion } from '../../../api/group.ts'
import { INVITE_ID_LENGTH, type JoinRequest } from '../../../api/joinrequest.ts'
import {
  HUB_UID_LABEL,
  INVITE_CA_ANNOTATION,
  INVITE_LABEL,
  INVITE_SECONDS_ANNOTATION,
  INVITE_TAKEOVER_ANNOTATION,
  JOIN_REQUEST_ANNOTATION,
} from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { toMillis } from '../../../api/time.ts'
import { type Clock, pause } from '../../../controllers/clock.ts'
import type { InvitePorts } from '../../../controllers/hub/invites.ts'
import type { JoiningPorts } from '../../../controllers/hub/joining.ts'
import type { Invite, Refusal, Seen } from '../../../domain/joining/join-steps.ts'
import { providerNamespace, providerOf } from '../../../domain/lifecycle/gpurun.ts'
import { isRevoked } from '../../../domain/lifecycle/provider-steps.ts'
import { isSignedBy, isUsableKey, sealTo } from '../../joining.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../errors.ts'
import type { Recorder } from '../events.ts'
import { joinRequests } from '../kinds.ts'
import { ownedByUs } from '../own-rights.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import { configMaps, type Secret, type ServiceAccount, secrets, serviceAccounts } from '../resources.ts'
import { requestToken } from '../token-request.ts'
import { CREDENTIAL_SECONDS } from './admission.ts'
import { type AgentPresence, agentPresence } from './agent-presence.ts'
import type { HubCaches } from './caches.ts'
import type { HubIdentity } from './identity.ts'
import { AGENT_NAME, AGENT_TOKEN_SECRET, HUB_AUDIENCES, inviteAccount } from './rights.ts'

export interface JoinWorld {
  readonly client: KubeClient
  readonly caches: Pick<HubCaches, 'providers' | 'requests'>
  readonly identity: Pick<HubIdentity, 'hubUid'>
  /** The hub's own. */
  readonly namespace: string
  readonly recorder: Pick<Recorder, 'record'>
  readonly context: Pick<ReflectorContext, 'timers' | 'signal'>
  readonly clock: Clock
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

/** An agent that was let in so shortly ago may not have held its Lease yet. */
const freshMs = 60_000

/** An API server takes a token for so long that it has taken before, whatever became of it meanwhile, and somewhat longer. */
const tokenCacheMs = 11_000

/** So long another hub may take from making a Secret to writing down what is bound to it. */
const otherHubMs = 15_000

export function joiningPorts(world: JoinWorld): JoiningPorts {
  const { client, now } = world
  const presence = agentPresence(world)
  return {
    now,
    read: requestReader(world, presence),
    mint: minter({ ...world, presence }),
    writeStatus: async ({ metadata: { name, namespace, resourceVersion } }, status) => {
      const target = { ref: { name, namespace }, patch: { metadata: { resourceVersion }, status } }
      try {
        await client.mergePatch(joinRequests, target, { subresource: 'status' })
        return true
      } catch (error) {
        if (isConflict(error) || isNotFound(error)) return false
        throw error
      }
    },
    removeInvite: async (request) => {
      await client.delete(serviceAccounts, inviteRef(request))
    },
    removeRequest: async ({ metadata: { name, namespace, uid } }) => {
      await client.delete(joinRequests, { name, namespace }, { uid })
    },
    tellRefusal: ({ metadata: { name, namespace } }, reason, message) => {
      const about = { provider: providerOf(namespace) ?? '', inviteId: name.slice(0, INVITE_ID_LENGTH) }
      tellOfInvite(world, about, { reason, message })
    },
  }
}

/** To those who look at the Provider. */
function tellOfInvite(
  { caches, recorder }: Pick<JoinWorld, 'caches' | 'recorder'>,
  { provider, inviteId }: { readonly provider: string; readonly inviteId: string },
  { reason, message }: { readonly reason: Refusal; readonly message: string },
): void {
  const found = caches.providers.get(provider)
  if (!found) return
  const { name, uid } = found.metadata
  const regarding = { apiVersion, kind: 'Provider', name, uid }
  recorder.record({ regarding, type: 'Warning', reason, message: `invite ${inviteId}: ${message}` })
}

function requestReader(world: JoinWorld, presence: AgentPresence): JoiningPorts['read'] {
  const { client, caches, clock, now } = world
  /** By uid, the requests that are not decided: since when they are known, in boot time, and whether their key can be used. */
  const open = new Map<string, { readonly since: number; readonly isKeyUsable: boolean }>()

  /** The cache may lag behind a decision, our own or another hub's: to decide again would end the credential that was given. */
  async function current(key: string): Promise<JoinRequest | undefined> {
    const cached = caches.requests.get(key)
    if (!cached || cached.status) return cached
    const found = await client.get(joinRequests, cached.metadata)
    return found?.metadata.uid === cached.metadata.uid ? found : undefined
  }

  async function knownOf({ metadata: { uid }, spec, status }: JoinRequest) {
    const known = open.get(uid)
    if (status) open.delete(uid)
    if (known ?? status) return known ?? { since: clock.boot(), isKeyUsable: true }
    const fresh = { since: clock.boot(), isKeyUsable: await isUsableKey(spec.publicKey) }
    open.set(uid, fresh)
    return fresh
  }

  async function agentOf(provider: string, { metadata: { namespace, uid } }: JoinRequest): Promise<Seen['agent']> {
    const is = await presence.of(provider)
    const isFresh = ({ metadata, status }: JoinRequest) =>
      metadata.namespace === namespace &&
      metadata.uid !== uid &&
      status?.state === 'Granted' &&
      now() - toMillis(status.decidedAt) < freshMs
    return is === 'Silent' && [...caches.requests.values()].some(isFresh) ? 'Unknown' : is
  }

  return async (key) => {
    const request = await current(key)
    const name = providerOf(request?.metadata.namespace)
    if (!request || name === undefined) return undefined
    const known = await knownOf(request)
    const account = await client.get(serviceAccounts, inviteRef(request))
    const provider = caches.providers.get(name)
    return {
      request,
      invite: account && inviteOf(account),
      provider: stateOf(provider),
      signature: signatureOf(request, { pinned: provider?.spec.publicKey, provider: name, account }),
      isKeyUsable: known.isKeyUsable,
      agent: request.status ? 'Unknown' : await agentOf(name, request),
      knownMs: clock.boot() - known.since,
    }
  }
}

function stateOf(provider: Provider | undefined): Seen['provider'] {
  if (!provider) return 'Gone'
  if (isRevoked(provider)) return 'Revoked'
  return provider.status?.namespaceUid ? 'Ready' : 'NotYet'
}

function inviteRef({ metadata: { name, namespace } }: JoinRequest): { name: string; namespace: string | undefined } {
  return { name: inviteAccount(name), namespace }
}

function inviteOf({ metadata }: ServiceAccount): Invite | undefined {
  const { uid, annotations = {}, creationTimestamp, deletionTimestamp } = metadata
  if (deletionTimestamp !== undefined) return undefined
  const seconds = Number(annotations[INVITE_SECONDS_ANNOTATION])
  // A time that cannot be read is over.
  return {
    uid,
    expiresAt: seconds > 0 ? toMillis(creationTimestamp) + seconds * 1000 : 0,
    takeover: annotations[INVITE_TAKEOVER_ANNOTATION] === 'true',
  }
}

/** How the hub finds the invites of a provider that nobody has used. */
export function invitePorts(world: Pick<JoinWorld, 'client' | 'caches' | 'recorder' | 'now'>): InvitePorts {
  const { client, caches, now } = world
  return {
    now,
    unused: async (provider) => {
      if (!caches.providers.get(provider)?.status?.namespaceUid) return undefined
      const namespace = providerNamespace(provider)
      const { items } = await client.list(serviceAccounts, { namespace, labelSelector: INVITE_LABEL })
      return items.flatMap((account) => {
        const { name, labels } = account.metadata
        const id = labels?.[INVITE_LABEL] ?? ''
        const invite = inviteOf(account)
        // One that was used stays until its answer can have been read.
        const isUsed = caches.requests.get(`${namespace}/${id}`) !== undefined
        return invite && !isUsed && name === inviteAccount(id) ? [{ ...invite, name, id }] : []
      })
    },
    remove: async (provider, { name, uid, id }) => {
      const found = await client.delete(serviceAccounts, { namespace: providerNamespace(provider), name }, { uid })
      const message = 'nobody joined with it in its time; ask for another one'
      if (found === 'deleted') tellOfInvite(world, { provider, inviteId: id }, { reason: 'InviteExpired', message })
    },
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
 * one that this hub made before it crashed. One that another hub has just made for the same request is left for a while:
 * its credential may be on its way into the status.
 */
function minter(world: JoinWorld & { readonly presence: AgentPresence }): JoiningPorts['mint'] {
  /** By uid, Secrets that this process did not make: since when they are known, in boot time. */
  const others = new Map<string, number>()
  const own = new Set<string>()
  const { clock } = world
  const mayReplace = ({ metadata: { uid, annotations } }: Secret, request: JoinRequest) => {
    if (own.has(uid) || annotations?.[JOIN_REQUEST_ANNOTATION] !== request.metadata.uid) return true
    const since = others.get(uid) ?? clock.boot()
    others.set(uid, since)
    return clock.boot() - since >= otherHubMs
  }
  return (request) => mint(world, { request, mayReplace, onMade: (uid) => own.add(uid) })
}

interface Minting {
  readonly request: JoinRequest
  readonly mayReplace: (secret: Secret, request: JoinRequest) => boolean
  readonly onMade: (uid: string) => void
}

async function mint(
  { client, identity, namespace: ownNamespace, context, presence }: JoinWorld & { readonly presence: AgentPresence },
  { request, mayReplace, onMade }: Minting,
): Promise<string | undefined> {
  const { name: inviteId, namespace = '', uid } = request.metadata
  const provider = providerOf(namespace) ?? ''
  const ref = { name: AGENT_TOKEN_SECRET, namespace }
  const earlier = await client.get(secrets, ref)
  if (earlier && !mayReplace(earlier, request)) return undefined
  if (earlier) await client.delete(secrets, ref, { uid: earlier.metadata.uid })
  // Else an agent that lost its place could have a token that is bound to the next Secret of that name.
  if (earlier ?? (await presence.wasEver(provider))) await pause(tokenCacheMs, context)
  context.signal.throwIfAborted()
  const marks = { labels: { [HUB_UID_LABEL]: identity.hubUid }, annotations: { [JOIN_REQUEST_ANNOTATION]: uid } }
  const secret = await client.create(secrets, { metadata: { ...ref, ...marks } })
  onMade(secret.metadata.uid)
  const account = { name: AGENT_NAME, namespace }
  const asked = { seconds: CREDENTIAL_SECONDS, secret: { name: secret.metadata.name, uid: secret.metadata.uid } }
  const { token, expiresAt, audiences } = await requestToken(client, account, asked)
  await tellAudiences(client, { namespace: ownNamespace, audiences })
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
    await client.create(configMaps, { metadata: { ...ref, ...(await ownedByUs(client, namespace)) }, data })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    await client.mergePatch(configMaps, { ref, patch: { data } })
  }
}
