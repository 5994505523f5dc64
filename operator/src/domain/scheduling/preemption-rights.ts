// Whom the queues let a job take GPUs from: docs in operator/decisions/0031-preemption.md.
import { bookingKey } from './bookings.ts'
import type { Booking, JobFact, QueueFact } from './facts.ts'
import { gpusOf } from './ground.ts'
import { mostEndingMs, type Rights } from './preemption.ts'
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
  /** Who goes already is nobody's surplus: else two would take the same one, and a queue be left with less than its own. */
  const leaving = book.leaving().filter(({ endingMs = nowMs }) => nowMs - endingMs < mostEndingMs)
  const leavingKeys = new Set(leaving.map(({ uid, run }) => bookingKey(uid, run)))
  /** By queue and model of a run: thousands of them ask the same, with this and that over. */
  const questions = new Map<string, Question | 'Never'>()

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

  function isOwed(run: Booking, ended: readonly Booking[]): boolean {
    const key = `${nameOf(run)} ${run.model ?? anyModel}`
    const question = questions.get(key) ?? asked(run)
    questions.set(key, question)
    if (question === 'Never') return false
    const hasMore = (bounds: Bounds) => bounds.some((bound) => bound.beyond > gone(bound, ended))
    return question.allOf.every(hasMore) && !question.noneOf.some(hasMore)
  }

  /** Each queue above the run, up to where the two meet, has more than its own; and none above the job does, with the job. */
  function asked(run: Booking): Question | 'Never' {
    const path = book.pathOf(nameOf(run))
    const boundsOf = (queues: readonly string[], others: readonly string[], more: number) =>
      queues.filter((queue) => !others.includes(queue)).map((queue) => bounds(queue, { model: run.model, more }))
    const allOf = boundsOf(path, above, 0)
    const noneOf = boundsOf(above, path, job.workers * job.perWorker.gpus)
    if (allOf.includes('HasNoMore') || noneOf.includes('HasMore')) return 'Never'
    return { allOf: allOf.filter(isOpen), noneOf: noneOf.filter(isOpen) }
  }

  /** What a queue uses beyond what is guaranteed to it, of that model or of all. One below it that has no quota counts for its parent. */
  function bounds(queue: string, { model = anyModel, more }: Change): Bounds | 'HasMore' | 'HasNoMore' {
    const quota = book.facts.get(queue)?.quota ?? {}
    const kinds = [...new Set([model, anyModel])].filter((kind) => Object.hasOwn(quota, kind))
    // What is guaranteed nothing has all that it uses of others; a queue that only groups others says nothing.
    if (kinds.length === 0) return queue === own || book.isLeaf(queue) ? 'HasMore' : 'HasNoMore'
    return kinds.map((kind) => {
      const guaranteed = milli(quota[kind]?.guaranteed ?? 0)
      const used = milli(book.used(queue, kind)) - usedBy(leaving, { queue, kind })
      return { queue, kind, beyond: used + milli(more) - guaranteed }
    })
  }

  function gone(bound: Bound, ended: readonly Booking[]): number {
    return usedBy(leaving.length === 0 ? ended : ended.filter(isStaying), bound)
  }

  function isStaying({ uid, run }: Booking): boolean {
    return !leavingKeys.has(bookingKey(uid, run))
  }

  function usedBy(runs: readonly Booking[], { queue, kind }: Pick<Bound, 'queue' | 'kind'>): number {
    let sum = 0
    for (const run of runs)
      if (isOfKind(run, kind) && book.pathOf(nameOf(run)).includes(queue)) sum += milli(gpusOf(run))
    return sum
  }

  return { mayTake, mayHave: (model, ended) => book.mayHave(job, model, ended) }
}

interface Change {
  readonly model: string | undefined
  /** GPUs that come. */
  readonly more: number
}

/** Of one kind, in thousandths of a GPU: what a queue uses beyond its own. */
interface Bound {
  readonly queue: string
  readonly kind: string
  readonly beyond: number
}

/** Of one queue: it has more than its own where one of them says so. */
type Bounds = readonly Bound[]

interface Question {
  readonly allOf: readonly Bounds[]
  readonly noneOf: readonly Bounds[]
}

function isOpen(bounds: Bounds | string): bounds is Bounds {
  return typeof bounds !== 'string'
}

function nameOf({ queue = unnamed }: { readonly queue?: string | undefined }): string {
  return queue
}
