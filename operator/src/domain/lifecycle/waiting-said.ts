// What the status of a waiting job says of why it waits, and of what would place it.
import { type GpuJobStatus, most } from '../../api/gpujob.ts'
import { EXPLAIN_ANNOTATION } from '../../api/labels.ts'
import { toMillis, toTime } from '../../api/time.ts'
import type { Advice } from '../scheduling/advice.ts'
import { type Change, fieldOf, type RunName, valueOf, wordsOf } from '../scheduling/changes.ts'
import type { Explanation } from '../scheduling/facts.ts'
import { because, type JobClaim, short } from './gpujob-status.ts'
import type { KeptJob } from './kept.ts'
import { lastPreemption } from './preempted.ts'

type Said = Pick<GpuJobStatus, 'waiting' | 'explanation'>
type Answer = NonNullable<GpuJobStatus['explanation']>

interface Asking {
  readonly job: KeptJob
  /** For who asked; `Busy`: the hub looks for somebody else just now. */
  readonly advice?: readonly Advice[] | 'Busy' | undefined
  readonly nameOf?: ((run: RunName) => string | undefined) | undefined
  readonly now: number
}

/** An answer costs the engine more than most things: a job gets one so often at the most. */
const answerAgainMs = 2000
/** How soon one who has to wait for others is looked at again. */
const busyMs = 500

/** The question that is not answered yet, and how long it has to wait for that. */
function openQuestion({ job, now }: Asking): { readonly asked: string; readonly waitMs: number } | undefined {
  const asked = questionOf(job)
  const before = job.status?.explanation
  if (asked === undefined || asked === before?.asked) return undefined
  return { asked, waitMs: before ? Math.max(0, toMillis(before.answeredAt) + answerAgainMs - now) : 0 }
}

function questionOf({ metadata }: KeptJob): string | undefined {
  // What is cut in the middle of a character comes back from the API server as another one.
  return metadata.annotations?.[EXPLAIN_ANNOTATION]?.slice(0, most.asked).toWellFormed()
}

/** Whether a pass looks for advice, which is work for the engine: somebody asked, and has waited long enough. */
export function asksForAdvice(job: KeptJob, now: number): boolean {
  return openQuestion({ job, now })?.waitMs === 0
}

/** `againMs`: who is not answered yet is looked at again then. */
export function waitingSaid(explanation: Explanation, asking: Asking): { change: Said; againMs?: number } {
  const { job, advice, now } = asking
  const waiting = summaryOf(explanation, job.status?.waiting)
  const before = questionOf(job) === undefined ? undefined : job.status?.explanation
  const kept: Said = { waiting, ...(before ? { explanation: before } : {}) }
  const question = openQuestion(asking)
  if (!question) return { change: kept }
  if (!advice || advice === 'Busy') return { change: kept, againMs: Math.max(question.waitMs, busyMs) }
  const { asked } = question
  const answer = { asked, answeredAt: toTime(now), verdict: explanation.verdict, ...answerOf(advice, asking) }
  return { change: { waiting, explanation: answer } }
}

/** The numbers change with every run that ends anywhere: that alone is worth no write. */
function summaryOf({ verdict, reasons }: Explanation, before: Said['waiting']): NonNullable<Said['waiting']> {
  const now = { verdict, reasons: counted(reasons) }
  const isOld = before?.verdict === verdict && namesOf(before.reasons) === namesOf(now.reasons)
  return isOld ? before : now
}

function counted(reasons: Explanation['reasons']): NonNullable<Said['waiting']>['reasons'] {
  return reasons.slice(0, 3).map(({ reason, count }) => ({ reason: reason.slice(0, 128), count }))
}

function namesOf(reasons: readonly { readonly reason: string }[]): string {
  return reasons.map(({ reason }) => reason).join()
}

/** Providers that would take it come first, then those with a way out, then the others. */
function answerOf(advice: readonly Advice[], { nameOf }: Asking): Pick<Answer, 'providers' | 'otherProviders'> {
  const rank = ({ fits, options }: Advice) => (fits ? 0 : options.length > 0 ? 1 : 2)
  const ordered = advice.toSorted((a, b) => rank(a) - rank(b) || (a.provider < b.provider ? -1 : 1))
  const told = ordered.slice(0, most.providers)
  const said = (change: Change): Answer['providers'][number]['options'][number]['changes'][number] => {
    const [field, value] = [fieldOf(change), valueOf(change)]
    const says = short(wordsOf(change, nameOf ?? (() => undefined)))
    return { change: change.change, ...(field && value ? { field, value: short(value) } : {}), says }
  }
  return {
    providers: told.map(({ provider, fits, reasons, options }) => ({
      provider,
      fits,
      reasons: counted(reasons),
      options: options
        .filter((changes) => changes.length <= most.changes)
        .slice(0, most.options)
        .map((changes) => ({ changes: changes.map(said) })),
    })),
    otherProviders: ordered.length - told.length,
  }
}

/** @param explanation absent: the engine has not looked yet */
export function waitingClaim(job: KeptJob, explanation: Explanation | undefined): JobClaim {
  if (!explanation)
    return { type: 'Placed', status: 'False', reason: 'Waiting', message: 'the engine has not looked at this job yet' }

  const reasons = explanation.reasons.slice(0, 3).map(({ reason }) => reason)
  const words = (reasons.includes('ProviderExcluded') ? lastRefusal(job) : '') + lastPreemption(job)
  return explanation.verdict === 'NeverFits'
    ? { type: 'Placed', status: 'False', reason: 'NeverFits', message: because.neverFits(reasons) + words }
    : { type: 'Placed', status: 'False', reason: 'Waiting', message: because.waits(reasons) + words }
}

/** What a provider said when it refused the job: tenants cannot read it elsewhere. */
function lastRefusal({ status }: KeptJob): string {
  const refused = status?.runs?.findLast(({ outcome }) => outcome === 'Rejected')
  return refused ? `; ${refused.provider} refused it: ${refused.reason}: ${refused.message ?? ''}` : ''
}
