// One of several replicas leads: who holds the Lease. Nobody's wall clock is believed, only changes seen and our own time.
import { toMicroTime } from '../../api/time.ts'
import { type Clock, pause, type Random, type Timers } from '../../controllers/clock.ts'
import { isOlder } from '../../domain/lifecycle/hub-identity.ts'
import type { Draft, DraftMeta, KubeClient, ObjectRef } from './client.ts'
import { isAlreadyExists, isConflict } from './errors.ts'
import { type Lease, leases } from './resources.ts'

export interface ElectionOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>
  readonly lease: ObjectRef & { readonly namespace: string }
  /** With whom a Lease that we make shall go. */
  readonly owned?: () => Promise<Pick<DraftMeta, 'ownerReferences'>>
  /** Ours alone among all that ever contend, also after a restart beside one that still runs: a pod's UID. */
  readonly identity: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Aborts when the work is over: gives the lease back, so that the next one need not wait. */
  readonly signal: AbortSignal
  /** We led and do no longer; this never heals. Whoever led must stop, and start anew. */
  readonly onLost: (why: Error) => void
  /** Each failed try. */
  readonly onError: (error: Error) => void
}

export interface Leadership {
  /** Resolves when we lead. Rejects when the signal aborts before. */
  readonly acquired: Promise<void>
  /** Whether nobody else can have begun to lead. */
  readonly held: () => boolean
  /** For `beforeWrite`: throws when the lease is not held. */
  readonly assertHeld: () => void
  /** Resolves when the lease was lost, or was given back after the signal. */
  readonly done: Promise<void>
}

/** Others wait so long after the last change that they saw. */
const leaseMs = 15_000
/** We stop so long after we sent the last renewal that succeeded: sooner, by as much as a request may be under way. */
const renewWithinMs = 10_000
const retryMs = 2_000
const releaseWithinMs = 5_000

export function elect(options: ElectionOptions): Leadership {
  const election = new Election(options)
  const done = election.run()
  return {
    acquired: election.acquired.promise,
    held: () => election.held(),
    assertHeld: () => {
      if (!election.held()) throw new Error(`the lease ${options.lease.namespace}/${options.lease.name} is not held`)
    },
    done,
  }
}

class Election {
  readonly acquired = Promise.withResolvers<void>()
  readonly #options: ElectionOptions
  /** The lease as last seen, and when (boot time) we first saw it so. */
  #seen: Lease | undefined
  #seenAt = 0
  /** When (boot time) the last renewal that succeeded was sent; absent: we do not lead. */
  #renewedAt: number | undefined
  #setBack: Error | undefined

  constructor(options: ElectionOptions) {
    this.#options = options
    this.acquired.promise.catch(() => {}) // Whoever waits for it hears of it; nobody has to.
  }

  held(): boolean {
    return (
      this.#setBack === undefined &&
      this.#renewedAt !== undefined &&
      this.#options.clock.boot() - this.#renewedAt < renewWithinMs
    )
  }

  async run(): Promise<void> {
    const { signal, timers, random, onLost } = this.#options
    let led = false
    while (!signal.aborted) {
      await this.#attempt()
      if (this.held() && !led) {
        led = true
        this.acquired.resolve()
      }
      if (this.#setBack || (led && !this.held())) {
        this.#renewedAt = undefined
        onLost(this.#setBack ?? new Error(`the lease ${this.#options.lease.name} was lost`))
        return
      }
      await pause(retryMs * (led ? 1 : 1 + random() * 0.2), { timers, signal })
    }
    this.acquired.reject(signal.reason)
    if (this.held()) await this.#release()
  }

  /** Takes or renews the lease if it may. Errors are reported: only time decides what they mean. */
  async #attempt(): Promise<void> {
    const { clock, identity, onError } = this.#options
    const patience = this.#patience()
    try {
      if (!this.#mine()) await this.#look(patience.signal)
      if (this.#seen && !this.#mine() && !this.#free(this.#seen)) return
      const sentAt = clock.boot()
      await this.#write(this.#claim(this.#seen), patience.signal)
      this.#renewedAt = sentAt
    } catch (error) {
      // Somebody else wrote: whether they have taken it, the next look says.
      if (isConflict(error) || isAlreadyExists(error)) await this.#lookAfterConflict(patience.signal)
      else onError(new Error(`asking for the lease as ${identity}`, { cause: error }))
    } finally {
      patience.end()
    }
  }

  async #lookAfterConflict(signal: AbortSignal): Promise<void> {
    try {
      await this.#look(signal)
    } catch (error) {
      this.#options.onError(new Error('looking at the lease', { cause: error }))
      return
    }
    if (!this.#mine()) this.#renewedAt = undefined
  }

  /** A request that hangs must not keep us from noticing that time is up. */
  #patience() {
    const { timers, clock } = this.#options
    const left = this.held() ? (this.#renewedAt ?? 0) + renewWithinMs - clock.boot() : renewWithinMs
    const controller = new AbortController()
    const timer = timers.set(() => controller.abort(new Error('no answer in time')), left)
    return { signal: controller.signal, end: () => timers.clear(timer) }
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#see(await this.#options.client.get(leases, this.#options.lease, { signal, lane: 'Urgent' }))
  }

  #see(lease: Lease | undefined): void {
    const before = this.#seen?.metadata.resourceVersion
    const now = lease?.metadata.resourceVersion
    // Also if it says that it is ours: what we know is of a time that never was.
    if (before !== undefined && now !== undefined && isOlder(now, before)) {
      this.#setBack ??= new Error(`the API server was set back: its lease is of version ${now}, after ${before}`)
    }
    if (lease?.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) {
      this.#seenAt = this.#options.clock.boot()
    }
    this.#seen = lease
  }

  #mine(): boolean {
    return this.#seen?.spec?.holderIdentity === this.#options.identity
  }

  /** Its holder gave it back, or has been silent for as long as it said it might be. */
  #free({ spec = {} }: Lease): boolean {
    const waitMs = Math.max(leaseMs, (spec.leaseDurationSeconds ?? 0) * 1000)
    return !spec.holderIdentity || this.#options.clock.boot() - this.#seenAt >= waitMs
  }

  #claim(before: Lease | undefined): NonNullable<Lease['spec']> {
    const now = toMicroTime(this.#options.clock.now())
    const kept = this.#mine() ? before?.spec : undefined
    const transitions = before?.spec?.leaseTransitions ?? 0
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: leaseMs / 1000,
      acquireTime: kept?.acquireTime ?? now,
      renewTime: now,
      leaseTransitions: kept || !before ? transitions : transitions + 1,
    }
  }

  async #write(spec: NonNullable<Lease['spec']>, signal: AbortSignal): Promise<void> {
    const { client, lease } = this.#options
    const seen = this.#seen
    if (seen) return this.#see(await client.replace(leases, { ...seen, spec }, { signal, lane: 'Urgent' }))
    const draft: Draft<Lease> = { metadata: { ...lease, ...(await this.#options.owned?.()) }, spec }
    this.#see(await client.create(leases, draft, { signal, lane: 'Urgent' }))
  }

  async #release(): Promise<void> {
    const { timers, clock, onError } = this.#options
    this.#renewedAt = undefined // From here on it may be somebody else's.
    const controller = new AbortController()
    const timer = timers.set(() => controller.abort(new Error('no answer in time')), releaseWithinMs)
    try {
      const now = toMicroTime(clock.now())
      await this.#write(
        { ...this.#seen?.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now },
        controller.signal,
      )
    } catch (error) {
      onError(new Error('giving the lease back', { cause: error }))
    } finally {
      timers.clear(timer)
    }
  }
}
