/** A change of a job that exists already: `manifest.ts` has the job, and `at` is changed in it. */
export interface Change {
  readonly at: string
  readonly to: unknown
}

/** Refused, with the path of the field. */
export const fixedFields: readonly (Change & { readonly says: string })[] = [
  { at: 'spec.workers', to: 2, says: 'spec.workers' },
  { at: 'spec.gpus.count', to: 2, says: 'spec.gpus' },
  { at: 'spec.gpus.models', to: ['H100'], says: 'spec.gpus' },
  { at: 'spec.gpus', to: { fraction: '0.5' }, says: 'spec.gpus' },
  { at: 'spec.topology', to: { within: 'Node', rule: 'Required' }, says: 'spec.topology' },
  { at: 'spec.placement', to: { nodeSelector: { a: 'b' } }, says: 'spec.placement' },
  { at: 'spec.template.spec.containers[0].image', to: 'example.com/train:2', says: 'spec.template' },
  { at: 'spec.retry', to: { limit: 5 }, says: 'spec.retry' },
  { at: 'spec.failover', to: { policy: 'Manual' }, says: 'spec.failover' },
  { at: 'spec.bindTimeoutSeconds', to: 60, says: 'spec.bindTimeoutSeconds' },
]

export const freeFields: readonly Change[] = [
  { at: 'spec.priority', to: 10 },
  { at: 'spec.suspend', to: true },
  { at: 'spec.ttlSecondsAfterFinished', to: 60 },
  { at: 'spec.maxRuntimeSeconds', to: 3600 },
  { at: 'spec.queue', to: 'research' },
]
