// Facts for the engine, valid by default: a test says only what it is about.
import type {
  Booking,
  Choice,
  JobFact,
  NodeFact,
  ProviderFact,
  QueueFact,
} from '../../operator/src/domain/scheduling/facts.ts'

export function providerFact(change: Partial<ProviderFact> = {}): ProviderFact {
  return { name: 'acme', labels: {}, state: 'Connected', ...change }
}

/** Eight H100, all free. */
export function nodeFact(change: Partial<NodeFact> = {}): NodeFact {
  return {
    provider: 'acme',
    name: 'n1',
    model: 'H100',
    gpuMemoryMiB: 80 * 1024,
    gpus: 8,
    cpuMilli: 128_000,
    memoryMiB: 1024 * 1024,
    storageMiB: 1024 * 1024,
    usedByOthers: { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
    labels: {},
    taints: [],
    ...change,
  }
}

/** One worker with one GPU. Its name is its uid. */
export function jobFact({ gpus = 1, ...change }: Partial<JobFact> & { readonly gpus?: number } = {}): JobFact {
  const uid = change.uid ?? 'job'
  return {
    uid,
    key: `ml/${uid}`,
    run: 1,
    priority: 0,
    createdMs: 0,
    workers: 1,
    perWorker: { gpus, cpuMilli: 1000, memoryMiB: 1024, storageMiB: 1024 },
    models: [],
    providerSelector: {},
    nodeSelector: {},
    tolerations: [],
    excludedProviders: [],
    ...change,
  }
}

export function booking(change: Partial<Booking> = {}): Booking {
  return {
    uid: 'other',
    run: 1,
    provider: 'acme',
    nodes: [{ name: 'n1', workers: 1 }],
    perWorker: { gpus: 1, cpuMilli: 1000, memoryMiB: 1024, storageMiB: 1024 },
    ...change,
  }
}

/** A root without quota. */
export function queueFact(change: Partial<QueueFact> = {}): QueueFact {
  const preemption = { withinQueue: 'Never', reclaim: 'Never', minRuntimeMs: 0 } as const
  return { name: 'research', weight: 1, quota: {}, preemption, ...change }
}

/** `a@acme:n1×2,n2×2` */
export function rendered({ uid, provider, nodes }: Choice): string {
  return `${uid}@${provider}:${nodes.map(({ name, workers }) => `${name}×${workers}`).join()}`
}
