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
