// Feeds the engine with facts and hands its decisions to the jobs. All of it happens in memory.
import { isDeepStrictEqual } from 'node:util'
import type { GpuQueue } from '../../api/gpuqueue.ts'
import { noRules, type OwnerRules } from '../../api/owner-rules.ts'
import {
  bookingOfPlacement,
  bookingOfRun,
  isSameBooking,
  placementHolds,
  type Wish,
  wishOf,
} from '../../domain/lifecycle/engine-facts.ts'
import { queueFact, queueUsage } from '../../domain/lifecycle/gpuqueue-status.ts'
import type { Standing } from '../../domain/lifecycle/job-queue.ts'
import type { KeptJob, KeptRun } from '../../domain/lifecycle/kept.ts'
import type { Preempted } from '../../domain/lifecycle/preempted.ts'
import { awaitsOrder, timesOfRun } from '../../domain/lifecycle/run-times.ts'
import { type Asked, askedBy } from '../../domain/rules/asked.ts'
import { brokenRule } from '../../domain/rules/owner-rules.ts'
import type { Engine } from '../../domain/scheduling/engine.ts'
import type {
  Booking,
  Choice,
  Explanation,
  JobFact,
  NodeFact,
  ProviderFact,
  QueueState,
} from '../../domain/scheduling/facts.ts'
import { isSameQueue } from '../../domain/scheduling/queue-tree.ts'
import type { Reason } from '../../domain/scheduling/reasons.ts'
import type { Clock, TimerHandle, Timers } from '../clock.ts'
import type { When } from '../work-queue.ts'
import { Pace, whenToLook } from './pace.ts'
import { Preemptions } from './preemptions.ts'
import { QueueCounts } from './queue-counts.ts'
import { Standings } from './standings.ts'

/** What the loop needs of the world. */
export interface SchedulingPorts {
  readonly jobOf: (uid: string) => KeptJob | undefined
  /** All runs of a job that still exist, with the provider of each. */
  readonly runsOf: (jobUid: string) => readonly { readonly run: KeptRun; readonly provider: string }[]
  /** Of the GPUs of a node. */
  readonly modelOf: (provider: string, node: string) => string | undefined
  /** The job's reconciler is to look: a decision is there, or, at leisure, a reason to wait. */
  readonly wake: (jobKey: string, when: When) => void
  readonly clock: Clock
  readonly timers: Timers
  /** After each pass that looked at something; `seconds` is its length. */
  readonly observe: (pass: { readonly decisions: number; readonly seconds: number }) => void
}

export interface Scheduling {
  /** Call once when all caches are filled; before that, facts are taken and nothing is decided. */
  readonly begin: () => void
  /** The job, or one of its runs, has changed or is gone. */
  readonly jobChanged: (uid: string) => void
  readonly setProvider: (fact: ProviderFact) => void
  readonly removeProvider: (name: string) => void
  readonly setNode: (fact: NodeFact) => void
  readonly removeNode: (provider: string, name: string) => void
  readonly setQueue: (queue: GpuQueue) => void
  /** @param then when the engine knows it no more. */
  readonly removeQueue: (name: string, then?: () => void) => void
  /** In which queue a job stands, or why none takes it. */
  readonly standingOf: (job: KeptJob) => Standing
  /** The job with what its queue says where it says nothing itself. */
  readonly counted: (job: KeptJob) => KeptJob
  /** By name; counted once in some seconds, however many ask, and anew when queues change. */
  readonly queues: () => ReadonlyMap<string, QueueState>
  /** The engine's choice for the next run of the job, until it is recorded. It preempts those that are not over yet. */
  readonly choiceOf: (uid: string) => Choice | undefined
  /** The run of the job that is to be ended for another one. */
  readonly preemptedOf: (uid: string) => Preempted | undefined
  readonly explain: (uid: string) => Explanation | undefined
}

/** When machines change, those who wait are told anew, in a while and so many at most; the others look by themselves, later. */
const retellMs = 2000
const toldAtOnce = 1000

/** How long nothing happens before those who wait are tried again. */
const passAgainMs = 10_000

/** When an owner's rules change, those who wait are asked about them in a while, so many at a time. */
const askAnewMs = 2000
const askedAtOnce = 500

export function schedulingLoop(engine: Engine, ports: SchedulingPorts): Scheduling {
  return new SchedulingLoop(engine, ports)
}

