/** A federation whose hub can become another one: watched at the providers alone, for the hub's own watches would break. */
import { join } from 'node:path'
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { JOB_UID_LABEL, RUN_LABEL } from '../../operator/src/api/labels.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { type BedProvider, type Federation, startFederation } from '../bed/federation.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { type SupervisedOperator, superviseOperator } from '../chaos/operator.ts'
import { createJob } from './order.ts'
import { claimText } from './ordered-job.ts'
import { group, makeNamespace, removeData } from './stage.ts'
import { type Seen, type Watched, watched } from './watched.ts'

export const tenant = 'team'

/** How long an agent leaves alone what nobody orders, here. */
export const orphanSeconds = 8

export interface Side extends BedProvider {
  readonly pods: Watched<Pod>
  readonly jobs: Watched<Job>
}

export interface WrongHubStage extends AsyncDisposable {
  readonly federation: Federation
  readonly operator: SupervisedOperator
  readonly hub: ControlPlane
  readonly acme: Side
  readonly borealis: Side
  /** What a provider's API server told of pods and Jobs of ours that went away, by the uid of the GpuJob. */
  readonly deletions: ReadonlyMap<string, readonly string[]>
  /** The Jobs that were ever made for a run, by RUN_LABEL, on all providers. */
  readonly made: ReadonlyMap<string, ReadonlySet<string>>
  /** The most workers of a GpuJob that ever computed at one moment, on all providers. */
  readonly mostAtOnce: ReadonlyMap<string, number>
}

export async function openWrongHubStage(name: string): Promise<WrongHubStage> {
  const dir = join(import.meta.dirname, '..', '..', '.results', name)
  const report = (line: string) => void process.stderr.write(`${name}: ${line}\n`)
  await using parts = new AsyncDisposableStack()
  parts.defer(() => removeData(dir))
  const nodes = (provider: string) => [1, 2].map((i) => gpuNode({ name: `${provider}-${i}`, card: 'H100', gpus: 8 }))
  const federation = parts.use(await startFederation({ providers: 2, nodes, dir }, report))
  const agentArgs = ['--heartbeat-seconds', '1', '--orphan-after-seconds', String(orphanSeconds)]
  const hubArgs = ['--tombstone-seconds', '3']
  const operator = parts.use(await superviseOperator(federation, { report, agentArgs, hubArgs }))

  const deletions = new Map<string, string[]>()
  const made = new Map<string, Set<string>>()
  const computing = new Map<string, Set<string>>()
  const mostAtOnce = new Map<string, number>()
  const sides: Side[] = []
  for (const provider of federation.providers) {
    const pods = parts.use(await watched<Pod>(provider.controlPlane, '/api/v1/pods'))
    const jobs = parts.use(await watched<Job>(provider.controlPlane, '/apis/batch/v1/jobs'))
    const note = ({ type, object: { metadata } }: Seen<Pod | Job>) => {
      const uid = metadata.labels?.[JOB_UID_LABEL] ?? ''
      if (type === 'DELETED' || 'deletionTimestamp' in metadata)
        deletions.set(uid, [...(deletions.get(uid) ?? []), `${type} ${metadata.name}`])
    }
    pods.onChange((seen) => {
      note(seen)
      const { metadata, status } = seen.object
      const uid = metadata.labels?.[JOB_UID_LABEL] ?? ''
      const those = computing.get(uid) ?? new Set()
      computing.set(uid, those)
      if (seen.type !== 'DELETED' && status?.phase === 'Running') those.add(metadata.uid)
      else those.delete(metadata.uid)
      mostAtOnce.set(uid, Math.max(those.size, mostAtOnce.get(uid) ?? 0))
    })
    jobs.onChange((seen) => {
      note(seen)
      const run = seen.object.metadata.labels?.[RUN_LABEL] ?? ''
      made.set(run, (made.get(run) ?? new Set()).add(seen.object.metadata.uid))
    })
    sides.push({ ...provider, pods, jobs })
  }
  await makeNamespace(federation.hub.ask, tenant)
  const [acme, borealis] = sides
  if (!acme || !borealis) throw new Error('two providers were asked for')
  const held = parts.move()
  const close = () => held.disposeAsync()
  const { hub } = federation
  return { federation, operator, hub, acme, borealis, deletions, made, mostAtOnce, [Symbol.asyncDispose]: close }
}

/** A GpuJob whose worker computes until it is told to end. */
export interface LiveJob {
  readonly name: string
  readonly uid: string
  readonly side: Side
  /** The uid of its worker's pod. */
  readonly pod: string
}

export async function startLiveJob({ hub }: Pick<WrongHubStage, 'hub'>, side: Side, name: string): Promise<LiveJob> {
  const spec = { placement: { providerSelector: { region: side.region } } }
  const job = await createJob(hub.ask, { namespace: tenant, name, spec, simulate: { how: 'hang' } })
  return liveJob(side, job)
}

export async function liveJob(side: Side, { metadata: { name, uid } }: GpuJob): Promise<LiveJob> {
  const pod = await side.pods.until({
    what: `the worker of ${name} to run on ${side.name}`,
    seconds: 40,
    find: (all) => all.values().find((one) => isWorkerOf(one, uid) && one.status?.phase === 'Running')?.metadata.uid,
  })
  return { name, uid, side, pod }
}

function isWorkerOf({ metadata }: Pod, jobUid: string): boolean {
  return metadata.labels?.[JOB_UID_LABEL] === jobUid
}

