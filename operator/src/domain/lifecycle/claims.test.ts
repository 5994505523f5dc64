import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import type { Condition } from '../../api/meta.ts'
import { type Claim, condition, isTrue, withClaims } from './claims.ts'

const now = Date.parse('2026-01-02T00:00:00Z')
const old: Condition = {
  type: 'Placed',
  status: 'False',
  reason: 'Waiting',
  message: 'waits',
  observedGeneration: 1,
  lastTransitionTime: BEGINNING,
}

/** `Placed=True/Recorded since 02 of 2`: the day of the transition and the generation that was observed. */
function rendered(conditions: readonly Condition[]): string {
  return conditions
    .map(
      ({ type, status, reason, lastTransitionTime, observedGeneration }) =>
        `${type}=${status}/${reason} since ${lastTransitionTime.slice(8, 10)} of ${observedGeneration}`,
    )
    .join(', ')
}

describe('conditions', () => {
  const cases: readonly { name: string; before?: readonly Condition[]; claims: readonly Claim[]; says: string }[] = [
    {
      name: 'a first claim begins now',
      claims: [{ type: 'Placed', status: 'True', reason: 'Recorded', message: '' }],
      says: 'Placed=True/Recorded since 02 of 2',
    },
    {
      name: 'another status moves the time',
      before: [old],
      claims: [{ type: 'Placed', status: 'True', reason: 'Recorded', message: '' }],
      says: 'Placed=True/Recorded since 02 of 2',
    },
    {
      name: 'another reason of the same status does not',
      before: [old],
      claims: [{ type: 'Placed', status: 'False', reason: 'NeverFits', message: '' }],
      says: 'Placed=False/NeverFits since 01 of 2',
    },
    {
      name: 'what nobody claims stays as it was, in its place',
      before: [old, { ...old, type: 'Running' }],
      claims: [
        { type: 'Running', status: 'Unknown', reason: 'RunLost', message: '' },
        { type: 'Finished', status: 'False', reason: 'NotFinished', message: '' },
      ],
      says: 'Placed=False/Waiting since 01 of 1, Running=Unknown/RunLost since 02 of 2, Finished=False/NotFinished since 02 of 2',
    },
  ]
  test.each(cases)('$name', ({ before, claims, says }) => {
    expect(rendered(withClaims(before, claims, { now, generation: 2 }))).toBe(says)
  })

  test('an object without a generation has none observed', () => {
    const [only] = withClaims(undefined, [{ ...old, type: 'A' }], { now, generation: undefined })
    expect(only).not.toHaveProperty('observedGeneration')
  })

  const claim = fc.record({
    type: fc.constantFrom('A', 'B', 'C'),
    status: fc.constantFrom('True', 'False', 'Unknown'),
    reason: fc.constantFrom('X', 'Y'),
    message: fc.string(),
  })
  const claims = fc.uniqueArray(claim, { selector: ({ type }) => type })

  test('the same claims twice give an equal list, whenever that is', () => {
    fc.assert(
      fc.property(claims, claims, fc.nat(), (first, second, later) => {
        const at = { now, generation: 1 }
        const once = withClaims(withClaims([], first, at), second, at)
        expect(withClaims(once, second, { ...at, now: now + later })).toEqual(once)
      }),
    )
  })

  test('no type stands twice in the list', () => {
    fc.assert(
      fc.property(claims, claims, (first, second) => {
        const at = { now, generation: 1 }
        const types = withClaims(withClaims([], first, at), second, at).map(({ type }) => type)
        expect(new Set(types).size).toBe(types.length)
      }),
    )
  })

  test('what was never claimed is not true', () => {
    expect([isTrue(undefined, 'Placed'), isTrue([old], 'Placed'), condition([old], 'Running')]).toEqual([
      false,
      false,
      undefined,
    ])
    expect(isTrue([{ ...old, status: 'True' }], 'Placed')).toBe(true)
  })
})
