// What is said of a Provider, decided from one look: is its home made, is its agent there, what does it offer.

import type { ProviderConditionType, ProviderReason } from '../../api/conditions.ts'
import type { GpuNode } from '../../api/gpunode.ts'
import { ACCEPT_HUB_ANNOTATION, JOBS_KIND_LABEL, LET_GO, PROVIDER_UID_LABEL } from '../../api/labels.ts'
import type { Provider, ProviderStatus } from '../../api/provider.ts'
import type { ProviderReportSpec } from '../../api/providerreport.ts'
import type { ProviderFact } from '../scheduling/facts.ts'
import { priceOf } from '../scheduling/price.ts'
import { type Claim, isTrue, withClaims } from './claims.ts'
import { providerNamespace } from './gpurun.ts'
import { type HubChange, whatChanged } from './hub-identity.ts'

/** Namespace, ServiceAccount, Role, RoleBinding and Lease of a provider on the hub. */
export type Home =
  /** Whatever let an agent in is removed. */
  | { readonly state: 'Closed' }
  | { readonly state: 'Made'; readonly namespaceUid: string }
  /** `what` exists and is not ours. */
  | { readonly state: 'Taken'; readonly what: string; readonly by: 'Stranger' | 'EarlierProvider' }

export interface HubChanged {
  readonly change: HubChange
  /** What must be accepted for the agent to go on. */
  readonly fingerprint: string
}

export interface Seen {
  readonly provider: Provider
  readonly home: Home
  /** Milliseconds since this hub saw the Lease renewed, by its boot clock; `undefined`: not since it started. */
  readonly silentMs: number | undefined
  /** Milliseconds since this hub began to watch the Lease. */
  readonly watchedMs: number
  readonly nodes: readonly GpuNode[]
  readonly report: ProviderReportSpec | undefined
  /** As `Losses` has it. */
  readonly lostShare: number
  /** What its agent says on the Lease: to it this hub is not the one that it remembers. */
  readonly hubChanged: HubChanged | undefined
  /** Runs that live there were ordered when the kind GpuJob was another one; their jobs are gone with it. */
  readonly runsFromBefore: boolean
  /** The uid of the CustomResourceDefinition gpujobs. */
  readonly jobsUid: string
  /** Wall clock, milliseconds. */
  readonly now: number
  readonly suspectAfterMs: number
}

export interface Decision {
  readonly status: ProviderStatus
  /** What the engine is told. */
  readonly fact: ProviderFact
  readonly recheckMs?: number
}

type ProviderClaim = { [Type in ProviderConditionType]: Claim<Type, ProviderReason<Type>> }[ProviderConditionType]

export function decide(seen: Seen): Decision {
  const { provider, home, now, report } = seen
  const connected = connection(seen)
  const ready = readiness(seen, connected)
  const generation = provider.metadata.generation ?? 0
  const claims: ProviderClaim[] = [
    connected.claim,
    ready,
    {
      type: 'Verified',
      status: 'Unknown',
      reason: 'NotYet',
      message: 'this version believes what the provider claims',
    },
  ]
  return {
    status: {
      ...provider.status,
      observedGeneration: generation,
      conditions: withClaims(provider.status?.conditions, claims, { now, generation }),
      inventory: inventory(seen.nodes),
      ...(seen.report ? { agent: agentOf(seen.report) } : {}),
      ...(home.state === 'Made' ? { namespaceUid: home.namespaceUid } : {}),
    },
    fact: {
      name: provider.metadata.name,
      labels: provider.metadata.labels ?? {},
      state: factState(connected.claim, ready),
      tolerates: report?.rules.taints ?? [],
      ...pricesOf(provider),
      ...(seen.lostShare > 0 ? { lostShare: seen.lostShare } : {}),
      ...(report ? { rules: report.rules } : {}),
    },
    ...recheck(seen, connected.recheckMs),
  }
}

function pricesOf({ spec }: Provider): Pick<ProviderFact, 'pricesPerGpuHour'> {
  if (!spec.prices) return {}
  return {
    pricesPerGpuHour: Object.fromEntries(spec.prices.map(({ model, perGpuHour }) => [model, priceOf(perGpuHour)])),
  }
}

/** No event tells that a stranger's object is gone. */
const strangerAgainMs = 30_000

function recheck({ home }: Seen, recheckMs: number | undefined): Pick<Decision, 'recheckMs'> {
  if (home.state === 'Taken') return { recheckMs: Math.min(strangerAgainMs, recheckMs ?? Infinity) }
  return recheckMs === undefined ? {} : { recheckMs }
}

type ConnectedClaim = Extract<ProviderClaim, { type: 'Connected' }>
type ReadyClaim = Extract<ProviderClaim, { type: 'Ready' }>

const wasHeard: ReadonlySet<string> = new Set([
  'Heartbeat',
  'Silent',
  'HubChanged',
] satisfies ProviderReason<'Connected'>[])

