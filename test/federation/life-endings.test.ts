// How a run may fail to start, be taken down, or end while nobody looks, each as one story; the tests say what a kubelet
// would say. Stories about one machine have it on acme, and find it by its label. What is over stays over: every outcome
// that a job or a run ever had is counted.
import { expect } from '@jest/globals'
import type { Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { toTime } from '../../operator/src/api/time.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { startAgentAgain } from './agent-again.ts'
import { container, disrupted, kubeletSays, podOf, terminated } from './kubelet.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { expectOutcomes } from './outcomes.ts'
import { providerSays } from './provider-story.ts'
import { testScenarios } from './scenarios.ts'
import { agentOf, group, type ProviderSide, type Stage, sideOf } from './stage.ts'

const namespace = 'endings'
const quotaNamespace = 'quota'

const nodes: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: [
    ...[1, 2].map((index) => gpuNode({ name: `acme-${index}`, card: 'H100', gpus: 8 })),
    gpuNode({ name: 'tainted', card: 'T4', gpus: 1, labels: { machine: 'tainted' } }),
    gpuNode({ name: 'pulls', card: 'RTX4090', gpus: 2 }),
  ],
  borealis: [gpuNode({ name: 'also-pulls', card: 'RTX4090', gpus: 2 })],
  cumulus: [gpuNode({ name: 'cumulus-1', card: 'L40S', gpus: 4 })],
}

type Said = Parameters<typeof kubeletSays>[2]
const pressure = 'The node was low on resource: memory'
const killed = () => terminated(137, 'Error')

/** What is said of a pod that runs, and what becomes of its run. */
const failures: Readonly<Record<string, { readonly said: () => Said; readonly run: string }>> = {
  'too little memory': { said: () => terminated(137, 'OOMKilled'), run: '1 Failed/OOMKilled 137' },
  'more written than it may': { said: () => ({ reason: 'Evicted', ...killed() }), run: '1 Failed/Evicted 137' },
}
const takenDown: Readonly<Record<string, { readonly said: () => Said; readonly run: string }>> = {
  'a node that runs short': {
    said: () => ({
      reason: 'Evicted',
      message: pressure,
      conditions: disrupted('TerminationByKubelet'),
      ...killed(),
    }),
    run: '1 Reclaimed/NodePressure',
  },
  'a node that is shut down': {
    said: () => ({ reason: 'Terminated', conditions: disrupted('TerminationByKubelet'), ...terminated(143, 'Error') }),
    run: '1 Reclaimed/NodeShutdown',
  },
  'a node that began anew': { said: () => terminated(255, 'Unknown'), run: '1 Reclaimed/NodeLost' },
}

