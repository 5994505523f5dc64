// How the agent carries out GpuRuns on its own cluster, and reports to the hub.
import { createHash } from 'node:crypto'
import { prettifyError } from 'zod'
import type { GpuRun, GpuRunStatus } from '../../../api/gpurun.ts'
import { RUN_LABEL } from '../../../api/labels.ts'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import { type PodTemplate, podTemplateSchema } from '../../../api/template.ts'
import { GPU_RESOURCE } from '../../../api/template-containers.ts'
import type { Leaving } from '../../../controllers/agent/leaving.ts'
import type { Opening } from '../../../controllers/agent/opening.ts'
import type { NotYet, RunPorts } from '../../../controllers/agent/run.ts'
import type { Clock, Timers } from '../../../controllers/clock.ts'
import { runId } from '../../../domain/lifecycle/gpurun.ts'
import type { Effect } from '../../../domain/lifecycle/gpurun-decision.ts'
import type { ProviderJob } from '../../../domain/lifecycle/gpurun-seen.ts'
import type { Refusal } from '../../../domain/lifecycle/gpurun-start.ts'
import type { NodeSeen, WorkerRecords } from '../../../domain/lifecycle/worker-records.ts'
import { jobManifest, type OwnedSecrets, serviceManifest } from '../../../domain/workload/job-manifest.ts'
import type { Payload } from '../../../domain/workload/payload-content.ts'
import type { ProviderContext } from '../../../domain/workload/pod-manifest.ts'
import { tenantNamespace } from '../../../domain/workload/tenant-namespace.ts'
import type { KubeClient } from '../client.ts'
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isInvalid,
  isNotFound,
  isTooLarge,
  lacksRights,
} from '../errors.ts'
import { gpuRuns } from '../kinds.ts'
import { type Job, jobs, services } from '../resources.ts'
import { patchStatus, type StatusChange, sendStatus } from '../status-request.ts'
import { type AgentCaches, providerJob } from './caches.ts'
import { claimOf } from './node-claim-ports.ts'
import { ownersWord } from './owners-word.ts'
import {
  makeSecrets,
  type PayloadFetcher,
  payloadFetcher,
  removeSecrets,
  type Supplied,
  supplied,
} from './run-secrets.ts'
import { keptPriorityClass } from './start-up.ts'
import { type TenantNamespacesWorld, tenantNamespaces } from './tenant-namespaces.ts'

export interface RunWorld {
  readonly hub: KubeClient
  readonly provider: KubeClient
  readonly caches: AgentCaches
  readonly records: WorkerRecords
  readonly node: (name: string) => NodeSeen | undefined
  readonly hubUid: string
  readonly providerName: string
  readonly surroundings: TenantNamespacesWorld['surroundings']
  readonly leaving: Pick<Leaving, 'isAsked'>
  readonly opening: Pick<Opening, 'isOpen'>
  readonly rules: OwnerRules
  readonly rackLabel: string
  readonly clock: Clock
  readonly timers: Timers
  readonly signal: AbortSignal
  /** Something that nobody can guess, of letters that a name may have. */
  readonly nonce: () => string
}

