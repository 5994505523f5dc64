import { describe, expect, test } from '@jest/globals'
import { provider } from '../../../../test/builders/provider.ts'
import type { Provider, ProviderStatus } from '../../api/provider.ts'
import type { Home } from '../../domain/lifecycle/provider-steps.ts'
import { type ProviderPorts, providerReconciler } from './provider.ts'

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
  const reconcile = providerReconciler({
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
  })
  return { done, reconcile }
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
