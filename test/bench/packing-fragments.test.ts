import { expect, test } from '@jest/globals'
import { type Free, fragmentedPercent, type Pod } from './packing-fragments.ts'

const pod = (change: Partial<Pod>): Pod => ({ cpuMilli: 4000, memoryMiB: 0, gpus: 1, models: [], ...change })
const node = (gpus: readonly number[], change: Partial<Free> = {}): Free => ({
  model: 'A10',
  cpuMilli: 64_000,
  gpus,
  ...change,
})

test.each([
  {
    name: 'of no use are parts that are too small',
    nodes: [node([0.5, 1])],
    pods: [pod({ gpus: 0.6 })],
    percent: 100 / 3,
  },
  {
    name: 'and all of a node without enough CPU',
    nodes: [node([1, 1], { cpuMilli: 3000 })],
    pods: [pod({})],
    percent: 100,
  },
  { name: 'or with too few GPUs', nodes: [node([1, 1, 0.9])], pods: [pod({ gpus: 4 })], percent: 100 },
  {
    name: 'or of another model',
    nodes: [node([1]), node([1], { model: 'T4' })],
    pods: [pod({ models: ['T4'] })],
    percent: 50,
  },
  { name: 'and everything, to a pod that wants none', nodes: [node([1])], pods: [pod({ gpus: 0 })], percent: 100 },
  {
    name: 'as a mean over the pods',
    nodes: [node([0.5, 0.5]), node([1])],
    pods: [pod({}), pod({ gpus: 0.5 }), pod({ gpus: 0.5 }), pod({ gpus: 2 })],
    percent: (50 + 0 + 0 + 100) / 4,
  },
])('$name', ({ nodes, pods, percent }) => {
  expect(fragmentedPercent(nodes, pods)).toBeCloseTo(percent)
})
