// Which runs are to be ended for which jobs, until the jobs are recorded. In memory alone: what is lost with it is decided again.
import { DEFAULT_QUEUE } from '../../api/gpuqueue.ts'
import type { Preempted } from '../../domain/lifecycle/preempted.ts'
import type { Choice } from '../../domain/scheduling/facts.ts'
import { mostEndingMs } from '../../domain/scheduling/preemption.ts'
import type { Timers } from '../clock.ts'

export interface PreemptionPorts {
  /** Whether that run of a job still holds its GPUs. */
  readonly isBooked: (uid: string, run: number) => boolean
  /** They are to be chosen anew. */
  readonly drop: (choices: readonly Choice[]) => void
  readonly timers: Timers
}

export class Preemptions {
  readonly #ports: PreemptionPorts
  /** By uid of the job that gets the GPUs. */
  readonly #choices = new Map<string, Choice>()
  /** By uid of the job that loses a run: all the choices that want one of its runs. */
  readonly #wanting = new Map<string, Set<Choice>>()

  constructor(ports: PreemptionPorts) {
    this.#ports = ports
  }

  /** Where those whose GPUs it gets do not end, it looks for others. Gives the jobs whose runs are to end. */
  begin(choice: Choice): readonly string[] {
    this.end(choice.uid)
    if (!choice.preempts) return []
    this.#choices.set(choice.uid, choice)
    for (const { uid } of choice.preempts)
      this.#wanting.set(uid, (this.#wanting.get(uid) ?? new Set<Choice>()).add(choice))
    this.#ports.timers.set(() => {
      if (this.#choices.get(choice.uid) === choice && this.isWaiting(choice)) this.#ports.drop([choice])
    }, mostEndingMs)
    return choice.preempts.map(({ uid }) => uid)
  }

  /** It is recorded, or does not want them any more: whoever has not been told to end runs on. */
  end(uid: string): void {
    const choice = this.#choices.get(uid)
    this.#choices.delete(uid)
    for (const victim of choice?.preempts ?? []) {
      const wanting = this.#wanting.get(victim.uid)
      if (choice) wanting?.delete(choice)
      if (wanting?.size === 0) this.#wanting.delete(victim.uid)
    }
  }

  /** Nobody ends for them at a provider that is not connected. */
  left(provider: string): void {
    this.#ports.drop([...this.#choices.values()].filter((one) => one.provider === provider && this.isWaiting(one)))
  }

  /** The jobs that get the GPUs of others and are not recorded yet. */
  uids(): Iterable<string> {
    return this.#choices.keys()
  }

  /** A choice as it stands: it preempts those that are not over yet. */
  asOf(choice: Choice | undefined): Choice | undefined {
    if (!choice?.preempts) return choice
    return { ...choice, preempts: choice.preempts.filter(({ uid, run }) => this.#ports.isBooked(uid, run)) }
  }

  /** That run of the job, and for whom it is to be ended. A run that is over hides no later one. */
  of(uid: string): Preempted | undefined {
    for (const { key, queue = DEFAULT_QUEUE, preempts = [] } of this.#wanting.get(uid) ?? []) {
      const victim = preempts.find((one) => one.uid === uid && this.#ports.isBooked(uid, one.run))
      if (victim) return { run: victim.run, key, queue }
    }
    return undefined
  }

  /** The jobs that wait for the end of a run of that one. */
  waitingFor(uid: string): readonly string[] {
    return Array.from(this.#wanting.get(uid) ?? [], (choice) => choice.uid)
  }

  /** Whether others have to end first. */
  isWaiting(choice: Choice): boolean {
    return (this.asOf(choice)?.preempts ?? []).length > 0
  }
}
