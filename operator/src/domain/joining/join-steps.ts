// Whether who asks to join gets the credential of a provider's agent.
import type { JoinReason } from '../../api/conditions.ts'
import type { Complaint, JoinRequest } from '../../api/joinrequest.ts'
import { toMillis } from '../../api/time.ts'

export interface Invite {
  readonly uid: string
  /** By the API server's clock, in milliseconds. */
  readonly expiresAt: number
  /** It may take the place of an agent that lives. */
  readonly takeover: boolean
}

export interface Seen {
  readonly request: JoinRequest
  /** By a read of the API server; absent: it was used, has expired, or was revoked. */
  readonly invite: Invite | undefined
  /** Whether a Provider of that name exists, and its home is its own. */
  readonly provider: 'Ready' | 'NotYet' | 'Gone' | 'Revoked'
  /** Whether anything can be encrypted to the key of the request; there are points of the curve to which nothing can. */
  readonly isKeyUsable: boolean
  /** Of the request, by the key that the Provider pins. */
  readonly signature: 'NotAsked' | 'Right' | 'Missing' | 'Wrong'
  /** Whether an agent of that provider renews its Lease; `Unknown`: it was not watched for long enough. */
  readonly agent: 'Alive' | 'Silent' | 'Unknown'
  /** For how long this hub has known of the request. */
  readonly knownMs: number
  /** Wall clock, milliseconds. */
  readonly now: number
}

export type Decision =
  | { readonly do: 'grant' }
  | { readonly do: 'refuse'; readonly reason: Refusal; readonly message: string }
  /** It is decided: the invite, if it is still there, has been used. */
  | { readonly do: 'tidyUp'; readonly removes?: 'Invite' | 'Request'; readonly recheckMs?: number }
  | { readonly do: 'wait'; readonly recheckMs: number }

export type Refusal = Exclude<JoinReason, 'Joined'>

/** An agent that was just uninstalled looks alive for so long. */
const longestWaitMs = 25_000
const lookMs = 2000

/** So long the one who asked can read the answer: it may crash and be started anew meanwhile. */
const readMs = 3600 * 1000

/** So long people can read why it was refused. */
const keptMs = 24 * 3600 * 1000

/** They ask for nothing: refusing them is how those who look at the Provider hear of them. */
const complaints: Readonly<Record<Complaint, readonly [Refusal, string]>> = {
  UsedBefore: [
    'InviteUsed',
    'an agent that has it found it used by another one; if the one that joined is not the owner’s, revoke the Provider',
  ],
  OtherProvider: [
    'OtherProvider',
    'an agent that has it is set to be of another provider: it needs this provider’s name, or another invite',
  ],
}

export function decide(seen: Seen): Decision {
  const { request, invite, provider, now } = seen
  if (request.status) return tidyUp(now - toMillis(request.status.decidedAt), invite)
  if (provider === 'Gone') return refuse('ProviderGone', 'there is no Provider of that name')
  if (provider === 'Revoked') return refuse('ProviderRevoked', 'the Provider is revoked')
  if (request.spec.complaint !== undefined) return refuse(...complaints[request.spec.complaint])
  if (!invite) return refuse('InviteUnknown', 'the invite was used before, has expired, or was revoked')
  // Both are by one clock, and a hub that was away takes nothing from who came in time.
  if (invite.expiresAt <= toMillis(request.metadata.creationTimestamp))
    return refuse('InviteExpired', 'the invite has expired; ask for another one')
  if (!seen.isKeyUsable) return refuse('KeyUnusable', 'nothing can be encrypted to spec.publicKey')
  if (provider === 'NotYet') return { do: 'wait', recheckMs: lookMs }
  return bySignature(seen) ?? byAgent(seen, invite) ?? { do: 'grant' }
}

function tidyUp(ageMs: number, invite: Invite | undefined): Decision {
  // The one who asked still has to read the answer; the name of the request makes sure that nobody else can ask.
  if (invite && ageMs < readMs) return { do: 'tidyUp', recheckMs: readMs - ageMs }
  // The invite always goes first: without the request it could be used once more.
  if (invite) return { do: 'tidyUp', removes: 'Invite', recheckMs: 0 }
  return ageMs < keptMs ? { do: 'tidyUp', recheckMs: keptMs - ageMs } : { do: 'tidyUp', removes: 'Request' }
}

function bySignature({ signature }: Seen): Decision | undefined {
  const pinned = 'spec.publicKey of the Provider pins who may join'
  if (signature === 'Missing') {
    return refuse('SignatureMissing', `${pinned}; give the agent the owner's key and ask for another invite`)
  }
  if (signature === 'Wrong') return refuse('SignatureWrong', `${pinned}, and the request was signed by another key`)
  return undefined
}

function byAgent({ agent, knownMs }: Seen, { takeover }: Invite): Decision | undefined {
  if (agent === 'Silent' || takeover) return undefined
  if (knownMs < longestWaitMs || agent === 'Unknown') return { do: 'wait', recheckMs: lookMs }
  return refuse(
    'AgentAlive',
    'another agent of this provider is alive; uninstall it, or ask for an invite with --takeover',
  )
}

function refuse(reason: Refusal, message: string): Decision {
  return { do: 'refuse', reason, message }
}
