// The tree of the queues. What is wrong with it becomes a state of the queues that it touches, never an error.
import { DEFAULT_QUEUE } from '../../api/gpuqueue.ts'
import type { QueueFact, QueueState, QueueUsage } from './facts.ts'
import { type Account, anyModel, lendUp, openAccount } from './quota.ts'

/** Where a job stands that names no queue. It always exists. */
export const unnamed = DEFAULT_QUEUE

interface Queued {
  readonly queue?: string | undefined
}

export function isSameQueue(a: Queued, b: Queued): boolean {
  return (a.queue ?? unnamed) === (b.queue ?? unnamed)
}

/** What jobs take of the federation: thousandths of a GPU, CPU in milli, MiB. */
export interface Taken {
  milliGpus: number
  cpuMilli: number
  memoryMiB: number
}

/** A queue in its tree. */
export interface Branch {
  readonly fact: QueueFact
  readonly state: QueueState['state']
  /** Absent: a root, or its parent is missing, or it lies in a ring. */
  readonly parent: Branch | undefined
  readonly children: Branch[]
  /** By model, and '*'; where no queue of its tree has a quota of that, there is none. */
  readonly accounts: Map<string, Account>
  /** By its own jobs. */
  readonly own: Taken
  /** By the jobs of it and of all below it. */
  readonly taken: Taken
  running: number
  average: Average | undefined
  /** The lowest of its siblings comes first. */
  rank: number
  /** As `rank`, of its own jobs beside the queues below it. */
  ownRank: number
}

/** The moving average of a queue's share, as of the last change of the share. */
export type Average = { -readonly [Field in keyof QueueUsage]: QueueUsage[Field] }

/** By name; parents before their children. */
export function plant(facts: ReadonlyMap<string, QueueFact>): ReadonlyMap<string, Branch> {
  const branches = new Map<string, Branch>()
  for (const name of [...facts.keys()].toSorted()) grow(name, { facts, branches })
  return branches
}

interface Growth {
  readonly facts: ReadonlyMap<string, QueueFact>
  readonly branches: Map<string, Branch>
}

/** From below up to what is planted already, then down again: trees may be deep, and a ring has no top. */
function grow(name: string, { facts, branches }: Growth): void {
  const path: QueueFact[] = []
  const onPath = new Set<string>()
  let above: string | undefined = name
  while (above !== undefined && !branches.has(above) && !onPath.has(above)) {
    const fact = facts.get(above)
    if (!fact) break
    path.push(fact)
    onPath.add(above)
    above = fact.parent
  }
  const ring = above !== undefined && onPath.has(above) ? path.findIndex((fact) => fact.name === above) : path.length
  for (const [i, fact] of [...path.entries()].toReversed()) {
    const parent = i >= ring || fact.parent === undefined ? undefined : branches.get(fact.parent)
    const state = i >= ring ? 'Cycle' : (parent?.state ?? (fact.parent === undefined ? 'Active' : 'ParentMissing'))
    const branch = newBranch(fact, parent, state)
    parent?.children.push(branch)
    branches.set(fact.name, branch)
  }
}

function newBranch(fact: QueueFact, parent: Branch | undefined, state: Branch['state']): Branch {
  return {
    fact,
    state,
    parent,
    children: [],
    accounts: new Map(),
    own: { milliGpus: 0, cpuMilli: 0, memoryMiB: 0 },
    taken: { milliGpus: 0, cpuMilli: 0, memoryMiB: 0 },
    running: 0,
    average: undefined,
    rank: 0,
    ownRank: 0,
  }
}

/** An account of each model of which some queue of a tree has a quota, in every queue of that tree. */
export function openAccounts(branches: Iterable<Branch>): void {
  const all = [...branches]
  const models = new Map<Branch, Set<string>>()
  for (const branch of all) {
    const root = rootOf(branch)
    models.set(root, new Set([...(models.get(root) ?? []), ...Object.keys(branch.fact.quota)]))
  }
  const opened = all.flatMap((branch) =>
    [...(models.get(rootOf(branch)) ?? [])].map((model) => {
      const quota = Object.hasOwn(branch.fact.quota, model) ? branch.fact.quota[model] : undefined
      const account = openAccount(branch.parent?.accounts.get(model), quota)
      branch.accounts.set(model, account)
      return account
    }),
  )
  opened.toReversed().forEach(lendUp)
}

/** That have a say in GPUs of that model. */
export function accountsOf({ accounts }: Branch, model: string): readonly Account[] {
  const [ofAny, ofModel] = [accounts.get(anyModel), accounts.get(model)]
  if (ofAny && ofModel) return [ofAny, ofModel]
  const one = ofAny ?? ofModel
  return one ? [one] : []
}

export function rootOf(branch: Branch): Branch {
  let root = branch
  while (root.parent) root = root.parent
  return root
}