function connection(seen: Seen): { readonly claim: ConnectedClaim; readonly recheckMs?: number } {
  const { silentMs, watchedMs, suspectAfterMs, provider, hubChanged } = seen
  if (isRevoked(provider)) {
    return { claim: { type: 'Connected', status: 'False', reason: 'Revoked', message: 'spec.intake is Revoked' } }
  }
  const heartbeat: ConnectedClaim = hubChanged
    ? { type: 'Connected', status: 'False', reason: 'HubChanged', message: wayBack(provider, hubChanged) }
    : { type: 'Connected', status: 'True', reason: 'Heartbeat', message: 'the agent renews its Lease' }
  if (silentMs !== undefined && silentMs < suspectAfterMs)
    return { claim: heartbeat, recheckMs: suspectAfterMs - silentMs }

  // A hub that has just started has seen nothing yet: what was known before holds until the usual time is over.
  const wasConnected = hubChanged !== undefined || isTrue(provider.status?.conditions, 'Connected')
  if (silentMs === undefined && wasConnected && watchedMs < suspectAfterMs) {
    return { claim: heartbeat, recheckMs: suspectAfterMs - watchedMs }
  }
  const seenBefore =
    silentMs !== undefined ||
    provider.status?.conditions.some(({ type, reason }) => type === 'Connected' && wasHeard.has(reason))
  return {
    claim: seenBefore
      ? {
          type: 'Connected',
          status: 'Unknown',
          reason: 'Silent',
          message: 'the agent does not renew its Lease; its cluster or its network may be down',
        }
      : {
          type: 'Connected',
          status: 'Unknown',
          reason: 'NeverSeen',
          message: 'no agent of this provider has reported yet',
        },
  }
}

function readiness(
  { provider, home, runsFromBefore, jobsUid, report }: Seen,
  { claim }: { readonly claim: ConnectedClaim },
): ReadyClaim {
  if (isRevoked(provider)) {
    return { type: 'Ready', status: 'False', reason: 'Revoked', message: 'spec.intake is Revoked' }
  }
  if (home.state === 'Taken') {
    return { type: 'Ready', status: 'False', reason: 'NameTaken', message: wayOut(provider, home) }
  }
  if (runsFromBefore) {
    return { type: 'Ready', status: 'False', reason: 'HubChanged', message: wayOnward(provider, jobsUid) }
  }
  if (provider.spec.intake === 'Cordoned') {
    return { type: 'Ready', status: 'False', reason: 'Cordoned', message: 'spec.intake is Cordoned' }
  }
  if (claim.status !== 'True') return { type: 'Ready', status: 'False', reason: 'NotConnected', message: claim.message }
  if (report?.intake === 'OutsideHours') {
    const message = 'its owner takes no jobs at this hour; spec.rules.hours of its ProviderReport has the hours'
    return { type: 'Ready', status: 'False', reason: 'OutsideHours', message }
  }
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'new work may go there' }
}

/** Never to remove what was an earlier Provider's: the orders in it may still be carried out. */
function wayOut({ metadata }: Provider, { what, by }: Extract<Home, { state: 'Taken' }>): string {
  if (by === 'Stranger')
    return `${what} exists and was not made for this Provider; remove it, or name the Provider otherwise`
  const namespace = providerNamespace(metadata.name)
  return `${what} was made for an earlier Provider of this name; if this is the same cluster, hand it over: kubectl label namespace ${namespace} ${PROVIDER_UID_LABEL}=${metadata.uid} --overwrite`
}

/** Another hub than the one that is remembered cannot accept itself. */
function wayBack({ metadata: { name } }: Provider, { change, fingerprint }: HubChanged): string {
  const what = `the agent begins nothing and deletes nothing, for ${whatChanged[change]}`
  if (change === 'LeaseGone') return what
  return change === 'OtherHub'
    ? `${what}; only the owner of its cluster can accept this one, its log has the command`
    : `${what}; when every provider of this hub is connected, accept what is here now: kubectl annotate provider ${name} ${ACCEPT_HUB_ANNOTATION}=${fingerprint} --overwrite`
}

function wayOnward({ metadata: { name } }: Provider, jobsUid: string): string {
  const label = (value: string) =>
    `kubectl label gpuruns -n ${providerNamespace(name)} -l '${JOBS_KIND_LABEL} notin (${jobsUid},${LET_GO})' ${JOBS_KIND_LABEL}=${value} --overwrite`
  return `runs go on there whose GpuJobs went with an earlier CustomResourceDefinition gpujobs; to let them end by themselves: ${label(LET_GO)} ; to stop them and clean up: ${label(jobsUid)}`
}

/** Its agent is shut out, and nothing is written for it any more. */
export function isRevoked(provider: Pick<Provider, 'spec'> | undefined): boolean {
  return provider?.spec.intake === 'Revoked'
}

const notReady: ReadonlySet<string> = new Set([
  'NameTaken',
  'HubChanged',
  'Revoked',
] satisfies ProviderReason<'Ready'>[])

function factState(connected: ConnectedClaim, ready: ReadyClaim): ProviderFact['state'] {
  if (notReady.has(ready.reason)) return 'NotReady'
  if (ready.reason === 'Cordoned' || ready.reason === 'OutsideHours') return ready.reason
  return connected.status === 'True' ? 'Connected' : 'Disconnected'
}

const modelsMax = 64

/** What is offered, whether it is in use or not: a sum that moves with every job would be a write with every job. */
function inventory(nodes: readonly GpuNode[]): NonNullable<ProviderStatus['inventory']> {
  const offered = nodes.filter(
    ({ metadata, spec }) => spec.offer === 'Offered' && metadata.deletionTimestamp === undefined,
  )
  const byModel = new Map<string, number>()
  for (const { spec } of offered) {
    for (const { model, healthy } of spec.devices) {
      byModel.set(model, (byModel.get(model) ?? 0) + Math.max(0, healthy - spec.keptGpus))
    }
  }
  const models = [...byModel]
    .map(([model, gpus]) => ({ model, gpus }))
    .toSorted((a, b) => a.model.localeCompare(b.model))
  return {
    nodes: offered.length,
    gpus: models.reduce((sum, { gpus }) => sum + gpus, 0),
    models: models.slice(0, modelsMax),
  }
}

function agentOf({ agentVersion, kubernetesVersion }: ProviderReportSpec): NonNullable<ProviderStatus['agent']> {
  return { version: agentVersion, ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }) }
}