export function runPorts(world: RunWorld): RunPorts {
  const { caches, records, clock, node, hubUid } = world
  const namespaceOf = ({ spec }: GpuRun) => tenantNamespace(hubUid, spec.job.namespace, sha256Hex)
  const servicesSeen = new Set<string>()
  // By the run's id: Jobs that were made and that the watch has not shown yet. Without them a stop order in that
  // moment would find a run that had not begun.
  const made = new Map<string, ProviderJob>()
  const unanswered = new Set<string>()
  caches.jobs.subscribe(({ object }) => made.delete(object.job.runId ?? ''))
  const namespaces = tenantNamespaces(world)
  const withPriorityClass = keptPriorityClass(world.provider, clock)
  const fetcher = payloadFetcher({ ...world, sha256Hex })
  const removeSecretsOf = ({ secrets: name = '' }: ProviderJob, { namespace }: ProviderContext) =>
    namespaces.within(namespace, () => removeSecrets(world.provider, namespace, name))
  // By the run's id: Jobs that were let go, whether or not the watch has shown it.
  const released = new Set<string>()

  return {
    now: clock.now,
    boot: clock.boot,
    read: (key) => {
      const run = caches.runs.get(key)
      if (!run) return undefined
      const { name } = run.metadata
      const id = runId(run)
      if (run.status?.cleanedAt !== undefined) {
        records.forget(id)
        servicesSeen.delete(id)
        released.delete(id)
      }
      const job = caches.jobs.get(`${namespaceOf(run)}/${name}`)?.job ?? made.get(id)
      return {
        run,
        job: job?.suspended && released.has(id) ? { ...job, suspended: false } : job,
        making: unanswered.has(id) ? 'Unanswered' : 'Known',
        service: servicesSeen.has(id) ? 'Ours' : 'Unseen',
        workers: records.of(id),
        // Once the hub has no node of ours in its inventory: what ends before would be placed here again.
        leaving: world.leaving.isAsked && caches.claims.size === 0,
        isOpen: world.opening.isOpen,
        node,
      }
    },
    carryOut: async (run, effect) => {
      const context = { ...surroundingsOf(world, run), namespace: namespaceOf(run) }
      const within = <R>(act: () => Promise<R>) => namespaces.within(context.namespace, act)
      switch (effect.do) {
        case 'createJob':
        case 'releaseJob':
          return unlessForbidden(async () => {
            const word = effect.do === 'createJob' ? ownersWord(world, run) : undefined
            if (word) return word
            await withPriorityClass()
            const refusal = await namespaces.ensure(context.namespace, run.spec.job.namespace)
            if (refusal) return refusal
            if (effect.do === 'createJob')
              return within(() => begin(world, { run, context, made, unanswered, fetcher, released }))
            return within(() => release(world, { run, context, fetcher, released, job: effect.job }))
          })
        case 'findJob':
          return nameTaken(world, { run, context, made, unanswered })
        case 'removeSecrets':
          await removeSecretsOf(effect.job, context)
          return undefined
        case 'createService':
          return unlessForbidden(() => within(() => createService(world, { run, context, effect, seen: servicesSeen })))
        case 'deleteJob':
          // The garbage collector would do it too, some time after the run is said to be cleaned.
          if (effect.job.secrets !== undefined) await removeSecretsOf(effect.job, context)
          await within(() => deleteJob(world, { run, context, uid: effect.job.uid, made }))
          return undefined
      }
    },
    writeStatus: (run, status) => writeStatus(world, run, status),
  }
}

function surroundingsOf(world: RunWorld, run: GpuRun): Omit<ProviderContext, 'namespace'> {
  const { hubUid, providerName: provider, rules } = world
  return { hubUid, provider, rules, gpuResource: resourceOf(world, run) }
}

/** As what the device plugin offers the GPUs of the run's nodes. */
function resourceOf(world: RunWorld, { spec: { nodes } }: GpuRun): string {
  const [claim] = nodes.flatMap(({ name }) => claimOf(name, world) ?? [])
  return claim?.devices[0]?.resource ?? GPU_RESOURCE
}

async function writeStatus({ hub, caches }: RunWorld, run: GpuRun, status: GpuRunStatus): Promise<void> {
  const change = { before: run, after: status }
  try {
    caches.learnRun(await sendStatus(hub, gpuRuns, change).catch((error: unknown) => patchAfter(error, hub, change)))
  } catch (error) {
    // The run has changed, or is gone: the watch brings what it is now.
    if (!isConflict(error) && !isNotFound(error)) throw error
  }
}

