// A hub with many stored jobs and many simulated providers, whose hub process can be stopped, killed and started cold.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeClient } from '../../operator/src/adapters/kubernetes/client.ts'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { gpuJobs, providers as providerKind } from '../../operator/src/adapters/kubernetes/kinds.ts'
import type { GpuJob, GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import { providerNamespace, runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { resolveBinaries, tools } from '../../tools/resolve-binaries.ts'
import { waitUntil } from '../bed/child.ts'
import { type ControlPlane, startControlPlane } from '../bed/control-plane.ts'
import { applyCrds, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { pooled } from './pooled.ts'
import { type Agents, type FleetNode, heldGpus, type SeenJob, shortJob, startAgents } from './scale-agents.ts'
import { type Pattern, patternOf, putStock, type Stock } from './scale-stock.ts'

export interface FleetOptions {
  readonly name: string
  readonly providers: number
  /** Of 8 GPUs each, over all providers: full with the jobs that are stored as running. */
  readonly nodes: number
  /** Of 8 GPUs each and another model, for jobs that come later. */
  readonly freeNodes: number
  /** `running` is what fills the nodes. */
  readonly stock: Omit<Stock, 'running'>
  readonly report: (line: string) => void
}

export interface Fleet extends AsyncDisposable {
  readonly agents: Agents
  readonly hub: () => Program
  /** Starts a hub on what is stored; there is none before. */
  readonly start: () => Promise<void>
  /** Lets the leader lease go. */
  readonly stop: () => Promise<void>
  /** Leaves the leader lease as it is: the next hub waits until it has run out. */
  readonly kill: () => Promise<void>
  /** Jobs that end soon after they began, for the model of the free nodes; so many a second. Resolves when all have succeeded. */
  readonly carry: (count: number, perSecond: number) => Promise<void>
  /** What is wrong: nodes with more GPUs promised than they have, and jobs with more than one GpuRun. */
  readonly faults: () => { readonly overCommittedNodes: number; readonly dispatchedTwice: number }
}

const tenant = 'bench'
const gpusOfNode = 8
const models = { full: 'H100', free: 'L40S' }
const heartbeatMs = 5000

/** Seen with the bed's own setting and 50,000 jobs: an API server of 14 GiB. */
const garbageOften = { GOGC: '60' }

const spec: GpuJobSpec = gpuJob({
  spec: {
    gpus: { count: 1, models: [models.full] },
    template: {
      spec: {
        containers: [
          {
            name: 'main',
            image: 'registry.example.com/team/train:1.4.2',
            command: ['python', 'train.py', '--epochs', '3'],
            env: [{ name: 'LEARNING_RATE', value: '0.001' }],
            resources: { requests: { cpu: '4', memory: '16Gi' }, limits: { memory: '64Gi' } },
          },
        ],
      },
    },
  },
}).spec

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  await using parts = new AsyncDisposableStack()
  const report = (line: string) => options.report(`${options.name}: ${line}`)
  const dir = await mkdtemp(join(tmpdir(), 'gpu-commons-scale-'))
  parts.defer(() => rm(dir, { recursive: true, force: true }))
  const binaries = await resolveBinaries(tools, { report })
  const parameters = { name: 'hub', dir: join(dir, 'hub'), controllerManager: false, scheduler: false }
  const plane = parts.use(await startControlPlane({ ...parameters, env: garbageOften, binaries, report }))
  const names = Array.from({ length: options.providers }, (_, i) => `member-${String(i).padStart(3, '0')}`)
  await applyCrds(plane)
  await plane.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: tenant } } })
  const client = parts.use(await connect({ kubeconfig: plane.kubeconfig, userAgent: 'gpu-commons-bench' }))
  await pooled(names.length, (i) =>
    client.create(providerKind, { metadata: { name: names[i] as string }, spec: { intake: 'Open' } }),
  )

  const onError = (error: unknown) => report(String((error as Error).cause ?? error))
  const flags = await hubOptions({ hub: plane }, {})
  let program: Program | undefined
  parts.defer(async () => program?.stop())
  const hub = () => program ?? raise('no hub was started')
  const start = async () => {
    program = await startProgram({ ...flags, dir, report, readySeconds: 300 })
  }
  const process = { hub, start, stop: async () => hub().stop(60), kill: async () => hub().kill() }
  const simulate = () => startAgents({ client, providers: names, heartbeatMs, onError })
  const nodes = nodesOf(options, names)
  await store(process, { plane, client, nodes, simulate, options: { ...options, report } })
  const agents = parts.use(await simulate())
  const held = parts.move()
  return {
    ...process,
    agents,
    carry: async (count, perSecond) => {
      const goal = succeeded(agents) + count
      await send(client, count, perSecond)
      const areOver = async () => succeeded(agents) >= goal || undefined
      await waitUntil(areOver, { what: `${count} jobs to succeed`, seconds: 180 })
    },
    faults: () => faultsOf(agents),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

type Process = Pick<Fleet, 'start' | 'stop'>

interface Storing {
  readonly plane: ControlPlane
  readonly client: KubeClient
  readonly nodes: readonly FleetNode[]
  readonly simulate: () => Promise<Agents>
  readonly options: FleetOptions
}

/** One job of each state goes its way through the real hub; what that left in etcd is what all others are copied from. */
async function store({ start, stop }: Process, { plane, client, nodes, simulate, options }: Storing): Promise<void> {
  const { providers, stock, report } = options
  // They leave before the many are stored: nobody need watch that.
  await using agents = await simulate()
  const make = (name: string, change: Partial<GpuJobSpec> = {}) =>
    client.create(gpuJobs, { metadata: { namespace: tenant, name }, spec: { ...spec, ...change } })
  report('the first start, with no jobs')
  await start()
  await untilConnected(client, providers)
  const waiting = await untilState({ agents, job: await make('pattern-waiting'), state: 'Waiting' })
  const suspended = await untilState({
    agents,
    job: await make('pattern-suspended', { suspend: true }),
    state: 'Suspended',
  })
  const patterns = { waiting: await patternOf(plane, waiting), suspended: await patternOf(plane, suspended) }
  await client.delete(gpuJobs, waiting)

  await agents.claim(nodes)
  const pick = { models: [models.full], count: 1 }
  const running = await untilState({ agents, job: await make('pattern-running', { gpus: pick }), state: 'Running' })
  const runningPattern = await patternOf(plane, running)
  const finished = await untilState({
    agents,
    job: await make(`${shortJob}pattern`, { gpus: pick }),
    state: 'Succeeded',
  })
  const finishedPattern = await patternOf(plane, finished)
  await agents.end(1)
  await untilState({ agents, job: running, state: 'Succeeded' })
  await stop()
  await agents[Symbol.asyncDispose]()

  const full = nodes.filter(({ model }) => model === models.full)
  const at = placeIn(runningPattern)
  if (placeIn(finishedPattern).node !== at.node) throw new Error('the patterns ran on different nodes')
  await putStock(
    plane,
    { ...stock, running: full.length * gpusOfNode },
    {
      tenant,
      patterns: { ...patterns, running: runningPattern, finished: finishedPattern },
      patternPlace: at,
      placeOf: (i) => {
        const { provider, name } = full[i % full.length] as FleetNode
        return { provider, node: name }
      },
      report,
    },
  )
}

function placeIn({ run = raise('no run') }: Pattern): { provider: string; node: string } {
  const { metadata, spec: order } = JSON.parse(run) as {
    metadata: { namespace: string }
    spec: { nodes: [{ name: string }] }
  }
  return { provider: metadata.namespace.slice('provider-'.length), node: order.nodes[0].name }
}

/** Names of one length, none part of another; each provider has nodes of both models where there are enough. */
function nodesOf({ nodes, freeNodes }: FleetOptions, providers: readonly string[]): FleetNode[] {
  const provider = (i: number) => providers[i % providers.length] as string
  const name = (i: number) => `machine-${String(i).padStart(5, '0')}`
  const full = Array.from({ length: nodes }, (_, i) => ({ provider: provider(i), name: name(i), model: models.full }))
  const free = Array.from({ length: freeNodes }, (_, i) => ({
    provider: provider(i),
    name: name(nodes + i),
    model: models.free,
  }))
  return [...full, ...free]
}

async function untilConnected(client: KubeClient, count: number): Promise<void> {
  const areConnected = async () => {
    const { items } = await client.list(providerKind)
    const connected = items.filter(({ status }) =>
      status?.conditions.some((one) => one.type === 'Connected' && one.status === 'True'),
    )
    return connected.length === count || undefined
  }
  await waitUntil(areConnected, { what: `${count} Providers to be connected`, seconds: 180 })
}

interface Expected {
  readonly agents: Agents
  readonly job: { readonly metadata: { readonly uid: string; readonly name: string } }
  readonly state: NonNullable<SeenJob['status']>['state']
}

/** Names the job and, where it has one, its run, as patternOf wants it. */
async function untilState({ agents, job, state }: Expected) {
  const { name, uid } = job.metadata
  const is = async () => {
    const found = agents.jobs.get(`${tenant}/${name}`)
    return found?.status?.state === state ? found.status : undefined
  }
  const { placement } = await waitUntil(is, { what: `${name} to be ${state}`, seconds: 60 })
  const run =
    placement && `${providerNamespace(placement.provider)}/${runName({ metadata: { name, uid } } as GpuJob, 1)}`
  return { ...job, namespace: tenant, name, ...(run === undefined ? {} : { run }) }
}

async function send(client: KubeClient, count: number, perSecond: number): Promise<void> {
  const began = performance.now()
  const batch = Math.random().toString(36).slice(2, 8)
  const posts: Promise<unknown>[] = []
  for (let i = 0; i < count; i += 1) {
    const due = began + (i * 1000) / perSecond
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
    const metadata = { namespace: tenant, name: `${shortJob}${batch}-${i}` }
    posts.push(client.create(gpuJobs, { metadata, spec: { ...spec, gpus: { count: 1, models: [models.free] } } }))
  }
  await Promise.all(posts)
}

function succeeded({ jobs }: Agents): number {
  return [...jobs.values()].filter(({ status }) => status?.state === 'Succeeded').length
}

function faultsOf({ runs, runsEver }: Agents): ReturnType<Fleet['faults']> {
  return {
    overCommittedNodes: [...heldGpus(runs.values()).values()].filter((gpus) => gpus > gpusOfNode).length,
    dispatchedTwice: [...runsEver.values()].filter((uids) => uids.size > 1).length,
  }
}

function raise(what: string): never {
  throw new Error(what)
}
