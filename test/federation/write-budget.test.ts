// How much hub and agents write, and with which rights: counted by user in the API servers' own audit logs.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { MAY_TRAVEL_LABEL } from '../../operator/src/api/labels.ts'
import { type Asked, auditOf, isWrite } from '../bed/audit.ts'
import { waitUntil } from '../bed/child.ts'
import type { ControlPlane } from '../bed/control-plane.ts'
import { agentOptions } from '../bed/operator.ts'
import { startProgram } from '../bed/program.ts'
import { printFigures, rounded } from './figures.ts'
import { keptRights } from './kept-rights.ts'
import { makeQueue } from './made-queue.ts'
import { createJobs, type Order } from './order.ts'
import { orderJob } from './ordered-job.ts'
import { createOwnerPod } from './owner.ts'
import { isFree, isOurs, rights, withBinds } from './rights-used.ts'
import { agentOf, openStage, type Stage, sideOf } from './stage.ts'
import { untilStarted } from './until-started.ts'

/** What our programs asked the API servers for in some time. */
interface Traffic {
  readonly hub: readonly Asked[]
  readonly providers: ReadonlyMap<string, readonly Asked[]>
}

/** Long enough that the hub says that it runs, which is one of the six writes. */
const simulate = { seconds: '4' }
const singles: readonly Order[] = Array.from({ length: 300 }, (_, index) => ({
  namespace: 'budget',
  name: `single-${index}`,
  simulate,
}))
/** Over before it would say so. */
const short = singles.slice(0, 30).map((one) => ({ ...one, name: `${one.name}-short`, simulate: { seconds: '0.2' } }))
const gangs: readonly Order[] = Array.from({ length: 20 }, (_, index) => ({
  namespace: 'budget',
  name: `gang-${index}`,
  spec: { workers: 2 },
}))
const pinned: readonly Order[] = Array.from({ length: 60 }, (_, index) => ({
  namespace: 'pinned',
  name: `pinned-${index}`,
  spec: { placement: { providerSelector: { region: 'eu-west' } } },
}))
/** So few at a time that none has to wait for GPUs, which it would be told in a write of its own. */
const wave = 100
const notChosen = ['borealis', 'cumulus']

const nodesEach = 8

let stage: Stage
const figures: Record<string, number> = {}

beforeAll(async () => {
  stage = await openStage({
    name: 'write-budget',
    providers: 3,
    nodes: nodesEach,
    audit: true,
    takesRights: true,
    namespaces: ['budget', 'pinned', 'life'],
    hubArgs: ['--tombstone-seconds', '5'],
  })
}, 120_000)

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  printFigures('write-budget', figures)
}, 30_000)

async function trafficOf(act: () => Promise<unknown>): Promise<Traffic> {
  const planes = [stage.federation.hub, ...stage.federation.providers.map(({ controlPlane }) => controlPlane)]
  const before = await Promise.all(planes.map(async (plane) => (await auditOf(plane)).length))
  await act()
  const [hub = [], ...providers] = await Promise.all(
    planes.map(async (plane, index) => (await auditOf(plane)).slice(before[index]).filter(isOurs)),
  )
  const names = stage.federation.providers.map(({ name }) => name)
  return { hub, providers: new Map(names.map((name, index) => [name, providers[index] ?? []])) }
}

async function runAll(orders: readonly Order[]): Promise<void> {
  for (let from = 0; from < orders.length; from += wave) {
    const some = orders.slice(from, from + wave)
    const keys = some.map(({ namespace, name }) => `${namespace}/${name}`)
    await createJobs(stage.ask, some)
    await stage.jobs.until({
      what: `${some.length} jobs to finish`,
      seconds: 120,
      find: (all) => keys.every((key) => all.get(key)?.status?.finishedAt !== undefined) || undefined,
    })
  }
}

/** Events and Secrets are apart by the rules of the budget, deletions and the heartbeat because they are no part of a run. */
function writesForJobs(all: readonly Asked[]): readonly Asked[] {
  return all.filter(
    (one) => isWrite(one) && !one.verb.startsWith('delete') && !['events', 'secrets', 'leases'].includes(one.resource),
  )
}

/** What a provider gets once for each tenant, or once at all. */
const walls = ['networkpolicies', 'resourcequotas', 'limitranges']
const once: ReadonlySet<string> = new Set(['namespaces', 'rolebindings', 'priorityclasses', ...walls])

