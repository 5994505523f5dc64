// What the agent finds out of its own cluster for the walls around tenants' namespaces.
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Surroundings } from '../../../domain/workload/tenant-walls.ts'
import type { KubeClient } from '../client.ts'
import { type EndpointSlice, endpointSlices } from '../resources.ts'

export interface SurroundingsWorld {
  readonly provider: KubeClient
  /** Of the API server, for pods; `undefined` where the agent is in none, and its nameservers are those of another machine. */
  readonly serviceHost: string | undefined
  readonly closedRanges: readonly string[]
  readonly resolvConf?: string
}

/** Looked for once, at the first tenant, and again after a failure. */
export function surroundings(world: SurroundingsWorld): () => Promise<Surroundings> {
  let found: Promise<Surroundings> | undefined
  return async () => {
    const looking = (found ??= look(world))
    try {
      return await looking
    } catch (error) {
      if (found === looking) found = undefined
      throw error
    }
  }
}

async function look({
  provider,
  serviceHost,
  closedRanges,
  resolvConf = '/etc/resolv.conf',
}: SurroundingsWorld): Promise<Surroundings> {
  const slice = await provider.get(endpointSlices, { namespace: 'default', name: 'kubernetes' })
  const behind = addressesIn(slice)
  if (serviceHost === undefined) return { nameservers: [], apiServers: behind, closedRanges }
  const nameservers = nameserversIn(await readFile(resolvConf, 'utf8'))
  const apiServers = [...new Set([serviceHost, ...behind])].filter((address) => isIP(address) !== 0)
  return { nameservers, apiServers, closedRanges }
}

function addressesIn(slice: EndpointSlice | undefined): string[] {
  return (slice?.endpoints ?? []).flatMap(({ addresses }) => addresses).filter((address) => isIP(address) !== 0)
}

/** As in resolv.conf(5); an address of the link has the name of an interface after a `%`. */
function nameserversIn(text: string): string[] {
  const all = [...text.matchAll(/^nameserver[ \t]+([0-9a-fA-F.:]+)/gm)].map(([, address = '']) => address)
  return [...new Set(all)].filter((address) => isIP(address) !== 0)
}
