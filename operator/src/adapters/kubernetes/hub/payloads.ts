// Secrets and ConfigMaps that travel with a run: taken of the tenant's namespace, laid beside the GpuRun, removed again.
// Why in this order: operator/decisions/0012.
import { createHash } from 'node:crypto'
import type { GpuRun } from '../../../api/gpurun.ts'
import { HUB_UID_LABEL, JOB_LABEL, JOB_UID_LABEL, RUN_LABEL } from '../../../api/labels.ts'
import type { PodTemplate } from '../../../api/template.ts'
import { outcomeOf, runId } from '../../../domain/lifecycle/gpurun.ts'
import type { KeptRun } from '../../../domain/lifecycle/kept.ts'
import { payloadSources, type Source } from '../../../domain/workload/payload.ts'
import {
  bytesOf,
  type Content,
  canonicalText,
  contentOf,
  type Found,
  opened,
  type Payload,
  type PayloadProblem,
  sealed,
  tooLarge,
  type Weighed,
} from '../../../domain/workload/payload-content.ts'
import { provided } from '../../../domain/workload/payload-pod.ts'
import type { KubeClient } from '../client.ts'
import { isAlreadyExists, isForbidden } from '../errors.ts'
import { gpuRuns } from '../kinds.ts'
import { configMaps, type Secret, secrets } from '../resources.ts'

export interface PayloadWorld {
  readonly client: KubeClient
  readonly hubUid: string
}

/** Where the sources lie, and who names them. */
export interface Origin {
  readonly namespace: string
  readonly template: PodTemplate
}

export interface Snapshot {
  readonly payload: Payload
  readonly sha256: string
}

/** `Lost`: what the run was ordered with cannot be had any more, or something of a stranger's is in its place. */
export type Delivery = 'Delivered' | 'Lost' | 'NotNeeded'

export interface Payloads {
  /** As the API server has it now: the same request later may give something else. */
  readonly take: (origin: Origin) => Promise<Snapshot | PayloadProblem>
  /** Lays it beside the GpuRun that was just made. */
  readonly deliver: (run: GpuRun, payload: Payload) => Promise<Delivery>
  /** For a run that was ordered by a process that may have ended before its payload was there. */
  readonly deliverLate: (run: KeptRun) => Promise<Delivery>
  /** Whether this process knows that what the run waits for is there. */
  readonly isDelivered: (run: KeptRun) => boolean
  /** Somebody else has removed it. */
  readonly forget: (run: KeptRun) => void
}

/** Each costs a request: whoever names more has a program write the template. */
const mostSources = 64

