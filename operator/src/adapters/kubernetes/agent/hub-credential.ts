// How the agent asks for its credential on the hub, and where it keeps it: a Secret in its own namespace.
import { z } from 'zod'
import { COMPLAINT_SUFFIX, type Complaint, type JoinRequestSpec } from '../../../api/joinrequest.ts'
import { toTime } from '../../../api/time.ts'
import type { Answer, Asked, CredentialPorts, Held, Kept } from '../../../controllers/agent/credential.ts'
import { providerNamespace, providerOf } from '../../../domain/lifecycle/gpurun.ts'
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
  readonly ca: string
  readonly #tls: Identity['tls']
  #identity: Identity | undefined
  /** Called when the hub does not accept what is in use. */
  onRefused: () => void = () => undefined

  constructor({ hubUrl, hubCa }: Pick<InviteFiles, 'hubUrl' | 'hubCa'>) {
    this.server = hubUrl
    this.ca = hubCa
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
  /** There is an invite to another hub than the one of `access`: only a program that starts anew can join that one. */
  readonly onOtherHub: (why: Error) => void
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

type Ports = Pick<CredentialPorts, 'load' | 'save' | 'begin' | 'inviteId' | 'ask' | 'renew' | 'use'>

export function credentialPorts(world: CredentialWorld): Ports {
  const { own, namespace, access } = world
  const ref = { namespace, name: CREDENTIAL_SECRET }
  return {
    load: async () => keptFor(world, await own.get(secrets, ref), await world.readInvite()),
    save: async (held) => {
      const secret = await own.get(secrets, ref)
      if (!secret) {
        await own.create(secrets, { metadata: ref, data: inBase64(dataOf(world, held)) })
        return
      }
      // The key of another invite may still be waiting for its answer, in another replica.
      const isAnswered = keptOf(secret).asked?.inviteId === held.inviteId
      const done = isAnswered ? { requestInvite: null, requestKey: null } : {}
      const { resourceVersion } = secret.metadata
      const data = inBase64<string | null>({ ...dataOf(world, held), ...done })
      await own.mergePatch(secrets, { ref, patch: { metadata: { resourceVersion }, data } })
    },
    begin: (inviteId) => begin(world, inviteId),
    inviteId: async () => {
      const { id, hubUrl, hubCa } = await world.readInvite()
      if (hubUrl === access.server && hubCa === access.ca) return id
      world.onOtherHub(
        new Error(`the invite in the folder is to the hub ${hubUrl}, and this program talks to ${access.server}`),
      )
      return undefined
    },
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
  madeFor: z.string().optional(),
})

/** Without what another provider or another hub gave: it is of no use here, and nobody else's business. */
function keptFor({ provider, access }: CredentialWorld, secret: Secret | undefined, invite: InviteFiles): Kept {
  const { held, asked, madeFor = whose(provider, access.ca) } = keptOf(secret)
  // The same invite with other certificates, or none any more: those of the hub were changed.
  const isSameHub = madeFor === whose(provider, access.ca) || invite.id === undefined || held?.inviteId === invite.id
  return { asked, held: isSameHub && madeFor.startsWith(`${provider} `) ? held : undefined }
}

function whose(provider: string, hubCa: string): string {
  return `${provider} ${sha256(hubCa)}`
}

function keptOf(secret: Secret | undefined): Kept & { readonly madeFor?: string | undefined } {
  const decoded = Object.entries(secret?.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString(),
  ])
  const { requestInvite, requestKey, inviteId, token, obtainedAt, lifeMs, madeFor } = dataSchema.parse(
    Object.fromEntries(decoded),
  )
  return {
    madeFor,
    ...(requestInvite !== undefined && requestKey !== undefined
      ? { asked: { inviteId: requestInvite, requestKey } }
      : {}),
    ...(inviteId !== undefined && token !== undefined && obtainedAt !== undefined && lifeMs !== undefined
      ? { held: { inviteId, token, obtainedAt, lifeMs } }
      : {}),
  }
}

