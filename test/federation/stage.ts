/** What each suite here begins with: a federation, our operator on it, and watches of the suite's own on all of it. */
import { glob, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Job, Pod, Service } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuNode } from '../../operator/src/api/gpunode.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import type { Ask } from '../bed/api-requests.ts'
import { type BedProvider, type Federation, startFederation } from '../bed/federation.ts'
import type { NodeManifest } from '../bed/gpu-nodes.ts'
import { type Operator, type OperatorOptions, startOperator } from '../bed/operator.ts'
import type { Program } from '../bed/program.ts'
import { type Named, type Watched, watched } from './watched.ts'

export const group = '/apis/gpucommons.io/v1alpha1'

export interface StageOptions {
  /** Of its folder under `.results`, in which the logs stay. */
  readonly name: string
  readonly providers: number
  readonly nodes: number | ((provider: string) => readonly NodeManifest[])
  readonly hubArgs?: readonly string[]
  readonly agentArgs?: readonly string[]
  readonly rules?: OperatorOptions['rules']
  /** Keep audit logs, on all control planes. */
  readonly audit?: boolean
  /** Further flags of the hub's kube-apiserver. */
  readonly hubApiServerArgs?: readonly string[]
  /** The suite itself takes rights away from our programs. */
  readonly takesRights?: true
  /** Namespaces of tenants. */
  readonly namespaces: readonly string[]
  /** Starts our programs in another way than once each. */
  readonly operate?: (federation: Federation, options: OperatorOptions) => Promise<Operator>
}

/** What lies on one provider, as its own API server says it. */
export interface ProviderSide extends BedProvider {
  readonly pods: Watched<Pod>
  readonly jobs: Watched<Job>
  readonly services: Watched<Service>
}

export interface Stage extends AsyncDisposable {
  readonly federation: Federation
  readonly operator: Operator
  readonly ask: Ask
  readonly jobs: Watched<GpuJob>
  readonly runs: Watched<GpuRun>
  /** Every GpuRun that there ever was, as last seen, by uid. */
  readonly runsEver: ReadonlyMap<string, GpuRun>
  readonly nodes: Watched<GpuNode>
  readonly providers: Watched<Provider>
  readonly sides: ReadonlyMap<string, ProviderSide>
}

/** Waits until every provider is ready and has told the hub of its nodes. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const dir = join(import.meta.dirname, '..', '..', '.results', options.name)
  const report = (line: string) => void process.stderr.write(`${options.name}: ${line}\n`)
  await using parts = new AsyncDisposableStack()
  for await (const log of logsIn(dir)) await rm(log)
  parts.defer(() => removeData(dir))
  const federation = parts.use(await startFederation({ ...options, dir }, report))
  if (!options.takesRights) parts.defer(() => nothingRefused(federation))
  const operate = options.operate ?? startOperator
  const operator = parts.use(await operate(federation, { ...options, report }))
  const { hub } = federation

  const watch = async <T extends Named>(kind: string) => parts.use(await watched<T>(hub, `${group}/${kind}`))
  const jobs = await watch<GpuJob>('gpujobs')
  const runs = await watch<GpuRun>('gpuruns')
  const runsEver = new Map<string, GpuRun>()
  runs.onChange(({ object }) => void runsEver.set(object.metadata.uid, object))
  const nodes = await watch<GpuNode>('gpunodes')
  const providers = await watch<Provider>('providers')
  const sides = new Map<string, ProviderSide>()
  for (const provider of federation.providers) {
    const { controlPlane, name } = provider
    sides.set(name, {
      ...provider,
      pods: parts.use(await watched<Pod>(controlPlane, '/api/v1/pods')),
      jobs: parts.use(await watched<Job>(controlPlane, '/apis/batch/v1/jobs')),
      services: parts.use(await watched<Service>(controlPlane, '/api/v1/services')),
    })
  }
  for (const namespace of options.namespaces) await makeNamespace(hub.ask, namespace)
  await untilReady({ providers, nodes }, [...sides.values()])

  const held = parts.move()
  return {
    federation,
    operator,
    ask: hub.ask,
    jobs,
    runs,
    runsEver,
    nodes,
    providers,
    sides,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

export async function makeNamespace(ask: Ask, name: string): Promise<void> {
  const { status, body } = await ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name } } })
  if (status !== 201) throw new Error(`making namespace ${name}: ${JSON.stringify(body)}`)
}

export function sideOf({ sides }: Stage, name: string): ProviderSide {
  const side = sides.get(name)
  if (!side) throw new Error(`there is no provider ${name}`)
  return side
}

export function agentOf({ operator }: Stage, name: string): Program {
  const agent = operator.agents.get(name)
  if (!agent) throw new Error(`there is no agent of ${name}`)
  return agent
}

async function untilReady(
  { providers, nodes }: Pick<Stage, 'providers' | 'nodes'>,
  sides: readonly ProviderSide[],
): Promise<void> {
  for (const { name, controlPlane } of sides) {
    const { body } = await controlPlane.ask('/api/v1/nodes')
    const expected = (body as { items: unknown[] }).items.length
    await nodes.until({
      what: `the agent of ${name} to claim ${expected} nodes`,
      seconds: 30,
      find: (all) =>
        [...all.keys()].filter((key) => key.startsWith(`provider-${name}/`)).length === expected || undefined,
    })
    await providers.until({
      what: `provider ${name} to be Ready`,
      seconds: 30,
      find: (all) => isTrue(all.get(name), 'Ready') || undefined,
    })
  }
}

function isTrue(object: Provider | undefined, type: string): boolean {
  return object?.status?.conditions.some((one) => one.type === type && one.status === 'True') ?? false
}

/**
 * Whatever a suite is about: none of our programs may have wanted a right that it does not have. An API server that starts
 * refuses what it has not read the roles and bindings for yet; when it is ready, it has.
 */
async function nothingRefused({ dir, hub, providers }: Federation): Promise<void> {
  const absences = [hub, ...providers.map(({ controlPlane }) => controlPlane)].flatMap((plane) => plane.absences)
  for await (const log of logsIn(dir)) {
    for (const line of (await readFile(log, 'utf8')).split('\n')) {
      const refused = /User .{1,200} cannot \w+ resource .{1,200}/.exec(line)?.[0]
      if (refused === undefined) continue
      const at = Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? '')
      if (!absences.some(({ from, to }) => from <= at && at <= to + logDelayMs)) throw new Error(`${log}: ${refused}`)
    }
  }
}

/** From an answer to the line in which a busy program says what it was. */
const logDelayMs = 1000

/** Those of our own programs; control planes have folders of their own. */
async function* logsIn(dir: string): AsyncGenerator<string, void, undefined> {
  for await (const log of glob('*.log', { cwd: dir })) yield join(dir, log)
}

/** Logs and kubeconfigs stay; the data of etcd, hundreds of megabytes, do not. */
export async function removeData(dir: string): Promise<void> {
  for await (const data of glob('*/etcd{,-kept}', { cwd: dir }))
    await rm(join(dir, data), { recursive: true, force: true })
}
