// Why a queue lets no more of its jobs start; model by model, so that a job goes where quota lets it.
import type { JobFact } from './facts.ts'
import type { Candidate } from './placement.ts'
import { accountsOf, type Branch } from './queue-tree.ts'
import { type Account, anyModel, couldTake, levelsAsked, mayTake, milli } from './quota.ts'
import type { Reason } from './reasons.ts'

/** Of the queues, what a job has to know of its own. */
export interface QueueOfJob {
  readonly branch: Branch | undefined
  /** No queue is known: no quota holds. */
  readonly isOneLine: boolean
}

/** @param model absent: whatever the model. */
export function queueRefusal(job: JobFact, { branch, isOneLine }: QueueOfJob, model?: string): Reason | undefined {
  if (isOneLine) return undefined
  if (!branch) return 'QueueUnknown'
  if (branch.state !== 'Active') return 'QueueBroken'
  if (fullUpFrom(branch)) return 'MaxRunning'
  const models = model === undefined ? [anyModel] : [anyModel, model]
  return models.some((each) => refusingAccount(branch, job, each)) ? 'QuotaExceeded' : undefined
}

/** The candidates that the queue lets a job have; where it refuses some, what has to be used less before it may. */
export interface Allowed {
  readonly candidates: readonly Candidate[]
  readonly refusedBy: readonly object[]
}

export function allowedCandidates(job: JobFact, branch: Branch, candidates: readonly Candidate[]): Allowed {
  const full = fullUpFrom(branch)
  if (full) return { candidates: [], refusedBy: [full] }
  if (branch.accounts.size === 0) return { candidates, refusedBy: [] }
  const any = refusingAccount(branch, job, anyModel)
  if (any) return { candidates: [], refusedBy: levelsAsked(any, milliAsked(job)) }

  const refusing = new Map<string, Account>()
  for (const model of branch.accounts.keys()) {
    const account = refusingAccount(branch, job, model)
    if (account) refusing.set(model, account)
  }
  if (refusing.size === 0) return { candidates, refusedBy: [] }
  const allowed = candidates.filter(({ stock }) => !refusing.has(stock.model))
  if (allowed.length === candidates.length) return { candidates, refusedBy: [] }
  return {
    candidates: allowed,
    refusedBy: [...refusing.values()].flatMap((account) => levelsAsked(account, milliAsked(job))),
  }
}

/** Whether quota alone lets the job have nothing of them, because others have it. */
export function isRefusedForNow(job: JobFact, branch: Branch, candidates: readonly Candidate[]): boolean {
  if (candidates.length === 0 || fullUpFrom(branch)) return false
  return allowedCandidates(job, branch, candidates).candidates.length === 0
}

/** Whether the queue could let the job have GPUs of that model if nobody else had any. */
export function couldHave(job: JobFact, branch: Branch, model: string): boolean {
  return accountsOf(branch, model).every((account) => couldTake(account, milliAsked(job)))
}

/** Whether this queue, or account, itself lets nobody have anything: who sleeps on it sleeps on. */
export function refusesAll(thing: object): boolean {
  if (isBranch(thing)) return isFull(thing)
  return isAccount(thing) && !mayTake(thing, 1) && levelsAsked(thing, 1).length === 1
}

function isBranch(thing: object): thing is Branch {
  return 'accounts' in thing
}

function isAccount(thing: object): thing is Account {
  return 'guaranteed' in thing
}

/** The queue, or the one above it, that has as many runs as it may have. */
function fullUpFrom(branch: Branch): Branch | undefined {
  for (let each: Branch | undefined = branch; each; each = each.parent) if (isFull(each)) return each
  return undefined
}

function isFull({ running, fact }: Branch): boolean {
  return running >= (fact.maxRunning ?? Infinity)
}

function refusingAccount(branch: Branch, job: JobFact, model: string): Account | undefined {
  const account = branch.accounts.get(model)
  return account && !mayTake(account, milliAsked(job)) ? account : undefined
}

/** In thousandths, of all its workers. */
export function milliAsked({ perWorker, workers }: JobFact): number {
  return milli(perWorker.gpus) * workers
}
