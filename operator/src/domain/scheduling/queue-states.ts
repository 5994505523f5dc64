// How the queues stand, for those who look at them. A pass over all jobs and bookings.

import type { Booking, JobFact, QueueFact, QueueState } from './facts.ts'
import { averageAt, dominantShare, halfLifeMs } from './fair-share.ts'
import { gpusOf } from './ground.ts'
import { type Branch, type Taken, unnamed } from './queue-tree.ts'
import { type Account, borrowed, lentPart, offered } from './quota.ts'

interface Seen {
  /** Queue `default` has none where it is nobody's. */
  readonly facts: ReadonlyMap<string, QueueFact>
  readonly all: Taken
  readonly atMs: number
  readonly bookings: Iterable<Booking>
  readonly waiting: Iterable<JobFact>
}

/** A model may have any name, `constructor` too: no plain object. */
type Counts = Map<string, number>

export function queueStates(branches: ReadonlyMap<string, Branch>, seen: Seen): readonly QueueState[] {
  const usage = new Map<Branch, Counts>()
  const pending = new Map<Branch, Counts>()
  for (const booking of seen.bookings) {
    const { queue = unnamed, model } = booking
    if (model !== undefined) count(usage, branches.get(queue), { what: model, much: gpusOf(booking) })
  }
  for (const { queue = unnamed, priority } of seen.waiting)
    count(pending, branches.get(queue), { what: String(priority), much: 1 })

  const lent = lentOf(branches.values())
  const fair = fairShares(branches, (branch) => branch.running > 0 || pending.has(branch))
  return [...branches.values()]
    .filter(({ fact }) => seen.facts.has(fact.name))
    .toSorted((a, b) => (a.fact.name < b.fact.name ? -1 : 1))
    .map((branch): QueueState => {
      const share = dominantShare(branch.taken, seen.all)
      const { name, parent } = branch.fact
      return {
        name,
        ...(parent === undefined ? {} : { parent }),
        state: branch.state,
        usage: Object.fromEntries(usage.get(branch) ?? []),
        share: Math.min(1, share),
        averageShare: branch.average
          ? Math.min(1, averageAt(branch.average, { share, atMs: seen.atMs, halfLife: halfLifeMs }))
          : 0,
        fairShare: fair.get(branch) ?? 0,
        pending: Object.fromEntries(pending.get(branch) ?? []),
        running: branch.running,
        borrowed: amounts(branch, borrowed),
        lent: amounts(branch, (account) => lent.get(account) ?? 0),
      }
    })
}

/** In the queue and in all above it. */
function count(
  counts: Map<Branch, Counts>,
  of: Branch | undefined,
  { what, much }: { readonly what: string; readonly much: number },
): void {
  for (let branch = of; branch; branch = branch.parent) {
    const known: Counts = counts.get(branch) ?? new Map<string, number>()
    counts.set(branch, known)
    known.set(what, Math.round(((known.get(what) ?? 0) + much) * 1000) / 1000)
  }
}

function amounts({ accounts }: Branch, of: (account: Account) => number): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...accounts].flatMap(([model, account]) => {
      const amount = Math.round(of(account)) / 1000
      return amount > 0 ? [[model, amount] as const] : []
    }),
  )
}

/** Parents come before their children. */
function lentOf(branches: Iterable<Branch>): ReadonlyMap<Account, number> {
  const lent = new Map<Account, number>()
  for (const { accounts, children } of branches) {
    for (const [model, parent] of accounts) {
      const those = children.flatMap((child) => child.accounts.get(model) ?? [])
      const part = lentPart({ parent, children: those, lentByParent: lent.get(parent) ?? 0 })
      for (const child of those) lent.set(child, offered(child) * part)
    }
  }
  return lent
}

/** Of what its parent has, by weight among those that have or want something. Parents come before their children. */
function fairShares(
  branches: ReadonlyMap<string, Branch>,
  takesPart: (branch: Branch) => boolean,
): ReadonlyMap<Branch, number> {
  const weights = new Map<Branch | undefined, number>()
  for (const branch of branches.values()) {
    if (!takesPart(branch)) continue
    weights.set(branch.parent, (weights.get(branch.parent) ?? 0) + Math.max(0, branch.fact.weight))
  }
  const shares = new Map<Branch | undefined, number>([[undefined, 1]])
  for (const branch of branches.values()) {
    const weight = takesPart(branch) ? Math.max(0, branch.fact.weight) : 0
    const among = weights.get(branch.parent) ?? 0
    shares.set(branch, among > 0 ? ((shares.get(branch.parent) ?? 0) * weight) / among : 0)
  }
  return shares as ReadonlyMap<Branch, number>
}
