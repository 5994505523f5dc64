// An agent that means evil floods its hub with all that its credential lets it send. What it writes is bounded in number and
// size, what it asks for waits in lines of its own, and the jobs of others go on.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { load } from 'js-yaml'
import { type ApiRequest, type Ask, apiRequests } from '../bed/api-requests.ts'
import { waitUntil } from '../bed/child.ts'
import { startFlood } from '../bed/flood.ts'
import { gpuNode as bedNode } from '../bed/gpu-nodes.ts'
import { tokenOf } from '../bed/install.ts'
import { addNodes } from '../bed/kwok.ts'
import { gpuNode } from '../builders/gpunode.ts'
import { printFigures } from './figures.ts'
import { orderJob } from './ordered-job.ts'
import { agentOf, group, openStage, type Stage, sideOf } from './stage.ts'

/** The defaults of Kubernetes; the bed has more. */
const hubApiServerArgs = ['--max-requests-inflight=400', '--max-mutating-requests-inflight=200']
const evil = 'provider-acme'
const nodesEach = 4

const parts = new AsyncDisposableStack()
let stage: Stage
/** As the agent of acme. */
let ask: Ask
/** Of a job that runs at acme. */
let run: string
beforeAll(async () => {
  stage = parts.use(
    await openStage({ name: 'flood', providers: 2, nodes: nodesEach, namespaces: ['team'], hubApiServerArgs }),
  )
  ask = await asking(await tokenOfAgent('acme'))
  const spec = { placement: { providerSelector: { region: 'eu-west' } } }
  const job = await orderJob(stage, { namespace: 'team', name: 'at-acme', spec, simulate: { how: 'hang' } })
  await job.is('Running')
  run = job.runs[0]?.metadata.name ?? ''
}, 240_000)
afterAll(() => parts.disposeAsync(), 60_000)

async function tokenOfAgent(provider: string): Promise<string> {
  const { users } = load(await readFile(kubeconfigOf(provider), 'utf8')) as { users: [{ user: { token: string } }] }
  return users[0].user.token
}

function kubeconfigOf(provider: string): string {
  return join(stage.federation.dir, `agent-${provider}.kubeconfig`)
}

async function asking(token: string | undefined): Promise<Ask> {
  const { url, caFile } = stage.federation.hub
  return parts.use(apiRequests(url, { ca: await readFile(caFile, 'utf8'), ...(token === undefined ? {} : { token }) }))
    .ask
}

const dry = '?dryRun=All'
const merge = 'application/merge-patch+json'
const apiVersion = 'gpucommons.io/v1alpha1'
const nodesPath = `${group}/namespaces/${evil}/gpunodes`
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${evil}/leases/agent`

function claim(spec: object = {}, metadata: object = {}): object {
  return {
    apiVersion,
    kind: 'GpuNode',
    metadata: { name: 'evil', ...metadata },
    spec: { ...gpuNode({ gpus: 8 }).spec, node: 'evil', ...spec },
  }
}

const long = 'x'.repeat(2 ** 20)
const many = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`example.com/${i}`, value]))
const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'y' }
const device = gpuNode({ gpus: 8 }).spec.devices[0]
const fields = { manager: 'x', operation: 'Update', apiVersion, fieldsType: 'FieldsV1', time: '2026-01-01T00:00:00Z' }
const inOne = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f:${i}`, {}]))

const newNode = (body: object) => (): [string, ApiRequest] => [nodesPath + dry, { method: 'POST', body }]
const lease = (body: object) => (): [string, ApiRequest] => [
  leasePath + dry,
  { method: 'PATCH', contentType: merge, body },
]
const status = (body: object) => (): [string, ApiRequest] => [
  `${group}/namespaces/${evil}/gpuruns/${run}/status${dry}`,
  { method: 'PATCH', contentType: merge, body },
]
const report = (name: string, unordered: readonly string[]) => (): [string, ApiRequest] => [
  `${group}/namespaces/${evil}/providerreports${dry}`,
  {
    method: 'POST',
    body: { apiVersion, kind: 'ProviderReport', metadata: { name }, spec: { agentVersion: '1', unordered } },
  },
]

