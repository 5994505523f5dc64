import { gpuNode } from '../../builders/gpunode.ts'
import { changed, type Manifest } from './manifest.ts'
import type { WrongField } from './wrong-job.ts'

interface WrongObject extends WrongField {
  readonly of: Manifest
}

const provider: Manifest = {
  apiVersion: 'gpucommons.io/v1alpha1',
  kind: 'Provider',
  metadata: { name: 'acme' },
  spec: {},
}
const queue: Manifest = {
  apiVersion: 'gpucommons.io/v1alpha1',
  kind: 'GpuQueue',
  metadata: { name: 'research' },
  spec: {},
}
const report: Manifest = {
  apiVersion: 'gpucommons.io/v1alpha1',
  kind: 'ProviderReport',
  metadata: { name: 'self', namespace: 'demo' },
  spec: { agentVersion: '0.1.0' },
}
const { apiVersion, kind, spec } = gpuNode()
const node: Manifest = { apiVersion, kind, metadata: { name: 'node-1', namespace: 'demo' }, spec: { ...spec } }

/** Wrong objects of the kinds that operators and agents write. */
export const wrongOthers: readonly (Omit<WrongField, 'at' | 'to'> & { readonly manifest: Manifest })[] = (
  [
    {
      of: provider,
      name: 'a provider with a name of 55 characters',
      at: 'metadata.name',
      to: 'a'.repeat(55),
      says: ['metadata.name', 'at most 54 characters'],
    },
    {
      of: provider,
      name: 'a provider with two prices of a model',
      at: 'spec.prices',
      to: [
        { model: 'H100', perGpuHour: '1' },
        { model: 'H100', perGpuHour: '2' },
      ],
      says: ['spec.prices[1]', 'Duplicate value'],
    },
    {
      of: provider,
      name: 'a provider with a price in words',
      at: 'spec.prices',
      to: [{ model: 'H100', perGpuHour: 'cheap' }],
      says: ['spec.prices[0].perGpuHour'],
    },
    {
      of: provider,
      name: 'a provider neither open nor cordoned',
      at: 'spec.intake',
      to: 'Closed',
      says: ['spec.intake', 'supported values: "Open", "Cordoned"'],
    },
    {
      of: queue,
      name: 'a queue that is a part of itself',
      at: 'spec.parent',
      to: 'research',
      says: ['spec.parent', 'none is a part of itself'],
    },
    {
      of: queue,
      name: 'a queue with a name that begins with a digit',
      at: 'metadata.name',
      to: '1st',
      says: ['metadata.name', 'a letter'],
    },
    {
      of: queue,
      name: 'a queue with a weight above a thousand million',
      at: 'spec.weight',
      to: 1_000_000_001,
      says: ['spec.weight', 'less than or equal to 1000000000'],
    },
    { of: queue, name: 'a queue with a negative weight', at: 'spec.weight', to: -1, says: ['spec.weight'] },
    { of: queue, name: 'a queue with half a weight', at: 'spec.weight', to: 0.5, says: ['spec.weight'] },
    {
      of: queue,
      name: 'a queue with two quotas of a model',
      at: 'spec.quota',
      to: [{ model: 'H100' }, { model: 'H100', guaranteed: 3 }],
      says: ['spec.quota[1]', 'Duplicate value'],
    },
    {
      of: queue,
      name: 'a queue that lends more than it has',
      at: 'spec.quota',
      to: [{ model: 'H100', guaranteed: 3, lendLimit: 4 }],
      says: ['spec.quota[0].lendLimit', 'must not be more than guaranteed'],
    },
    {
      of: queue,
      name: 'a queue that lends and has nothing',
      at: 'spec.quota',
      to: [{ model: 'H100', lendLimit: 1 }],
      says: ['spec.quota[0].lendLimit', 'must not be more than guaranteed'],
    },
    {
      of: queue,
      name: 'a quota of half a GPU',
      at: 'spec.quota',
      to: [{ model: 'H100', guaranteed: 0.5 }],
      says: ['spec.quota[0].guaranteed'],
    },
    {
      of: queue,
      name: 'a quota of a model with a space in it',
      at: 'spec.quota',
      to: [{ model: 'RTX 4090', guaranteed: 1 }],
      says: ['spec.quota[0].model'],
    },
    {
      of: queue,
      name: 'a quota of no model',
      at: 'spec.quota',
      to: [{ guaranteed: 1 }],
      says: ['spec.quota[0].model', 'Required value'],
    },
    {
      of: queue,
      name: 'a queue for a pattern of namespaces',
      at: 'spec.namespaces',
      to: ['team-*'],
      says: ['spec.namespaces[0]'],
    },
    {
      of: queue,
      name: 'a queue for a namespace twice',
      at: 'spec.namespaces',
      to: ['a', 'a'],
      says: ['spec.namespaces[1]', 'Duplicate value'],
    },
    {
      of: queue,
      name: 'a queue that takes back from whom it likes',
      at: 'spec.preemption.reclaim',
      to: 'Always',
      says: ['spec.preemption.reclaim', 'supported values: "Never", "LowerPriority", "Any"'],
    },
    {
      of: queue,
      name: 'a queue that gives a priority that no job may have',
      at: 'spec.defaults.priority',
      to: 1001,
      says: ['spec.defaults.priority'],
    },
    { of: queue, name: 'a queue with a budget', at: 'spec.budget', to: '10', says: ['unknown field "spec.budget"'] },
    {
      of: node,
      name: 'a node that shares its GPUs with nobody',
      at: 'spec.sharing',
      to: { strategy: 'TimeSlicing' },
      says: ['spec.sharing', 'must say replicas with TimeSlicing'],
    },
    {
      of: node,
      name: 'a node whose slices are shared',
      at: 'spec.sharing',
      to: { strategy: 'Mig', replicas: 2 },
      says: ['spec.sharing', 'must say replicas with TimeSlicing'],
    },
    {
      of: node,
      name: 'a node in a rack without a name',
      at: 'spec.topology',
      to: { rack: '' },
      says: ['spec.topology.rack'],
    },
    { of: report, name: 'a second report', at: 'metadata.name', to: 'other', says: ['metadata.name must be self'] },
    {
      of: report,
      name: 'an unknown Pod Security level',
      at: 'spec.rules',
      to: { podSecurity: 'Privileged' },
      says: ['spec.rules.podSecurity', 'supported values'],
    },
    {
      of: report,
      name: 'hours that no clock shows',
      at: 'spec.rules',
      to: { hours: { windows: [{ days: ['Mon'], from: '24:00', to: '25:00' }] } },
      says: ['spec.rules.hours.windows[0].from', 'spec.rules.hours.windows[0].to'],
    },
    {
      of: node,
      name: 'more healthy GPUs than GPUs',
      at: 'spec.devices[0].healthy',
      to: 9,
      says: ['spec.devices[0]', 'more healthy devices than devices'],
    },
    {
      of: node,
      name: 'a million GPUs in a node',
      at: 'spec.devices[0].count',
      to: 1_000_000,
      says: ['spec.devices[0].count', 'less than or equal to 1024'],
    },
    {
      of: node,
      name: 'an exbibyte of memory in a node',
      at: 'spec.allocatable.memory',
      to: '1Ei',
      says: ['spec.allocatable.memory', 'more than 1Pi'],
    },
    {
      of: node,
      name: 'a million cores in a node',
      at: 'spec.allocatable.cpu',
      to: '1M',
      says: ['spec.allocatable.cpu', 'more than 100k'],
    },
    {
      of: node,
      name: 'an allocatable that is no quantity',
      at: 'spec.allocatable.cpu',
      to: 'many',
      says: ['spec.allocatable.cpu', 'must be a quantity'],
    },
    {
      of: node,
      name: 'more kinds of device than a node has',
      at: 'spec.devices',
      to: Array.from({ length: 65 }, () => spec.devices[0]),
      says: ['spec.devices', 'at most 32 items'],
    },
    {
      of: node,
      name: 'a claim without devices',
      at: 'spec.devices',
      to: undefined,
      says: ['spec.devices', 'Required value'],
    },
  ] satisfies readonly WrongObject[]
).map(({ of, at, to, ...rest }) => ({ ...rest, manifest: changed(of, at, to) }))
