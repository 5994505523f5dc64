// Whom the queues let a job take GPUs from: docs in operator/decisions/0031-preemption.md.
import type { Booking, JobFact, QueueFact } from './facts.ts'
import { gpusOf } from './ground.ts'
import type { Rights } from './preemption.ts'

/** What of the queues preemption asks for. */
export interface QueueBook {
  readonly facts: ReadonlyMap<string, QueueFact>
  /** GPUs that are booked in a queue and in those below it; `*`: of any model. */
  readonly used: (queue: string, model: string) => number
  /** Whether the job may have GPUs of that model where those in `ended` are over. */
  readonly mayHave: (job: JobFact, model: string, ended: readonly Booking[]) => boolean
}

/** Without a GpuQueue of its own that says so a job takes nothing from anybody. */
export function rightsOf(job: JobFact, book: QueueBook, nowMs: number): Rights {
  const own = nameOf(job)
  const rules = book.facts.get(own)?.preemption
  const above = pathOf(own, book.facts)

  function mayTake(run: Booking, ended: readonly Booking[]): boolean {
    if (!rules || run.priority === undefined || run.startedMs === undefined || isGuarded(run)) return false
    const isLower = run.priority < job.priority
    if (nameOf(run) === own) return rules.withinQueue === 'LowerPriority' && isLower
    if (rules.reclaim === 'Never' || (rules.reclaim === 'LowerPriority' && !isLower)) return false
    return isOwed(run, ended)
  }

  function isGuarded(run: Booking): boolean {
    return nowMs - (run.startedMs ?? nowMs) < (book.facts.get(nameOf(run))?.preemption.minRuntimeMs ?? 0)
  }

  /** Each queue above the run, up to where the two meet, has more than its own; and none above the job does, with the job. */
  function isOwed(run: Booking, ended: readonly Booking[]): boolean {
    const path = pathOf(nameOf(run), book.facts)
    const isApart = (queue: string, other: readonly string[]) => !other.includes(queue)
    const model = run.model ?? '*'
    return (
      path.filter((queue) => isApart(queue, above)).every((queue) => hasMore(queue, { model, ended, more: 0 })) &&
      !above
        .filter((queue) => isApart(queue, path))
        .some((queue) => hasMore(queue, { model, ended, more: job.workers * job.perWorker.gpus }))
    )
  }

  /** Whether a queue uses more than what is guaranteed to it, of that model or of all. One below it that has no quota counts for its parent. */
  function hasMore(queue: string, { model, ended, more }: Change): boolean {
    const quota = book.facts.get(queue)?.quota ?? {}
    const kinds = [...new Set([model, '*'])].filter((kind) => Object.hasOwn(quota, kind))
    // What is guaranteed nothing has all that it uses of others; a queue that only groups others says nothing.
    if (kinds.length === 0) return queue === own ? true : isLeaf(queue)
    return kinds.some((kind) => left(queue, kind, ended) + more > (quota[kind]?.guaranteed ?? 0))
  }

  function isLeaf(queue: string): boolean {
    return ![...book.facts.values()].some(({ parent }) => parent === queue)
  }

  function left(queue: string, kind: string, ended: readonly Booking[]): number {
    const gone = ended.filter(
      (run) => (kind === '*' || run.model === kind) && pathOf(nameOf(run), book.facts).includes(queue),
    )
    return book.used(queue, kind) - gone.reduce((sum, run) => sum + gpusOf(run), 0)
  }

  return { mayTake, mayHave: (model, ended) => book.mayHave(job, model, ended) }
}

interface Change {
  readonly model: string
  readonly ended: readonly Booking[]
  /** GPUs that come. */
  readonly more: number
}

function nameOf({ queue = 'default' }: { readonly queue?: string | undefined }): string {
  return queue
}

/** A queue and those above it; a ring is left where it closes. */
export function pathOf(queue: string, facts: ReadonlyMap<string, QueueFact>): readonly string[] {
  const path = [queue]
  for (let parent = facts.get(queue)?.parent; parent !== undefined; parent = facts.get(parent)?.parent) {
    if (path.includes(parent)) break
    path.push(parent)
  }
  return path
}
