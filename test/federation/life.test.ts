// What may happen to a job, each as one story. All of them are told side by side on one federation: ordinary jobs on
// the H100s of acme, stories that need a machine of their own on another card there, the loss of a provider on borealis,
// the cordon on cumulus.
import { expect } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { JOB_UID_LABEL } from '../../operator/src/api/labels.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { addNodes } from '../bed/kwok.ts'
import { startAgentAgain } from './agent-again.ts'
import { whileFrozen } from './freeze.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { createOwnerPod } from './owner.ts'
import { providerSays, setIntake } from './provider-story.ts'
import { testScenarios } from './scenarios.ts'
import { agentOf, group, type ProviderSide, type Stage, sideOf } from './stage.ts'

const namespace = 'life'

/** Its nodes are for one story each, which finds them by this label. */
const onMachine = (machine: string) => ({ placement: { nodeSelector: { machine } } })
const machine = (name: string, rest: Omit<Parameters<typeof gpuNode>[0], 'name'>) =>
  gpuNode({ name, labels: { machine: name }, ...rest })

const machines: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: [
    ...[1, 2, 3].map((index) => gpuNode({ name: `acme-${index}`, card: 'H100', gpus: 8 })),
    machine('swap', { card: 'T4', gpus: 1 }),
    machine('reclaim', { card: 'T4', gpus: 1 }),
    machine('narrow', { card: 'T4', gpus: 1 }),
    machine('closing', { card: 'T4', gpus: 1 }),
    machine('mig-mixed', {
      card: 'A100-80GB',
      gpus: 4,
      sharing: {
        by: 'MigMixed',
        slices: [
          { profile: '3g.40gb', count: 4 },
          { profile: '2g.20gb', count: 4 },
        ],
      },
    }),
    machine('broken', { card: 'RTX4090', gpus: 2, unhealthy: 2 }),
    machine('half-broken', { card: 'RTX4090', gpus: 4, unhealthy: 1 }),
  ],
  borealis: [gpuNode({ name: 'borealis-1', card: 'A100-80GB', gpus: 8 })],
  cumulus: [gpuNode({ name: 'cumulus-1', card: 'L40S', gpus: 4 })],
}

testScenarios(
  {
    name: 'life',
    providers: 3,
    nodes: (provider) => machines[provider] ?? [],
    namespaces: [namespace],
    hubArgs: ['--tombstone-seconds', '5', '--suspect-after-seconds', '6'],
    agentArgs: ['--heartbeat-seconds', '1'],
  },
  {
    'a suspended job gives its GPUs back and gets others when it is resumed': suspended,
    'deleted while it waits, it never had a run': deletedWaiting,
    'deleted while its workers start': (stage) =>
      deletedFrom(stage, { name: 'starting', state: 'Placed', how: 'waiting' }),
    'deleted while it runs': (stage) => deletedFrom(stage, { name: 'running', state: 'Running', how: 'hang' }),
    'deleted when it is finished': (stage) => deletedFrom(stage, { name: 'finished', state: 'Succeeded', how: '' }),
    'deleted while it is suspended': deletedSuspended,
    'a GpuRun that somebody deleted is ordered again, and nothing runs twice': orderedAgain,
    'a job that runs longer than it may fails once': tooLong,
    'a finished job is deleted when its time is over': outlived,
    'a failed run is repeated': repeated,
    'a job fails for good when more runs failed than it allows': exhausted,
    'an exit code for which the job says Fail is not repeated': exitCodeFails,
    'workers that found no room in time go elsewhere': noRoom,
    'the owner takes a GPU back, and it is no failure': reclaimed,
    ...Object.fromEntries(
      ['CreateContainerConfigError', 'InvalidImageName', 'ErrImageNeverPull'].map((reason) => [
        `a container that waits for ${reason} ends the run`,
        (stage: Stage) => stuck(stage, reason),
      ]),
    ),
    'a job that fits nowhere is placed when a node for it appears': neverFits,
    'machines that are shared, cut or broken are not offered': notOffered,
    'a cordoned node takes nothing new': cordonedNode,
    'a cordoned provider takes nothing new': cordonedProvider,
    'a silent provider takes nothing new, keeps what it has, and comes back': silentProvider,
  },
)

/** A job for the H100s of acme. */
function order(stage: Stage, { name, spec, simulate }: Omit<Order, 'namespace'>): Promise<OrderedJob> {
  const placement = { providerSelector: { region: 'eu-west' } }
  const gpus = { count: 1, models: ['H100'] }
  return orderJob(stage, { namespace, name, spec: { placement, gpus, ...spec }, ...(simulate && { simulate }) })
}

