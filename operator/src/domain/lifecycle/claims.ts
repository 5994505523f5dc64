// Conditions are written by one pure function: the same claims twice give an equal list.
import type { Condition } from '../../api/meta.ts'
import { toTime } from '../../api/time.ts'

/** Of a message, by the schema. */
const longest = 1024

/** What a step says of one condition; the rest of the condition follows from it. */
export interface Claim<Type extends string = string, Reason extends string = string> {
  readonly type: Type
  readonly status: Condition['status']
  readonly reason: Reason
  readonly message: string
}

export interface ClaimedAt {
  /** Wall clock, milliseconds. */
  readonly now: number
  /** `metadata.generation` of the object that was read. */
  readonly generation: number | undefined
}

/** The list with the claims laid over it; the transition time moves only when the status moves. Other conditions stay. */
export function withClaims(
  conditions: readonly Condition[] | undefined,
  claims: readonly Claim[],
  at: ClaimedAt,
): Condition[] {
  const kept = (conditions ?? []).map((old) => {
    const claim = claims.find(({ type }) => type === old.type)
    return claim ? conditionOf(claim, old, at) : old
  })
  const added = claims.filter(({ type }) => !kept.some((one) => one.type === type))
  return [...kept, ...added.map((claim) => conditionOf(claim, undefined, at))]
}

/** `undefined` where nobody has claimed that condition yet. */
export function condition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((one) => one.type === type)
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return condition(conditions, type)?.status === 'True'
}

function conditionOf(claim: Claim, old: Condition | undefined, { now, generation }: ClaimedAt): Condition {
  return {
    type: claim.type,
    status: claim.status,
    reason: claim.reason,
    message: claim.message.length <= longest ? claim.message : `${claim.message.slice(0, longest - 1)}…`,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    lastTransitionTime: old?.status === claim.status ? old.lastTransitionTime : toTime(now),
  }
}
