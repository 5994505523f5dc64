// Whether the agent may act on what its hub says, by what it remembers of that hub on its own cluster.
import {
  changeOf,
  fingerprintOf,
  type HubChange,
  isAccepted,
  type LeaseIdentity,
  type Remembered,
} from '../../domain/lifecycle/hub-identity.ts'
import { pause, type Timers } from '../clock.ts'

export interface Memory {
  readonly remembered: Remembered
  /** The fingerprint that the owner of this cluster accepts. */
  readonly accepted?: string | undefined
}

export interface HubTrustPorts {
  /** `undefined`: no hub was ever met. */
  readonly load: () => Promise<Memory | undefined>
  readonly save: (remembered: Remembered) => Promise<void>
  readonly timers: Timers
  readonly lookMs: number
  /** Hears at each change of what is distrusted; `undefined`: the hub is trusted. */
  readonly onChange: (distrust: Distrust | undefined) => void
  readonly onError: (error: unknown) => void
  /** Never the same twice, also after a restart. */
  readonly nonce: () => string
}

export interface Distrust {
  readonly change: HubChange
  /** What must be accepted for the agent to go on. */
  readonly fingerprint: string
}

/** A time in which the hub is trusted without a break; when it is over, all that was learnt of the hub is to be forgotten. */
export interface Session {
  readonly hubUid: string
  readonly signal: AbortSignal
}

interface Question {
  readonly nonce: string
  isSent: boolean
  readonly answer: PromiseWithResolvers<void>
}

export class HubTrust {
  readonly #ports: HubTrustPorts
  #remembered: Remembered | undefined
  #saved: Remembered | undefined
  #seen: LeaseIdentity | 'Gone' | undefined
  #change: HubChange | undefined
  #session: AbortController | undefined
  #nextSession = Promise.withResolvers<void>()
  #asked: Question | undefined
  #askedNext: Question | undefined

  constructor(ports: HubTrustPorts) {
    this.#ports = ports
  }