function orderOn(stage: Stage, where: string, rest: Omit<Order, 'namespace'>): Promise<OrderedJob> {
  return orderJob(stage, { namespace, ...rest, spec: { ...onMachine(where), ...rest.spec } })
}

/** `1 Failed/NonZeroExit 3, 2 Succeeded/Completed 0` */
function past({ status }: GpuJob): string {
  const runs = status?.runs ?? []
  return runs
    .map(({ run, outcome, reason, exitCode }) => `${run} ${outcome}/${reason} ${exitCode ?? ''}`.trim())
    .join(', ')
}

async function suspended(stage: Stage): Promise<void> {
  const first = await orderOn(stage, 'swap', { name: 'yields', simulate: { how: 'hang' } })
  await first.is('Running')
  const second = await orderOn(stage, 'swap', { name: 'takes-over', simulate: { how: 'hang' } })
  await second.says('Placed=False/Waiting')

  await first.change({ suspend: true })
  await first.says('Admitted=False/Suspended')
  await first.is('Suspended')
  await first.isOff(sideOf(stage, 'acme'))
  await second.is('Running')

  await first.change({ suspend: false })
  await first.until('to wait for GPUs', ({ status }) => status?.why?.includes('NotEnoughFreeGpus') ?? false)
  await second.remove()
  const again = await first.is('Running')
  expect(past(again)).toBe('1 Stopped/Stopped')
  expect(again.status).toMatchObject({ lastRun: 2, failures: 0 })
}

async function deletedWaiting(stage: Stage): Promise<void> {
  const job = await orderOn(stage, 'nowhere', { name: 'waiting' })
  await job.says('Placed=False/NeverFits')
  await job.remove()
  await job.isGone()
  expect(job.runs).toEqual([])
}

interface Moment {
  readonly name: string
  readonly state: 'Placed' | 'Running' | 'Succeeded'
  readonly how: string
}

/** A gang, so that there is a Service too. */
async function deletedFrom(stage: Stage, { name, state, how }: Moment): Promise<void> {
  const simulate = { how, 'waiting-reason': 'ContainerCreating' }
  const job = await order(stage, { name: `deleted-${name}`, spec: { workers: 2 }, simulate })
  await job.is(state)
  const { pods, services } = sideOf(stage, 'acme')
  await pods.until({
    what: `the pods and the Service of ${name}`,
    seconds: 20,
    find: (all) => {
      const isOurs = ({ metadata }: { metadata: { labels?: Readonly<Record<string, string>> } }) =>
        metadata.labels?.[JOB_UID_LABEL] === job.uid
      return (all.values().filter(isOurs).toArray().length === 2 && services.all.values().some(isOurs)) || undefined
    },
  })
  await job.remove()
  await job.isGone()
  await job.leavesNothing()
  const over = state === 'Succeeded' ? 'Succeeded' : 'Stopped'
  expect(job.runs.map(({ spec, status }) => [spec.stop?.reason, status?.state])).toEqual([['JobDeleted', over]])
}

async function deletedSuspended(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'deleted-suspended', simulate: { how: 'hang' } })
  await job.is('Running')
  await job.change({ suspend: true })
  await job.is('Suspended')
  await job.remove()
  await job.leavesNothing()
}

async function orderedAgain(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await order(stage, { name: 'ordered-again', simulate: { how: 'hang' } })
  await job.is('Running')
  const pods = podsOf(side, job)
  const [lost] = job.runs
  const path = `${group}/namespaces/${lost?.metadata.namespace}/gpuruns/${lost?.metadata.name}`
  expect((await stage.federation.hub.ask(path, { method: 'DELETE' })).status).toBe(200)
  await stage.runs.until({
    what: 'the same run to be ordered again, and to be found running',
    seconds: 40,
    find: (all) =>
      all.values().some(({ metadata, spec, status }) => {
        const isAgain = spec.job.uid === job.uid && metadata.uid !== lost?.metadata.uid
        return isAgain && spec.run === 1 && status?.state === 'Running'
      }) || undefined,
  })
  expect(podsOf(side, job)).toEqual(pods)
  expect((await job.is('Running')).status?.lastRun).toBe(1)
  await job.remove()
  await job.isGone()
  await job.isOff(side)
}

