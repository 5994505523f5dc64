import { isDeepStrictEqual } from 'node:util'
import {
  ACCEPT_HUB_ANNOTATION,
  ASKED_ANNOTATION,
  FINGERPRINT_ANNOTATION,
  HUB_CHANGED_ANNOTATION,
  VOUCHED_ANNOTATION,
} from '../../../api/labels.ts'
import type { Provider } from '../../../api/provider.ts'
import { REPORT_NAME } from '../../../api/providerreport.ts'
import type { Clock } from '../../../controllers/clock.ts'
import type { ProviderPorts } from '../../../controllers/hub/provider.ts'
import type { Scheduling } from '../../../controllers/hub/scheduling.ts'
import { providerNamespace } from '../../../domain/lifecycle/gpurun.ts'
import { hubChanges } from '../../../domain/lifecycle/hub-identity.ts'
import type { KeptRun } from '../../../domain/lifecycle/kept.ts'
import type { Losses } from '../../../domain/lifecycle/losses.ts'
import { type Home, type HubChanged, isRevoked } from '../../../domain/lifecycle/provider-steps.ts'
import type { KubeClient } from '../client.ts'
import { providers } from '../kinds.ts'
import { reflect } from '../reflector.ts'
import type { ReflectorContext } from '../reflector-context.ts'
import { type Lease, leases } from '../resources.ts'
import type { StatusWriter } from '../status-writer.ts'
import type { HubCaches } from './caches.ts'
import { type HubIdentity, kindReader } from './identity.ts'
import { closeHome, makeHome } from './provider-home.ts'
import { AGENT_NAME } from './rights.ts'

export interface ProviderWorld {
  readonly client: KubeClient
  readonly context: ReflectorContext
  readonly caches: HubCaches
  readonly scheduling: Scheduling
  readonly losses: Losses
  readonly statuses: StatusWriter
  readonly identity: HubIdentity
  readonly clock: Clock
  readonly suspectAfterSeconds: number
  /** A heartbeat has been seen: the Provider is to be looked at. */
  readonly wake: (provider: string) => void
}

/** What this process knows of a provider's home, and how it stops looking at it. */
interface Watched {
  readonly providerUid: string
  readonly home: Home
  /** Of the Provider, when its home was looked at: a person may have shut it out and let it in again since, unseen by us. */
  generation: number | undefined
  readonly sinceBoot: number
  readonly stop: AbortController
  /** The Lease is gone, and perhaps all of the home: it is to be made again. */
  isLost?: true
  renewedBoot?: number
  hubChanged?: HubChanged | undefined
  /** The fingerprint that the Lease shows as accepted. */
  accepted?: string | undefined
  /** What the agent asks, and the question that was answered last. */
  asked?: string | undefined
  vouched?: string | undefined
}

