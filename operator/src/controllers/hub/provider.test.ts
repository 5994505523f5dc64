import { describe, expect, test } from '@jest/globals'
import { provider } from '../../../../test/builders/provider.ts'
import type { Provider, ProviderStatus } from '../../api/provider.ts'
import type { Home } from '../../domain/lifecycle/provider-steps.ts'
import { believeWhatWasSaid, type ProviderPorts, providerReconciler } from './provider.ts'

const seen = {
  silentMs: 1000,
  watchedMs: 0,
  nodes: [],
  report: undefined,
  hubChanged: undefined,
  runsFromBefore: false,
  jobsUid: 'jobs-uid',
}
const made: Home = { state: 'Made', namespaceUid: 'u' }

/** A hub with one Provider, and what was done about it. */
function world(found: Provider | undefined, ports: Partial<ProviderPorts> = {}) {
  const done: string[] = []
  let status: ProviderStatus | undefined
  const all: ProviderPorts = {
    read: () => {
      return found && { provider: status ? { ...found, status } : found, ...seen }
    },
    makeHome: async () => {
      done.push('home')
      return made
    },
    writeStatus: async (_, next) => {
      done.push(`status ${next.conditions.find(({ type }) => type === 'Ready')?.reason}`)
      status = next
    },
    tellEngine: ({ name, state }) => void done.push(`engine: ${name} ${state}`),
    forget: (name) => void done.push(`forget ${name}`),
    now: () => 0,
    suspectAfterMs: 15_000,
    ...ports,
  }
  return { done, reconcile: providerReconciler(all), believe: () => believeWhatWasSaid(all, ['acme']) }
}

describe('one pass over a Provider', () => {
  test('makes its home, tells the engine, then says it', async () => {
    const { done, reconcile } = world(provider())
    expect(await reconcile('acme')).toEqual({ recheckMs: 14_000 })
    expect(done).toEqual(['home', 'engine: acme Connected', 'status Ready'])
  })

  test('says it once', async () => {
    const { done, reconcile } = world(provider())
    await reconcile('acme')
    await reconcile('acme')
    expect(done.filter((what) => what.startsWith('status'))).toHaveLength(1)
  })

  test('forgets one that is gone, and makes nothing for it', async () => {
    const { done, reconcile } = world(undefined)
    expect(await reconcile('acme')).toEqual({})
    expect(done).toEqual(['forget acme'])
  })

  test('one that went while its home was made is looked at again', async () => {
    let there = true
    const makeHome = async () => {
      there = false
      return made
    }
    const read = () => (there ? { provider: provider(), ...seen } : undefined)
    const { done, reconcile } = world(provider(), { read, makeHome })
    expect(await reconcile('acme')).toEqual({ recheckMs: 0 })
    expect(done).toEqual([])
  })

  test('a home that cannot be made is tried again; nothing is claimed', async () => {
    const makeHome = () => Promise.reject(new Error('forbidden'))
    const { done, reconcile } = world(provider(), { makeHome })
    await expect(reconcile('acme')).rejects.toThrow('forbidden')
    expect(done).toEqual([])
  })
})

describe('before the first pass', () => {
  const heard = {
    type: 'Connected',
    status: 'True',
    reason: 'Heartbeat',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const
  const ready = { ...heard, type: 'Ready', reason: 'Ready' } as const
  const before = { namespaceUid: 'u', conditions: [heard, ready] }
  const notYet = { silentMs: undefined }
  const cases = [
    { name: 'one that was ready is believed', status: before, says: 'engine: acme Connected' },
    {
      name: 'one that was not ready is not',
      status: { ...before, conditions: [heard, { ...ready, status: 'False' as const }] },
      says: '',
    },
    { name: 'one that has no home yet is not', status: { conditions: [heard, ready] }, says: '' },
    { name: 'one that is new is not', status: {}, says: '' },
    {
      name: 'one that was cordoned meanwhile is told so',
      status: before,
      spec: { intake: 'Cordoned' as const },
      says: 'engine: acme Cordoned',
    },
    {
      name: 'one that has runs of jobs of an earlier time is not believed to be ready',
      status: before,
      seen: { runsFromBefore: true },
      says: 'engine: acme NotReady',
    },
  ]
  test.each(cases)('$name', ({ status, spec, seen: more, says }) => {
    const found = provider({ status, ...(spec && { spec }) })
    const { done, believe } = world(found, { read: () => ({ provider: found, ...seen, ...notYet, ...more }) })
    believe()
    expect(done.join()).toBe(says)
  })

  test('nothing is made and nothing is written', () => {
    const { done, believe } = world(provider({ status: before }))
    believe()
    expect(done).toEqual(['engine: acme Connected'])
  })

  test('one that is gone is nothing', () => {
    const { done, believe } = world(undefined)
    believe()
    expect(done).toEqual([])
  })
})
