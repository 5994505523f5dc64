// Finds out whether the network of this cluster holds tenants' pods to their NetworkPolicy, and tells the hub.
import { REPORT_NAME } from '../../../api/providerreport.ts'
import { pause } from '../../../controllers/clock.ts'
import {
  type Found,
  foundBy,
  type Isolation,
  isolationOf,
  letThroughPolicy,
  probeJob,
  probeNamespace,
  type Side,
} from '../../../domain/workload/isolation-probe.ts'
import type { Program } from '../../run-main.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isConflict } from '../errors.ts'
import { providerReports } from '../kinds.ts'
import { type Job, jobs, networkPolicies } from '../resources.ts'
import { ensurePriorityClass } from './start-up.ts'
import { type TenantNamespacesWorld, tenantNamespaces } from './tenant-namespaces.ts'

export interface ProbeWorld extends TenantNamespacesWorld, Pick<Program, 'log'> {
  readonly hub: KubeClient
  /** The agent's own on the hub. */
  readonly namespace: string
  readonly nonce: () => string
  /** The agent's own. `undefined`: nothing is tried. */
  readonly probeImage: string | undefined
}

const lookMs = 2000

/** Once for each version of the agent: what the report says of this one stays. Throws where it cannot be tried at all. */
export async function probeIsolation(world: ProbeWorld, known: Isolation): Promise<void> {
  const { probeImage, log } = world
  if (known !== 'Unknown' || probeImage === undefined) return
  const { is, why } = isolationOf(await findOut(world, probeImage))
  if (why === undefined) log.info({ networkIsolation: is }, 'knows whether the network enforces NetworkPolicies')
  else log.warn({ why }, 'could not find out whether the network enforces NetworkPolicies')
  if (is !== 'Unknown') await tell(world, is)
}

async function findOut(world: ProbeWorld, image: string): Promise<Readonly<Record<Side, Found>>> {
  const { provider, hubUid } = world
  const { name: namespace, tenant } = probeNamespace(hubUid)
  await ensurePriorityClass(provider)
  const refusal = await tenantNamespaces(world).ensure(namespace, tenant)
  if (refusal) throw new Error(refusal.message)
  try {
    await provider.create(networkPolicies, letThroughPolicy(namespace))
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  const nonce = world.nonce()
  const probe = (side: Side) => findBy(world, probeJob({ namespace, side, image, nonce }))
  const [walled, letThrough] = await Promise.all([probe('walled'), probe('let-through')])
  return { walled, 'let-through': letThrough }
}

/** Its own deadline ends a Job that nobody looks at any more, and its own time to live removes it. */
async function findBy(
  { provider, timers, signal }: ProbeWorld,
  { metadata, spec }: ReturnType<typeof probeJob>,
): Promise<Found> {
  const { uid } = (await provider.create(jobs, { metadata, spec })).metadata
  for (;;) {
    await pause(lookMs, { timers, signal })
    signal.throwIfAborted()
    const job: Job | undefined = await provider.get(jobs, metadata)
    if (!job) return { why: 'its Job was removed' }
    const found = foundBy(job.status?.conditions)
    if (found === undefined) continue
    await provider.delete(jobs, metadata, { uid, propagationPolicy: 'Background' })
    return found
  }
}

async function tell(
  { hub, namespace }: Pick<ProbeWorld, 'hub' | 'namespace'>,
  networkIsolation: Isolation,
): Promise<void> {
  const report = await hub.get(providerReports, { name: REPORT_NAME, namespace })
  if (!report) return
  try {
    await hub.replace(providerReports, { ...report, spec: { ...report.spec, networkIsolation } })
  } catch (error) {
    if (!isConflict(error)) throw error
    await tell({ hub, namespace }, networkIsolation)
  }
}
