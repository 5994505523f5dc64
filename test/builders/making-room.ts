// An engine in which somebody finds no room, and what it decides then, as text.
import { createEngine, type Engine } from '../../operator/src/domain/scheduling/engine.ts'
import type { Booking, Choice, JobFact, QueueFact } from '../../operator/src/domain/scheduling/facts.ts'
import { booking, nodeFact, providerFact, rendered } from './scheduling.ts'

export const nowMs = 3_600_000
export const minute = 60_000

export function queue(name: string, change: Partial<QueueFact> = {}): QueueFact {
  const preemption = { withinQueue: 'LowerPriority', reclaim: 'Any', minRuntimeMs: 0 } as const
  return { name, weight: 1, quota: { '*': { guaranteed: 8 } }, preemption, ...change }
}

/** A run that began ten minutes ago. */
export function run(
  uid: string,
  on: string,
  { gpus = 8, ...more }: Partial<Booking> & { gpus?: number } = {},
): Booking {
  const nodes = [{ name: on, workers: 1 }]
  const perWorker = { ...booking().perWorker, gpus }
  return booking({ uid, nodes, perWorker, queue: 'a', priority: 0, startedMs: nowMs - 10 * minute, ...more })
}

interface World {
  readonly nodes?: readonly string[]
  readonly bookings?: readonly Booking[]
  readonly queues?: readonly QueueFact[]
  readonly jobs: readonly JobFact[]
}

export function engineOf({ nodes = ['n1'], bookings = [], queues = [], jobs }: World): Engine {
  return createEngine({
    providers: [providerFact()],
    nodes: nodes.map((name) => nodeFact({ name })),
    bookings,
    waiting: jobs,
    queues,
    usages: [],
  })
}

/** `job@acme:n1×1 for low` */
export function told(choices: readonly Choice[]): readonly string[] {
  return choices.map((choice) => {
    const victims = choice.preempts?.map(({ uid }) => uid).join()
    return rendered(choice) + (victims === undefined ? '' : ` for ${victims}`)
  })
}
