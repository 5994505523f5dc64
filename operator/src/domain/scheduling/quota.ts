// What a queue may take: its own, and what the queues around it lend. The arithmetic is that of Kueue
// (pkg/cache/scheduler/resource_node.go), see decision 0028. Amounts are thousandths of a GPU.
import { ANY_MODEL } from '../../api/gpuqueue.ts'
import type { Quota } from './facts.ts'

/** In quota: GPUs of any model. */
export const anyModel = ANY_MODEL

/** A queue's account of one model, or of GPUs of any model. */
export interface Account {
  readonly parent: Account | undefined
  /** A root that names no quota of the model shares all that there is. */
  readonly bounded: boolean
  readonly guaranteed: number
  readonly borrowLimit: number
  readonly lendLimit: number
  /** What is guaranteed to it, and what the queues below lend to it. */
  pool: number
  /** What its own jobs have, and what the queues below have beyond what they keep. */
  used: number
}

/** The pool is filled from below: by `lendUp`, the deepest first. */
export function openAccount(parent: Account | undefined, quota: Quota | undefined): Account {
  const guaranteed = milli(quota?.guaranteed ?? 0)
  return {
    parent,
    bounded: parent !== undefined || quota !== undefined,
    guaranteed,
    borrowLimit: milli(quota?.borrowLimit ?? Infinity),
    lendLimit: milli(quota?.lendLimit ?? Infinity),
    pool: guaranteed,
    used: 0,
  }
}

/** Whole numbers, so that sums do not depend on their order. */
export function milli(gpus: number): number {
  return gpus > 0 ? Math.round(gpus * 1000) : 0
}

/** Of its pool, what no other may have. */
export function kept({ pool, lendLimit }: Account): number {
  return Math.max(0, pool - lendLimit)
}

/** Of its pool, what others may have while it stands idle. */
export function lendable(account: Account): number {
  return account.pool - kept(account)
}

/** What it has out of the pool of its parent: all beyond what it keeps. */
export function overflow(account: Account): number {
  return Math.max(0, account.used - kept(account))
}

/** What it may still take without asking its parent. */
export function idle(account: Account): number {
  return Math.max(0, kept(account) - account.used)
}

/** What it may still take out of the pool of its parent, were that pool endless. */
function allowance(account: Account): number {
  return lendable(account) - overflow(account) + account.borrowLimit
}

/** What is left in the pool of a root. */
function rest({ bounded, pool, used }: Account): number {
  return bounded ? pool - used : Infinity
}

/** What it has beyond its own. */
export function borrowed({ bounded, pool, used }: Account): number {
  return bounded ? Math.max(0, used - pool) : 0
}

/** What is its own, idle, and on offer to others. */
export function offered(account: Account): number {
  return Math.max(0, lendable(account) - overflow(account))
}

interface Family {
  readonly parent: Account
  readonly children: readonly Account[]
  /** What of the parent's own others have. */
  readonly lentByParent: number
}

/** The part of what the children offer that others have: as much as the family needs beyond the parent's own. */
export function lentPart({ parent, children, lentByParent }: Family): number {
  const offers = sum(children.map(offered))
  const byParent = parent.used - sum(children.map(overflow))
  const byChildren = sum(children.map((child) => Math.max(0, overflow(child) - lendable(child))))
  const wanted = byParent + byChildren + lentByParent - parent.guaranteed
  return parent.bounded && offers > 0 ? Math.min(1, Math.max(0, wanted / offers)) : 0
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, each) => all + each, 0)
}

export function lendUp(account: Account): void {
  if (account.parent) account.parent.pool += lendable(account)
}

/** Books (or, below zero, frees) an amount; what passes beyond what is kept goes up the tree. */
export function take(account: Account, amount: number): void {
  const before = overflow(account)
  account.used += amount
  const passed = overflow(account) - before
  if (passed !== 0 && account.parent) take(account.parent, passed)
}

/** Whether so much more may be taken, of its own and of what is lent to it. */
export function mayTake(account: Account, amount: number): boolean {
  const { parent } = account
  if (!parent) return amount <= rest(account)
  const missing = amount - idle(account)
  return missing <= 0 || (missing <= allowance(account) && mayTake(parent, missing))
}

/** Whether so much could be taken if nobody had anything. */
export function couldTake(account: Account, amount: number): boolean {
  return mayTake(emptied(account), amount)
}

function emptied(account: Account): Account {
  return { ...account, used: 0, parent: account.parent && emptied(account.parent) }
}

/** Whether it would have no more than its own with so much more. */
export function isItsOwn({ bounded, pool, used }: Account, amount: number): boolean {
  return bounded && used + amount <= pool
}

/** The accounts that have a say in it, up to the one that refuses: where one of them is used less, it may go. */
export function levelsAsked(account: Account, amount: number): readonly Account[] {
  const { parent } = account
  const missing = amount - idle(account)
  if (!parent || missing > allowance(account)) return [account]
  return [account, ...levelsAsked(parent, missing)]
}
