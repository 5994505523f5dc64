// A claimed node as the engine reckons with it.
import type { GpuNodeSpec } from '../../api/gpunode.ts'
import { cpuMilli, memoryMiB } from '../../api/quantity.ts'
import type { NodeFact } from '../scheduling/facts.ts'

/**
 * The provider's name comes from the namespace in which the claim lies, never from the claim.
 * A node with several kinds of devices is offered by its first kind.
 * @throws RangeError for a quantity that is none; the schema of GpuNode lets none through.
 */
export function nodeFact(provider: string, spec: GpuNodeSpec): NodeFact {
  const device = spec.devices[0]
  const { replicas = 1 } = spec.sharing ?? {}
  return {
    provider,
    name: spec.node,
    model: device?.model ?? '',
    gpuMemoryMiB: device?.memoryMiB ?? 0,
    gpus: Math.max(0, (device?.healthy ?? 0) - spec.keptGpus),
    cpuMilli: cpuMilli(spec.allocatable.cpu),
    memoryMiB: memoryMiB(spec.allocatable.memory),
    storageMiB: memoryMiB(spec.allocatable.ephemeralStorage),
    usedByOthers: {
      // The owner's own pods take those first that the owner keeps.
      gpus: Math.max(0, spec.usedByOthers.gpus / replicas - spec.keptGpus),
      cpuMilli: cpuMilli(spec.usedByOthers.cpu),
      memoryMiB: memoryMiB(spec.usedByOthers.memory),
      // An older agent does not say: then its scheduler is the one who notices.
      storageMiB: memoryMiB(spec.usedByOthers.ephemeralStorage ?? 0),
    },
    labels: spec.labels ?? {},
    ...(replicas > 1 ? { slices: replicas, slicesPerWorker: 1 } : {}),
    ...(spec.topology === undefined ? {} : { topology: spec.topology }),
    taints: spec.taints ?? [],
    withheld: spec.offer === 'Withheld' ? (spec.withheldBecause ?? 'Withheld') : undefined,
  }
}
