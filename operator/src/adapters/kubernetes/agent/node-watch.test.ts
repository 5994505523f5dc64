import { expect, test } from '@jest/globals'
import { createStore } from '../store.ts'
import type { NodeKept } from './caches.ts'
import { nodeWatch } from './node-watch.ts'

/** A node is seen at each of these times; what is known of it at the end. */
function known(...seen: readonly (readonly [bootMs: number, is: 'Ready' | 'Silent' | 'Gone'])[]) {
  const store = createStore<NodeKept>({ onError: (error) => expect(error).toBeUndefined() })
  let boot = 0
  let version = 0
  const tell = (is: 'Ready' | 'Silent' | 'Gone') => {
    if (is === 'Gone') return store.remove({ name: 'node-1' })
    const metadata = { name: 'node-1', uid: 'u', resourceVersion: String(++version) }
    store.put({ metadata, ready: is === 'Ready', node: { metadata, spec: {}, status: {} } })
  }
  const [first, ...rest] = seen
  if (first) tell(first[1])
  const watch = nodeWatch(store, () => boot)
  for (const [at, is] of rest) {
    boot = at
    tell(is)
  }
  boot = 10_000
  return watch('node-1')
}

test.each([
  {
    name: 'Ready since before we looked counts from when we looked',
    seen: [[0, 'Ready']],
    says: { ready: true, readySince: 0 },
  },
  {
    name: 'word that it is still Ready changes nothing',
    seen: [
      [0, 'Ready'],
      [50, 'Ready'],
    ],
    says: { ready: true, readySince: 0 },
  },
  {
    name: 'a break begins the time anew',
    seen: [
      [0, 'Ready'],
      [50, 'Silent'],
      [70, 'Ready'],
    ],
    says: { ready: true, readySince: 70 },
  },
  {
    name: 'so does a node that was made again',
    seen: [
      [0, 'Ready'],
      [50, 'Gone'],
      [70, 'Ready'],
    ],
    says: { ready: true, readySince: 70 },
  },
  {
    name: 'a node that came later counts from then',
    seen: [
      [0, 'Silent'],
      [90, 'Ready'],
    ],
    says: { ready: true, readySince: 90 },
  },
  {
    name: 'a node that is gone is not known',
    seen: [
      [0, 'Ready'],
      [50, 'Gone'],
    ],
    says: undefined,
  },
] as const)('$name', ({ seen, says }) => {
  expect(known(...seen)).toEqual(says)
})

test('a silent node is not Ready', () => {
  expect(known([0, 'Ready'], [50, 'Silent'])).toMatchObject({ ready: false })
})
