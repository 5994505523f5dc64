// Answers those who ask to join: once for each invite, for good.
import type { JoinRequest, JoinRequestStatus } from '../../api/joinrequest.ts'
import { toTime } from '../../api/time.ts'
import { type Decision, decide, type Refusal, type Seen } from '../../domain/joining/join-steps.ts'
import { type Outcome, type Reconcile, settled } from '../work-queue.ts'

export interface JoiningPorts {
  readonly read: (key: string) => Promise<Omit<Seen, 'now'> | undefined>
  /**
   * Makes a new credential, ends every earlier one of that provider, and gives it sealed to the key of the request.
   * `undefined`: another hub has just made one for this request, and may be about to write it down.
   */
  readonly mint: (request: JoinRequest) => Promise<string | undefined>
  /** `false` where another hub has decided before. */
  readonly writeStatus: (request: JoinRequest, status: JoinRequestStatus) => Promise<boolean>
  readonly removeInvite: (request: JoinRequest) => Promise<void>
  readonly removeRequest: (request: JoinRequest) => Promise<void>
  /** Tells those who look at the Provider. */
  readonly tellRefusal: (request: JoinRequest, reason: Refusal, message: string) => void
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

const lookMs = 1000

export function joinReconciler(ports: JoiningPorts): Reconcile {
  return async (key) => {
    const seen = await ports.read(key)
    if (!seen) return settled
    const decision = decide({ ...seen, now: ports.now() })
    if (decision.do === 'wait') return { recheckMs: decision.recheckMs }
    if (decision.do === 'tidyUp') return tidyUp(ports, seen.request, decision)
    return answer(ports, seen.request, decision)
  }
}

async function answer(
  { mint, writeStatus, tellRefusal, now }: JoiningPorts,
  request: JoinRequest,
  decision: Extract<Decision, { do: 'grant' | 'refuse' }>,
): Promise<Outcome> {
  const decidedAt = toTime(now())
  if (decision.do === 'grant') {
    const message = 'the credential is in status.credential, and can be read by the agent alone'
    const credential = await mint(request)
    if (credential === undefined) return { recheckMs: lookMs }
    await writeStatus(request, { state: 'Granted', reason: 'Joined', message, decidedAt, credential })
    return settled
  }
  const { reason, message } = decision
  if (await writeStatus(request, { state: 'Refused', reason, message, decidedAt })) {
    tellRefusal(request, reason, message)
  }
  return settled
}

async function tidyUp(
  { removeInvite, removeRequest }: JoiningPorts,
  request: JoinRequest,
  { removes, recheckMs }: Extract<Decision, { do: 'tidyUp' }>,
): Promise<Outcome> {
  if (removes === 'Invite') await removeInvite(request)
  if (removes === 'Request') await removeRequest(request)
  return recheckMs === undefined ? settled : { recheckMs }
}
