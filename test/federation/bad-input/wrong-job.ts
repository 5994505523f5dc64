/** One thing wrong in a job that is right in all else. */
export interface WrongField {
  readonly name: string
  readonly at: string
  /** undefined takes the field out. */
  readonly to: unknown
  /** What kubectl's message has: the path of the field first. */
  readonly says: readonly string[]
}

export const wrongJob: readonly WrongField[] = [
  { name: 'a misspelled field', at: 'spec.worker', to: 4, says: ['unknown field "spec.worker"'] },
  {
    name: 'a field of the pod beside the template',
    at: 'spec.containers',
    to: [],
    says: ['unknown field "spec.containers"'],
  },
  { name: 'no spec', at: 'spec', to: undefined, says: ['spec', 'Required value'] },
  { name: 'no template', at: 'spec.template', to: undefined, says: ['spec.template', 'Required value'] },
  { name: 'no GPUs', at: 'spec.gpus', to: undefined, says: ['spec.gpus', 'Required value'] },
  { name: '0 GPUs', at: 'spec.gpus.count', to: 0, says: ['spec.gpus.count', 'greater than or equal to 1'] },
  { name: 'less than no GPU', at: 'spec.gpus.count', to: -1, says: ['spec.gpus.count', 'greater than or equal to 1'] },
  {
    name: 'a billion GPUs',
    at: 'spec.gpus.count',
    to: 1_000_000_000,
    says: ['spec.gpus.count', 'less than or equal to 64'],
  },
  { name: 'half a GPU', at: 'spec.gpus.count', to: 0.5, says: ['spec.gpus.count', 'integer'] },
  { name: 'GPUs as a text', at: 'spec.gpus.count', to: '1', says: ['spec.gpus.count', 'integer'] },
  { name: 'a null', at: 'spec.gpus.count', to: null, says: ['spec.gpus.count'] },
  { name: 'a model with a space', at: 'spec.gpus.models', to: ['RTX 4090'], says: ['spec.gpus.models[0]'] },
  {
    name: 'a model twice',
    at: 'spec.gpus.models',
    to: ['H100', 'H100'],
    says: ['spec.gpus.models[1]', 'Duplicate value'],
  },
  { name: 'an empty list of models', at: 'spec.gpus.models', to: [], says: ['spec.gpus.models', 'at least 1 items'] },
  { name: 'a model that is one text', at: 'spec.gpus.models', to: 'H100', says: ['spec.gpus.models', 'array'] },
  { name: 'GPU memory in GB', at: 'spec.gpus.memory', to: '80GB', says: ['spec.gpus.memory', 'must be a quantity'] },
  { name: 'no worker', at: 'spec.workers', to: 0, says: ['spec.workers', 'greater than or equal to 1'] },
  { name: 'too many workers', at: 'spec.workers', to: 1025, says: ['spec.workers', 'less than or equal to 1024'] },
  { name: 'too high a priority', at: 'spec.priority', to: 1001, says: ['spec.priority', 'less than or equal to 1000'] },
  { name: 'a priority in words', at: 'spec.priority', to: 'high', says: ['spec.priority', 'integer'] },
  {
    name: 'an unknown level of topology',
    at: 'spec.topology',
    to: { within: 'Building', rule: 'Required' },
    says: ['spec.topology.within', 'supported values: "Node", "Rack", "Zone"'],
  },
  {
    name: 'an enum in lower case',
    at: 'spec.topology',
    to: { within: 'Node', rule: 'required' },
    says: ['spec.topology.rule', 'supported values'],
  },
  {
    name: 'an unknown policy',
    at: 'spec.failover',
    to: { policy: 'Auto' },
    says: ['spec.failover.policy', 'supported values: "Fenced", "Manual"'],
  },
  {
    name: 'too short a lease',
    at: 'spec.failover',
    to: { leaseSeconds: 5 },
    says: ['spec.failover.leaseSeconds', 'greater than or equal to 30'],
  },
  {
    name: 'an unknown action',
    at: 'spec.retry',
    to: { exitCodes: [{ in: [1], action: 'Ignore' }] },
    says: ['spec.retry.exitCodes[0].action'],
  },
  {
    name: 'exit code 0 as a failure',
    at: 'spec.retry',
    to: { exitCodes: [{ in: [0], action: 'Fail' }] },
    says: ['spec.retry.exitCodes[0].in[0]'],
  },
  {
    name: 'an exit code over 255',
    at: 'spec.retry',
    to: { exitCodes: [{ in: [256], action: 'Fail' }] },
    says: ['spec.retry.exitCodes[0].in[0]'],
  },
  {
    name: 'an action for no exit code',
    at: 'spec.retry',
    to: { exitCodes: [{ in: [], action: 'Fail' }] },
    says: ['spec.retry.exitCodes[0].in'],
  },
  { name: 'too many retries', at: 'spec.retry', to: { limit: 101 }, says: ['spec.retry.limit'] },
  { name: 'a deadline at once', at: 'spec.maxRuntimeSeconds', to: 0, says: ['spec.maxRuntimeSeconds'] },
  {
    name: 'a deadline as a duration',
    at: 'spec.maxRuntimeSeconds',
    to: '1h',
    says: ['spec.maxRuntimeSeconds', 'integer'],
  },
  {
    name: 'a negative time to live',
    at: 'spec.ttlSecondsAfterFinished',
    to: -1,
    says: ['spec.ttlSecondsAfterFinished'],
  },
  { name: 'too long a bind timeout', at: 'spec.bindTimeoutSeconds', to: 100_000, says: ['spec.bindTimeoutSeconds'] },
  { name: 'suspend as a text', at: 'spec.suspend', to: 'true', says: ['spec.suspend', 'boolean'] },
  {
    name: 'a price below zero',
    at: 'spec.placement',
    to: { maxPricePerGpuHour: '-1' },
    says: ['spec.placement.maxPricePerGpuHour'],
  },
  {
    name: 'a price as a number',
    at: 'spec.placement',
    to: { maxPricePerGpuHour: 2.5 },
    says: ['spec.placement.maxPricePerGpuHour', 'string'],
  },
  {
    name: 'a price with its currency',
    at: 'spec.placement',
    to: { maxPricePerGpuHour: '2.50 EUR' },
    says: ['spec.placement.maxPricePerGpuHour'],
  },
  {
    name: 'a selector with a bad value',
    at: 'spec.placement',
    to: { providerSelector: { tier: 'a b' } },
    says: ['spec.placement.providerSelector.tier'],
  },
  {
    name: 'a selector of expressions',
    at: 'spec.placement',
    to: { providerSelector: { matchLabels: {} } },
    says: ['spec.placement.providerSelector.matchLabels', 'string'],
  },
  { name: 'a queue in capitals', at: 'spec.queue', to: 'Research', says: ['spec.queue'] },
  {
    name: 'a name of 41 characters',
    at: 'metadata.name',
    to: 'a'.repeat(41),
    says: ['metadata.name', 'at most 40 characters'],
  },
  {
    name: 'a name with a dot',
    at: 'metadata.name',
    to: 'train.v2',
    says: ['metadata.name', 'letters, digits and dashes'],
  },
  {
    name: 'a name that begins with a digit',
    at: 'metadata.name',
    to: '4-gpus',
    says: ['metadata.name', 'must be a letter'],
  },
  { name: 'a name in capitals', at: 'metadata.name', to: 'Train', says: ['metadata.name', 'lower case'] },
  {
    name: 'a version that there is not',
    at: 'apiVersion',
    to: 'gpucommons.io/v1',
    says: ['no matches for kind "GpuJob" in version "gpucommons.io/v1"'],
  },
  { name: 'a kind that there is not', at: 'kind', to: 'GPUJob', says: ['no matches for kind "GPUJob"'] },
  {
    name: 'an annotation of 300 KB',
    at: 'metadata.annotations',
    to: { note: 'x'.repeat(300_000) },
    says: ['metadata.annotations', 'Too long'],
  },
]
