// How the agent asks for its credential on the hub, and where it keeps it: a Secret in its own namespace.
import { z } from 'zod'
import type { Answer, Asked, CredentialPorts, Held, Kept } from '../../../controllers/agent/credential.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import type { InviteFiles } from '../../invite-folder.ts'
import { newRequestKey, requestKeyOf, secretJson, sha256, signJoin } from '../../joining.ts'
import type { KubeClient } from '../client.ts'
import { ApiError, isAlreadyExists, isConflict } from '../errors.ts'
import { CREDENTIAL_SECONDS } from '../hub/admission.ts'
import { AGENT_NAME, AGENT_TOKEN_SECRET } from '../hub/rights.ts'
import { joinRequests } from '../kinds.ts'
import type { Access, Identity } from '../kubeconfig.ts'
import { type Secret, secrets } from '../resources.ts'
import { requestToken } from '../token-request.ts'
import { CREDENTIAL_SECRET } from './rights.ts'

/** Who the agent is on the hub, for all its connections: the token changes while they last. */
export class HubAccess implements Access {
  readonly server: string
  readonly #tls: Identity['tls']
  #identity: Identity | undefined
  /** Called when the hub does not accept what is in use. */
  onRefused: () => void = () => undefined

  constructor({ hubUrl, hubCa }: Pick<InviteFiles, 'hubUrl' | 'hubCa'>) {
    this.server = hubUrl
    this.#tls = { ca: hubCa }
  }

  use(token: string): void {
    this.#identity = { tls: this.#tls, authorization: `Bearer ${token}` }
  }

  identity(): Identity {
    return this.#identity ?? { tls: this.#tls, authorization: undefined }
  }

