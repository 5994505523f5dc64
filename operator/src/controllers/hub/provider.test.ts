import { describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { provider } from '../../../../test/builders/provider.ts'
import type { GpuNode } from '../../api/gpunode.ts'
import type { Provider, ProviderStatus } from '../../api/provider.ts'
import type { Home } from '../../domain/lifecycle/provider-steps.ts'
import { believeWhatWasSaid, type ProviderPorts, providerReconciler } from './provider.ts'

const seen = {
  silentMs: 1000,
  watchedMs: 0,
  nodes: [],
  report: undefined,
  hubChanged: undefined,
  lostShare: 0,
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

  test('tells the engine of each change, and writes what nodes come to once a second at the most', async () => {
    let nodes: readonly GpuNode[] = []
    let silentMs = 1000
    let now = 0
    const found = { ...seen, provider: provider() }
    const sums: (number | undefined)[] = []
    const { done, reconcile } = world(provider(), {
      read: () => ({ ...found, nodes, silentMs }),
      writeStatus: async (_, next) => {
        sums.push(next.inventory?.nodes)
        found.provider = provider({ status: next })
      },
      now: () => now,
    })
    const claim = () => {
      nodes = [...nodes, gpuNode({ name: `node-${nodes.length}` })]
      return reconcile('acme')
    }
    expect([await claim(), sums]).toEqual([{ recheckMs: 14_000 }, [1]])
    now += 400
    expect([await claim(), await claim(), sums]).toEqual([{ recheckMs: 600 }, { recheckMs: 600 }, [1]])
    expect(done.filter((what) => what.startsWith('engine'))).toHaveLength(3)
    now += 600
    expect([await reconcile('acme'), sums]).toEqual([{ recheckMs: 14_000 }, [1, 3]])
    // A condition waits for nothing, and what the nodes come to goes with it.
    silentMs = 15_000
    expect([await claim(), sums]).toEqual([{}, [1, 3, 4]])
    // The clock was set back by an hour.
    now -= 3_600_000
    await claim()
    expect(sums).toEqual([1, 3, 4, 5])
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
