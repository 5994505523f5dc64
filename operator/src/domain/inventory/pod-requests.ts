// What the scheduler reserves for a pod, by the rules of Kubernetes.
import { cpuMilli, memoryMiB, wholeNumber } from '../../api/quantity.ts'

type Quantities = Readonly<Record<string, string | number>>

interface Resources {
  readonly requests?: Quantities | undefined
  readonly limits?: Quantities | undefined
}

interface Container {
  readonly resources?: Resources | undefined
  readonly restartPolicy?: string | undefined
}

/** The part of a pod spec that says what it needs. */
export interface PodResources {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[] | undefined
  readonly overhead?: Quantities | undefined
  /** Pod-level resources: they stand in for the sum of the containers, for CPU and memory. */
  readonly resources?: Resources | undefined
}

export interface Requests {
  readonly cpuMilli: number
  readonly memoryMiB: number
  readonly storageMiB: number
  readonly gpus: number
}

/**
 * What NVIDIA's device plugin offers: whole GPUs or replicas of them as `nvidia.com/gpu`, replicas also as
 * `nvidia.com/gpu.shared` (renameByDefault), and with the mixed MIG strategy a resource for each profile.
 * https://github.com/NVIDIA/k8s-device-plugin/blob/v0.17.1/README.md#shared-access-to-gpus
 */
export function isGpuResource(resource: string): boolean {
  return /^nvidia\.com\/(?:gpu|mig-[^/]+)(?:\.shared)?$/.test(resource)
}

export const nothing: Requests = { cpuMilli: 0, memoryMiB: 0, storageMiB: 0, gpus: 0 }

/**
 * The larger of what runs at the same time: all containers, or any one init container; sidecars (init
 * containers that are always restarted) run beside everything after them.
 * @throws RangeError where a quantity is none.
 */
export function podRequests(pod: PodResources): Requests {
  let sidecars = nothing
  let starting = nothing
  for (const container of pod.initContainers ?? []) {
    const withIt = sum(sidecars, requestsOf(container.resources))
    if (container.restartPolicy === 'Always') sidecars = withIt
    starting = largest(starting, withIt)
  }
  const running = pod.containers.reduce((total, container) => sum(total, requestsOf(container.resources)), sidecars)

  const ofThePod = pod.resources ? onlyNamed(pod.resources) : {}
  return sum({ ...largest(starting, running), ...ofThePod }, requestsOf({ requests: pod.overhead }))
}

/** Requests default to limits, resource by resource. */
function requestsOf(resources: Resources | undefined): Requests {
  const asked = requested(resources)
  const gpus = Object.keys(asked).filter(isGpuResource)
  return {
    ...nothing,
    ...onlyNamed(resources),
    storageMiB: memoryMiB(asked['ephemeral-storage'] ?? 0),
    gpus: gpus.reduce((total, resource) => total + wholeNumber(asked[resource] ?? 0), 0),
  }
}

function onlyNamed(resources: Resources | undefined): Partial<Requests> {
  const { cpu, memory } = requested(resources)
  return {
    ...(cpu === undefined ? {} : { cpuMilli: cpuMilli(cpu) }),
    ...(memory === undefined ? {} : { memoryMiB: memoryMiB(memory) }),
  }
}

function requested(resources: Resources | undefined): Quantities {
  return { ...resources?.limits, ...resources?.requests }
}

export function sum(a: Requests, b: Requests): Requests {
  return {
    cpuMilli: a.cpuMilli + b.cpuMilli,
    memoryMiB: a.memoryMiB + b.memoryMiB,
    storageMiB: a.storageMiB + b.storageMiB,
    gpus: a.gpus + b.gpus,
  }
}

function largest(a: Requests, b: Requests): Requests {
  return {
    cpuMilli: Math.max(a.cpuMilli, b.cpuMilli),
    memoryMiB: Math.max(a.memoryMiB, b.memoryMiB),
    storageMiB: Math.max(a.storageMiB, b.storageMiB),
    gpus: Math.max(a.gpus, b.gpus),
  }
}
