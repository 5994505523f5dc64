/** A GpuQueue that the hub has seen. */
import type { GpuQueue, GpuQueueSpec } from '../../operator/src/api/gpuqueue.ts'
import type { Ask } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { group } from './stage.ts'

/** Without any quota, unless the spec says so. Waits until the hub has said how it is. */
export async function makeQueue(ask: Ask, name: string, spec: Partial<GpuQueueSpec> = {}): Promise<void> {
  const path = `${group}/gpuqueues`
  const queue = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuQueue', metadata: { name }, spec }
  const { status } = await ask(path, { method: 'POST', body: queue })
  if (status !== 201) throw new Error(`making GpuQueue ${name}: ${status}`)
  const isSaid = async () =>
    ((await ask(`${path}/${name}`)).body as GpuQueue).status?.conditions.length === 1 || undefined
  await waitUntil(isSaid, { what: `the hub to say how queue ${name} is`, seconds: 20 })
}
