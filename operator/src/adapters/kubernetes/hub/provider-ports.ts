import type { Provider } from '../../../api/provider.ts'
import { REPORT_NAME } from '../../../api/providerreport.ts'
import type { Clock } from '../../../controllers/clock.ts'
import type { ProviderPorts } from '../../../controllers/hub/provider.ts'
import type { Scheduling } from '../../../controllers/hub/scheduling.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import type { Home } from '../../../domain/lifecycle/provider-steps.ts'
import type { KubeClient } from '../client.ts'
import { providers } from '../kinds.ts'
import { reflect } from '../reflector.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import { type Lease, leases } from '../resources.ts'
import type { StatusWriter } from '../status-writer.ts'
import type { HubCaches } from './caches.ts'
import { makeHome } from './provider-home.ts'
import { AGENT_NAME } from './rights.ts'

export interface ProviderWorld {
  readonly client: KubeClient
  readonly context: ReflectorContext
  readonly caches: HubCaches
  readonly scheduling: Scheduling
  readonly statuses: StatusWriter
  readonly hubUid: string
  readonly clock: Clock
  readonly suspectAfterSeconds: number
  /** A heartbeat has been seen: the Provider is to be looked at. */
  readonly wake: (provider: string) => void
}

/** What this process knows of a provider's home, and how it stops looking at it. */
interface Watched {
  readonly providerUid: string
  readonly home: Home
  readonly sinceBoot: number
  readonly stop: AbortController
  renewedBoot?: number
}

export function providerPorts(world: ProviderWorld): ProviderPorts {
  const { caches, clock, scheduling, statuses } = world
  const watched = new Map<string, Watched>()

  function forget(name: string): void {
    watched.get(name)?.stop.abort()
    watched.delete(name)
    scheduling.removeProvider(name)
  }

  async function homeOf(provider: Provider): Promise<Home> {
    const { name, uid } = provider.metadata
    const known = watched.get(name)
    if (known?.providerUid === uid && known.home.state === 'Made') return known.home
    const home = await makeHome({ ...world.context, client: world.client }, provider, world.hubUid)
    known?.stop.abort()
    const sinceBoot = known?.providerUid === uid ? known.sinceBoot : clock.boot()
    const next: Watched = { providerUid: uid, home, sinceBoot, stop: new AbortController() }
    watched.set(name, next)
    if (home.state === 'Made') watchLease(world, name, next)
    return home
  }

  return {
    now: clock.now,
    suspectAfterMs: world.suspectAfterSeconds * 1000,
    read: (name) => {
      const provider = caches.providers.get(name)
      if (!provider) return undefined
      const namespace = providerNamespace(name)
      const { renewedBoot, sinceBoot = clock.boot() } = watched.get(name) ?? {}
      return {
        provider,
        silentMs: renewedBoot === undefined ? undefined : clock.boot() - renewedBoot,
        watchedMs: clock.boot() - sinceBoot,
        nodes: caches.nodes.by('namespace', namespace),
        report: caches.reports.get(`${namespace}/${REPORT_NAME}`)?.spec,
      }
    },
    makeHome: homeOf,
    writeStatus: async (provider, status) => {
      await statuses.write(providers, provider, status)
    },
    tellEngine: (fact) => scheduling.setProvider(fact),
    forget,
  }
}

/** Only a renewal that happens while we look counts: the time written in the Lease is somebody else's clock. */
function watchLease(world: ProviderWorld, provider: string, watched: Watched): void {
  const { store } = reflect({
    ...world.context,
    signal: AbortSignal.any([world.context.signal, watched.stop.signal]),
    resource: leases,
    namespace: providerNamespace(provider),
    fieldSelector: `metadata.name=${AGENT_NAME}`,
    project: ({ metadata: { name, namespace = '', uid, resourceVersion }, spec }: Lease) => ({
      metadata: { name, namespace, uid, resourceVersion },
      renewTime: spec?.renewTime,
    }),
  })
  store.subscribe(({ type, object, previous }) => {
    if (type !== 'modified' || object.renewTime === undefined || object.renewTime === previous?.renewTime) return
    watched.renewedBoot = world.clock.boot()
    world.wake(provider)
  })
}
