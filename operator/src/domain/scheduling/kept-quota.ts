// Quota that is kept, while jobs are placed, for those whom their queues let have nothing yet: what comes free in small
// amounts would go to small jobs for ever. Docs in operator/decisions/0039-quota-is-kept-too.md.
import type { JobFact } from './facts.ts'
import type { Line } from './line.ts'
import { accountsOf, type Branch, rootOf, unnamed } from './queue-tree.ts'
import type { Queues } from './queues.ts'
import { isItsOwn, take } from './quota.ts'
import { milliAsked } from './quota-filter.ts'
import { comesFirst, first, type Shape } from './shape.ts'

/** The quota that the first job of a shape is to have. */
export interface Claim {
  readonly shape: Shape
  readonly model: string
  /** Who is over by then may use it, though it does not come first. */
  readonly lentUntilMs: number
}

export interface KeptQuota {
  /** Counted as used from now on, until `rest`. */
  readonly keep: (claim: Claim) => void
  /** Once before each pass, when all is kept that is to be: wakes those who may have quota now. */
  readonly settle: (nowMs: number) => void
  /** Whether some of it is of no hindrance to the job. */
  readonly mayUse: (job: JobFact, nowMs: number) => boolean
  /** Without what the job may use of it. */
  readonly lifted: <T>(job: JobFact, nowMs: number, what: () => T) => T
  /** The job has a place: what was kept for it and is not its own now may go to others. */
  readonly drop: (job: Pick<JobFact, 'uid'>) => void
  /** Nothing is kept between passes: others see quota as it is. */
  readonly rest: () => void
}

interface World {
  readonly queues: Pick<Queues, 'planted'>
  readonly line: Pick<Line, 'sleepers' | 'wake'>
  /** Where its queue lets it go now. */
  readonly allowedOf: (shape: Shape) => readonly unknown[]
  /** Some of the quota of that queue is kept no more. */
  readonly freed: (queue: string) => void
}

interface Held extends Claim {
  readonly job: JobFact
  readonly branch: Branch
}

const nothing: readonly Held[] = []

export function createKeptQuota({ queues, line, allowedOf, freed }: World): KeptQuota {
  /** By the root of their tree: others have nothing to do with each other. */
  const byRoot = new Map<Branch, readonly Held[]>()
  const byUid = new Map<string, Held>()
  let before: readonly Shape[] = []
  const isAllowed = (shape: Shape) => allowedOf(shape).length > 0

  function keep(claim: Claim): void {
    const { branch } = claim.shape.lane
    if (!branch) return
    const held = { ...claim, job: first(claim.shape), branch }
    const root = rootOf(branch)
    byRoot.set(root, [...(byRoot.get(root) ?? []), held])
    byUid.set(held.job.uid, held)
    count(held, 1)
  }

  function rest(): void {
    for (const held of byUid.values()) count(held, -1)
    byRoot.clear()
    byUid.clear()
  }

  function drop({ uid }: Pick<JobFact, 'uid'>): void {
    const gone = byUid.get(uid)
    if (!gone) return
    byUid.delete(uid)
    const root = rootOf(gone.branch)
    byRoot.set(root, byRoot.get(root)?.filter((held) => held !== gone) ?? [])
    count(gone, -1)
    freed(gone.shape.lane.queue)
  }

  /** Who sleeps on quota that is kept hears nothing when some of it comes free: others seem to have it. */
  function settle(nowMs: number): void {
    const shapes = new Set(byUid.values().map(({ shape }) => shape))
    for (const shape of before) {
      if (shapes.has(shape)) continue
      freed(shape.lane.queue)
      if (isAllowed(shape)) line.wake(shape)
    }
    before = [...shapes]
    if (shapes.size === 0) return
    for (const shape of line.sleepers()) {
      if (shape.need.isVain) continue
      const usable = usableBy(first(shape), nowMs)
      if (usable.length > 0 && without(usable, () => isAllowed(shape))) line.wake(shape)
    }
  }

  function usableBy(job: JobFact, nowMs: number): readonly Held[] {
    if (byUid.size === 0) return nothing
    const branch = queues.planted(job.queue ?? unnamed)
    const here = (branch && byRoot.get(rootOf(branch))) ?? nothing
    const endsMs = nowMs + (job.maxRuntimeMs ?? Infinity)
    // What is kept for it is not in its own way.
    const own = here.filter((held) => held.job.uid === job.uid)
    return without(own, () =>
      here.filter(
        ({ job: claimant, model, lentUntilMs, branch: other }) =>
          job.uid === claimant.uid ||
          endsMs <= lentUntilMs ||
          comesFirst(job, claimant) ||
          (branch !== undefined && isOwed(job, { model, branch, other })),
      ),
    )
  }

  return {
    keep,
    settle,
    mayUse: (job, nowMs) => usableBy(job, nowMs).length > 0,
    lifted: (job, nowMs, what) => without(usableBy(job, nowMs), what),
    drop,
    rest,
  }
}

function without<T>(usable: readonly Held[], what: () => T): T {
  for (const held of usable) count(held, -1)
  const done = what()
  for (const held of usable) count(held, 1)
  return done
}

/** In the accounts alone: nobody's share, rank or number of runs changes by it. */
function count({ job, model, branch }: Held, sign: 1 | -1): void {
  for (const account of accountsOf(branch, model)) take(account, sign * milliAsked(job))
}

interface Two {
  readonly model: string
  /** Of the job. */
  readonly branch: Branch
  /** Of the one for which it is kept. */
  readonly other: Branch
}

/** What is guaranteed to the job's queue, and to those above it up to where the two meet. */
function isOwed(job: JobFact, { model, branch, other }: Two): boolean {
  if (branch === other) return false
  const amount = milliAsked(job)
  let each: Branch | undefined = branch
  while (each && hasOwn(each, model, amount)) {
    each = each.parent
    if (each && isAtOrAbove(each, other)) return !isAtOrAbove(branch, other)
  }
  return false
}

function isAtOrAbove(branch: Branch, other: Branch): boolean {
  for (let each: Branch | undefined = other; each; each = each.parent) if (each === branch) return true
  return false
}

/** Whether so much more would be no more than what is guaranteed to the queue, as far as it has quota of that. */
function hasOwn(branch: Branch, model: string, amount: number): boolean {
  const bounds = accountsOf(branch, model)
  return bounds.length > 0 && bounds.every((account) => isItsOwn(account, amount))
}