/** A hub of an earlier version lets its agents patch alone. */
function patchAfter(error: unknown, hub: KubeClient, change: StatusChange<GpuRun>): Promise<GpuRun> {
  if (!lacksRights(error)) throw error
  return patchStatus(hub, gpuRuns, change)
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

interface Placing {
  readonly run: GpuRun
  readonly context: ProviderContext
  readonly made: Map<string, ProviderJob>
  /** Runs whose Job was asked for and whose answer was lost. */
  readonly unanswered: Set<string>
}

interface Beginning extends Placing {
  readonly fetcher: PayloadFetcher
  readonly released: Set<string>
}

async function begin(world: RunWorld, beginning: Beginning): Promise<Refusal | NotYet | undefined> {
  const { run, fetcher } = beginning
  const payload = await fetcher.fetch(run)
  if ('reason' in payload || 'recheckMs' in payload) return payload
  const supply = suppliedTo(run, payload, `${run.metadata.name}-${world.nonce()}`)
  return 'reason' in supply ? supply : createJob(world, beginning, supply)
}

/** What this agent's own schema does not know does not travel: its hub may be newer, or not what it seems. */
function suppliedTo(run: GpuRun, payload: Payload, name: string): Supplied | Refusal {
  const template = podTemplateSchema.safeParse(run.spec.template)
  if (!template.success) return { reason: 'Invalid', message: `spec.template: ${prettifyError(template.error)}` }
  return supplied(template.data as PodTemplate, { payload, name, sha256Hex })
}

async function createJob(
  world: RunWorld,
  beginning: Beginning,
  { template, with: needs }: Supplied,
): Promise<Refusal | undefined> {
  const { run, context, unanswered } = beginning
  const { metadata, spec } = jobManifest({ ...run, spec: { ...run.spec, template } }, context, needs?.names.secret)
  let job: Job
  try {
    job = await world.provider.create(jobs, { metadata, spec: spec as never })
  } catch (error) {
    if (isAlreadyExists(error)) return nameTaken(world, beginning)
    if (!(error instanceof ApiError) || error.status >= 500) unanswered.add(runId(run))
    return invalid(error)
  }
  isMade(world, beginning, job)
  return needs && letGo(world, beginning, { ...needs, jobUid: job.metadata.uid })
}

function isMade({ caches }: RunWorld, { run, context, made, unanswered }: Placing, job: Job): void {
  unanswered.delete(runId(run))
  if (!caches.jobs.get(`${context.namespace}/${job.metadata.name}`)) made.set(runId(run), providerJob(job))
}

interface Releasing extends Pick<Beginning, 'run' | 'context' | 'fetcher' | 'released'> {
  readonly job: ProviderJob
}

async function letGo(
  { provider }: RunWorld,
  { run, context, released }: Pick<Releasing, 'run' | 'context' | 'released'>,
  owned: OwnedSecrets,
): Promise<Refusal | undefined> {
  try {
    await makeSecrets(provider, { run, context, owned })
  } catch (error) {
    return invalid(error)
  }
  released.add(runId(run))
  return undefined
}

async function release(world: RunWorld, releasing: Releasing): Promise<Refusal | NotYet | undefined> {
  const { run, context, fetcher, released, job } = releasing
  // Once its pods may be there, nothing of what they use is made anew.
  const current = await world.provider.get(jobs, { namespace: context.namespace, name: run.metadata.name })
  if (current?.metadata.uid !== job.uid) return undefined
  if (!current.spec.suspend) {
    released.add(runId(run))
    return undefined
  }
  const payload = await fetcher.fetch(run)
  if ('reason' in payload || 'recheckMs' in payload) return payload
  const supply = suppliedTo(run, payload, job.secrets ?? '')
  if ('reason' in supply) return supply
  return supply.with && letGo(world, releasing, { ...supply.with, jobUid: job.uid })
}

/** A quota, a policy, a right that is missing: the owner may mend it, or not. */
async function unlessForbidden<A>(act: () => Promise<A>): Promise<A | Refusal> {
  try {
    return await act()
  } catch (error) {
    if (!isForbidden(error)) throw error
    return { reason: 'Forbidden', message: error.message }
  }
}

/** What does not fit its schema now does not fit the next time either. */
function invalid(error: unknown): Refusal {
  if (!isInvalid(error) && !isTooLarge(error)) throw error
  return { reason: 'Invalid', message: error.message }
}

interface Removing {
  readonly run: GpuRun
  readonly context: ProviderContext
  readonly uid: string
  readonly made: Map<string, ProviderJob>
}

async function deleteJob({ provider }: RunWorld, { run, context, uid, made }: Removing): Promise<void> {
  const ref = { namespace: context.namespace, name: run.metadata.name }
  const outcome = await provider.delete(jobs, ref, { uid, propagationPolicy: 'Background' })
  // It came and went before its making was answered, so no watch will tell: the next try sees that it is gone.
  if (outcome !== 'deleted' && made.delete(runId(run))) throw new Error(`Job ${ref.name} was gone already`)
}

/** Ours from an earlier try, perhaps. The watch shows only ours, and late, so whose it is must be asked for. */
async function nameTaken(world: RunWorld, placing: Placing): Promise<Refusal | undefined> {
  const { run, context, unanswered } = placing
  const { namespace } = context
  const found = await world.provider.get(jobs, { namespace, name: run.metadata.name })
  unanswered.delete(runId(run))
  if (!found) return undefined
  if (found.metadata.labels?.[RUN_LABEL] === runId(run)) {
    isMade(world, placing, found)
    return undefined
  }
  return {
    reason: 'NameTaken',
    message: `Job ${namespace}/${run.metadata.name} is on the provider and was not made for this run; the owner of the cluster can remove it`,
  }
}

interface Meeting {
  readonly run: GpuRun
  readonly context: ProviderContext
  readonly effect: Extract<Effect, { do: 'createService' }>
  readonly seen: Set<string>
}

async function createService(
  { provider }: RunWorld,
  { run, context, effect, seen }: Meeting,
): Promise<Refusal | undefined> {
  const { name } = run.metadata
  const id = runId(run)
  const { metadata, spec } = serviceManifest(run, effect.job.uid, context)
  try {
    await provider.create(services, { metadata, spec: spec as never })
  } catch (error) {
    if (!isAlreadyExists(error)) return invalid(error)
    const found = await provider.get(services, { namespace: context.namespace, name })
    if (found?.metadata.labels?.[RUN_LABEL] !== id) {
      return {
        reason: 'NameTaken',
        message: `Service ${context.namespace}/${name} is on the provider and was not made for this run`,
      }
    }
  }
  seen.add(id)
  return undefined
}