function costs({ hub, providers }: Traffic, jobs: number) {
  const onProviders = [...providers.values()].flat()
  const isRead = (one: Asked) => (one.verb === 'get' || one.verb === 'list') && !isGuard(one)
  const perJob = (some: readonly Asked[]) => rounded(some.length / jobs)
  const providerWrites = writesForJobs(onProviders).filter(({ resource }) => !once.has(resource))
  return {
    hubWritesPerJob: perJob(writesForJobs(hub)),
    providerWritesPerJob: perJob(providerWrites),
    refusedWritesPerJob: perJob([...writesForJobs(hub), ...providerWrites].filter(({ status }) => status >= 400)),
    hubReadsPerJob: perJob(hub.filter(isRead)),
    providerReadsPerJob: perJob(onProviders.filter(isRead)),
  }
}

/** Not ours: what providers' own control planes write to keep count of pods. */
async function quotaWrites(): Promise<number> {
  const all = await Promise.all(stage.federation.providers.map(({ controlPlane }) => auditOf(controlPlane)))
  return all.flat().filter((one) => isWrite(one) && one.resource === 'resourcequotas/status').length
}

/** `patch gpujobs/status 200`, counted. */
function summary(all: readonly Asked[]): Record<string, number> {
  const groups = Map.groupBy(all, ({ verb, resource, status }) => `${verb} ${resource} ${status}`)
  return Object.fromEntries(groups.entries().map(([key, { length }]) => [key, length]))
}

/** Every five seconds the hub looks whether its cluster and its kinds are still the same: three reads by name. */
function isGuard({ verb, uri }: Asked): boolean {
  return verb === 'get' && /\/(namespaces\/kube-system|customresourcedefinitions\/gpu(jobs|runs)[.].*)$/.test(uri)
}

/** What an idle federation should not have asked for. */
function noiseIn({ hub, providers }: Traffic): string[] {
  const isHeartbeat = ({ verb, resource }: Asked) => resource === 'leases' && (verb === 'update' || verb === 'patch')
  return [...hub, ...[...providers.values()].flat()]
    .filter((one) => one.verb !== 'watch' && !isHeartbeat(one) && !isGuard(one))
    .map(({ verb, uri, status }) => `${verb} ${uri} ${status}`)
}

describe('an idle federation', () => {
  test('without jobs writes Leases only, and reads nothing', async () => {
    await untilStarted(stage.federation, nodesEach)
    expect(noiseIn(await trafficOf(() => wait(10_000)))).toEqual([])
  }, 90_000)
})

describe('a job', () => {
  test('of one worker costs the hub six writes, and its provider one', async () => {
    const before = await quotaWrites()
    const traffic = await trafficOf(() => runAll(singles))
    Object.assign(figures, costs(traffic, singles.length))
    figures['quotaWritesPerJob'] = rounded(((await quotaWrites()) - before) / singles.length)
    expect({ figures, hub: summary(traffic.hub) }).toMatchObject({ figures: { hubWritesPerJob: atMost(6) } })
    expect(figures).toMatchObject({ providerWritesPerJob: 1, hubReadsPerJob: 0, refusedWritesPerJob: atMost(0.05) })
  }, 300_000)

  test('that is over in a moment costs the hub five', async () => {
    const { hubWritesPerJob } = costs(await trafficOf(() => runAll(short)), short.length)
    expect(Object.assign(figures, { shortHubWritesPerJob: hubWritesPerJob }).shortHubWritesPerJob).toEqual(atMost(5.2))
  }, 120_000)

  test('of a gang costs its provider one more', async () => {
    const traffic = await trafficOf(() => runAll(gangs))
    const { hubWritesPerJob, providerWritesPerJob } = costs(traffic, gangs.length)
    Object.assign(figures, { gangHubWritesPerJob: hubWritesPerJob, gangProviderWritesPerJob: providerWritesPerJob })
    expect({ figures, hub: summary(traffic.hub) }).toMatchObject({ figures: { gangHubWritesPerJob: atMost(6) } })
    expect(providerWritesPerJob).toBe(2)
  }, 120_000)

  test('costs providers that were not chosen nothing, and nothing is written for them on the hub', async () => {
    const { hub, providers } = await trafficOf(() => runAll(pinned))
    const theirs = hub.filter(({ namespace }) => notChosen.some((name) => namespace === `provider-${name}`))
    const writes = [...theirs, ...notChosen.flatMap((name) => providers.get(name) ?? [])]
      .filter(isWrite)
      // The heartbeat, and what an agent remembers of its hub, which is no older than a beat.
      .filter(({ resource }) => resource !== 'leases')
    figures['writesWhereNotChosen'] = writes.length
    expect(writes).toEqual([])
    expect(writesForJobs(providers.get('acme') ?? []).filter(({ resource }) => resource === 'jobs')).toHaveLength(60)
  }, 120_000)

  test('that is the first of its tenant costs a provider a namespace, and only the first', async () => {
    for (const { name, controlPlane } of stage.federation.providers) {
      const made = (await auditOf(controlPlane)).filter((one) => isOurs(one) && isWrite(one) && once.has(one.resource))
      const tenants = name === 'acme' ? 2 : 1
      expect({ name, ...summary(made) }).toEqual({
        name,
        'create priorityclasses 201': 1,
        'create namespaces 201': tenants,
        'create rolebindings 201': tenants,
        'create networkpolicies 201': tenants,
        'create resourcequotas 201': tenants,
        'create limitranges 201': tenants,
      })
    }
  })
})

