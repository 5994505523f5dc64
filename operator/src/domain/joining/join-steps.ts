// Whether who asks to join gets the credential of a provider's agent.
import type { JoinReason } from '../../api/conditions.ts'
import type { JoinRequest } from '../../api/joinrequest.ts'
import { toMillis } from '../../api/time.ts'

export interface Invite {
  readonly uid: string
  /** Wall clock, milliseconds. */
  readonly expiresAt: number
  /** It may take the place of an agent that lives. */
  readonly takeover: boolean
}

export interface Seen {
  readonly request: JoinRequest
  /** By a read of the API server; absent: it was used, has expired, or was revoked. */
  readonly invite: Invite | undefined
  /** Whether a Provider of that name exists, and its home is its own. */
  readonly provider: 'Ready' | 'NotYet' | 'Gone'
  /** Of the request, by the key that the Provider pins. */
  readonly signature: 'NotAsked' | 'Right' | 'Missing' | 'Wrong'
  /** Whether an agent of that provider renews its Lease; `Unknown`: this hub has not watched it for long enough. */
  readonly agent: 'Alive' | 'Silent' | 'Unknown'
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

/** So long the one who asked can read the answer. */
const readMs = 30_000

/** So long people can read why it was refused. */
const keptMs = 24 * 3600 * 1000

export function decide(seen: Seen): Decision {
  const { request, invite, provider, now } = seen
  if (request.status) return tidyUp(now - toMillis(request.status.decidedAt), invite)
  if (provider === 'Gone') return refuse('ProviderGone', 'there is no Provider of that name')
  if (!invite) return refuse('InviteUnknown', 'the invite was used before, has expired, or was revoked')
  if (invite.expiresAt <= now) return refuse('InviteExpired', 'the invite has expired; ask for another one')
  if (provider === 'NotYet') return { do: 'wait', recheckMs: lookMs }
  return bySignature(seen) ?? byAgent(seen, invite) ?? { do: 'grant' }
}

function tidyUp(ageMs: number, invite: Invite | undefined): Decision {
  if (ageMs >= keptMs) return { do: 'tidyUp', removes: 'Request' }
  if (!invite) return { do: 'tidyUp', recheckMs: keptMs - ageMs }
  // The one who asked still has to read the answer; the name of the request makes sure that nobody else can ask.
  return ageMs < readMs
    ? { do: 'tidyUp', recheckMs: readMs - ageMs }
    : { do: 'tidyUp', removes: 'Invite', recheckMs: 0 }
}

function bySignature({ signature }: Seen): Decision | undefined {
  const pinned = 'spec.publicKey of the Provider pins who may join'
  if (signature === 'Missing') {
    return refuse('SignatureMissing', `${pinned}; give the agent the owner's key and ask for another invite`)
  }
  if (signature === 'Wrong') return refuse('SignatureWrong', `${pinned}, and the request was signed by another key`)
  return undefined
}

function byAgent({ agent, request, now }: Seen, { takeover }: Invite): Decision | undefined {
  if (agent === 'Silent' || takeover) return undefined
  const age = now - toMillis(request.metadata.creationTimestamp)
  if (age < longestWaitMs || agent === 'Unknown') return { do: 'wait', recheckMs: lookMs }
  return refuse(
    'AgentAlive',
    'another agent of this provider is alive; uninstall it, or ask for an invite with --takeover',
  )
}

function refuse(reason: Refusal, message: string): Decision {
  return { do: 'refuse', reason, message }
}