const refused: readonly (readonly [what: string, request: () => [string, ApiRequest], says: string])[] = [
  ['a message of 1 MB', newNode(claim({ message: long })), '422 spec.message: Too long'],
  ['1 MB of labels of a node', newNode(claim({ labels: many(20_000, 'x'.repeat(30)) })), '422 spec.labels: Too many'],
  [
    'as much of all as its fields allow',
    newNode(
      claim({
        devices: Array.from({ length: 32 }, () => ({
          ...device,
          resource: `a/${'x'.repeat(60)}`,
          product: long.slice(0, 128),
          model: 'm'.repeat(63),
        })),
        labels: many(64, 'x'.repeat(63)),
        taints: Array.from({ length: 32 }, () => ({ key: `${'k'.repeat(200)}/x`, effect: 'NoSchedule' })),
      }),
    ),
    '422 must not have more than 16384 characters in devices, labels and taints together',
  ],
  [
    'an owner',
    newNode(claim({}, { ownerReferences: [owner] })),
    '403 metadata.ownerReferences and metadata.finalizers must be absent',
  ],
  [
    'a finalizer',
    newNode(claim({}, { finalizers: ['example.com/stay'] })),
    '403 metadata.ownerReferences and metadata.finalizers must be absent',
  ],
  [
    'much in labels',
    newNode(claim({}, { labels: many(100, 'x'.repeat(40)) })),
    '403 metadata.labels must not have more than 4096 characters',
  ],
  [
    'much in annotations',
    newNode(claim({}, { annotations: { big: long.slice(0, 5000) } })),
    '403 metadata.annotations must not have more than 4096 characters',
  ],
  [
    'fields that do not exist',
    newNode(claim({}, { managedFields: [{ ...fields, fieldsV1: { 'f:spec': inOne } }] })),
    '403 metadata.managedFields must not have more than',
  ],
  ['a second report', report('other', []), '422 metadata.name must be self'],
  ['what is no run', report('self', ['x'.repeat(60)]), '422 spec.unordered[0]'],
  [
    'labels of its Lease',
    lease({ metadata: { labels: { 'gpucommons.io/hub-uid': 'mine' } } }),
    '403 metadata.labels must stay as they are',
  ],
  [
    'much in annotations of its Lease',
    lease({ metadata: { annotations: { big: long.slice(0, 5000) } } }),
    '403 metadata.annotations must not have more',
  ],
  [
    'a holder with a long name',
    lease({ spec: { holderIdentity: long } }),
    '403 spec.holderIdentity must have at most 253 characters',
  ],
  [
    'a finalizer of its Lease',
    lease({ metadata: { finalizers: ['example.com/stay'] } }),
    '403 metadata.ownerReferences and',
  ],
  ['a status of 1 MB', status({ status: { message: long } }), '422 status.message: Too long'],
  [
    'more workers than were ordered',
    status({ status: { workers: [0, 1].map((index) => ({ index, node: 'node-1' })) } }),
    '403 status.workers must not have more workers than were ordered',
  ],
  [
    'labels by way of a status',
    status({ metadata: { labels: many(500, 'x') }, status: { message: 'x' } }),
    '403 metadata.managedFields must not have more than',
  ],
]

describe('what an agent writes is refused by name', () => {
  test.each(refused)('%s', async (_what, request, says) => {
    const answer = await ask(...request())
    const { message = '' } = answer.body as { message?: string }
    expect(`${answer.status} ${message}`).toMatch(new RegExp(`^${says.slice(0, 4)}`))
    expect(message).toContain(says.slice(4))
  })

  test('and what is no field at all is not kept', async () => {
    const { status: is, body } = await ask(nodesPath + dry, {
      method: 'POST',
      body: { ...claim({ junk: long }), junk: long },
    })
    expect([is, JSON.stringify(body).length < 5000]).toEqual([201, true])
  })

  test('a status that is applied under ever more names', async () => {
    const path = `${group}/namespaces/${evil}/gpuruns/${run}/status`
    const body = {
      apiVersion,
      kind: 'GpuRun',
      metadata: { name: run },
      status: { observedGeneration: 1, state: 'Running' },
    }
    let last = 0
    let tries = 0
    while (last !== 403 && tries < 40) {
      const contentType = 'application/apply-patch+yaml'
      const of = `?force=true&fieldManager=mine-${tries++}`
      last = (await ask(path + of, { method: 'PATCH', contentType, body })).status
    }
    expect([last, tries < 20]).toEqual([403, true])
  })

  test('a status of its runs by somebody else who may write it', async () => {
    await stage.federation.hub.kubectl(['-n', 'team', 'create', 'serviceaccount', 'other'])
    const bind = ['create', 'rolebinding', 'other', '--clusterrole=gpc-provider-agent', '--serviceaccount=team:other']
    await stage.federation.hub.kubectl(['-n', evil, ...bind])
    const other = await asking(await tokenOf(stage.federation.hub, { namespace: 'team', name: 'other' }))
    const [path, request] = status({ status: { message: 'mine' } })()
    const refusal = async () => {
      const { status: is, body } = await other(path, request)
      const { message = '' } = body as { message?: string }
      return message.includes('cannot patch') ? undefined : `${is} ${message}`
    }
    const says = await waitUntil(refusal, { what: 'the role to be bound', seconds: 10 })
    expect(says).toMatch(/^403 .*only the agent of this provider writes this status/)
  })
})

