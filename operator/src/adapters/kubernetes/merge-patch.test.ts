import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { mergePatchBetween } from './merge-patch.ts'

type Json = { readonly [key: string]: unknown }

/** RFC 7396, as the API server reads a patch. */
function applied(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && !Array.isArray(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = applied(result[key], value)
  }
  return result
}

const key = fc.constantFrom('a', 'b', 'c', 'reason', 'constructor', 'toString')
const { json } = fc.letrec((tie) => ({
  json: fc.dictionary(
    key,
    fc.oneof({ withCrossShrink: true }, fc.integer(), fc.string(), fc.boolean(), tie('list'), tie('json')),
    {
      maxKeys: 4,
      noNullPrototype: true,
    },
  ),
  list: fc.array(fc.oneof(fc.integer(), tie('json')), { maxLength: 3 }),
}))

describe('a merge patch', () => {
  test('makes after of before', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        const patch = mergePatchBetween(before, after)
        expect(patch === undefined ? before : applied(before, patch)).toEqual(after)
      }),
    )
  })

  test('is nothing where nothing changes', () => {
    fc.assert(
      fc.property(json, (same) => {
        expect(mergePatchBetween(same, structuredClone(same))).toBeUndefined()
      }),
    )
  })

  test('is as small as the change', () => {
    const before: Json = { state: 'Running', placement: { run: 1, provider: 'acme' }, runs: [1, 2] }
    const cases: readonly [Json, unknown][] = [
      [{ ...before, state: 'Failed' }, { state: 'Failed' }],
      [{ ...before, placement: { run: 2, provider: 'acme' } }, { placement: { run: 2 } }],
      [{ state: 'Running', runs: [1, 2] }, { placement: null }],
      [{ ...before, runs: [1, 2, 3] }, { runs: [1, 2, 3] }],
      [{ ...before, placement: undefined }, { placement: null }],
      [{ ...before, never: undefined }, undefined],
    ]
    for (const [after, patch] of cases) expect(mergePatchBetween(before, after)).toEqual(patch)
  })
})
