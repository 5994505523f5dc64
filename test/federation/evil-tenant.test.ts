// What tenants send to get more on a provider than a container: refused by the hub, or harmless where it arrives.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { JOB_NAMESPACE_LABEL, MAY_TRAVEL_LABEL, RUN_LABEL } from '../../operator/src/api/labels.ts'
import { tenantWalls, wallsName } from '../../operator/src/domain/workload/tenant-walls.ts'
import { changed, type Manifest, plainJob } from './bad-input/manifest.ts'
import { evilContainers } from './evil-tenant/containers.ts'
import type { Evil } from './evil-tenant/evil.ts'
import { harmIn } from './evil-tenant/harm.ts'
import { evilPods } from './evil-tenant/pods.ts'
import { OrderedJob, orderJob } from './ordered-job.ts'
import { group, openStage, type ProviderSide, type Stage, sideOf } from './stage.ts'

const rows: readonly Evil[] = [...evilPods, ...evilContainers]
const validations = ['Strict', 'Ignore'] as const
type Validation = (typeof validations)[number]

const core = '/api/v1'

let stage: Stage
let acme: ProviderSide

beforeAll(async () => {
  stage = await openStage({ name: 'evil-tenant', providers: 1, nodes: 40, namespaces: ['demo', 'strict'] })
  acme = sideOf(stage, 'acme')
  await untilThereIsASecretOfTheOwner()
  await keep('devices', { NVIDIA_VISIBLE_DEVICES: 'all', NVIDIA_IMEX_CHANNELS: '0', DOCKER_RESOURCE_GPU: 'all' })
  await keep('halves', { VISIBLE_DEVICES: 'all', IMEX_CHANNELS: '0', GDS: 'enabled' })
}, 120_000)

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
}, 30_000)

/** Where the tenant's pods are, and of a name that they know. */
async function untilThereIsASecretOfTheOwner(): Promise<void> {
  const first = await orderJob(stage, { namespace: 'demo', name: 'first' })
  const { made } = await arrivedAt(first)
  const body = { metadata: { name: 'owners' }, stringData: { a: 'of the owner' } }
  const path = `/api/v1/namespaces/${made.metadata.namespace}/secrets`
  expect((await acme.controlPlane.ask(path, { method: 'POST', body })).status).toBe(201)
  await first.is('Succeeded')
}

/** A Secret of the tenant that it lets travel. */
async function keep(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
  const metadata = { name, labels: { [MAY_TRAVEL_LABEL]: 'true' } }
  const body = { metadata, stringData }
  const { status } = await stage.ask('/api/v1/namespaces/demo/secrets', { method: 'POST', body })
  expect(status).toBe(201)
}

async function send(manifest: Manifest, validation: Validation): Promise<GpuJob | string> {
  const { namespace } = manifest['metadata'] as { readonly namespace: string }
  const path = `${group}/namespaces/${namespace}/gpujobs?fieldValidation=${validation}`
  const { status, body } = await stage.ask(path, { method: 'POST', body: manifest })
  return status === 201 ? (body as GpuJob) : (body as { readonly message: string }).message
}

/** The Job of a job on the provider, and its pods, as the provider's own API server has stored them. */
async function arrivedAt(job: OrderedJob) {
  const run = await stage.runs.until({
    what: 'a GpuRun of it',
    seconds: 60,
    find: () => job.runs[0],
    state: () => JSON.stringify([...stage.jobs.all.values()].find(({ metadata }) => metadata.uid === job.uid)?.status),
  })
  const id = `${job.uid}.1`
  const made = await acme.jobs.until({
    what: 'its Job',
    seconds: 30,
    find: (all) => [...all.values()].find(({ metadata }) => metadata.labels?.[RUN_LABEL] === id),
    state: () => JSON.stringify(job.runs[0]?.status),
  })
  const pod = await acme.pods.until({
    what: 'its pod, which Pod Security lets in',
    seconds: 30,
    find: (all) => [...all.values()].find(({ metadata }) => metadata.labels?.[RUN_LABEL] === id),
  })
  const { namespace } = made.metadata
  const answer = await acme.controlPlane.ask(`/apis/batch/v1/namespaces/${namespace}/jobs/${made.metadata.name}`)
  return { ours: { run: run.metadata.name, id }, made: answer.body as typeof made, pod }
}

test('there are many of them', () => {
  expect(rows.length).toBeGreaterThan(100)
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
})

describe.each(validations)('with fieldValidation %s', (validation) => {
  const named = rows.map((row, index) => ({ ...row, called: `evil-${validation.toLowerCase()}-${index}` }))

  test.each(named)(
    '$name',
    async ({ called, ...row }) => {
      const says = validation === 'Strict' ? row.refused : row.refusedPruned
      const sent = await send(changed(plainJob(called), row.at, row.to), validation)
      const outcome = typeof sent === 'string' ? sent : await outcomeOf(new OrderedJob(stage, sent), row)
      expect(outcome).toContain(says ?? row.unplaced ?? 'harmless')
    },
    90_000,
  )
})