testScenarios(
  {
    name: 'life-endings',
    providers: 3,
    nodes: (provider) => nodes[provider] ?? [],
    namespaces: [namespace, quotaNamespace],
    hubArgs: ['--tombstone-seconds', '5', '--suspect-after-seconds', '6'],
    agentArgs: ['--heartbeat-seconds', '1'],
  },
  {
    ...Object.fromEntries(
      Object.entries(failures).map(([what, row], index) => [
        `${what} is a failure of the job`,
        (stage: Stage) => failed(stage, { ...row, name: `failed-${index}` }),
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(takenDown).map(([what, row], index) => [
        `${what} is no failure of the job`,
        (stage: Stage) => repeatedWithoutBlame(stage, { ...row, name: `taken-down-${index}` }),
      ]),
    ),
    'a pod that somebody deletes is no failure of the job': podDeleted,
    'a pod that is evicted by the API is no failure of the job': podEvicted,
    'a node that is tainted pushes the run off, and it is no failure': nodeTainted,
    'a node that refuses a worker has rejected the run': nodeRefuses,
    'a container that cannot be started has been rejected first, and then has failed': startError,
    'an image that one provider cannot pull is told, and pulled at another': pulledElsewhere,
    'an image that no provider can pull ends the job': pulledNowhere,
    'a quota of the provider is told, and the run goes on when it is lifted': quota,
    'a job that leaves no trace and ends while its agent is away has succeeded once': endedUnseen,
    'the state of each worker is told, and kubectl shows why': workersTold,
  },
)

/** A job for the H100s of acme, which hangs unless it says otherwise. */
function order(stage: Stage, { spec, simulate = { how: 'hang' }, ...rest }: Omit<Order, 'namespace'>) {
  const placement = { providerSelector: { region: 'eu-west' } }
  const all = { placement, gpus: { count: 1, models: ['H100'] }, ...spec }
  return orderJob(stage, { namespace, ...rest, spec: all, simulate })
}

/** `1 Failed/NonZeroExit 3, 2 Succeeded/Completed 0` */
function past({ status }: GpuJob): string {
  return (status?.runs ?? [])
    .map(({ run, outcome, reason, exitCode }) => `${run} ${outcome}/${reason} ${exitCode ?? ''}`.trim())
    .join(', ')
}

interface Ended {
  readonly name: string
  readonly said: () => Said
  readonly run: string
}

async function failed(stage: Stage, { name, said, run }: Ended): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name, spec: { retry: { limit: 0 } } })
  await job.is('Running')
  await kubeletSays(side, await podOf(side, job), { phase: 'Failed', ...said() })
  expect(past(await job.says('Finished=True/RetriesExhausted'))).toBe(run)
  await expectOutcomes(stage, job, ['1 Failed', 'Failed'])
}

async function repeatedWithoutBlame(stage: Stage, { name, said, run }: Ended): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name, spec: { retry: { limit: 0 } } })
  await job.is('Running')
  await kubeletSays(side, await podOf(side, job), { phase: 'Failed', ...said() })
  await runsAgain(stage, job, run)
}

/** It has its second run, and nobody blames it for the first. */
async function runsAgain(stage: Stage, job: OrderedJob, run: string): Promise<void> {
  const again = await job.until('to run anew', ({ status }) => status?.state === 'Running' && status.lastRun === 2, 60)
  expect([past(again), again.status?.failures]).toEqual([run, 0])
  await expectOutcomes(stage, job, ['1 Reclaimed'])
}

async function podDeleted(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name: 'pod-deleted', spec: { retry: { limit: 0 } } })
  await job.is('Running')
  const { metadata } = await podOf(side, job)
  await side.controlPlane.ask(pathOf(metadata), { method: 'DELETE' })
  await runsAgain(stage, job, '1 Reclaimed/PodRemoved')
}

async function podEvicted(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name: 'pod-evicted', spec: { retry: { limit: 0 } } })
  await job.is('Running')
  const { metadata } = await podOf(side, job)
  const { name } = metadata
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } }
  const answer = await side.controlPlane.ask(`${pathOf(metadata)}/eviction`, { method: 'POST', body: eviction })
  expect(answer.status).toBe(201)
  await runsAgain(stage, job, '1 Reclaimed/Reclaimed')
}

async function nodeTainted(stage: Stage): Promise<void> {
  const { controlPlane } = sideOf(stage, 'acme')
  const spec = { placement: { nodeSelector: { machine: 'tainted' } }, gpus: { count: 1 }, retry: { limit: 0 } }
  const job = await order(stage, { name: 'tainted', spec })
  await job.is('Running')
  await controlPlane.kubectl(['taint', 'node', 'tainted', 'maintenance=soon:NoExecute'])
  const waits = await job.until('to wait', ({ status }) => status?.state === 'Waiting' && status.runs !== undefined)
  expect([past(waits), waits.status?.failures]).toEqual(['1 Reclaimed/Reclaimed', 0])
  await controlPlane.kubectl(['taint', 'node', 'tainted', 'maintenance-'])
  await runsAgain(stage, job, '1 Reclaimed/Reclaimed')
}

const waiting = { how: 'waiting', 'waiting-reason': 'ContainerCreating' }