/** Does at least once each what the jobs above did not need. */
const source = { metadata: { name: 'source', labels: { [MAY_TRAVEL_LABEL]: 'true' } } }
const withSources = {
  containers: [
    {
      name: 'main',
      image: 'example.com/train:1',
      envFrom: [{ secretRef: { name: 'source' } }, { configMapRef: { name: 'source' } }],
    },
  ],
}

async function keepSources(namespace: string): Promise<void> {
  for (const kind of ['secrets', 'configmaps']) {
    const body = { ...source, data: { A: 'eA==' } }
    const { status } = await stage.ask(`/api/v1/namespaces/${namespace}/${kind}`, { method: 'POST', body })
    if (status !== 201) throw new Error(`making ${kind} source: ${status}`)
  }
}

async function liveOn(): Promise<void> {
  const hang = { how: 'hang' }
  const namespace = 'life'
  const cumulus = sideOf(stage, 'cumulus')
  const order = (name: string, spec: NonNullable<Order['spec']>, simulate = {}) =>
    orderJob(stage, { namespace, name, spec, simulate })

  await makeQueue(stage.ask, 'shared')
  await keepSources(namespace)
  const supplied = await orderJob(stage, { namespace, name: 'supplied', pod: withSources, simulate: {} })
  const passing = await order('passing', { ttlSecondsAfterFinished: 1 })
  const taken = await order('taken', { workers: 2 }, hang)
  const paused = await order('paused', {}, hang)
  await passing.isGone()
  await supplied.is('Succeeded')
  await taken.is('Running')
  await taken.remove()
  await taken.leavesNothing()
  // Twice, because the second event is the first one counted up.
  for (const _ of [1, 2]) {
    await paused.is('Running')
    await paused.change({ suspend: true })
    await paused.says('Admitted=False/Suspended')
    await paused.change({ suspend: false })
  }
  await paused.is('Running')

  const [key, claim] = [...stage.nodes.all].find(([key]) => key.startsWith('provider-cumulus/')) ?? []
  const node = claim?.spec.node ?? ''
  const version = claim?.metadata.resourceVersion
  await createOwnerPod(cumulus, { name: 'owners', gpus: 1, node })
  await stage.nodes.until({
    what: 'the claim of a node to change',
    seconds: 20,
    find: (all) => all.get(key ?? '')?.metadata.resourceVersion !== version || undefined,
  })
  await cumulus.controlPlane.ask(`/api/v1/nodes/${node}`, { method: 'DELETE' })
  await stage.nodes.until({
    what: 'the claim of a node to go',
    seconds: 20,
    find: (all) => !all.has(key ?? '') || undefined,
  })
}

test('an idle minute with jobs that are over, that run and that wait writes Leases only, and reads nothing', async () => {
  const hang = { how: 'hang' }
  const namespace = 'life'
  const running = await orderJob(stage, { namespace, name: 'runs', simulate: hang })
  const gang = await orderJob(stage, { namespace, name: 'gang-runs', spec: { workers: 2 }, simulate: hang })
  const waiting = await orderJob(stage, { namespace, name: 'waits', spec: { gpus: { count: 1, models: ['B200'] } } })
  await running.is('Running')
  await gang.is('Running')
  await waiting.says('Placed=False/NeverFits')
  expect(stage.jobs.all.size).toBe(singles.length + short.length + gangs.length + pinned.length + 3)
  const traffic = await trafficOf(() => wait(60_000))
  const guards = traffic.hub.filter(isGuard).length
  Object.assign(figures, { idleMinuteRequests: noiseIn(traffic).length, idleMinuteGuardReads: guards })
  expect(noiseIn(traffic)).toEqual([])
  expect(guards).toBeLessThanOrEqual(3 * 13)
}, 120_000)