async function tooLong(stage: Stage): Promise<void> {
  // Its Job's own deadline is two minutes later: it is the agent that ends it.
  const job = await order(stage, { name: 'too-long', spec: { maxRuntimeSeconds: 1 }, simulate: { how: 'hang' } })
  const failed = await job.says('Finished=True/DeadlineExceeded')
  expect(failed.status).toMatchObject({ state: 'Failed', lastRun: 1 })
  expect(past(failed)).toBe('1 Failed/DeadlineExceeded')
  expect(
    stage.runs.all
      .values()
      .filter(({ spec }) => spec.job.uid === job.uid)
      .toArray(),
  ).toHaveLength(1)
}

async function outlived(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'outlived', spec: { ttlSecondsAfterFinished: 2 } })
  await job.is('Succeeded')
  await job.isGone()
  await job.leavesNothing()
}

async function repeated(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'repeated', simulate: { 'fail-until-run': '2', exit: '7' } })
  const backsOff = await job.says('Placed=False/BackingOff')
  expect(past(backsOff)).toBe('1 Failed/NonZeroExit 7')
  const done = await job.is('Succeeded')
  expect(past(done)).toBe('1 Failed/NonZeroExit 7, 2 Succeeded/Completed 0')
  expect(done.status?.failures).toBe(1)
}

async function exhausted(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'exhausted', spec: { retry: { limit: 1 } }, simulate: { exit: '3' } })
  const failed = await job.says('Finished=True/RetriesExhausted')
  expect(past(failed)).toBe('1 Failed/NonZeroExit 3, 2 Failed/NonZeroExit 3')
  expect(failed.status?.state).toBe('Failed')
}

async function exitCodeFails(stage: Stage): Promise<void> {
  const retry = { exitCodes: [{ in: [42], action: 'Fail' as const }] }
  const job = await order(stage, { name: 'exit-code', spec: { retry }, simulate: { exit: '42' } })
  const failed = await job.says('Finished=True/ExitCodeFails')
  expect(past(failed)).toBe('1 Failed/NonZeroExit 42')
}

/** The owner's pod is there before the hub can know of it. */
async function noRoom(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await whileFrozen(agentOf(stage, 'acme'), async () => {
    await createOwnerPod(side, { name: 'faster', gpus: 1, node: 'narrow' })
    const ordered = await orderOn(stage, 'narrow', { name: 'no-room', spec: { bindTimeoutSeconds: 10 } })
    await ordered.says('Placed=True/Recorded', 5)
    return ordered
  })
  const rejected = await job.says('Placed=False/BackingOff')
  expect(past(rejected)).toBe('1 Rejected/NoRoom')
  await addNodes(side.controlPlane, [gpuNode({ name: 'wide', card: 'T4', gpus: 1, labels: { machine: 'narrow' } })])
  const done = await job.is('Succeeded')
  expect(done.status).toMatchObject({ failures: 0, placement: { nodes: [{ name: 'wide' }] } })
}

async function reclaimed(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const job = await orderOn(stage, 'reclaim', { name: 'reclaimed', simulate: { how: 'hang' } })
  await job.is('Running')
  await createOwnerPod(side, { name: 'owner-first', gpus: 1, nodeSelector: { machine: 'reclaim' } })
  const waits = await job.until(
    'to wait after its first run',
    ({ status }) => status?.state === 'Waiting' && status.runs !== undefined,
  )
  expect(past(waits)).toBe('1 Reclaimed/Reclaimed')

  await side.controlPlane.ask('/api/v1/namespaces/default/pods/owner-first', { method: 'DELETE' })
  const again = await job.is('Running')
  expect(again.status).toMatchObject({ lastRun: 2, failures: 0 })
}

async function stuck(stage: Stage, reason: string): Promise<void> {
  const name = `stuck-${reason.toLowerCase()}`
  const simulate = { how: 'waiting', 'waiting-reason': reason }
  const job = await order(stage, { name, spec: { retry: { limit: 0 } }, simulate })
  // A container that may still be set up is given half a minute.
  const failed = await job.says('Finished=True/RetriesExhausted', 75)
  expect(past(failed)).toBe(`1 Failed/${reason}`)
  await job.isOff(sideOf(stage, 'acme'))
}

async function neverFits(stage: Stage): Promise<void> {
  const job = await order(stage, { name: 'never-fits', spec: { gpus: { count: 2, models: ['H200'] } } })
  const waits = await job.says('Placed=False/NeverFits')
  expect(waits.status?.why).toContain('WrongModel')
  await addNodes(sideOf(stage, 'acme').controlPlane, [gpuNode({ name: 'fresh', card: 'H200', gpus: 2 })])
  const done = await job.is('Succeeded')
  expect(done.status?.placement?.nodes).toEqual([{ name: 'fresh', workers: 1 }])
}

