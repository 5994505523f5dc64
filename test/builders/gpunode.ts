import type { GpuNode, GpuNodeSpec, GpuNodeStatus } from '../../operator/src/api/gpunode.ts'
import type { ObjectMeta } from '../../operator/src/api/meta.ts'
import { providerNamespace } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { objectMeta } from './meta.ts'

export interface GpuNodeOptions {
  readonly name?: string
  readonly provider?: string
  readonly model?: string
  readonly memoryMiB?: number
  /** How many GPUs it has, all of them healthy. */
  readonly gpus?: number
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Partial<GpuNodeSpec>
  readonly status?: Partial<GpuNodeStatus>
}

/** `node-1` of `acme`: 8 × H100, 64 cores, 1 TiB, and nobody else on it. */
export function gpuNode(options: GpuNodeOptions = {}): GpuNode {
  const { name = 'node-1', provider = 'acme', model = 'H100', memoryMiB = 81_559, gpus = 8 } = options
  const { metadata = {}, spec = {}, status } = options
  const meta = objectMeta(name, { namespace: providerNamespace(provider), ...metadata })
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuNode',
    metadata: meta,
    spec: {
      node: name,
      allocatable: { cpu: '64', memory: '1Ti', ephemeralStorage: '2Ti' },
      usedByOthers: { cpu: '0', memory: '0', gpus: 0 },
      devices: [
        {
          source: 'DevicePlugin',
          resource: 'nvidia.com/gpu',
          model,
          product: `NVIDIA-${model}`,
          memoryMiB,
          count: gpus,
          healthy: gpus,
        },
      ],
      keptGpus: 0,
      offer: 'Offered',
      ...spec,
    },
    ...(status && { status: { observedGeneration: meta.generation ?? 1, conditions: [], ...status } }),
  }
}
