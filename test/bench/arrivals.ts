/** When Jobs come to be on the providers, and when there are nodes for them. */
import { reflect } from '../../operator/src/adapters/kubernetes/reflector.ts'
import { type Job, jobs } from '../../operator/src/adapters/kubernetes/resources.ts'
import { systemClock, systemTimers } from '../../operator/src/adapters/system-clock.ts'
import { JOB_LABEL } from '../../operator/src/api/labels.ts'
import { waitUntil } from '../bed/child.ts'
import type { DispatchBed } from './dispatch-bed.ts'

export interface Arrivals extends AsyncDisposable {
  /** By name of the GpuJob: when its Job was seen on a provider, by the bench's own watch. Milliseconds of `performance.now()`. */
  readonly at: ReadonlyMap<string, number>
}

export async function watchArrivals(
  { providers }: Pick<DispatchBed, 'providers'>,
  report: (line: string) => void,
): Promise<Arrivals> {
  const at = new Map<string, number>()
  const end = new AbortController()
  const context = {
    clock: systemClock(),
    timers: systemTimers,
    random: Math.random,
    signal: end.signal,
    onError: (error: Error) => report(String(error)),
  }
  const watches = providers.map(({ client }) =>
    reflect({ ...context, client, resource: jobs, project: ({ metadata }: Job) => ({ metadata }) }),
  )
  for (const { store } of watches) {
    store.subscribe(({ type, object }) => {
      const job = object.metadata.labels?.[JOB_LABEL]
      if (type === 'added' && job !== undefined) at.set(job, performance.now())
    })
  }
  await Promise.all(watches.map(({ synced }) => synced))
  return {
    at,
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await Promise.all(watches.map(({ done }) => done))
    },
  }
}

/** Waits until the hub knows of so many nodes of each provider. */
export async function untilOffered({ federation }: Pick<DispatchBed, 'federation'>, nodesEach: number): Promise<void> {
  const expected = nodesEach * federation.providers.length
  const areOffered = async () => {
    const { body } = await federation.hub.ask('/apis/gpucommons.io/v1alpha1/providers')
    const items = (body as { items: { status?: { inventory?: { nodes: number } } }[] }).items
    return items.reduce((sum, { status }) => sum + (status?.inventory?.nodes ?? 0), 0) === expected || undefined
  }
  await waitUntil(areOffered, { what: `${expected} nodes on the hub`, seconds: 120 })
}

/** Resolves at a moment of `performance.now()`. */
export function until(moment: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, moment - performance.now())))
}