  renew({ authorization }: Identity): void {
    if (authorization === this.#identity?.authorization) this.onRefused()
  }
}

export interface CredentialWorld {
  readonly provider: string
  /** The agent's own, on its own cluster. */
  readonly namespace: string
  readonly agentVersion: string
  /** Its own cluster. */
  readonly own: KubeClient
  readonly readInvite: () => Promise<InviteFiles>
  /** A client of the hub with that token. */
  readonly connectWith: (access: Access) => Promise<KubeClient>
  readonly access: HubAccess
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

type Ports = Pick<CredentialPorts, 'load' | 'save' | 'begin' | 'inviteId' | 'ask' | 'renew' | 'use'>

export function credentialPorts(world: CredentialWorld): Ports {
  const { own, namespace, access } = world
  const ref = { namespace, name: CREDENTIAL_SECRET }
  return {
    load: async () => keptOf(await own.get(secrets, ref)),
    save: async (held) => {
      const secret = await own.get(secrets, ref)
      if (!secret) {
        await own.create(secrets, { metadata: ref, data: inBase64(dataOf(held)) })
        return
      }
      // The key of another invite may still be waiting for its answer, in another replica.
      const isAnswered = keptOf(secret).asked?.inviteId === held.inviteId
      const done = isAnswered ? { requestInvite: null, requestKey: null } : {}
      const { resourceVersion } = secret.metadata
      const data = inBase64<string | null>({ ...dataOf(held), ...done })
      await own.mergePatch(secrets, { ref, patch: { metadata: { resourceVersion }, data } })
    },
    begin: (inviteId) => begin(world, inviteId),
    inviteId: async () => (await world.readInvite()).id,
    ask: (asked) => ask(world, asked),
    renew: (held) => renew(world, held),
    use: ({ token }) => access.use(token),
  }
}

const dataSchema = z.looseObject({
  requestInvite: z.string().optional(),
  requestKey: z.string().optional(),
  inviteId: z.string().optional(),
  token: z.string().optional(),
  // What cannot be read is not held.
  obtainedAt: z.coerce.number().optional().catch(undefined),
  lifeMs: z.coerce.number().positive().optional().catch(undefined),
})

function keptOf(secret: Secret | undefined): Kept {
  const decoded = Object.entries(secret?.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString(),
  ])
  const { requestInvite, requestKey, inviteId, token, obtainedAt, lifeMs } = dataSchema.parse(
    Object.fromEntries(decoded),
  )
  return {
    ...(requestInvite !== undefined && requestKey !== undefined
      ? { asked: { inviteId: requestInvite, requestKey } }
      : {}),
    ...(inviteId !== undefined && token !== undefined && obtainedAt !== undefined && lifeMs !== undefined
      ? { held: { inviteId, token, obtainedAt, lifeMs } }
      : {}),
  }
}

function dataOf({ inviteId, token, obtainedAt, lifeMs }: Held): Record<string, string> {
  return { inviteId, token, obtainedAt: String(obtainedAt), lifeMs: String(lifeMs) }
}

function inBase64<V extends string | null>(data: Readonly<Record<string, V>>): Record<string, V> {
  const encoded = Object.entries(data).map(([key, value]) => [
    key,
    value === null ? value : Buffer.from(value).toString('base64'),
  ])
  return Object.fromEntries(encoded) as Record<string, V>
}

async function begin({ own, namespace }: CredentialWorld, inviteId: string): Promise<string> {
  const ref = { namespace, name: CREDENTIAL_SECRET }
  for (;;) {
    const secret = await own.get(secrets, ref)
    const { asked } = keptOf(secret)
    if (asked?.inviteId === inviteId) return asked.requestKey
    const requestKey = await newRequestKey()
    const data = inBase64({ requestInvite: inviteId, requestKey })
    try {
      if (!secret) await own.create(secrets, { metadata: ref, data })
      else {
        const { resourceVersion } = secret.metadata
        await own.mergePatch(secrets, { ref, patch: { metadata: { resourceVersion }, data } })
      }
      return requestKey
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error
    }
  }
}

async function ask(world: CredentialWorld, { inviteId, requestKey }: Asked): Promise<Answer> {
  const { provider, agentVersion } = world
  const invite = await world.readInvite()
  if (invite.id !== inviteId || invite.token === undefined) return { state: 'NotYet' } // Another was given meanwhile.
  const key = await requestKeyOf(requestKey)
  const access = new HubAccess(invite)
  access.use(invite.token)
  await using hub = await world.connectWith(access)
  const ref = { namespace: providerNamespace(provider), name: inviteId }
  try {
    const request = await hub.get(joinRequests, ref)
    if (!request) {
      const signed = { provider, hubCaSha256: sha256(invite.hubCa), inviteId, publicKey: key.publicKey }
      const signature = invite.ownerKey === undefined ? {} : { signature: signJoin(invite.ownerKey, signed) }
      await hub.create(joinRequests, { metadata: ref, spec: { publicKey: key.publicKey, agentVersion, ...signature } })
      return { state: 'NotYet' }
    }
    if (request.spec.publicKey !== key.publicKey)
      return { state: 'Refused', why: 'it was used by somebody else before' }
    const { status } = request
    if (!status) return { state: 'NotYet' }
    if (status.state === 'Refused') return { state: 'Refused', why: `${status.reason}, ${status.message}` }
    const { token } = await key.open(status.credential ?? '')
    return { state: 'Granted', held: heldOf({ token, inviteId, now: world.now() }) }
  } catch (error) {
    if (isAlreadyExists(error)) return { state: 'NotYet' }
    const why = whyRefused(error, provider)
    if (why === undefined) throw error
    return { state: 'Denied', why }
  }
}

function whyRefused(error: unknown, provider: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  if (error.status === 401) return 'it has expired, was used before, or was revoked'
  if (error.status === 403) return `it is for another provider than ${provider}, or was revoked: ${error.message}`
  return undefined
}

async function renew(world: CredentialWorld, { inviteId }: Held): Promise<Held> {
  await using hub = await world.connectWith(world.access)
  const account = { namespace: providerNamespace(world.provider), name: AGENT_NAME }
  const { token } = await requestToken(hub, account, {
    seconds: CREDENTIAL_SECONDS,
    secret: { name: AGENT_TOKEN_SECRET },
  })
  return heldOf({ token, inviteId, now: world.now() })
}

const claimsSchema = z
  .looseObject({ iat: z.number(), exp: z.number() })
  .refine(({ iat, exp }) => exp > iat, 'the token ends before it begins')

function heldOf({ token, inviteId, now }: { token: string; inviteId: string; now: number }): Held {
  const [, payload = ''] = token.split('.')
  const { iat, exp } = claimsSchema.parse(secretJson('the token', Buffer.from(payload, 'base64url').toString('utf8')))
  return { inviteId, token, obtainedAt: now, lifeMs: (exp - iat) * 1000 }
}