async function notOffered(stage: Stage): Promise<void> {
  const withheld = [
    // To a job that names no slices this is the first reason.
    { where: 'mig-mixed', because: 'Mig', says: 'SlicesUnnamed' },
    { where: 'broken', because: 'Unhealthy', says: 'Withheld:Unhealthy' },
  ]
  for (const { where, because, says } of withheld) {
    const claim = stage.nodes.all.get(`provider-acme/${where}`)?.spec
    expect([where, claim?.offer, claim?.withheldBecause]).toEqual([where, 'Withheld', because])
    const job = await orderOn(stage, where, { name: `on-${where}` })
    const waits = await job.says('Placed=False/NeverFits')
    expect(waits.status?.why).toContain(says)
  }
  // What of a machine still works is offered.
  const tooMany = await orderOn(stage, 'half-broken', { name: 'all-of-half-broken', spec: { gpus: { count: 4 } } })
  expect((await tooMany.says('Placed=False/NeverFits')).status?.why).toContain('NodeTooSmall')
  const rest = await orderOn(stage, 'half-broken', { name: 'rest-of-half-broken', spec: { gpus: { count: 3 } } })
  await rest.is('Succeeded')
}

async function cordonedNode(stage: Stage): Promise<void> {
  const { controlPlane } = sideOf(stage, 'acme')
  const running = await orderOn(stage, 'closing', { name: 'before-the-cordon', simulate: { how: 'hang' } })
  await running.is('Running')
  await controlPlane.kubectl(['cordon', 'closing'])
  const late = await orderOn(stage, 'closing', { name: 'behind-the-cordon' })
  await late.until('to say why', ({ status }) => status?.why?.includes('Withheld:Cordoned') ?? false)
  expect((await running.is('Running')).status?.lastRun).toBe(1)

  await running.remove()
  await controlPlane.kubectl(['uncordon', 'closing'])
  await late.is('Succeeded')
}

async function cordonedProvider(stage: Stage): Promise<void> {
  const spec = { placement: { providerSelector: { region: 'us-east' } } }
  const running = await orderJob(stage, { namespace, name: 'before', spec, simulate: { how: 'hang' } })
  await running.is('Running')
  await setIntake(stage, 'cumulus', 'Cordoned')
  await providerSays(stage, 'cumulus', 'Ready=False/Cordoned')
  const late = await orderJob(stage, { namespace, name: 'behind', spec })
  expect((await late.says('Placed=False/Waiting')).status?.why).toContain('ProviderCordoned')
  expect((await running.is('Running')).status?.lastRun).toBe(1)

  await setIntake(stage, 'cumulus', 'Open')
  await late.is('Succeeded')
}

async function silentProvider(stage: Stage): Promise<void> {
  const spec = { placement: { providerSelector: { region: 'eu-north' } } }
  const side = sideOf(stage, 'borealis')
  const keeps = await orderJob(stage, { namespace, name: 'keeps', spec, simulate: { how: 'hang' } })
  const deleted = await orderJob(stage, { namespace, name: 'deleted-meanwhile', spec, simulate: { how: 'hang' } })
  await keeps.is('Running')
  await deleted.is('Running')
  const podsBefore = podsOf(side, keeps)

  await agentOf(stage, 'borealis').stop()
  await providerSays(stage, 'borealis', 'Connected=Unknown/Silent')
  await providerSays(stage, 'borealis', 'Ready=False/NotConnected')
  const late = await orderJob(stage, { namespace, name: 'late', spec })
  expect((await late.says('Placed=False/Waiting')).status?.why).toContain('NotConnected')
  const elsewhere = await order(stage, { name: 'elsewhere' })
  await elsewhere.is('Succeeded')
  await deleted.remove()
  await deleted.isGone()
  expect(podsOf(side, keeps)).toEqual(podsBefore)

  await using _agent = await startAgentAgain(stage, side)
  await providerSays(stage, 'borealis', 'Connected=True/Heartbeat')
  await late.is('Succeeded')
  await deleted.leavesNothing()
  expect((await keeps.is('Running')).status?.lastRun).toBe(1)
  expect(podsOf(side, keeps)).toEqual(podsBefore)
}

function podsOf({ pods }: ProviderSide, { uid }: OrderedJob): string[] {
  const ours = pods.all.values().filter(({ metadata }) => metadata.labels?.[JOB_UID_LABEL] === uid)
  return ours.map(({ metadata, status }) => `${metadata.uid} ${status?.phase}`).toArray()
}