/** The reason for which it is not placed, or what of it came to the provider. */
async function outcomeOf(job: OrderedJob, { unplaced, never }: Evil): Promise<string> {
  if (unplaced !== undefined) {
    await job.says(`Admitted=False/${unplaced}`)
    if (job.runs.length > 0) return 'placed all the same'
  } else {
    const { made, pod, ours } = await arrivedAt(job)
    const stored = JSON.stringify([made.spec, made.metadata.labels, pod.spec, pod.metadata.labels])
    const harm = [...harmIn(pod, ours), ...(never?.exec(stored) ?? [])]
    if (harm.length > 0) return harm.join('; ')
  }
  await job.remove()
  return unplaced ?? 'harmless'
}

describe('around the pods of a tenant', () => {
  const ofTenant = async () => (await namespaceOf('demo')).path
  const stored = async (path: string) => (await acme.controlPlane.ask(path)).body as { readonly spec: object }

  test('are the walls, as they are meant', async () => {
    const { name, path } = await namespaceOf('demo')
    const slice = await stored('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes')
    const apiServers = (slice as unknown as EndpointSlice).endpoints?.flatMap(({ addresses }) => addresses) ?? []
    const place = { namespace: name, labels: {} }
    const walls = tenantWalls(place, { nameservers: [], apiServers, closedRanges: [] })
    const found = {
      networkPolicy: await stored(`/apis/networking.k8s.io/v1${path}/networkpolicies/${wallsName}`),
      resourceQuota: await stored(`${core}${path}/resourcequotas/${wallsName}`),
      limitRange: await stored(`${core}${path}/limitranges/${wallsName}`),
    }
    for (const wall of ['networkPolicy', 'resourceQuota', 'limitRange'] as const) {
      expect(found[wall].spec).toEqual(walls[wall].spec)
    }
  })

  test.each(['LoadBalancer', 'NodePort'])('nobody opens a door by a Service: %s', async (type) => {
    const body = { metadata: { name: 'door' }, spec: { type, ports: [{ port: 80 }] } }
    const path = `${core}${await ofTenant()}/services?dryRun=All`
    const answer = await acme.controlPlane.ask(path, { method: 'POST', body })
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([403, expect.stringContaining('exceeded quota')])
  })

  test('who asks for more disk than the default has it', async () => {
    const containers = [{ name: 'main', image: 'a', resources: { requests: { 'ephemeral-storage': '200Gi' } } }]
    const job = await orderJob(stage, { namespace: 'demo', name: 'disk', pod: { containers } })
    const { pod } = await arrivedAt(job)
    const [{ resources } = {}] = pod.spec.containers
    expect(resources).toMatchObject({
      requests: { 'ephemeral-storage': '200Gi' },
      limits: { 'ephemeral-storage': '200Gi' },
    })
  }, 60_000)
})

describe('where the owner has made Pod Security restricted', () => {
  const spec = { bindTimeoutSeconds: 10 }

  beforeAll(async () => {
    const first = await orderJob(stage, { namespace: 'strict', name: 'first' })
    await first.is('Succeeded')
    const { name } = await namespaceOf('strict')
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
    const patch = {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { metadata: { labels } },
    } as const
    await acme.controlPlane.ask(`${core}/namespaces/${name}`, patch)
  }, 60_000)

  test('a job that needs no root runs', async () => {
    const pod = { securityContext: { runAsNonRoot: true }, containers: [{ name: 'main', image: 'a' }] }
    const job = await orderJob(stage, { namespace: 'strict', name: 'no-root', spec, pod })
    const { pod: made, ours } = await arrivedAt(job)
    expect(harmIn(made, ours)).toEqual([])
    await job.is('Succeeded')
  }, 60_000)

  test('one that may be root has no pod there, and says where the reason stands', async () => {
    const job = await orderJob(stage, { namespace: 'strict', name: 'root', spec })
    const { status } = await job.until('to be rejected', ({ status: seen }) => (seen?.runs?.length ?? 0) > 0, 60)
    expect(status?.runs?.[0]).toMatchObject({
      outcome: 'Rejected',
      reason: 'NoRoom',
      message: expect.stringContaining('made only 0 of 1 pods within 10 s; the events of its Job say why'),
    })
    await job.remove()
  }, 90_000)
})

interface EndpointSlice {
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[]
}

/** Of a tenant, on the provider. */
async function namespaceOf(tenant: string): Promise<{ readonly name: string; readonly path: string }> {
  const selector = encodeURIComponent(`${JOB_NAMESPACE_LABEL}=${tenant}`)
  const { body } = await acme.controlPlane.ask(`${core}/namespaces?labelSelector=${selector}`)
  const name = (body as { items: { metadata: { name: string } }[] }).items[0]?.metadata.name ?? ''
  return { name, path: `/namespaces/${name}` }
}
