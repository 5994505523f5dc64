// Since when each node of this cluster is Ready without a break, as far as this process saw.
import type { NodeSeen } from '../../../domain/lifecycle/worker-records.ts'
import type { Store } from '../store.ts'
import type { NodeKept } from './caches.ts'

export function nodeWatch(nodes: Store<NodeKept>, boot: () => number): (name: string) => NodeSeen | undefined {
  const readySince = new Map<string, number>()
  for (const { metadata } of nodes.values()) readySince.set(metadata.name, boot())
  nodes.subscribe(({ type, key, object, previous }) => {
    if (type === 'deleted') readySince.delete(key)
    else if (object.ready && previous?.ready !== true) readySince.set(key, boot())
  })
  return (name) => {
    const kept = nodes.get(name)
    return kept && { ready: kept.ready, readySince: readySince.get(name) ?? boot() }
  }
}
