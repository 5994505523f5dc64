import { expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import type { GpuNodeSpec } from '../../api/gpunode.ts'
import { brokenOnNodes } from './nodes.ts'

const shares = { sharing: { strategy: 'TimeSlicing' as const, replicas: 4 } }

const cases: {
  name: string
  node?: Partial<GpuNodeSpec> | 'Gone'
  held?: number
  workers?: number
  fraction?: string
  says?: string
}[] = [
  { name: 'a node that is offered' },
  { name: 'a node that is not there', node: 'Gone', says: 'NodeNotOffered' },
  { name: 'a node that its owner cordoned', node: withheld('Cordoned'), says: 'NodeNotOffered' },
  { name: 'a node of which its owner keeps all', node: withheld('KeptByOwner'), says: 'NodeNotOffered' },
  { name: 'a node that is not ready is waited for', node: withheld('NotReady') },
  { name: 'more GPUs than there are is for the scheduler to say', held: 7 },
  { name: 'more workers than there are places named for', workers: 3, says: 'NodeNotOffered' },
  { name: 'a node whose device plugin is not there yet is waited for', node: withheld('NoGpu') },
  { name: 'as many as the owner does not keep', node: { keptGpus: 2 }, held: 2 },
  { name: 'whole GPUs of a node that shares them', node: shares, says: 'NodeNotOffered' },
  { name: 'a part of a GPU of a node that shares them', node: shares, fraction: '0.2' },
  { name: 'a part of a GPU of a node that does not', fraction: '0.2', says: 'NodeNotOffered' },
  {
    name: 'parts of all but the GPUs that the owner keeps',
    node: { ...shares, keptGpus: 7 },
    held: 2,
    fraction: '0.2',
  },
  {
    name: 'one part more than that',
    node: { ...shares, keptGpus: 7 },
    held: 3,
    fraction: '0.2',
    says: 'OwnerRuleGpus',
  },
  { name: 'one more than that', node: { keptGpus: 2 }, held: 3, says: 'OwnerRuleGpus' },
]

test.each(cases)('$name', ({ node = {}, held = 0, workers = 2, fraction, says }) => {
  const spec = {
    nodes: [{ name: 'node-1', workers: 2 }],
    gpus: fraction === undefined ? { count: 2 } : { count: 1, fraction },
    workers,
  }
  const claim = () => (node === 'Gone' ? undefined : gpuNode({ spec: node }).spec)
  expect(brokenOnNodes(spec, { claim, held: () => held })?.rule).toBe(says)
})

function withheld(withheldBecause: NonNullable<GpuNodeSpec['withheldBecause']>): Partial<GpuNodeSpec> {
  return { offer: 'Withheld', withheldBecause }
}
