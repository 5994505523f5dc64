// Who stands in which queue, and who is to be asked again when queues change.
import { isDeepStrictEqual } from 'node:util'
import { ANY_NAMESPACE, type GpuQueue } from '../../api/gpuqueue.ts'
import { type Queues, type Standing, standingOf, withDefaults } from '../../domain/lifecycle/job-queue.ts'
import type { KeptJob } from '../../domain/lifecycle/kept.ts'
import type { Timers } from '../clock.ts'

/** When queues change, those who wait are asked in a while, so many at a time: a hundred thousand may wait. */
const askAnewMs = 200
const askedAtOnce = 500

export interface StandingsPorts {
  readonly jobOf: (uid: string) => KeptJob | undefined
  /** By uid: those that wait for room, those that no queue takes, and those for whom others are to end first. */
  readonly waiting: () => Iterable<string>
  /** The job stands otherwise than it was told. */
  readonly standsOtherwise: (uid: string) => void
  readonly timers: Timers
}

export class Standings implements Queues {
  readonly #ports: StandingsPorts
  readonly #queues = new Map<string, GpuQueue>()
  readonly #naming = new Map<string, Map<string, GpuQueue>>()
  /** By job uid: what was said of those that wait. */
  readonly #said = new Map<string, Standing>()
  /** To be called when all that wait have been asked. */
  #whenAsked: (() => void)[] = []
  #isAsking = false
  #isDue = false

  constructor(ports: StandingsPorts) {
    this.#ports = ports
  }

  get(name: string): GpuQueue | undefined {
    return this.#queues.get(name)
  }

  naming(namespace: string): readonly GpuQueue[] {
    return [...(this.#naming.get(namespace)?.values() ?? [])]
  }

  /** Whether its spec is another than before. */
  set(queue: GpuQueue): boolean {
    const { name } = queue.metadata
    const before = this.#queues.get(name)
    if (isDeepStrictEqual(before?.spec, queue.spec)) return false
    this.#unname(before)
    this.#queues.set(name, queue)
    for (const namespace of queue.spec.namespaces ?? []) {
      if (namespace === ANY_NAMESPACE) continue
      const those = this.#naming.get(namespace) ?? new Map<string, GpuQueue>()
      this.#naming.set(namespace, those.set(name, queue))
    }
    this.#askSoon()
    return true
  }

  /** @param then when nobody waits in it any more, as far as it has not come again. */
  remove(name: string, then: () => void): void {
    this.#unname(this.#queues.get(name))
    this.#queues.delete(name)
    this.#whenAsked.push(() => {
      if (!this.#queues.has(name)) then()
    })
    this.#askSoon()
  }

  #unname(queue: GpuQueue | undefined): void {
    for (const namespace of queue?.spec.namespaces ?? []) {
      const those = this.#naming.get(namespace)
      those?.delete(queue?.metadata.name ?? '')
      if (those?.size === 0) this.#naming.delete(namespace)
    }
  }

  of(job: KeptJob): Standing {
    return standingOf(job, this)
  }

  /** The job with the defaults of the queue in which it is placed, or stands. */
  counted(job: KeptJob): KeptJob {
    if (this.#queues.size === 0) return job
    const placedIn = job.status?.placement?.queue
    if (placedIn !== undefined) return withDefaults(job, this.get(placedIn)?.spec.defaults)
    const standing = this.of(job)
    return standing.barred ? job : withDefaults(job, standing.defaults)
  }

  /** What is said of a job that waits; `undefined`: it waits no more. */
  say(uid: string, standing: Standing | undefined): void {
    if (standing) this.#said.set(uid, standing)
    else this.#said.delete(uid)
  }

  #askSoon(): void {
    this.#isDue = true
    if (this.#isAsking) return
    this.#isAsking = true
    this.#ports.timers.set(() => this.#askAll(), askAnewMs)
  }

  #askAll(): void {
    this.#isDue = false
    const whenAsked = this.#whenAsked
    this.#whenAsked = []
    this.#ask([...this.#ports.waiting()], () => {
      for (const act of whenAsked) act()
      this.#isAsking = false
      if (this.#isDue) this.#askSoon()
    })
  }

  #ask(uids: readonly string[], then: () => void): void {
    const { jobOf, standsOtherwise, timers } = this.#ports
    for (const uid of uids.slice(0, askedAtOnce)) {
      const said = this.#said.get(uid)
      const job = said && jobOf(uid)
      if (job && !isDeepStrictEqual(this.of(job), said)) standsOtherwise(uid)
    }
    const rest = uids.slice(askedAtOnce)
    if (rest.length > 0) timers.set(() => this.#ask(rest, then), 0)
    else then()
  }
}
