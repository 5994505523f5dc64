import { describe, expect, test } from '@jest/globals'
import { jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { createEngine } from './engine.ts'
import type { JobFact, NodeFact, ProviderFact } from './facts.ts'
import { surchargeOf } from './provider-scores.ts'
import { weightsOf } from './weights.ts'

const dear = { pricesPerGpuHour: { H100: 4 } }
const cheap = { pricesPerGpuHour: { H100: 3 } }

interface World {
  readonly acme?: Partial<ProviderFact>
  readonly bolt?: Partial<ProviderFact>
  readonly node?: Partial<NodeFact>
  readonly weights?: string
}

/** Where the job goes of two providers with one node each; acme's name comes first. */
function goesTo(job: Partial<JobFact>, { acme = {}, bolt = {}, node = {}, weights = '' }: World): string | undefined {
  const engine = createEngine({
    providers: [providerFact({ name: 'acme', ...acme }), providerFact({ name: 'bolt', ...bolt })],
    nodes: [nodeFact({ provider: 'acme', gpus: 8, ...node }), nodeFact({ provider: 'bolt', gpus: 8 })],
    weights: weightsOf(weights),
  })
  engine.wait(jobFact(job))
  return engine.decide({ nowMs: 0 })[0]?.provider
}

describe('of providers that could take a job', () => {
  test('the first by name does where nothing else speaks', () => {
    expect(goesTo({}, {})).toBe('acme')
  })

  test('the cheaper one does, and one without a price is the cheapest', () => {
    expect(goesTo({}, { acme: dear, bolt: cheap })).toBe('bolt')
    expect(goesTo({}, { acme: cheap, bolt: dear })).toBe('acme')
    expect(goesTo({}, { acme: cheap })).toBe('bolt')
  })

  test('one whose taints keep the job out is not the cheapest of them', () => {
    const priced = (name: string, H100: number) => providerFact({ name, pricesPerGpuHour: { H100 } })
    const engine = createEngine({
      providers: [providerFact({ name: 'acme' }), priced('bolt', 100), priced('core', 1)],
      nodes: [
        nodeFact({ provider: 'acme', taints: [{ key: 'team', effect: 'NoSchedule' }] }),
        nodeFact({ provider: 'bolt' }),
        nodeFact({ provider: 'core' }),
      ],
      waiting: [jobFact()],
    })
    expect(engine.decide({ nowMs: 0 })[0]?.provider).toBe('core')
  })

  test('the one that lost fewer runs does', () => {
    expect(goesTo({}, { acme: { lostShare: 0.125 }, bolt: { lostShare: 0.0625 } })).toBe('bolt')
  })

  test('the one where it ran last does, unless the other one is much cheaper', () => {
    expect(goesTo({ ranAt: 'bolt' }, {})).toBe('bolt')
    const muchDearer = { pricesPerGpuHour: { H100: 6 } }
    expect(goesTo({ ranAt: 'bolt' }, { acme: cheap, bolt: muchDearer })).toBe('acme')
  })

  test('a score without weight does not count', () => {
    expect(goesTo({}, { acme: dear, bolt: cheap, weights: 'price=0' })).toBe('acme')
    expect(goesTo({}, { acme: { lostShare: 1 }, weights: 'losses=0' })).toBe('acme')
    expect(goesTo({ ranAt: 'bolt' }, { weights: 'moving=0' })).toBe('acme')
  })

  test('one whose node would be broken up does not where another one has a broken node, unless it saves more than that is worth', () => {
    const half = { usedByOthers: { gpus: 4, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 } }
    const where = { acme: dear, bolt: cheap, node: half }
    expect(goesTo({}, { node: half })).toBe('acme')
    expect(goesTo({}, { ...where, weights: 'price=0.25' })).toBe('acme')
    expect(goesTo({ workers: 2 }, { ...where, weights: 'price=0.3' })).toBe('bolt')
    expect(goesTo({ workers: 2 }, { ...where, weights: 'breaking=1000' })).toBe('acme')
  })
})

describe('the surcharge of a provider', () => {
  test('is the sum of its scores by their weights', () => {
    const provider = providerFact({ name: 'acme', pricesPerGpuHour: { H100: 4 }, lostShare: 0.25 })
    const place = { provider, model: 'H100', cheapest: 3 }
    const weights = weightsOf('price=2,losses=4,moving=0.5')
    expect(surchargeOf(jobFact({ ranAt: 'bolt' }), place, weights)).toBe(2 * 0.25 + 4 * 0.25 + 0.5)
  })
})
