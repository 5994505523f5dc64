/** GpuJobs as tenants order them, on simulated nodes. */
import type { GpuJob, GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import type { PodSpec } from '../../operator/src/api/template.ts'
import type { Ask } from '../bed/api-requests.ts'
import { group } from './stage.ts'

/** What the API server fills in may be left out. */
type SpecOrder = Partial<Omit<GpuJobSpec, 'template' | 'retry'>> & { readonly retry?: Partial<GpuJobSpec['retry']> }

export interface Order {
  readonly namespace: string
  readonly name: string
  readonly spec?: SpecOrder
  /** Absent: one container. */
  readonly pod?: PodSpec
  /** How its pods behave, see test/bed/README.md: `{ seconds: '0.2' }` is the label `simulate-seconds`. */
  readonly simulate?: Readonly<Record<string, string>>
}

/** All of them as fast as the API server takes them. */
export async function createJobs(ask: Ask, orders: readonly Order[]): Promise<void> {
  await forEach(orders, (order) => createJob(ask, order))
}

/** One by one: an API server that has much to do breaks off the deletion of a whole collection after a minute. */
export async function deleteJobs(ask: Ask, jobs: readonly GpuJob[]): Promise<void> {
  await forEach(jobs, async ({ metadata: { namespace, name } }) => {
    const { status, body } = await ask(`${group}/namespaces/${namespace}/gpujobs/${name}`, { method: 'DELETE' })
    if (status !== 200) throw new Error(`deleting GpuJob ${namespace}/${name}: ${JSON.stringify(body)}`)
  })
}

/** Sixteen at a time. */
async function forEach<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = [...items]
  const next = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item)
  }
  await Promise.all(Array.from({ length: 16 }, next))
}

/** One worker with one GPU, for half a second, unless it says otherwise. */
export async function createJob(ask: Ask, { namespace, name, spec = {}, pod, simulate = {} }: Order): Promise<GpuJob> {
  const behaviour = Object.entries({ seconds: '0.5', ...simulate }).map(([key, value]) => [
    key === 'how' ? 'simulate' : `simulate-${key}`,
    value,
  ])
  const template = {
    metadata: { labels: Object.fromEntries(behaviour) as Record<string, string> },
    spec: pod ?? { containers: [{ name: 'main', image: 'example.com/train:1' }] },
  }
  const body = {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: { name, namespace },
    spec: { gpus: { count: 1 }, ...spec, template },
  }
  const answer = await ask(`${group}/namespaces/${namespace}/gpujobs`, { method: 'POST', body })
  if (answer.status !== 201) throw new Error(`creating GpuJob ${namespace}/${name}: ${JSON.stringify(answer.body)}`)
  return answer.body as GpuJob
}
