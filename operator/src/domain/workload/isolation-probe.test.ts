import { describe, expect, test } from '@jest/globals'
import { type Found, foundBy, isolationOf, letThroughPolicy, probeJob, probeNamespace } from './isolation-probe.ts'

const broken: Found = { why: 'no image' }

describe('two probes', () => {
  const cases: readonly (readonly [string, readonly [walled: Found, letThrough: Found], string])[] = [
    ['one of which gets through: enforced', ['Closed', 'Reached'], 'Enforced'],
    ['that both get through: not enforced', ['Reached', 'Reached'], 'NotEnforced'],
    [
      'of which none gets through say nothing',
      ['Closed', 'Closed'],
      'Unknown: the API server is out of reach of pods also where a NetworkPolicy lets them through',
    ],
    [
      'of which the wrong one gets through say nothing',
      ['Reached', 'Closed'],
      'Unknown: the API server is out of reach of pods also where a NetworkPolicy lets them through',
    ],
    ['of which one did not run say nothing', [broken, 'Reached'], 'Unknown: the walled probe did not work: no image'],
    ['of which the other did not run', ['Closed', broken], 'Unknown: the let-through probe did not work: no image'],
  ]
  test.each(cases)('%s', (_, [walled, letThrough], says) => {
    const { is, why } = isolationOf({ walled, 'let-through': letThrough })
    expect(why === undefined ? is : `${is}: ${why}`).toBe(says)
  })
})

describe('what a Job says', () => {
  const failed = (reason: string) => [{ type: 'Failed', status: 'True', reason, message: 'words' }]
  test.each([
    ['while it runs', [], undefined],
    ['while it ends', [{ type: 'FailureTarget', status: 'True', reason: 'PodFailurePolicy' }], undefined],
    ['of exit code 0', [{ type: 'Complete', status: 'True' }], 'Reached'],
    ['of the exit code for closed', failed('PodFailurePolicy'), 'Closed'],
    ['of another exit code', failed('BackoffLimitExceeded'), { why: 'words' }],
    ['that took too long', failed('DeadlineExceeded'), { why: 'words' }],
  ])('%s', (_, conditions, says) => {
    expect(foundBy(conditions)).toEqual(says)
  })
})

test('one of them is behind the walls of a tenant alone, the other is let through everything', () => {
  const options = { namespace: 'gpc-probe-012345', image: 'gpu-commons:1', nonce: 'n' } as const
  const labels = (side: 'walled' | 'let-through') => probeJob({ ...options, side }).spec.template.metadata.labels
  const { spec } = letThroughPolicy(options.namespace)
  expect(spec).toEqual({ podSelector: { matchLabels: labels('let-through') }, policyTypes: ['Egress'], egress: [{}] })
  expect(labels('walled')).not.toEqual(labels('let-through'))
})

test('they are no run of ours, so no cache of the agent takes them for one', () => {
  const text = JSON.stringify(probeJob({ namespace: 'n', side: 'walled', image: 'i', nonce: 'n' }))
  expect(text).not.toMatch(/gpucommons\.io\/(run|hub-uid|job)/)
})

test("their namespace is no tenant's of any hub", () => {
  expect(probeNamespace('0f3c2a1b-1111')).toEqual({ name: 'gpc-probe-0f3c2a', tenant: '' })
})
