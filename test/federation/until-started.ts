import type { Provider } from '../../operator/src/api/provider.ts'
import { auditOf } from '../bed/audit.ts'
import { waitUntil } from '../bed/child.ts'
import { isOurs } from './rights-used.ts'
import type { Stage } from './stage.ts'

/**
 * What an agent does last when it starts: it looks past its caches whether something runs that nobody orders. And what
 * the hub does then: it counts the nodes that it was told of, of each provider so many.
 */
export async function untilStarted({ hub, providers }: Stage['federation'], nodesEach: number): Promise<void> {
  const haveLooked = async () => {
    const told = (await auditOf(hub)).filter((one) => one.verb === 'get' && one.resource === 'providerreports')
    const looked = Map.groupBy(told.filter(isOurs), ({ user }) => user)
    // Once before it writes its first report, once to compare what it found.
    return (looked.size === providers.length && looked.values().every(({ length }) => length > 1)) || undefined
  }
  await waitUntil(haveLooked, { what: 'the agents to be done with their start', seconds: 60 })
  // Which the hub writes once a second while nodes are told.
  const areCounted = async () => {
    const { body } = await hub.ask('/apis/gpucommons.io/v1alpha1/providers')
    const { items } = body as { items: readonly Provider[] }
    return items.every(({ status }) => status?.inventory?.nodes === nodesEach) || undefined
  }
  await waitUntil(areCounted, { what: 'the nodes of all providers to be counted', seconds: 60 })
}
