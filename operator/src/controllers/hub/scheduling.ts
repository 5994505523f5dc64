// Feeds the engine with facts and hands its decisions to the jobs. All of it happens in memory.
import type { GpuJob } from '../../api/gpujob.ts'
import type { GpuRun } from '../../api/gpurun.ts'
import {
  bookingOfPlacement,
  bookingOfRun,
  placementHolds,
  type Wish,
  wishOf,
} from '../../domain/lifecycle/engine-facts.ts'
import type { Engine } from '../../domain/scheduling/engine.ts'
import type { Booking, Decision, Explanation, NodeFact, ProviderFact } from '../../domain/scheduling/facts.ts'
import type { Clock, TimerHandle, Timers } from '../clock.ts'

/** What the loop needs of the world. */
export interface SchedulingPorts {
  readonly jobOf: (uid: string) => GpuJob | undefined
  /** All runs of a job that still exist, with the provider of each. */
  readonly runsOf: (jobUid: string) => readonly { readonly run: GpuRun; readonly provider: string }[]
  /** The job's reconciler is to look: a decision is there, or a reason to wait. */
  readonly wake: (jobKey: string) => void
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
  /** The engine's choice for the next run of the job, until it is recorded. */
  readonly choiceOf: (uid: string) => Decision | undefined
  readonly explain: (uid: string) => Explanation | undefined
}

/** A pass decides this much at most, so that facts and requests get their turn during a burst. */
const decisionsPerPass = 1000

export function schedulingLoop(engine: Engine, ports: SchedulingPorts): Scheduling {
  const choices = new Map<string, Decision>()
  const booked = new Map<string, Map<number, Booking>>()
  const later = new Map<string, TimerHandle>()
  const touched = new Set<string>()
  let begun = false
  let passIsDue = false

  function jobChanged(uid: string): void {
    const job = ports.jobOf(uid)
    const wish: Wish = job ? wishOf(job, ports.clock.now()) : { wish: 'Nothing' }
    forgetStaleChoice(uid, wish)
    bookAnew(uid, job)
    stand(uid, wish)
    touched.add(uid)
    passSoon()
  }

  /** A choice stands while the job still wants just that run; else it was recorded, or the job has changed its mind. */
  function forgetStaleChoice(uid: string, wish: Wish): void {
    const choice = choices.get(uid)
    if (choice && !(wish.wish === 'Room' && wish.fact.run === choice.run)) choices.delete(uid)
  }

  function bookAnew(uid: string, job: GpuJob | undefined): void {
    const before = booked.get(uid) ?? new Map<number, Booking>()
    const after = new Map<number, Booking>()
    const choice = choices.get(uid)
    if (choice) after.set(choice.run, choice)
    const placement = job?.status?.placement
    const runs = ports.runsOf(uid)
    const placedRun = runs.find(({ run }) => run.spec.run === placement?.run)?.run
    if (job && placement && placementHolds(job, placedRun)) after.set(placement.run, bookingOfPlacement(job, placement))
    for (const { run, provider } of runs) {
      const booking = bookingOfRun(run, provider)
      if (booking) after.set(run.spec.run, booking)
    }

    for (const run of before.keys()) if (!after.has(run)) engine.release(uid, run)
    for (const [run, booking] of after) if (!isSame(before.get(run), booking)) engine.book(booking)
    if (after.size > 0) booked.set(uid, after)
    else booked.delete(uid)
  }

  function stand(uid: string, wish: Wish): void {
    if (later.has(uid)) ports.timers.clear(later.get(uid))
    later.delete(uid)
    if (wish.wish === 'Room') {
      if (!choices.has(uid)) engine.wait(wish.fact)
      return
    }
    engine.withdraw(uid)
    if (wish.wish === 'Later')
      later.set(
        uid,
        ports.timers.set(() => jobChanged(uid), Math.max(1, wish.atMs - ports.clock.now())),
      )
  }

  function passSoon(): void {
    if (!begun || passIsDue) return
    passIsDue = true
    ports.timers.set(pass, 0)
  }

  function pass(): void {
    passIsDue = false
    const started = ports.clock.boot()
    const decisions = engine.decide(decisionsPerPass)
    for (const decision of decisions) {
      choices.set(decision.uid, decision)
      booked.set(decision.uid, (booked.get(decision.uid) ?? new Map<number, Booking>()).set(decision.run, decision))
      touched.add(decision.uid)
    }
    for (const uid of touched) {
      const job = ports.jobOf(uid)
      if (job) ports.wake(`${job.metadata.namespace}/${job.metadata.name}`)
    }
    touched.clear()
    ports.observe({ decisions: decisions.length, seconds: (ports.clock.boot() - started) / 1000 })
    if (decisions.length === decisionsPerPass) passSoon()
  }

  /** A fact about the machines: it may let somebody in. */
  function told<Args extends unknown[]>(tell: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      tell(...args)
      passSoon()
    }
  }

  return {
    begin: () => {
      begun = true
      passSoon()
    },
    jobChanged,
    setProvider: told(engine.setProvider.bind(engine)),
    removeProvider: told(engine.removeProvider.bind(engine)),
    setNode: told(engine.setNode.bind(engine)),
    removeNode: told(engine.removeNode.bind(engine)),
    choiceOf: (uid) => choices.get(uid),
    explain: (uid) => engine.explain(uid),
  }
}

function isSame(a: Booking | undefined, b: Booking): boolean {
  if (a === b) return true
  if (a?.provider !== b.provider || a.nodes.length !== b.nodes.length) return false
  return a.nodes.every(({ name, workers }, i) => b.nodes[i]?.name === name && b.nodes[i].workers === workers)
}
