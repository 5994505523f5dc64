// Quota that is kept, while jobs are placed, for those whom their queues let have nothing yet: what comes free in small
// amounts would go to small jobs for ever. Docs in operator/decisions/0039-quota-is-kept-too.md.
import type { JobFact } from './facts.ts'
import type { Line } from './line.ts'
import { accountsOf, type Branch, rootOf, unnamed } from './queue-tree.ts'
import type { Queues } from './queues.ts'
import { anyModel, isItsOwn, take } from './quota.ts'
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
  /** A pass begins: what was kept in the one before is forgotten. */
  readonly renew: () => void
  /** For one more of that tree. */
  readonly mayKeep: (shape: Shape) => boolean
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
  /** Between passes, for who asks why the job waits: as it was in the last one, without what the job may use. */
  readonly asKept: <T>(job: JobFact, what: () => T) => T
  /** Grows when others have quota kept than in the pass before. */
  readonly changes: () => number
}

/** So many in a tree, in the order of the line: each of them costs those who sleep a look, before each pass. */
const mostInTree = 16

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
  const holds = createHolds()
  let passMs = 0
  const isAllowed = (shape: Shape) => allowedOf(shape).length > 0

  function keep(claim: Claim): void {
    const { branch } = claim.shape.lane
    if (!branch) return
    const held = { ...claim, job: first(claim.shape), branch }
    holds.add(held)
    count(held, 1)
  }

  function drop({ uid }: Pick<JobFact, 'uid'>): void {
    const gone = holds.remove(uid)
    if (!gone) return
    count(gone, -1)
    freed(gone.shape.lane.queue)
  }

  /** Who sleeps on quota that is kept hears nothing when some of it comes free: others seem to have it. */
  function settle(nowMs: number): void {
    passMs = nowMs
    for (const shape of holds.compare()) {
      freed(shape.lane.queue)
      if (isAllowed(shape)) line.wake(shape)
    }
    if (holds.isEmpty()) return
    for (const shape of line.sleepers()) {
      if (shape.need.isVain) continue
      const usable = usableBy(first(shape), nowMs)
      if (usable.length > 0 && without(usable, () => isAllowed(shape))) line.wake(shape)
    }
  }

  function usableBy(job: JobFact, nowMs: number): readonly Held[] {
    const branch = queues.planted(job.queue ?? unnamed)
    const here = holds.around(branch)
    if (here.length === 0) return here
    const endsMs = nowMs + (job.maxRuntimeMs ?? Infinity)
    // What is a queue's own is so whatever is kept.
    return without(here, () =>
      here.filter(
        ({ job: claimant, model, lentUntilMs, branch: other }) =>
          job.uid === claimant.uid ||
          endsMs <= lentUntilMs ||
          comesFirst(job, claimant) ||
          (branch !== undefined && isOwed(job, { model, branch, other })),
      ),
    )
  }

  const lifted: KeptQuota['lifted'] = (job, nowMs, what) => without(usableBy(job, nowMs), what)
  return {
    renew: holds.clear,
    mayKeep: ({ lane: { branch } }) => holds.around(branch).length < mostInTree,
    keep,
    settle,
    mayUse: (job, nowMs) => usableBy(job, nowMs).length > 0,
    lifted,
    drop,
    rest: () => countAll(holds.all(), -1),
    asKept: (job, what) => {
      const here = holds.around(queues.planted(job.queue ?? unnamed))
      countAll(here, 1)
      const answer = lifted(job, passMs, what)
      countAll(here, -1)
      return answer
    },
    changes: holds.changes,
  }
}

interface Holds {
  readonly add: (held: Held) => void
  readonly remove: (jobUid: string) => Held | undefined
  readonly clear: () => void
  readonly all: () => Iterable<Held>
  readonly isEmpty: () => boolean
  /** With what was there the last time: gives the shapes for which nothing is any more. */
  readonly compare: () => Iterable<Shape>
  readonly changes: () => number
  /** Of the tree that the branch is in: others have nothing to do with it. */
  readonly around: (branch: Branch | undefined) => readonly Held[]
}

function createHolds(): Holds {
  const byRoot = new Map<Branch, Held[]>()
  const byUid = new Map<string, Held>()
  let compared: readonly Held[] = []
  let changes = 0
  const around = (branch: Branch | undefined) => (branch && byRoot.get(rootOf(branch))) ?? nothing
  return {
    add: (held) => {
      const root = rootOf(held.branch)
      const here = byRoot.get(root)
      if (here) here.push(held)
      else byRoot.set(root, [held])
      byUid.set(held.job.uid, held)
    },
    remove: (uid) => {
      const gone = byUid.get(uid)
      byUid.delete(uid)
      if (!gone) return undefined
      const left = around(gone.branch).filter((held) => held !== gone)
      byRoot.set(rootOf(gone.branch), left)
      changes += 1
      return gone
    },
    clear: () => {
      byRoot.clear()
      byUid.clear()
    },
    all: () => byUid.values(),
    isEmpty: () => byUid.size === 0,
    compare: () => {
      const [before, now] = [compared, [...byUid.values()]]
      if (now.length !== before.length || now.some((held, i) => !isSameHeld(held, before[i]))) changes += 1
      compared = now
      return shapesOf(before).difference(shapesOf(now))
    },
    changes: () => changes,
    around,
  }
}

function shapesOf(all: readonly Held[]): ReadonlySet<Shape> {
  return new Set(all.map(({ shape }) => shape))
}

/** Of a queue whose tree is another one by now it is not the same. */
function isSameHeld(a: Held, b: Held | undefined): boolean {
  return a.job.uid === b?.job.uid && a.model === b.model && a.branch === b.branch
}

function without<T>(usable: readonly Held[], what: () => T): T {
  countAll(usable, -1)
  const done = what()
  countAll(usable, 1)
  return done
}

function countAll(all: Iterable<Held>, sign: 1 | -1): void {
  for (const held of all) count(held, sign)
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
  // Of a model that it cannot have nothing is in its way.
  const asked = job.models.length === 0 || job.models.includes(model) ? model : anyModel
  let each: Branch | undefined = branch
  while (each && hasOwn(each, asked, amount)) {
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
