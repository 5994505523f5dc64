// The credential of the agent on the hub: got once for an invite, and renewed long before it ends.
import { type Clock, pause, type Random, type Timers } from '../clock.ts'

/** What the agent keeps on its own cluster. */
export interface Kept {
  /** What it has asked with and not yet got an answer to. */
  readonly asked?: Asked | undefined
  readonly held?: Held | undefined
}

export interface Asked {
  readonly inviteId: string
  /** The private key of the request, so that an agent that ends between question and answer can still read the answer. */
  readonly requestKey: string
}

export interface Held {
  readonly inviteId: string
  readonly token: string
  /** By this cluster's wall clock, in milliseconds: the hub's may be another. */
  readonly obtainedAt: number
  /** By the hub's clock, from its making to its end. */
  readonly lifeMs: number
}

export type Answer =
  | { readonly state: 'NotYet' }
  | { readonly state: 'Granted'; readonly held: Held }
  | { readonly state: 'Refused'; readonly why: string }
  /** The hub does not take the invite's token. Rights take a moment until every API server knows of them. */
  | { readonly state: 'Denied'; readonly why: string }

export interface CredentialPorts {
  readonly load: () => Promise<Kept>
  /** In place of what was held; the key of the request that brought it goes. */
  readonly save: (held: Held) => Promise<void>
  /** Keeps a new request key for that invite, beside what is held, and gives it; another replica may have been faster: then its key. */
  readonly begin: (inviteId: string) => Promise<string>
  /** The id of the invite that was given to this agent last; it may change while the agent runs. */
  readonly inviteId: () => Promise<string | undefined>
  /** Asks, where that was not done yet, and looks for the answer. */
  readonly ask: (asked: Asked) => Promise<Answer>
  /** A new token in exchange for the one that is in use; `Refused`: the hub does not take that one any more. */
  readonly renew: (held: Held) => Promise<Held | 'Refused'>
  /** All connections to the hub go on with it. */
  readonly use: (held: Held) => void
  /** What a person should know, such as why an invite was refused; `undefined`: nothing is waited for any more. */
  readonly tell: (waitsFor: string | undefined) => void
  readonly onError: (error: unknown) => void
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

const lookMs = 1000

/** What is denied for so long is refused. */
const deniedMs = 15_000
/** An agent that has a credential does not wait longer for a new one. */
const patienceMs = 60_000

/** Comes back with a credential in use. Throws only when the signal aborts before. */
export async function obtainCredential(ports: CredentialPorts, signal: AbortSignal): Promise<Held> {
  const { clock } = ports
  const began = clock.boot()
  let deniedSince: number | undefined
  let refused: string | undefined
  for (;;) {
    signal.throwIfAborted()
    try {
      const { asked, held } = await ports.load()
      const inviteId = await ports.inviteId()
      // One that was given out anew is meant to be used, unless it is good for nothing.
      const isAnew = inviteId !== undefined && inviteId !== held?.inviteId && inviteId !== refused
      if (held && (!isAnew || clock.boot() - began >= patienceMs)) return take(ports, held)
      if (inviteId === undefined) ports.tell('an invite to the federation')
      else if (inviteId !== refused) {
        const answer = await ports.ask(await askedWith(ports, { asked, inviteId }))
        if (answer.state === 'Granted') {
          await ports.save(answer.held)
          return take(ports, answer.held)
        }
        deniedSince = answer.state === 'Denied' ? (deniedSince ?? clock.boot()) : undefined
        const isDenied = deniedSince !== undefined && clock.boot() - deniedSince >= deniedMs
        if (answer.state === 'Refused' || (answer.state === 'Denied' && isDenied)) {
          refused = inviteId
          ports.tell(`another invite: the hub refused ${inviteId}: ${answer.why}`)
        }
      }
    } catch (error) {
      if (!signal.aborted) ports.onError(error)
    }
    await pause(lookMs, { timers: ports.timers, signal })
  }
}

function take({ use, tell }: CredentialPorts, held: Held): Held {
  use(held)
  tell(undefined)
  return held
}

async function askedWith(
  { begin }: CredentialPorts,
  { asked, inviteId }: { readonly asked: Asked | undefined; readonly inviteId: string },
): Promise<Asked> {
  if (asked?.inviteId === inviteId) return asked
  return { inviteId, requestKey: await begin(inviteId) }
}

/** Of the life of a token: a day of seven. Three quarters of it are left for a hub that is down. */
const renewedAfter = 1 / 7
/** Timers stand still while a machine sleeps. */
const tickMs = 30_000
const lastRetryMs = 10 * 60_000
/** Of the life of a token: a hub that comes back shortly before its end is still asked in time. */
const retriedWithin = 1 / 60
const shortestRetryMs = 1000
const betweenMs = 5000

export interface Keeping {
  /** The hub did not accept the token: it is renewed as soon as may be. */
  readonly refused: () => void
  /** Resolves after the signal has aborted; a token that was just renewed is saved then. */
  readonly done: Promise<void>
}

/** Renews until the signal aborts. */
export function keepCredential(ports: CredentialPorts, first: Held, signal: AbortSignal): Keeping {
  const { clock, timers, random, tell } = ports
  let refusal = new AbortController()
  /** Of renewals, in a row. */
  let refusals = 0

  async function keep(): Promise<void> {
    let held = first
    let failures = 0
    while (!signal.aborted) {
      await untilDue(held, held.lifeMs * renewedAfter * (0.9 + random() / 5))
      if (signal.aborted) return
      refusal = new AbortController()
      const next = await nextOf(held)
      if (signal.aborted) return
      if (next) {
        held = next
        if (failures > 0) tell(undefined)
        failures = 0
        refusals = 0
        await pause(betweenMs, { timers, signal }) // Whatever is refused then.
      } else {
        const longestMs = Math.max(shortestRetryMs, Math.min(lastRetryMs, held.lifeMs * retriedWithin))
        const retryMs = Math.min(longestMs, tickMs * 2 ** failures++)
        await pause(retryMs * (0.5 + random() / 2), { timers, signal })
      }
    }
  }

  async function nextOf(held: Held): Promise<Held | undefined> {
    try {
      const next = await renewed(ports, held)
      if (next !== 'Refused') return next
      // An API server that starts refuses everybody for a moment.
      if (refusals++ > 0) tell('another invite: the hub takes the credential of this agent no more')
    } catch (error) {
      refusals = 0
      if (!signal.aborted) ports.onError(error)
    }
    return signal.aborted ? undefined : byNewInvite(ports, held, signal)
  }

  async function untilDue({ obtainedAt }: Held, afterMs: number): Promise<void> {
    const until = AbortSignal.any([signal, refusal.signal])
    for (;;) {
      const ageMs = clock.now() - obtainedAt
      // A clock that was set back says nothing of the age any more.
      if (until.aborted || ageMs >= afterMs || ageMs < -tickMs) return
      await pause(Math.min(tickMs, Math.max(1, afterMs - ageMs)), { timers, signal: until })
    }
  }

  return {
    refused: () => refusal.abort(),
    done: keep(),
  }
}

async function renewed(ports: CredentialPorts, held: Held): Promise<Held | 'Refused'> {
  const kept = await ports.load()
  // Another replica of this agent may have been faster.
  const other = kept.held && kept.held.obtainedAt > held.obtainedAt ? kept.held : undefined
  const next = other ?? (await ports.renew(held))
  if (next === 'Refused') return next
  ports.use(next)
  if (!other) await ports.save(next)
  return next
}

/** Where the credential may be good for nothing any more, another invite may have been given. */
async function byNewInvite(
  ports: CredentialPorts,
  { inviteId: used }: Held,
  signal: AbortSignal,
): Promise<Held | undefined> {
  try {
    const inviteId = await ports.inviteId()
    if (inviteId === undefined || inviteId === used) return undefined
    const { asked } = await ports.load()
    const answer = await ports.ask(await askedWith(ports, { asked, inviteId }))
    if ('why' in answer) throw new Error(`the hub refused invite ${inviteId}: ${answer.why}`)
    if (answer.state === 'NotYet') return undefined
    ports.use(answer.held)
    await ports.save(answer.held)
    return answer.held
  } catch (error) {
    if (!signal.aborted) ports.onError(error)
    return undefined
  }
}