/** What happened to it that should not have; empty: its one worker computes as before. */
export function harmTo({ deletions, made }: WrongHubStage, { uid, side, pod }: LiveJob): readonly string[] {
  const phase = side.pods.all.values().find(({ metadata }) => metadata.uid === pod)?.status?.phase
  const times = [...made].filter(([run]) => run.startsWith(uid)).flatMap(([, jobs]) => [...jobs]).length
  return [
    ...(deletions.get(uid) ?? []),
    ...(phase === 'Running' ? [] : [`its worker is ${phase}`]),
    ...(times === 1 ? [] : [`it was started ${times} times`]),
  ]
}

/** Its worker ends with exit code 0. */
export async function release({ side, pod }: LiveJob): Promise<void> {
  const found = side.pods.all.values().find(({ metadata }) => metadata.uid === pod)
  if (!found) throw new Error('the worker is gone')
  const { name, namespace } = found.metadata
  const finishedAt = new Date().toISOString().replace(/[.]\d+/, '')
  const terminated = { exitCode: 0, reason: 'Completed', startedAt: finishedAt, finishedAt }
  const containerStatuses = found.status?.containerStatuses?.map((one) => ({ ...one, state: { terminated } }))
  const { status, body } = await side.controlPlane.ask(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
    method: 'PATCH',
    contentType: 'application/merge-patch+json',
    body: { status: { phase: 'Succeeded', containerStatuses } },
  })
  if (status !== 200) throw new Error(`ending pod ${name}: ${JSON.stringify(body)}`)
}

/** Waits until nothing of it is left on its provider. */
export async function isCleaned({ name, uid, side }: LiveJob, seconds = 60): Promise<void> {
  for (const kind of [side.jobs, side.pods] as readonly Watched<Job | Pod>[]) {
    await kind.until({
      what: `nothing of ${name} to be left on ${side.name}`,
      seconds,
      find: (all) => !all.values().some(({ metadata }) => metadata.labels?.[JOB_UID_LABEL] === uid) || undefined,
    })
  }
}

/** Waits for a condition of a Provider such as `Ready=True/Ready`, and gives its message. */
export async function providerSays({ ask }: ControlPlane, name: string, claim: string): Promise<string> {
  let last = ''
  const says = async () => {
    const answer = await ask(`${group}/providers/${name}`).catch(() => undefined)
    if (answer?.status !== 200) return undefined
    const conditions = (answer.body as Provider).status?.conditions ?? []
    last = JSON.stringify(conditions)
    return conditions.find((one) => claimText(one) === claim)?.message
  }
  try {
    return await waitUntil(says, { what: `Provider ${name} to say ${claim}`, seconds: 90 })
  } catch (cause) {
    throw new Error(last, { cause })
  }
}

/** Does what a message says: the command in it that matches. */
export async function follow({ kubectl }: ControlPlane, message: string, which = /./): Promise<void> {
  const commands = message.match(/kubectl [^;]+/g) ?? []
  const command = commands.find((one) => which.test(one))
  if (command === undefined) throw new Error(`no command ${which} in: ${message}`)
  const words = command.trim().match(/'[^']*'|[^ ]+/g) ?? []
  const args = words.slice(1).map((word) => word.replace(/^'|'$/g, ''))
  // Of many objects one may go while the command runs; a person does it once more.
  await kubectl(args).catch((error: Error) => {
    if (!error.message.includes('NotFound')) throw error
    return kubectl(args)
  })
}

/** A new job is taken, run and finished there. */
export async function works({ hub }: Pick<WrongHubStage, 'hub'>, side: Side, name: string): Promise<void> {
  const spec = { placement: { providerSelector: { region: side.region } } }
  await createJob(hub.ask, { namespace: tenant, name, spec })
  await jobIs(hub, name, 'Succeeded')
}

/** Sets a field of its spec. */
export async function changeJob({ ask }: ControlPlane, name: string, spec: object): Promise<void> {
  const { status, body } = await ask(`${group}/namespaces/${tenant}/gpujobs/${name}`, {
    method: 'PATCH',
    contentType: 'application/merge-patch+json',
    body: { spec },
  })
  if (status !== 200) throw new Error(`changing job ${name}: ${JSON.stringify(body)}`)
}

export function jobIs(hub: ControlPlane, name: string, state: string): Promise<void> {
  return jobShows(hub, { name, what: state, holds: ({ status }) => status?.state === state })
}

export function jobSays(hub: ControlPlane, name: string, claim: string): Promise<void> {
  const holds = ({ status }: GpuJob) => status?.conditions.some((one) => claimText(one) === claim) ?? false
  return jobShows(hub, { name, what: claim, holds })
}

interface Showing {
  readonly name: string
  readonly what: string
  readonly holds: (job: GpuJob) => boolean
}

async function jobShows({ ask }: ControlPlane, { name, what, holds }: Showing): Promise<void> {
  let last: unknown
  const isThere = async () => {
    const answer = await ask(`${group}/namespaces/${tenant}/gpujobs/${name}`).catch(() => undefined)
    if (answer?.status !== 200) return undefined
    const job = answer.body as GpuJob
    last = job.status
    return holds(job) || undefined
  }
  try {
    await waitUntil(isThere, { what: `job ${name} to be ${what}`, seconds: 90 })
  } catch (cause) {
    throw new Error(JSON.stringify(last), { cause })
  }
}
