// What makes this hub this hub: its cluster, and the kinds that hold all orders.
import { GROUP } from '../../../api/group.ts'
import { pause, type Timers } from '../../../controllers/clock.ts'
import type { KubeClient, RequestOptions } from '../client.ts'
import { isAlreadyExists } from '../errors.ts'
import { customResourceDefinitions } from '../kinds.ts'
import { namespaces } from '../resources.ts'

export interface HubIdentity {
  /** Of the cluster's namespace kube-system: a hub that was made anew is another hub. */
  readonly hubUid: string
  /** Of the CustomResourceDefinitions: whoever makes them anew has deleted all objects of the kind. */
  readonly jobsUid: string
  readonly runsUid: string
}

export interface IdentityOptions {
  readonly timers: Timers
  readonly signal: AbortSignal
  readonly onWait: (what: string) => void
}

const lookAgainMs = 1000

/** Makes the hub's own namespace where it is missing, and waits until the kinds are there. */
export async function hubIdentity(
  client: KubeClient,
  ownNamespace: string,
  { timers, signal, onWait }: IdentityOptions,
): Promise<HubIdentity> {
  const hubUid = await clusterUid(client, { signal })
  if (!(await client.get(namespaces, { name: ownNamespace }, { signal })))
    await makeNamespace(client, ownNamespace, signal)
  for (let waits = false; ; waits = true) {
    const { jobsUid, runsUid } = await kindUids(client, { signal })
    if (jobsUid !== undefined && runsUid !== undefined) return { hubUid, jobsUid, runsUid }
    if (!waits) onWait('the CustomResourceDefinitions of the federation: kubectl apply --server-side -f crds/')
    await pause(lookAgainMs, { timers, signal })
    signal.throwIfAborted()
  }
}

async function makeNamespace(client: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  try {
    await client.create(namespaces, { metadata: { name } }, { signal })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error // Another hub that begins at the same time was faster.
  }
}

async function clusterUid(client: KubeClient, options: RequestOptions): Promise<string> {
  const system = await client.get(namespaces, { name: 'kube-system' }, options)
  if (!system) throw new Error('the cluster has no namespace kube-system, so it cannot be told from another one')
  return system.metadata.uid
}

async function kindUids(client: KubeClient, options?: RequestOptions) {
  const [jobsUid, runsUid] = await Promise.all([
    kindUid(client, 'gpujobs', options),
    kindUid(client, 'gpuruns', options),
  ])
  return { jobsUid, runsUid }
}

/** `undefined` where the kind is not there or on its way out, with all objects of it. */
async function kindUid(client: KubeClient, plural: string, options?: RequestOptions): Promise<string | undefined> {
  const found = await client.get(customResourceDefinitions, { name: `${plural}.${GROUP}` }, options)
  return found?.metadata.deletionTimestamp === undefined ? found?.metadata.uid : undefined
}

/** The uid of a kind, by a read that begins after the call; many calls at once share one. */
export function kindReader(client: KubeClient, plural: 'gpujobs' | 'gpuruns'): () => Promise<string | undefined> {
  type Reading = Promise<string | undefined>
  let underWay: Reading | undefined
  let next: Reading | undefined
  const read = (): Reading => {
    const reading = kindUid(client, plural).finally(() => {
      if (underWay === reading) underWay = undefined
    })
    underWay = reading
    return reading
  }
  return () => {
    if (!underWay) return read()
    next ??= underWay
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return read()
      })
    return next
  }
}

/** What this process has in its caches is of another time: it must end and begin anew. */
export class HubChanged extends Error {}

const guardMs = 5000

export interface GuardOptions {
  readonly client: KubeClient
  readonly identity: HubIdentity
  readonly timers: Timers
  readonly signal: AbortSignal
  readonly onChanged: (why: HubChanged) => void
  readonly onError: (error: unknown) => void
}

/** Looks whether this is still the hub that it was. Kinds that are missing are waited for: nothing can be ordered meanwhile. */
export async function guardIdentity({ client, identity, timers, signal, ...on }: GuardOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      const now = { hubUid: await clusterUid(client, { signal }), ...(await kindUids(client, { signal })) }
      for (const key of ['hubUid', 'jobsUid', 'runsUid'] as const) {
        if (now[key] !== undefined && now[key] !== identity[key]) on.onChanged(changed(key))
      }
    } catch (error) {
      if (!signal.aborted) on.onError(error)
    }
    await pause(guardMs, { timers, signal })
  }
}

const what = {
  hubUid: 'the API server is that of another cluster',
  jobsUid: 'the CustomResourceDefinition gpujobs was made anew',
  runsUid: 'the CustomResourceDefinition gpuruns was made anew',
} as const satisfies Record<keyof HubIdentity, string>

function changed(key: keyof HubIdentity): HubChanged {
  return new HubChanged(`${what[key]}: what this process knows no longer counts, it must begin anew`)
}
