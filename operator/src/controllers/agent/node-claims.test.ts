import { expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { nodeClaimReconciler } from './node-claims.ts'

const eight = gpuNode({ gpus: 8 })
const four = gpuNode({ gpus: 4 })

test.each([
  { name: 'a new node is claimed', is: eight.spec, was: undefined, says: 'create node-1' },
  { name: 'a node that has changed is claimed anew', is: four.spec, was: eight, says: 'replace node-1' },
  { name: 'a node as it was is no news', is: gpuNode({ gpus: 8 }).spec, was: eight, says: '' },
  { name: 'a node that is gone is claimed no more', is: undefined, was: eight, says: 'remove node-1' },
  { name: 'a node that never had a GPU is nobody’s business', is: undefined, was: undefined, says: '' },
])('$name', async ({ is, was, says }) => {
  const done: string[] = []
  const reconcile = nodeClaimReconciler({
    claim: () => is,
    told: () => was,
    create: async (node) => {
      done.push(`create ${node}`)
      return 'Told' as const
    },
    replace: async ({ spec }) => void done.push(`replace ${spec.node}`),
    remove: async ({ metadata }) => void done.push(`remove ${metadata.name}`),
  })
  expect(await reconcile('node-1')).toEqual({})
  expect(done.join()).toBe(says)
})

test('a node for which the hub has no room is told again much later', async () => {
  const nothing = async () => {}
  const ports = { claim: () => eight.spec, told: () => undefined, replace: nothing, remove: nothing }
  const reconcile = nodeClaimReconciler({ ...ports, create: async () => 'OverQuota' })
  expect(await reconcile('node-1')).toEqual({ recheckMs: 5 * 60_000 })
})