describe('the rights of hub and agents', () => {
  let all: readonly Asked[] = []

  beforeAll(async () => {
    await liveOn()
    const acme = sideOf(stage, 'acme')
    await agentOf(stage, 'acme').stop()
    const again = await agentOptions(stage.federation, { provider: acme })
    await using _agent = await startProgram({ ...again, name: 'agent-acme-again', dir: stage.federation.dir })
    const planes = [stage.federation.hub, ...[...stage.sides.values()].map(({ controlPlane }) => controlPlane)]
    all = (await Promise.all(planes.map(auditOf))).flat().filter(isOurs)
  }, 200_000)

  test('are enough: nothing was refused to them', () => {
    expect(all.filter(({ status }) => status === 401 || status === 403)).toEqual([])
  })

  test('are all they used', () => {
    const strays = withBinds(all).filter((one) => !isFree(one) && !rights.some(({ allows }) => allows(one)))
    expect(strays).toEqual([])
  })

  test('are all needed: without any one of them something would have been refused', () => {
    const asked = withBinds(all)
    const idle = rights.filter((right) => {
      const others = rights.filter((one) => one !== right)
      return !asked.some((one) => right.allows(one) && !others.some(({ allows }) => allows(one)))
    })
    expect(idle.map(({ id }) => id).filter((id) => whyKept(id) === undefined)).toEqual([])
  })

  test('have no wildcard', () => {
    expect(rights.filter(({ id }) => id.includes('*'))).toEqual([])
  })
})

/** Why a right is there that this suite does not use. */
function whyKept(id: string): string | undefined {
  if (/: list /.test(id)) return 'an API server without WatchList is read page by page'
  if (isForJoining.test(id)) return 'a cluster joins with an invite: joining.test.ts'
  return keptRights[id]
}

const isForJoining =
  /joinrequests|serviceaccounts\/token|(get|delete) serviceaccounts|: (create|patch) configmaps|gpc-agent at home: \w+ secrets/

function atMost(most: number): number {
  return { asymmetricMatch: (value: number) => value <= most, toString: () => `at most ${most}` } as never
}

describe('a right that is taken away', () => {
  const cases = [
    { program: 'hub', role: 'gpc-hub', resource: 'gpuruns', group: 'gpucommons.io' },
    { program: 'agent', role: 'gpc-tenant-namespace', resource: 'jobs', group: 'batch' },
  ] as const

  test.each(cases)(
    'from the $program is missed, and nothing takes its place: $resource',
    async (one) => {
      const plane = one.program === 'hub' ? stage.federation.hub : sideOf(stage, 'borealis').controlPlane
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${one.role}`
      const before = (await plane.ask(path)).body as { rules: { resources: string[] }[] }
      const setRules = (rules: unknown) =>
        plane.ask(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { rules } })
      await setRules(before.rules.filter(({ resources }) => !resources.includes(one.resource)))
      await untilDenied(plane, one)

      const spec = { placement: { providerSelector: { region: 'eu-north' } } }
      const job = await orderJob(stage, { namespace: 'life', name: `without-${one.resource}`, spec })
      await waitUntil(async () => (await refusals(plane, one)) > 0 || undefined, { what: 'a refusal', seconds: 30 })
      expect((await job.until('to be placed', ({ status }) => status?.placement !== undefined)).status?.state).toBe(
        'Placed',
      )
      await setRules(before.rules)
      await job.is('Succeeded', 60)
    },
    120_000,
  )
})

interface Refused {
  readonly program: 'hub' | 'agent'
  readonly resource: string
  readonly group: string
}

async function refusals(plane: ControlPlane, { resource, program }: Refused): Promise<number> {
  const isTheirs = ({ user }: Asked) => user.endsWith(`gpu-commons:${program}`)
  const refused = (await auditOf(plane)).filter((one) => isTheirs(one) && one.verb === 'create' && one.status === 403)
  return refused.filter((one) => one.resource === resource).length
}

/** The authorizer hears of a change of roles by a watch of its own. */
async function untilDenied(plane: ControlPlane, { program, resource, group }: Refused): Promise<void> {
  const namespace = program === 'hub' ? 'provider-borealis' : 'gpc-some'
  const spec = {
    user: `system:serviceaccount:gpu-commons:${program}`,
    resourceAttributes: { namespace, verb: 'create', group, resource },
  }
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
  const isDenied = async () => {
    const answer = await plane.ask('/apis/authorization.k8s.io/v1/subjectaccessreviews', { method: 'POST', body })
    return (answer.body as { status: { allowed: boolean } }).status.allowed ? undefined : true
  }
  await waitUntil(isDenied, { what: `${resource} to be denied to the ${program}`, seconds: 10 })
}