function dataOf(
  { provider, access }: CredentialWorld,
  { inviteId, token, obtainedAt, lifeMs }: Held,
): Record<string, string> {
  const madeFor = whose(provider, access.ca)
  return { inviteId, token, obtainedAt: String(obtainedAt), lifeMs: String(lifeMs), madeFor }
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
  const claims = inviteClaims(invite.token)
  const access = new HubAccess(invite)
  access.use(invite.token)
  await using hub = await world.connectWith(access)
  const ref = { namespace: providerNamespace(provider), name: inviteId }
  const spec = { publicKey: key.publicKey, agentVersion }
  try {
    if (claims !== undefined && claims.provider !== provider) {
      const complaint = { namespace: providerNamespace(claims.provider), inviteId, why: 'OtherProvider' } as const
      await complain(hub, complaint, spec)
      const why = `it is for Provider ${claims.provider}, and this agent is set to be of ${provider}: give it that name, or ask for an invite to ${provider}`
      return { state: 'Refused', why }
    }
    const request = await hub.get(joinRequests, ref)
    if (!request) {
      const signed = { provider, hubCaSha256: sha256(invite.hubCa), inviteId, publicKey: key.publicKey }
      const signature = invite.ownerKey === undefined ? {} : { signature: signJoin(invite.ownerKey, signed) }
      await hub.create(joinRequests, { metadata: ref, spec: { ...spec, ...signature } })
      return { state: 'NotYet' }
    }
    if (request.spec.publicKey !== key.publicKey) {
      await complain(hub, { namespace: ref.namespace, inviteId, why: 'UsedBefore' }, spec)
      return { state: 'Refused', why: 'it was used by somebody else before; the operator of the hub is told' }
    }
    const { status } = request
    if (!status) return { state: 'NotYet' }
    if (status.state === 'Refused') return { state: 'Refused', why: `${status.reason}, ${status.message}` }
    const { token } = await key.open(status.credential ?? '')
    return { state: 'Granted', held: heldOf({ token, inviteId, now: world.now() }) }
  } catch (error) {
    if (isAlreadyExists(error)) return { state: 'NotYet' }
    const why = whyRefused(error, { provider, until: claims?.until })
    if (why === undefined) throw error
    return { state: 'Denied', why }
  }
}

/** So that the operator of the federation hears of it. One that was made stays, and a hub of before takes none. */
async function complain(
  hub: KubeClient,
  { namespace, inviteId, why }: { readonly namespace: string; readonly inviteId: string; readonly why: Complaint },
  spec: JoinRequestSpec,
): Promise<void> {
  const metadata = { namespace, name: `${inviteId}${COMPLAINT_SUFFIX}` }
  try {
    await hub.create(joinRequests, { metadata, spec: { ...spec, complaint: why } })
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status >= 400 && error.status < 429
    if (!isRefused) throw error
  }
}

const jsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    context.addIssue('not JSON')
    return z.NEVER
  }
})

const inviteSchema = z.looseObject({
  sub: z.string().regex(/^system:serviceaccount:provider-[a-z][-a-z0-9]*:invite-/),
  exp: z.int().min(0).max(99_999_999_999),
})

/** `undefined` where the token is none of a hub's: the hub will say so. */
function inviteClaims(token: string): { readonly provider: string; readonly until: string } | undefined {
  const [, payload = ''] = token.split('.')
  const text = Buffer.from(payload, 'base64url').toString('utf8')
  const { data } = jsonText.pipe(inviteSchema).safeParse(text)
  if (!data) return undefined
  const [, , namespace] = data.sub.split(':')
  return { provider: providerOf(namespace) ?? '', until: toTime(data.exp * 1000) }
}

function whyRefused(
  error: unknown,
  { provider, until = 'its end' }: { readonly provider: string; readonly until: string | undefined },
): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  if (error.status === 401) return `it was good until ${until}, and no longer than until it is used or revoked`
  if (error.status === 403) return `it is of no use for ${provider}, or was revoked: ${error.message}`
  return undefined
}

async function renew(world: CredentialWorld, { inviteId }: Held): Promise<Held | 'Refused'> {
  await using hub = await world.connectWith(world.access)
  const account = { namespace: providerNamespace(world.provider), name: AGENT_NAME }
  const wanted = { seconds: CREDENTIAL_SECONDS, secret: { name: AGENT_TOKEN_SECRET } }
  try {
    const { token } = await requestToken(hub, account, wanted)
    return heldOf({ token, inviteId, now: world.now() })
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return 'Refused'
    throw error
  }
}

const claimsSchema = z
  .looseObject({ iat: z.number(), exp: z.number() })
  .refine(({ iat, exp }) => exp > iat, 'the token ends before it begins')

function heldOf({ token, inviteId, now }: { token: string; inviteId: string; now: number }): Held {
  const [, payload = ''] = token.split('.')
  const { iat, exp } = claimsSchema.parse(secretJson('the token', Buffer.from(payload, 'base64url').toString('utf8')))
  return { inviteId, token, obtainedAt: now, lifeMs: (exp - iat) * 1000 }
}