async function setQuota(nodes: number): Promise<void> {
  const hard = { 'count/gpunodes.gpucommons.io': String(nodes) }
  const path = `/api/v1/namespaces/${evil}/resourcequotas/gpc-provider`
  const { hub } = stage.federation
  await hub.ask(path, { method: 'PATCH', contentType: merge, body: { spec: { hard } } })
  const isSet = async () => {
    const { body } = await hub.ask(path)
    const { status: is } = body as { status?: { hard?: typeof hard } }
    return is?.hard?.['count/gpunodes.gpucommons.io'] === String(nodes) || undefined
  }
  // A kind that is new to Kubernetes' controller is known to it after half a minute.
  await waitUntil(isSet, { what: `a quota of ${nodes} nodes`, seconds: 60 })
}

describe('a provider with more nodes than its quota', () => {
  test('says which it leaves out, and works on with the others', async () => {
    await setQuota(nodesEach)
    const { controlPlane } = sideOf(stage, 'acme')
    await addNodes(controlPlane, [bedNode({ name: 'acme-too-many', card: 'H100', gpus: 8 })])
    const agent = agentOf(stage, 'acme')
    const leftOut = async () => {
      const metrics = await (await fetch(`${agent.url}/metrics`)).text()
      return metrics.includes('gpucommons_agent_nodes_over_quota 1') || undefined
    }
    await waitUntil(leftOut, { what: 'the agent of acme to leave out a node', seconds: 30 })
    const log = await readFile(agent.log, 'utf8')
    expect(log.match(/its ResourceQuota in provider-acme is full/g)).toHaveLength(1)
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200)
    await controlPlane.ask('/api/v1/nodes/acme-too-many', { method: 'DELETE' })
    await setQuota(nodesEach + 20)
  }, 120_000)
})

/** Seats and requests of a level, from the API server's metrics. */
async function flowMetrics() {
  const { body } = await stage.federation.hub.ask('/metrics', { asText: true })
  const lines = String(body).split('\n')
  return (metric: string, level: string) =>
    lines
      .filter(
        (line) => line.startsWith(`apiserver_flowcontrol_${metric}{`) && line.includes(`priority_level="${level}"`),
      )
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

describe('a flood', () => {
  test('is refused by quota and size, waits in its own line, and another provider goes on', async () => {
    const { hub } = stage.federation
    // It would remove what its own cluster does not have.
    await agentOf(stage, 'acme').stop()
    const before = await flowMetrics()
    await using flood = await startFlood(hub, {
      provider: 'acme',
      kubeconfig: kubeconfigOf('acme'),
      inFlight: 64,
      nodes: 100_000,
      run,
    })
    const spec = { placement: { providerSelector: { region: 'eu-north' } } }
    let waiting = 0
    let working = 0
    const look = async () => {
      const of = await flowMetrics()
      waiting = Math.max(waiting, of('current_inqueue_requests', 'gpc-agents'))
      working = Math.max(working, of('current_executing_seats', 'gpc-agents'))
      return waiting > 10 || undefined
    }
    for (let i = 0; i < 10; i++) {
      const job = await orderJob(stage, { namespace: 'team', name: `other-${i}`, spec })
      await look()
      await job.is('Succeeded')
    }
    // The flood is the least of all processes here, and slow where others are busy.
    await waitUntil(look, { what: 'more than ten requests of the flood to wait', seconds: 60 })
    const answers = await flood.end()
    const after = await flowMetrics()
    const dispatched = (level: string) =>
      after('dispatched_requests_total', level) - before('dispatched_requests_total', level)
    const seats = after('nominal_limit_seats', 'gpc-agents')
    const figures = { ...answers, waiting, working, seats, hub: dispatched('gpc-hub') }
    printFigures('flood', figures)

    const { items } = (await hub.ask(nodesPath)).body as { items: unknown[] }
    expect({ items: items.length, ...answers }).toMatchObject({ items: nodesEach + 20 })
    expect(answers['node 403']).toBeGreaterThan(20)
    expect(answers['megabyte 422']).toBeGreaterThan(20)
    expect(answers['megabyte 201']).toBeUndefined()
    const isExpected = (one: string) =>
      /^(node (201|403)|megabyte (422|403)|(status|heartbeat) 200|.* (429|504))$/.test(one)
    expect(Object.keys(answers).filter((one) => !isExpected(one))).toEqual([])
    expect(working).toBeLessThanOrEqual(seats)
    expect(seats).toBe(5)
    for (const level of ['gpc-hub', 'gpc-agents', 'gpc-heartbeats']) expect(dispatched(level)).toBeGreaterThan(10)
    expect(stage.providers.all.get('borealis')?.status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe(
      'True',
    )
  }, 300_000)
})