class SchedulingLoop implements Scheduling {
  readonly #engine: Engine
  readonly #ports: SchedulingPorts
  /** By job uid: decided, and not yet seen to be recorded. */
  readonly #choices = new Map<string, Choice>()
  /** By job uid and run: what the engine has booked. */
  readonly #booked = new Map<string, Map<number, Booking>>()
  /** By job uid: those that may be placed only from some time on. */
  readonly #later = new Map<string, TimerHandle>()
  /** By name: what was said last of a provider. Every heartbeat says it again, and that is no news to those who wait. */
  readonly #providers = new Map<string, ProviderFact>()
  /** By provider: of owners who have any. */
  readonly #rules = new Map<string, OwnerRules>()
  /** Providers whose rules have changed, and who may go there is not asked yet. */
  readonly #ruledAnew = new Set<string>()
  /** By job uid: what the engine was told of those that wait. */
  readonly #refusals = new Map<string, JobFact['refusedBy']>()
  /** Jobs that have a right to hear how the next pass went for them. */
  readonly #touched = new Set<string>()
  /** Jobs that wait for room. */
  readonly #waiting = new Set<string>()
  /** Jobs that no queue takes. */
  readonly #barred = new Set<string>()
  readonly #standings: Standings
  readonly #preemptions: Preemptions
  readonly #counts: QueueCounts
  readonly #pace = new Pace()
  readonly standingOf: Scheduling['standingOf'] = (job) => this.#standings.of(job)
  readonly counted: Scheduling['counted'] = (job) => this.#standings.counted(job)
  readonly queues: Scheduling['queues'] = () => this.#counts.now()
  readonly explain: Scheduling['explain'] = (uid) => this.#engine.explain(uid)
  #begun = false
  #passIsDue = false
  #nextPass: TimerHandle
  #retellIsDue = false

