import { HUB_UID_LABEL, RUN_LABEL } from '../../../api/labels.ts'
import { MAX_UNORDERED, REPORT_NAME } from '../../../api/providerreport.ts'
import type { UnorderedPorts } from '../../../controllers/agent/unordered.ts'
import { runId } from '../../../domain/lifecycle/gpurun.ts'
import type { KubeClient, KubeObject, Resource, Selection } from '../client.ts'
import { gpuRuns, providerReports } from '../kinds.ts'
import { type Job, jobs } from '../resources.ts'

export interface UnorderedWorld {
  readonly hub: KubeClient
  readonly provider: KubeClient
  /** The agent's own on the hub. */
  readonly namespace: string
}

type Ports = Pick<UnorderedPorts, 'find' | 'told' | 'tell'>

export function unorderedPorts({ hub, provider, namespace }: UnorderedWorld): Ports {
  const ref = { name: REPORT_NAME, namespace }
  return {
    find: async (hubUid) => {
      const [here, ordered] = await Promise.all([
        all(provider, jobs, { labelSelector: `${HUB_UID_LABEL}=${hubUid},${RUN_LABEL}` }),
        all(hub, gpuRuns, { namespace }),
      ])
      const known = new Set(ordered.map(runId))
      const ids = here.filter(computes).map(({ metadata }) => metadata.labels?.[RUN_LABEL] ?? '')
      return ids.filter((id) => !known.has(id)).slice(0, MAX_UNORDERED)
    },
    told: async () => (await hub.get(providerReports, ref))?.spec.unordered ?? [],
    tell: async (ids) => {
      const report = await hub.get(providerReports, ref)
      if (report) await hub.replace(providerReports, { ...report, spec: { ...report.spec, unordered: ids } })
    },
  }
}

function computes({ status }: Job): boolean {
  return !status?.conditions?.some(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  )
}

async function all<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  selection: Selection,
): Promise<readonly T[]> {
  const items: T[] = []
  let next: string | undefined
  do {
    const page = await client.list(resource, { ...selection, limit: 500, continue: next })
    items.push(...page.items)
    next = page.continue
  } while (next !== undefined)
  return items
}