export function providerPorts(world: ProviderWorld): ProviderPorts {
  const { caches, clock, scheduling, statuses } = world
  const watched = new Map<string, Watched>()
  const runsKind = kindReader(world.client, 'gpuruns')

  function forget(name: string): void {
    watched.get(name)?.stop.abort()
    watched.delete(name)
    scheduling.removeProvider(name)
  }

  const taker = { ...world.context, client: world.client }
  const make = (provider: Provider) => makeHome(taker, provider, world.identity)
  const close = (provider: Provider) => {
    const namespace = providerNamespace(provider.metadata.name)
    const isThere = (one: { readonly metadata: { readonly namespace?: string } }) =>
      one.metadata.namespace === namespace
    const runs = [...caches.runs.values()].filter(isThere)
    const requests = [...caches.requests.values()].filter(isThere)
    return closeHome(taker, provider, { runs, requests, hubUid: world.identity.hubUid })
  }

  async function homeOf(provider: Provider): Promise<Home> {
    const { name, uid, generation } = provider.metadata
    const known = watched.get(name)
    if (known?.providerUid === uid && known.home.state === 'Made' && !known.isLost && !isRevoked(provider)) {
      const isSame = known.generation === generation || (await make(provider)).state === 'Made'
      if (isSame) {
        known.generation = generation
        await passOn({ ...world, runsKind }, provider, known)
        return known.home
      }
    }
    if (known?.providerUid === uid && known.home.state === 'Closed' && isRevoked(provider)) return known.home
    const home = await (isRevoked(provider) ? close(provider) : make(provider))
    known?.stop.abort()
    const sinceBoot = known?.providerUid === uid ? known.sinceBoot : clock.boot()
    const next: Watched = { providerUid: uid, home, generation, sinceBoot, stop: new AbortController() }
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
      const { renewedBoot, sinceBoot = clock.boot(), hubChanged } = watched.get(name) ?? {}
      const jobLives = ({ spec }: KeptRun) => caches.jobs.by('uid', spec.job.uid).length > 0
      return {
        provider,
        silentMs: renewedBoot === undefined ? undefined : clock.boot() - renewedBoot,
        watchedMs: clock.boot() - sinceBoot,
        nodes: caches.nodes.by('namespace', namespace),
        report: caches.reports.get(`${namespace}/${REPORT_NAME}`)?.spec,
        lostShare: world.losses.shareOf(name),
        hubChanged,
        // A job that is not read yet counts as gone: that holds new work back until all is read, and no longer.
        runsFromBefore: caches.runs.by('orphaned', namespace).some((run) => !jobLives(run)),
        jobsUid: world.identity.jobsUid,
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

/**
 * What the agent is to hear: what the federation operator accepts on the Provider, and, when it asked, that the kinds
 * are still those of which its Lease tells. The Lease is the one object of the hub that it reads whatever happens.
 */
async function passOn(
  world: ProviderWorld & { readonly runsKind: ReturnType<typeof kindReader> },
  { metadata }: Provider,
  watched: Watched,
): Promise<void> {
  const { accepted, asked, vouched, hubChanged } = watched
  const annotations: Record<string, string> = {}
  const accepts = metadata.annotations?.[ACCEPT_HUB_ANNOTATION]
  if (accepts !== undefined && accepts !== accepted && accepts === hubChanged?.fingerprint) {
    annotations[ACCEPT_HUB_ANNOTATION] = accepts
  }
  if (asked !== undefined && asked !== vouched && (await world.runsKind()) === world.identity.runsUid) {
    annotations[VOUCHED_ANNOTATION] = asked
  }
  if (Object.keys(annotations).length === 0) return
  const ref = { name: AGENT_NAME, namespace: providerNamespace(metadata.name) }
  await world.client.mergePatch(leases, { ref, patch: { metadata: { annotations } } })
}

/** Only a renewal that happens while we look counts: the time written in the Lease is somebody else's clock. */
function watchLease(world: ProviderWorld, provider: string, watched: Watched): void {
  const { store } = reflect({
    ...world.context,
    signal: AbortSignal.any([world.context.signal, watched.stop.signal]),
    resource: leases,
    namespace: providerNamespace(provider),
    fieldSelector: `metadata.name=${AGENT_NAME}`,
    project: ({ metadata: { name, namespace = '', uid, resourceVersion, annotations }, spec }: Lease) => ({
      metadata: { name, namespace, uid, resourceVersion },
      renewTime: spec?.renewTime,
      hubChanged: hubChangedOf(annotations),
      accepted: annotations?.[ACCEPT_HUB_ANNOTATION],
      asked: wordOf(annotations?.[ASKED_ANNOTATION]),
      vouched: annotations?.[VOUCHED_ANNOTATION],
    }),
  })
  store.subscribe(({ type, object, previous }) => {
    if (type === 'deleted') {
      watched.isLost = true
      world.wake(provider)
      return
    }
    const { hubChanged, accepted, asked, vouched, renewTime } = object
    const isNews = !isDeepStrictEqual(hubChanged, watched.hubChanged) || asked !== vouched
    Object.assign(watched, { hubChanged, accepted, asked, vouched })
    const isRenewed = type === 'modified' && renewTime !== undefined && renewTime !== previous?.renewTime
    if (isRenewed) watched.renewedBoot = world.clock.boot()
    if (isRenewed || isNews) world.wake(provider)
  })
}

/** What an agent writes is not believed further than it can be read: other words than ours are none. */
function hubChangedOf(annotations: Readonly<Record<string, string>> = {}): HubChanged | undefined {
  const change = hubChanges.find((one) => one === annotations[HUB_CHANGED_ANNOTATION])
  const fingerprint = wordOf(annotations[FINGERPRINT_ANNOTATION])
  return change && fingerprint !== undefined ? { change, fingerprint } : undefined
}

/** Nothing of an agent's is repeated that could be more than a word. */
function wordOf(text = ''): string | undefined {
  return /^[0-9a-z-]{1,63}$/.test(text) ? text : undefined
}