export function payloadsOf({ client, hubUid }: PayloadWorld): Payloads {
  /** By uid of the GpuRun. */
  const delivered = new Set<string>()

  async function take({ namespace, template }: Origin): Promise<Snapshot | PayloadProblem> {
    const taken = await takeAll(client, namespace, payloadSources(template))
    if ('reason' in taken) return taken
    // The names on the provider are longer than any of these.
    const names = { secret: 'x'.repeat(128), pull: 'x' }
    const pod = provided(template, { payload: taken, names, sha256Hex })
    return 'reason' in pod ? pod : { payload: taken, sha256: hashOf(taken) }
  }

  async function deliver(run: GpuRun, payload: Payload): Promise<Delivery> {
    const { name, namespace, uid } = run.metadata
    const labels = { [HUB_UID_LABEL]: hubUid, ...labelsOf(run) }
    const ownerReferences = [{ apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuRun', name, uid }]
    const draft = { metadata: { name, namespace, labels, ownerReferences }, immutable: true, data: sealed(payload) }
    try {
      await client.create(secrets, draft)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const found = await client.get(secrets, { name, namespace })
      if (found && !isOurs(found, run, hubUid)) return 'Lost'
      if (!found || !isRight(found, run)) {
        // Of a GpuRun that was deleted by hand and made again.
        await client.delete(secrets, { name, namespace }, { uid: found?.metadata.uid })
        await client.create(secrets, draft)
      }
    }
    delivered.add(uid)
    return 'Delivered'
  }

  async function deliverLate({ metadata }: KeptRun): Promise<Delivery> {
    const ref = { name: metadata.name, namespace: metadata.namespace }
    const run = await client.get(gpuRuns, ref)
    const isWaiting = run?.metadata.uid === metadata.uid && !run.spec.stop && outcomeOf(run) === undefined
    if (!isWaiting || !run.spec.payload) return 'NotNeeded'
    const found = await client.get(secrets, ref)
    if (found && isRight(found, run)) {
      delivered.add(run.metadata.uid)
      return 'Delivered'
    }
    const taken = await take({ namespace: run.spec.job.namespace, template: run.spec.template })
    return 'reason' in taken || taken.sha256 !== run.spec.payload.sha256 ? 'Lost' : deliver(run, taken.payload)
  }

  function isRight(found: Secret, run: GpuRun): boolean {
    const payload = opened(found.data)
    const isOwned = found.metadata.ownerReferences?.some(({ uid }) => uid === run.metadata.uid) ?? false
    return (
      isOurs(found, run, hubUid) && isOwned && payload !== undefined && hashOf(payload) === run.spec.payload?.sha256
    )
  }

  return {
    take,
    deliver,
    deliverLate,
    isDelivered: ({ metadata: { uid }, status }) => {
      // Nobody asks again: it has begun, or never will.
      if (status?.state !== undefined) delivered.delete(uid)
      return delivered.has(uid)
    },
    forget: ({ metadata: { uid } }) => void delivered.delete(uid),
  }
}

type Ordered = Pick<GpuRun, 'metadata'> & { readonly spec: Pick<GpuRun['spec'], 'job' | 'run'> }

/** May be repeated, also where there is none. */
export async function removePayload({ client, hubUid }: PayloadWorld, run: Ordered): Promise<void> {
  const { name, namespace } = run.metadata
  const found = await client.get(secrets, { name, namespace })
  if (found && isOurs(found, run, hubUid))
    await client.delete(secrets, { name, namespace }, { uid: found.metadata.uid })
}

function isOurs({ metadata }: Secret, run: Ordered, hubUid: string): boolean {
  return metadata.labels?.[HUB_UID_LABEL] === hubUid && metadata.labels[RUN_LABEL] === runId(run)
}

function hashOf(payload: Payload): string {
  return sha256Hex(canonicalText(payload))
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function labelsOf(run: GpuRun): Record<string, string> {
  const { name, uid } = run.spec.job
  return { [RUN_LABEL]: runId(run), [JOB_LABEL]: name, [JOB_UID_LABEL]: uid }
}

/** One after the other, and past the bound only their sizes: many jobs are looked at at once. */
async function takeAll(
  client: KubeClient,
  namespace: string,
  sources: readonly Source[],
): Promise<Payload | PayloadProblem> {
  if (sources.length > mostSources) {
    const message = `the template names ${sources.length} Secrets and ConfigMaps and may name ${mostSources}`
    return { reason: 'PayloadTooLarge', message }
  }
  const weighed: Weighed[] = []
  const problems: PayloadProblem[] = []
  const contents: Content[] = []
  for (const source of sources) {
    const content = contentOf(source, await find(client, namespace, source))
    if (content === undefined) continue
    if ('reason' in content) problems.push(content)
    else {
      weighed.push({ kind: source.kind, name: source.name, bytes: bytesOf(content) })
      if (tooLarge(weighed)) contents.length = 0
      else contents.push(content)
    }
  }
  return problemOf(problems) ?? tooLarge(weighed) ?? contents
}

/** What is wrong in the same way is said at once, so that it can be mended at once. */
function problemOf(problems: readonly PayloadProblem[]): PayloadProblem | undefined {
  const [first] = problems
  const alike = problems.filter(({ reason }) => reason === first?.reason).map(({ message }) => message)
  return first && { ...first, message: alike.slice(0, 3).join('; ') }
}

async function find(
  client: KubeClient,
  namespace: string,
  { kind, name }: Source,
): Promise<Found | 'NotReadable' | undefined> {
  const ref = { namespace, name }
  try {
    if (kind === 'Secret') {
      const secret = await client.get(secrets, ref)
      return secret && { labels: secret.metadata.labels, data: entriesOf(secret.data), binaryData: new Map() }
    }
    const configMap = await client.get(configMaps, ref)
    if (!configMap) return undefined
    const texts = [...entriesOf(configMap.data)].map(
      ([key, text]) => [key, Buffer.from(text).toString('base64')] as const,
    )
    return { labels: configMap.metadata.labels, data: new Map(texts), binaryData: entriesOf(configMap.binaryData) }
  } catch (error) {
    if (isForbidden(error)) return 'NotReadable'
    throw error
  }
}

function entriesOf(values: Readonly<Record<string, string>> | undefined): Map<string, string> {
  return new Map(Object.entries(values ?? {}))
}
