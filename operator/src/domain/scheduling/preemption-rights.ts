// Whom the queues let a job take GPUs from: docs in operator/decisions/0031-preemption.md.
import type { Booking, JobFact, QueueFact } from './facts.ts'
import { gpusOf } from './ground.ts'
import type { Rights } from './preemption.ts'
import { unnamed } from './queue-tree.ts'
import { isOfKind, type Used } from './queue-use.ts'
import { anyModel, milli } from './quota.ts'

/** What of the queues preemption asks for. */
export interface QueueBook extends Used {
  readonly facts: ReadonlyMap<string, QueueFact>
  /** Whether the job may have GPUs of that model where those in `ended` are over. */
  readonly mayHave: (job: JobFact, model: string, ended: readonly Booking[]) => boolean
}

/** Without a GpuQueue of its own that says so a job takes nothing from anybody. */
export function rightsOf(job: JobFact, book: QueueBook, nowMs: number): Rights {
  const own = nameOf(job)
  const rules = book.facts.get(own)?.preemption
  const above = book.pathOf(own)
  /** By queue and model of a run, while nobody has ended: thousands of runs ask the same. */
  const owed = new Map<string, boolean>()

  function mayTake(run: Booking, ended: readonly Booking[]): boolean {
    if (!rules || run.priority === undefined || run.startedMs === undefined || isGuarded(run)) return false
    const isLower = run.priority < job.priority
    if (nameOf(run) === own) return rules.withinQueue === 'LowerPriority' && isLower
    if (rules.reclaim === 'Never' || (rules.reclaim === 'LowerPriority' && !isLower)) return false
    return ended.length === 0 ? isOwedNow(run) : isOwed(run, ended)
  }

  function isGuarded(run: Booking): boolean {
    return nowMs - (run.startedMs ?? nowMs) < (book.facts.get(nameOf(run))?.preemption.minRuntimeMs ?? 0)
  }

  function isOwedNow(run: Booking): boolean {
    const key = `${nameOf(run)} ${run.model ?? anyModel}`
    const known = owed.get(key) ?? isOwed(run, [])
    owed.set(key, known)
    return known
  }

  /** Each queue above the run, up to where the two meet, has more than its own; and none above the job does, with the job. */
  function isOwed(run: Booking, ended: readonly Booking[]): boolean {
    const path = book.pathOf(nameOf(run))
    const isApart = (queue: string, other: readonly string[]) => !other.includes(queue)
    const model = run.model ?? anyModel
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
    const kinds = [...new Set([model, anyModel])].filter((kind) => Object.hasOwn(quota, kind))
    // What is guaranteed nothing has all that it uses of others; a queue that only groups others says nothing.
    if (kinds.length === 0) return queue === own ? true : book.isLeaf(queue)
    return kinds.some((kind) => left(queue, kind, ended) + milli(more) > milli(quota[kind]?.guaranteed ?? 0))
  }

  /** In thousandths. */
  function left(queue: string, kind: string, ended: readonly Booking[]): number {
    const gone = ended.filter((run) => isOfKind(run, kind) && book.pathOf(nameOf(run)).includes(queue))
    return milli(book.used(queue, kind)) - gone.reduce((sum, run) => sum + milli(gpusOf(run)), 0)
  }

  return { mayTake, mayHave: (model, ended) => book.mayHave(job, model, ended) }
}

interface Change {
  readonly model: string
  readonly ended: readonly Booking[]
  /** GPUs that come. */
  readonly more: number
}

function nameOf({ queue = unnamed }: { readonly queue?: string | undefined }): string {
  return queue
}