  /** Each answer of the hub about the Lease. From a difference on, nothing is begun and nothing is deleted. */
  see(seen: LeaseIdentity | 'Gone'): void {
    this.#seen = seen
    if (!this.#remembered) return // The first hub that is met is believed, once it is written down.
    const change = changeOf(this.#remembered, seen)
    if (change) this.#distrust(change)
    else if (seen !== 'Gone' && this.#session) {
      this.#remembered = rememberedOf(seen)
      this.#hear(seen.vouched)
    }
  }

  /**
   * Resolves when the hub's operator has looked, after this call, that cluster and kinds are those of its Lease, and
   * they are the remembered ones. The Lease alone is no proof: nobody may have been there to tell it of a change.
   */
  async vouched(signal: AbortSignal): Promise<void> {
    const ask = (): Question => ({ nonce: this.#ports.nonce(), isSent: false, answer: Promise.withResolvers() })
    this.#asked ??= ask()
    const question = this.#asked.isSent ? (this.#askedNext ??= ask()) : this.#asked
    const ended = Promise.withResolvers<never>()
    const end = () => ended.reject(signal.reason)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    await Promise.race([question.answer.promise, ended.promise])
    signal.removeEventListener('abort', end)
    this.assertTrusted()
  }

  /** What the hub is asked with the heartbeat that is about to be sent. */
  question(): string | undefined {
    if (this.#asked) this.#asked.isSent = true
    return this.#asked?.nonce
  }

  #hear(vouched: string | undefined): void {
    if (!this.#asked || vouched !== this.#asked.nonce) return
    this.#asked.answer.resolve()
    this.#asked = this.#askedNext
    this.#askedNext = undefined
  }

  /** A list of the hub was older than what was seen of it before. */
  setBack(): void {
    if (this.#remembered) this.#distrust('SetBack')
  }

  /** The cluster that is remembered and answers now, trusted or not; `undefined`: it is another one, or not known yet. */
  get cluster(): string | undefined {
    const remembered = this.#remembered?.hubUid
    return this.#seen !== undefined && this.#seen !== 'Gone' && this.#seen.hubUid === remembered
      ? remembered
      : undefined
  }

  get distrust(): Distrust | undefined {
    if (!this.#change || !this.#remembered) return undefined
    const { hubUid, runsUid, providerUid } = this.#remembered
    const seen = this.#seen === undefined || this.#seen === 'Gone' ? { hubUid, runsUid, providerUid } : this.#seen
    return { change: this.#change, fingerprint: fingerprintOf(this.#remembered, seen) }
  }

  /** For `beforeWrite`. */
  readonly assertTrusted = (): void => {
    if (!this.#session) throw new Error(`the hub is not the one that is remembered: ${this.#change ?? 'not met yet'}`)
  }

  /** The time of trust that is now, or the next one; `undefined` when the signal aborts before. */
  async session(signal: AbortSignal): Promise<Session | undefined> {
    const stopped = Promise.withResolvers<void>()
    const stop = () => stopped.resolve()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    if (!this.#session) await Promise.race([this.#nextSession.promise, stopped.promise])
    signal.removeEventListener('abort', stop)
    if (signal.aborted || !this.#session || !this.#remembered) return undefined
    return { hubUid: this.#remembered.hubUid, signal: AbortSignal.any([signal, this.#session.signal]) }
  }

  /** Remembers what is to be remembered and hears who accepts what; until the signal. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.look()
      } catch (error) {
        if (!signal.aborted) this.#ports.onError(error)
      }
      await pause(this.#ports.lookMs, { timers: this.#ports.timers, signal })
    }
  }

  async look(): Promise<void> {
    if (!this.#saved) {
      const memory = await this.#ports.load()
      if (memory) this.#remembered = this.#saved = memory.remembered
      if (this.#seen) this.see(this.#seen)
    }
    const seen = this.#seen
    if (seen === undefined) return
    if (this.#remembered) await this.#compare(this.#remembered, seen)
    else if (seen !== 'Gone') await this.#believe(seen)
  }

  async #compare(remembered: Remembered, seen: LeaseIdentity | 'Gone'): Promise<void> {
    const change = changeOf(remembered, seen)
    if (change || seen === 'Gone') {
      if (!isEqual(remembered, this.#saved)) await this.#save(remembered)
      if (seen !== 'Gone' && change && (await this.#isAccepted(change, seen))) await this.#believe(seen)
      return
    }
    if (!this.#session) return this.#believe(seen)
    // With every beat, as a kubelet does for its node: what is older than the last beat would not be noticed after a crash.
    if (!isEqual(remembered, this.#saved)) await this.#save(remembered)
  }

  async #isAccepted(change: HubChange, seen: LeaseIdentity): Promise<boolean> {
    if (!this.#remembered) return false
    const byOwner = (await this.#ports.load())?.accepted
    const fingerprint = fingerprintOf(this.#remembered, seen)
    return isAccepted(change, { fingerprint, byOwner, byHub: seen.accepted })
  }

  /** It is written down first: an agent that forgot whom it obeyed would obey anyone after a restart. */
  async #believe(seen: LeaseIdentity): Promise<void> {
    const remembered = rememberedOf(seen)
    await this.#save(remembered)
    this.#remembered = remembered
    const current = this.#seen
    if (current === undefined || changeOf(remembered, current)) return // It has changed again meanwhile.
    this.#change = undefined
    this.#session = new AbortController()
    this.#ports.onChange(undefined)
    this.#nextSession.resolve()
  }

  #distrust(change: HubChange): void {
    const isNews = this.#change !== change
    this.#change = change
    if (change === 'SetBack' && this.#remembered) this.#remembered = { ...this.#remembered, setBack: true }
    if (this.#session) {
      this.#session.abort(new Error(`the hub has changed: ${change}`))
      this.#session = undefined
      this.#nextSession = Promise.withResolvers()
    }
    if (isNews) this.#ports.onChange(this.distrust)
  }

  async #save(remembered: Remembered): Promise<void> {
    await this.#ports.save(remembered)
    this.#saved = remembered
  }
}

function rememberedOf({ hubUid, runsUid, providerUid, version }: LeaseIdentity): Remembered {
  return { hubUid, runsUid, providerUid, version, setBack: false }
}

function isEqual(one: Remembered, other: Remembered | undefined): boolean {
  return (
    one.hubUid === other?.hubUid &&
    one.runsUid === other.runsUid &&
    one.providerUid === other.providerUid &&
    one.version === other.version &&
    one.setBack === other.setBack
  )
}
