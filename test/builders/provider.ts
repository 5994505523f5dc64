import type { ObjectMeta } from '../../operator/src/api/meta.ts'
import type { Provider, ProviderSpec, ProviderStatus } from '../../operator/src/api/provider.ts'
import { objectMeta } from './meta.ts'

export interface ProviderOptions {
  readonly name?: string
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Partial<ProviderSpec>
  /** Absent: the hub has not seen it yet. */
  readonly status?: Partial<ProviderStatus>
}

/** `acme`, open for work. */
export function provider({ name = 'acme', metadata = {}, spec = {}, status }: ProviderOptions = {}): Provider {
  const meta = objectMeta(name, metadata)
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'Provider',
    metadata: meta,
    spec: { intake: 'Open', ...spec },
    ...(status && { status: { observedGeneration: meta.generation ?? 1, conditions: [], ...status } }),
  }
}