  constructor(engine: Engine, ports: SchedulingPorts) {
    this.#engine = engine
    this.#ports = ports
    this.#counts = new QueueCounts(engine.queues, ports.clock)
    this.#standings = new Standings({
      jobOf: ports.jobOf,
      waiting: () => [...this.#waiting, ...this.#barred, ...this.#preemptions.uids()],
      standsOtherwise: (uid) => this.jobChanged(uid),
      timers: ports.timers,
    })
    this.#preemptions = new Preemptions({
      isBooked: (uid, run) => this.#booked.get(uid)?.has(run) === true,
      drop: (choices) => this.#dropChoices(choices),
      timers: ports.timers,
    })
  }

  begin(): void {
    this.#begun = true
    this.#counts.forget()
    this.#passSoon()
  }

  jobChanged(uid: string): void {
    const job = this.#jobOf(uid)
    const standing = job && this.#standings.of(job)
    const wish: Wish = job ? wishOf(job, this.#ports.clock.now(), standing) : { wish: 'Nothing' }
    this.#forgetStaleChoice(uid, wish)
    if (!this.#choices.has(uid)) {
      this.#preemptions.end(uid)
      if (!job || !awaitsOrder(job, this.#ports.runsOf(uid))) this.#pace.settled(uid)
    }
    this.#bookAnew(uid, job)
    this.#stand(uid, wish)
    this.#standings.say(uid, wish.wish === 'Room' || wish.wish === 'Barred' ? standing : undefined)
    this.#touched.add(uid)
    this.#passSoon()
  }

  setProvider(fact: ProviderFact): void {
    const before = this.#providers.get(fact.name)
    if (isDeepStrictEqual(before, fact)) return
    this.#providers.set(fact.name, fact)
    this.#engine.setProvider(fact)
    if (!isDeepStrictEqual(before?.rules, fact.rules)) this.#ruleAnew(fact.name, fact.rules)
    if (fact.state !== 'Connected') this.#preemptions.left(fact.name)
    if (fact.state === 'NotReady')
      this.#dropChoices([...this.#choices.values()].filter((one) => one.provider === fact.name))
    this.#machinesChanged()
  }

  removeProvider(name: string): void {
    this.#providers.delete(name)
    this.#engine.removeProvider(name)
    this.#ruleAnew(name, undefined)
    this.#machinesChanged()
  }

  setNode(fact: NodeFact): void {
    this.#engine.setNode(fact)
    this.#machinesChanged()
  }

  removeNode(provider: string, name: string): void {
    this.#engine.removeNode(provider, name)
    this.#machinesChanged()
  }

  setQueue(queue: GpuQueue): void {
    const isNew = this.#standings.get(queue.metadata.name) === undefined
    if (!this.#standings.set(queue)) return
    this.#counts.forget()
    this.#engine.setQueue(queueFact(queue))
    const usage = isNew ? queueUsage(queue) : undefined
    if (usage) this.#engine.setUsage(usage)
    this.#passSoon()
  }

  /** Its jobs leave it first: nobody is to wait in a queue whose bounds are not known. */
  removeQueue(name: string, then?: () => void): void {
    this.#standings.remove(name, () => {
      this.#counts.forget()
      this.#engine.removeQueue(name)
      this.#passSoon()
      then?.()
    })
  }

  choiceOf(uid: string): Choice | undefined {
    return this.#preemptions.asOf(this.#choices.get(uid))
  }

  preemptedOf(uid: string): Preempted | undefined {
    return this.#preemptions.of(uid)
  }

  /**
   * An owner has other rules than before: who may go there is asked again of all that wait. In a while and some at a time,
   * for an agent may change them with every breath; until then its own refusal stands.
   */
  #ruleAnew(provider: string, rules: ProviderFact['rules']): void {
    if (rules && !isDeepStrictEqual(rules, noRules)) this.#rules.set(provider, rules)
    else if (!this.#rules.delete(provider)) return
    this.#ruledAnew.add(provider)
    if (this.#ruledAnew.size === 1) this.#ports.timers.set(() => this.#askAnew([...this.#waiting]), askAnewMs)
  }

  #askAnew(uids: readonly string[], providers: readonly string[] = [...this.#ruledAnew]): void {
    this.#ruledAnew.clear()
    for (const uid of uids.slice(0, askedAtOnce)) {
      const said = this.#refusals.get(uid)
      const asked = this.#askedBy(uid)
      const isOther = (provider: string) => this.#refusalBy(provider, asked) !== said?.[provider]
      if (this.#waiting.has(uid) && providers.some(isOther)) this.jobChanged(uid)
    }
    const rest = uids.slice(askedAtOnce)
    if (rest.length > 0) this.#ports.timers.set(() => this.#askAnew(rest, providers), 0)
  }

  #jobOf(uid: string): KeptJob | undefined {
    const job = this.#ports.jobOf(uid)
    return job && this.#standings.counted(job)
  }

  #askedBy(uid: string): Asked | undefined {
    const job = this.#jobOf(uid)
    return job && askedBy(job.metadata, job.spec, job.needs.asked)
  }

  #refusalBy(provider: string, asked: Asked | undefined): Reason | undefined {
    const rules = this.#rules.get(provider)
    return rules && asked && brokenRule(rules, asked)?.rule
  }

  /** What the engine is told of the owners who do not let it run; remembered for as long as it waits. */
  #refusalsOf(uid: string): JobFact['refusedBy'] {
    const asked = this.#rules.size === 0 ? undefined : this.#askedBy(uid)
    const refusals = [...this.#rules.keys()].flatMap((provider) => {
      const rule = this.#refusalBy(provider, asked)
      return rule ? [[provider, rule] as const] : []
    })
    this.#refusals.delete(uid)
    if (refusals.length === 0) return undefined
    const refusedBy = Object.fromEntries(refusals)
    this.#refusals.set(uid, refusedBy)
    return refusedBy
  }

  /** Somebody may get in; and what was said of those who wait, such as that they never fit, may be wrong by now. */
  #machinesChanged(): void {
    this.#passSoon()
    if (this.#retellIsDue || this.#waiting.size === 0) return
    this.#retellIsDue = true
    this.#ports.timers.set(() => {
      this.#retellIsDue = false
      for (const uid of this.#waiting.values().take(toldAtOnce)) this.#touched.add(uid)
      this.#passSoon()
    }, retellMs)
  }

  /** What is not recorded yet is chosen anew. */
  #dropChoices(dropped: readonly Choice[]): void {
    for (const { uid } of dropped) {
      this.#choices.delete(uid)
      this.jobChanged(uid)
    }
  }

  /**
   * A choice stands while the job still wants just that run; else it was recorded, or the job has changed its mind. One
   * that waits for others to end is also of its queue alone. Any other one may be on its way into the record already.
   */
  #forgetStaleChoice(uid: string, wish: Wish): void {
    const choice = this.#choices.get(uid)
    const isWanted = wish.wish === 'Room' && wish.fact.run === choice?.run
    const stays = isWanted && (isSameQueue(wish.fact, choice) || !this.#preemptions.isWaiting(choice))
    if (choice && !stays) this.#choices.delete(uid)
  }

  #bookAnew(uid: string, job: KeptJob | undefined): void {
    const before = this.#booked.get(uid) ?? new Map<number, Booking>()
    const after = this.#bookingsOf(uid, job)
    for (const run of before.keys()) if (!after.has(run)) this.#engine.release(uid, run)
    if (before.size > after.size) for (const other of this.#preemptions.waitingFor(uid)) this.#touched.add(other)
    for (const [run, booking] of after) if (!isSameBooking(before.get(run), booking)) this.#engine.book(booking)
    if (after.size > 0) this.#booked.set(uid, after)
    else this.#booked.delete(uid)
  }

  /** Later sources know more: a choice, the record of it, the run with its real nodes. */
  #bookingsOf(uid: string, job: KeptJob | undefined): Map<number, Booking> {
    const bookings = new Map<number, Booking>()
    const choice = this.#choices.get(uid)
    if (choice) bookings.set(choice.run, choice)
    const placement = job?.status?.placement
    const runs = this.#ports.runsOf(uid)
    const placedRun = runs.find(({ run }) => run.spec.run === placement?.run)?.run
    if (job && placement && placementHolds(job, placedRun))
      bookings.set(placement.run, bookingOfPlacement(job, placement, this.#modelOf(placement)))
    for (const { run, provider } of runs) {
      const counts = bookings.get(run.spec.run) ?? this.#booked.get(uid)?.get(run.spec.run)
      const model = counts?.model ?? this.#modelOf({ provider, nodes: run.spec.nodes })
      const booking = bookingOfRun(run, provider, { ...counts, model, ...timesOfRun(run, job) })
      if (booking) bookings.set(run.spec.run, booking)
    }
    return bookings
  }

  #modelOf({ provider, nodes }: Pick<Booking, 'provider' | 'nodes'>): string | undefined {
    return this.#ports.modelOf(provider, nodes[0]?.name ?? '')
  }

  #stand(uid: string, wish: Wish): void {
    const { timers, clock } = this.#ports
    if (this.#later.has(uid)) timers.clear(this.#later.get(uid))
    this.#later.delete(uid)
    if (wish.wish === 'Room' && !this.#choices.has(uid)) this.#waiting.add(uid)
    else this.#waiting.delete(uid)
    if (wish.wish === 'Barred') this.#barred.add(uid)
    else this.#barred.delete(uid)
    if (!this.#waiting.has(uid)) this.#refusals.delete(uid)
    if (wish.wish === 'Room') {
      if (!this.#choices.has(uid)) this.#engine.wait({ ...wish.fact, refusedBy: this.#refusalsOf(uid) })
    } else this.#engine.withdraw(uid)
    const atMs = wish.wish === 'Later' ? wish.atMs : wish.wish === 'Room' ? wish.changesAtMs : undefined
    if (atMs === undefined) return
    const look = () => this.jobChanged(uid)
    this.#later.set(uid, timers.set(look, Math.max(1, atMs - clock.now())))
  }

  #passSoon(): void {
    if (!this.#begun || this.#passIsDue) return
    this.#passIsDue = true
    this.#ports.timers.set(() => this.#pass(), this.#pace.restMs(this.#ports.clock.boot()))
  }

  #pass(): void {
    const { clock, timers, jobOf, runsOf, wake, observe } = this.#ports
    this.#passIsDue = false
    const started = clock.boot()
    const limit = this.#pace.left(started)
    const decisions = this.#engine.decide({ nowMs: clock.now(), limit })
    for (const decision of decisions) {
      const { uid, run } = decision
      this.#choices.set(uid, decision)
      this.#waiting.delete(uid)
      this.#booked.set(uid, (this.#booked.get(uid) ?? new Map<number, Booking>()).set(run, decision))
      const victims = this.#preemptions.begin(decision)
      for (const victim of victims) this.#touched.add(victim)
      if (victims.length === 0) this.#pace.chosen(uid, started)
    }
    const isCut = decisions.length >= limit
    const tellsAll = this.#pace.tellsAll(isCut, started)
    // Those that are placed go before those that only hear why they are not: at the start that is all there are.
    for (const uid of new Set([...decisions.map((decision) => decision.uid), ...this.#touched])) {
      const waits = this.#waiting.has(uid)
      if (waits && !tellsAll) continue
      this.#touched.delete(uid)
      const job = jobOf(uid)
      if (!job) continue
      const isWaitedFor = this.#choices.has(uid) || this.preemptedOf(uid) !== undefined
      const when = waits ? 'AtLeisure' : whenToLook(job, runsOf(uid), isWaitedFor)
      wake(`${job.metadata.namespace}/${job.metadata.name}`, when)
    }
    observe({ decisions: decisions.length, seconds: this.#pace.passed(started, clock.boot()) / 1000 })
    // Who waits may get in by time alone, such as when those who may be preempted are no longer guarded.
    timers.clear(this.#nextPass)
    const againMs = isCut ? Math.min(passAgainMs, this.#pace.freesAfterMs(started)) : passAgainMs
    if (this.#waiting.size > 0) this.#nextPass = timers.set(() => this.#passSoon(), againMs)
  }
}
