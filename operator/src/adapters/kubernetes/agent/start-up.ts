// What the agent writes of its own accord: the class of its pods on its own cluster, and its report to the hub.
import { isDeepStrictEqual } from 'node:util'
import { type ProviderReportSpec, REPORT_NAME } from '../../../api/providerreport.ts'
import type { Clock } from '../../../controllers/clock.ts'
import { priorityClassName } from '../../../domain/workload/pod-manifest.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict } from '../errors.ts'
import { priorityClasses, providerReports } from '../kinds.ts'

/** Lower than anything of the owner's, and never a reason to push somebody out. */
export async function ensurePriorityClass(provider: KubeClient): Promise<void> {
  if (await provider.get(priorityClasses, { name: priorityClassName })) return
  try {
    await provider.create(priorityClasses, {
      metadata: { name: priorityClassName },
      value: -1000,
      preemptionPolicy: 'Never',
      globalDefault: false,
      description: 'Runs of the gpu-commons federation: the work of this cluster itself comes first',
    })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

/** How long it is believed that the PriorityClass is there. */
const classSeenForMs = 60_000

/** To be called before each Job: without the class not one pod of it can be made, and its owner may remove it at any time. */
export function keptPriorityClass(provider: KubeClient, { boot }: Pick<Clock, 'boot'>): () => Promise<void> {
  let last: { readonly at: number; readonly ensured: Promise<void> } | undefined
  return async () => {
    if (!last || boot() - last.at >= classSeenForMs) last = { at: boot(), ensured: ensurePriorityClass(provider) }
    const mine = last
    try {
      await mine.ensured
    } catch (error) {
      if (last === mine) last = undefined
      throw error
    }
  }
}

export type Told = Pick<ProviderReportSpec, 'agentVersion' | 'kubernetesVersion' | 'rules' | 'intake'>

/**
 * Gives what the report says now. What else stands in it is told by others of this agent; what was found of the network
 * counts for the version of the agent that found it.
 */
export async function report(hub: KubeClient, namespace: string, told: Told): Promise<ProviderReportSpec> {
  const old = await hub.get(providerReports, { name: REPORT_NAME, namespace })
  const networkIsolation = old?.spec.agentVersion === told.agentVersion ? old.spec.networkIsolation : 'Unknown'
  const spec = { ...old?.spec, ...told, networkIsolation } as const
  if (isDeepStrictEqual(spec, old?.spec)) return spec
  try {
    if (old) await hub.replace(providerReports, { ...old, spec })
    else await hub.create(providerReports, { metadata: { name: REPORT_NAME, namespace }, spec })
  } catch (error) {
    if (!isConflict(error)) throw error
    return report(hub, namespace, told) // What computes without an order was told in the same moment.
  }
  return spec
}

/** Such as `v1.34.4`. */
export async function kubernetesVersion(provider: KubeClient): Promise<string> {
  const version = await provider.request({ method: 'GET', path: '/version' })
  const { gitVersion } = version as { gitVersion?: unknown }
  return typeof gitVersion === 'string' ? gitVersion.slice(0, 64) : 'unknown'
}