async function nodeRefuses(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name: 'refused', spec: { retry: { limit: 0 } }, simulate: waiting })
  const message = 'Pod was rejected: Allocate failed due to requested number of devices unavailable'
  const said = { phase: 'Failed', reason: 'UnexpectedAdmissionError', message } as const
  await kubeletSays(side, await podOf(side, job), said)
  const backsOff = await job.says('Placed=False/BackingOff')
  expect(past(backsOff)).toBe('1 Rejected/NodeRefused')
  expect(backsOff.status?.why).toContain('devices unavailable')
  await job.until('to be placed on another node', ({ status }) => status?.placement?.run === 2)
  const [first, second] = job.runs
  expect(second?.spec.nodes).not.toEqual(first?.spec.nodes)
}

async function startError(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name: 'start-error', spec: { retry: { limit: 0 } }, simulate: waiting })
  const words = 'exec: "trian.py": executable file not found in $PATH'
  for (const run of [1, 2]) {
    const said = { phase: 'Failed', ...terminated(128, 'StartError', words) } as const
    await kubeletSays(side, await podOf(side, job, run), said)
  }
  const ended = await job.says('Finished=True/RetriesExhausted')
  expect([past(ended), ended.status?.failures]).toEqual(['1 Rejected/StartError, 2 Rejected/StartError', 1])
  expect(ended.status?.runs?.at(-1)?.message).toContain('executable file not found')
  await expectOutcomes(stage, job, ['1 Rejected', '2 Rejected', 'Failed'])
}

/** A job for the RTX4090s, of which there are some on two providers. */
function pulls(stage: Stage, name: string): Promise<OrderedJob> {
  const spec = { placement: {}, gpus: { count: 1, models: ['RTX4090'] }, retry: { limit: 0 } }
  return order(stage, { name, spec, simulate: waiting })
}

/** The image does not come, the job says so, and the ten minutes that this is borne are put behind it. */
async function cannotPull(stage: Stage, job: OrderedJob, run: number): Promise<void> {
  const side = await sideOfRun(stage, job, run)
  const pod = await podOf(side, job, run)
  await kubeletSays(side, pod, container({ waiting: { reason: 'ErrImagePull', message: 'no such host' } }))
  const troubled = await job.says('Running=False/StartTrouble')
  expect(troubled.status?.why).toBe('ImagePullBackOff: worker 0: container main: no such host')
  await kubeletSays(side, pod, container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling' } }))
  const ordered = job.runs.at(-1)
  const path = `${group}/namespaces/${ordered?.metadata.namespace}/gpuruns/${ordered?.metadata.name}/status`
  const body = { status: { troubleSince: toTime(Date.now() - 600_000) } }
  const answer = await stage.ask(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body })
  expect(answer.status).toBe(200)
}

async function pulledElsewhere(stage: Stage): Promise<void> {
  const job = await pulls(stage, 'pulled-elsewhere')
  await cannotPull(stage, job, 1)
  const second = await sideOfRun(stage, job, 2)
  await kubeletSays(second, await podOf(second, job, 2), { phase: 'Succeeded', ...terminated(0, 'Completed') })
  const done = await job.is('Succeeded')
  expect([past(done), done.status?.failures]).toEqual(['1 Rejected/ImagePullBackOff, 2 Succeeded/Completed 0', 0])
  expect(new Set(done.status?.runs?.map(({ provider }) => provider)).size).toBe(2)
  await expectOutcomes(stage, job, ['1 Rejected', '2 Succeeded', 'Succeeded'])
}

async function pulledNowhere(stage: Stage): Promise<void> {
  const job = await pulls(stage, 'pulled-nowhere')
  await cannotPull(stage, job, 1)
  await cannotPull(stage, job, 2)
  const ended = await job.says('Finished=True/RetriesExhausted')
  expect(past(ended)).toBe('1 Rejected/ImagePullBackOff, 2 Rejected/ImagePullBackOff')
  for (const side of stage.sides.values()) await job.isOff(side)
}

