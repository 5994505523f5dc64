import { describe, expect, test } from '@jest/globals'
import { jobFact, nodeFact, providerFact, rendered } from '../../../../test/builders/scheduling.ts'
import { createEngine } from './engine.ts'
import type { JobFact, NodeFact } from './facts.ts'
import { partsOf } from './sharing.ts'

const fourths: Partial<NodeFact> = { slices: 4, slicesPerWorker: 1 }
const slices: Partial<NodeFact> = { model: 'H100-MIG-1g.10gb' }

function saysOf(
  job: Partial<JobFact> & { readonly gpus?: number },
  node: Partial<NodeFact>,
  trust?: 'Verified',
): string {
  const engine = createEngine()
  engine.setProvider(providerFact({ trust }))
  engine.setNode(nodeFact(node))
  engine.wait(jobFact(job))
  const [choice] = engine.decide({ nowMs: 0 })
  return choice
    ? rendered(choice)
    : (engine
        .explain('job')
        ?.reasons.map(({ reason }) => reason)
        .join() ?? '')
}

describe('a part of a GPU', () => {
  const cases: { name: string; gpus: number; node: Partial<NodeFact>; says: string }[] = [
    { name: 'is had where GPUs are shared', gpus: 0.25, node: fourths, says: 'job@acme:n1×1' },
    { name: 'may be more than is asked for', gpus: 0.1, node: fourths, says: 'job@acme:n1×1' },
    { name: 'may not be less', gpus: 0.5, node: fourths, says: 'FractionTooLarge' },
    {
      name: 'is had in several parts where these are of one GPU',
      gpus: 0.5,
      node: { slices: 4 },
      says: 'job@acme:n1×1',
    },
    { name: 'is not had of whole GPUs', gpus: 0.5, node: {}, says: 'NoFractions' },
    { name: 'is not a slice, which is had by its model', gpus: 0.1, node: slices, says: 'SlicesUnnamed' },
  ]
  test.each(cases)('$name', ({ gpus, node, says }) => {
    expect(saysOf({ gpus }, node)).toBe(says)
  })

  test.each([
    [0.25, 4, 1],
    [0.3, 4, 2],
    [0.1 + 0.2, 10, 3],
    [0.007, 1000, 7],
    [0.001, 2, 1],
  ])('%d of %d parts are %d', (fraction, of, parts) => {
    expect(partsOf(fraction, of)).toBe(parts)
  })
})

describe('a whole GPU', () => {
  test('is not had where a device may be a part of one', () => {
    expect(saysOf({ gpus: 1 }, fourths)).toBe('SharedGpus')
  })

  test('may be had where all parts of one are', () => {
    expect(saysOf({ gpus: 1 }, { slices: 4 })).toBe('job@acme:n1×1')
  })

  test('is a slice only for who names its model', () => {
    expect(saysOf({ gpus: 1 }, slices)).toBe('SlicesUnnamed')
    expect(saysOf({ gpus: 2, models: ['H100-MIG-1g.10gb'] }, slices)).toBe('job@acme:n1×1')
    expect(saysOf({ gpus: 1, models: ['H100'] }, slices)).toBe('WrongModel')
  })
})

test('a job that wants a verified provider waits for one', () => {
  expect(saysOf({ trust: 'Verified' }, {})).toBe('NotVerified')
  expect(saysOf({ trust: 'Verified' }, {}, 'Verified')).toBe('job@acme:n1×1')
  expect(saysOf({ trust: 'Unverified' }, {})).toBe('job@acme:n1×1')
})