async function quota(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const placement = { providerSelector: { region: 'eu-west' } }
  const spec = { placement, gpus: { count: 1, models: ['H100'] } }
  const first = await orderJob(stage, { namespace: quotaNamespace, name: 'before', spec })
  const { metadata } = await podOf(side, first)
  const path = `/api/v1/namespaces/${metadata.namespace}/resourcequotas`
  const hard = { 'count/jobs.batch': '1' }
  const body = { metadata: { name: 'one-job' }, spec: { hard } }
  expect((await side.controlPlane.ask(path, { method: 'POST', body })).status).toBe(201)
  await first.is('Succeeded')

  const job = await orderJob(stage, { namespace: quotaNamespace, name: 'beyond', spec })
  const troubled = await job.says('Running=False/StartTrouble')
  expect(troubled.status?.why).toContain('exceeded quota')
  await side.controlPlane.ask(`${path}/one-job`, { method: 'DELETE' })
  const done = await job.is('Succeeded')
  expect(past(done)).toBe('1 Succeeded/Completed 0')
}

/** Nothing but its Job tells how it ended, and that it wants to be gone at once. */
async function endedUnseen(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'cumulus')
  const placement = { providerSelector: { region: 'us-east' } }
  const on = { placement, gpus: { count: 1, models: ['L40S'] } }
  const keeps = await order(stage, { name: 'keeps', spec: on })
  const spec = { ...on, ttlSecondsAfterFinished: 0 }
  const job = await order(stage, { name: 'ended-unseen', spec, simulate: { seconds: '8' } })
  await keeps.is('Running')
  await job.is('Running')
  await agentOf(stage, 'cumulus').stop()
  const { metadata } = await podOf(side, job)
  await side.jobs.until({
    what: 'the Job to be complete',
    seconds: 30,
    find: (all) =>
      all.values().find(({ metadata: { name }, status }) => {
        const isComplete = status?.conditions?.some(({ type, status: is }) => type === 'Complete' && is === 'True')
        return name === job.runs[0]?.metadata.name && isComplete
      }),
  })
  await side.controlPlane.ask(`${pathOf(metadata)}?gracePeriodSeconds=0`, { method: 'DELETE' })
  await keeps.says('Running=Unknown/ProviderSilent', 60)

  await using _agent = await startAgentAgain(stage, side)
  await providerSays(stage, 'cumulus', 'Connected=True/Heartbeat')
  await keeps.says('Running=True/Running')
  await job.isGone(40)
  await expectOutcomes(stage, job, ['1 Succeeded', 'Succeeded'])
  await job.leavesNothing()
  expect((await keeps.is('Running')).status?.lastRun).toBe(1)
}

async function workersTold(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'told', spec: { workers: 2, retry: { limit: 0 } }, simulate: { exit: '7' } })
  await job.says('Finished=True/RetriesExhausted')
  const [run] = job.runs
  const states = run?.status?.workers?.map(({ index, state, exitCode }) => ({ index, state, exitCode }))
  expect(states?.[0]).toMatchObject({ index: 0, state: 'Failed' })
  expect(states?.map(({ index }) => index)).toEqual([0, 1])
  const { kubectl } = stage.federation.hub
  const table = await kubectl(['-n', 'provider-acme', 'get', 'gpuruns', run?.metadata.name ?? '', '-o', 'wide'])
  expect(table).toMatch(/EXIT +NODES +MESSAGE/)
  expect(table).toMatch(/\b7 .*container main ended with exit code 7/)
}

async function sideOfRun(stage: Stage, job: OrderedJob, run: number): Promise<ProviderSide> {
  const { status } = await job.until(`to be placed for run ${run}`, ({ status: is }) => is?.placement?.run === run, 60)
  return sideOf(stage, status?.placement?.provider ?? '')
}

function pathOf({ namespace: where, name }: Pod['metadata']): string {
  return `/api/v1/namespaces/${where}/pods/${name}`
}
