// What is called as ours would be, and is not ours, is left alone: a condition says so, and the work goes on when it
// is removed, or elsewhere.
import { expect } from '@jest/globals'
import { PROVIDER_AGENT_ROLE } from '../../operator/src/adapters/kubernetes/hub/rights.ts'
import { HUB_UID_LABEL, PROVIDER_LABEL, PROVIDER_UID_LABEL } from '../../operator/src/api/labels.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import { runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { tenantNamespace } from '../../operator/src/domain/workload/tenant-namespace.ts'
import { gpuNode } from '../bed/gpu-nodes.ts'
import { gpuRun } from '../builders/gpurun.ts'
import { whileFrozen } from './freeze.ts'
import type { Order } from './order.ts'
import { type OrderedJob, orderJob } from './ordered-job.ts'
import { providerSays } from './provider-story.ts'
import { testScenarios } from './scenarios.ts'
import { agentOf, group, type Stage, sideOf } from './stage.ts'
import { placeStranger, type Stranger, type StrangerObject } from './stranger.ts'

const namespace = 'team'
const on = (region: string) => ({ placement: { providerSelector: { region } } })
/** The hub looks every half a minute whether a stranger is gone. */
const lookSeconds = 60

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: PROVIDER_AGENT_ROLE }

testScenarios(
  {
    name: 'hands-off',
    providers: 2,
    nodes: (provider) => [1, 2].map((index) => gpuNode({ name: `${provider}-${index}`, card: 'H100', gpus: 8 })),
    namespaces: [namespace, 'strangers'],
    hubArgs: ['--tombstone-seconds', '5'],
  },
  {
    'a namespace on the hub that a Provider would have': foreignHome,
    'a ServiceAccount in it': (stage) => foreignPart(stage, 'orion', { at: '/api/v1', kind: 'serviceaccounts' }),
    'a RoleBinding in it': (stage) =>
      foreignPart(stage, 'lyra', { at: rbac, kind: 'rolebindings', name: PROVIDER_AGENT_ROLE, fields: { roleRef } }),
    'a Lease in it': (stage) => foreignPart(stage, 'vela', { at: '/apis/coordination.k8s.io/v1', kind: 'leases' }),
    'a GpuRun by the name of the run of a job': foreignRun,
    "a tenant's namespace on the provider": foreignTenant,
    'a Job by the name of a run': async (stage) => {
      const job = await suspendedJob(stage, { name: 'job-taken' })
      await goesElsewhere(stage, job, { at: '/apis/batch/v1', kind: 'jobs', fields: { spec: ownJob } })
    },
    'a Service by the name of the run of a gang': async (stage) => {
      const job = await suspendedJob(stage, { name: 'service-taken', spec: { workers: 2 } })
      await goesElsewhere(stage, job, { at: '/api/v1', kind: 'services', fields: { spec: { clusterIP: 'None' } } })
    },
    'a Job that took the name of a run when the owner had removed that': foreignAfterwards,
  },
)

/** No controller of Kubernetes writes its status. */
const ownJob = {
  managedBy: 'example.com/owner',
  template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example.com/own:1' }] } },
}

async function createProvider({ ask }: Stage, name: string): Promise<Provider> {
  const { status, body } = await ask(`${group}/providers`, { method: 'POST', body: provider(name) })
  if (status !== 201) throw new Error(`creating Provider ${name}: ${JSON.stringify(body)}`)
  return body as Provider
}

function provider(name: string): object {
  return { apiVersion: 'gpucommons.io/v1alpha1', kind: 'Provider', metadata: { name }, spec: {} }
}

async function foreignHome(stage: Stage): Promise<void> {
  const stranger = await placeStranger(stage.ask, '/api/v1/namespaces', { metadata: { name: 'provider-nova' } })
  await createProvider(stage, 'nova')
  const said = await providerSays(stage, 'nova', 'Ready=False/NameTaken')
  expect(readyMessage(said)).toContain('Namespace provider-nova exists and was not made for this Provider')
  await stranger.isUntouched()

  await stranger.remove()
  await providerSays(stage, 'nova', 'Ready=False/NotConnected')
  const { body } = await stage.ask('/api/v1/namespaces/provider-nova')
  expect(body).toMatchObject({ metadata: { labels: { [PROVIDER_LABEL]: 'nova' } } })
}

function readyMessage({ status }: Provider): string {
  return status?.conditions.find(({ type }) => type === 'Ready')?.message ?? ''
}

/** Where a stranger is, and what it has beside its name. */
interface Place {
  /** Of its API group. */
  readonly at: string
  readonly kind: string
  readonly fields?: object
}

/** The namespace is ours, and a part of it by its right name is not: as if somebody had been faster than the hub. */
async function foreignPart(
  stage: Stage,
  name: string,
  { at, kind, name: part = 'agent', fields }: Place & { readonly name?: string },
): Promise<void> {
  const { ask, operator } = stage
  const home = `provider-${name}`
  const stranger = await whileFrozen(operator.hub, async () => {
    const { metadata } = await createProvider(stage, name)
    const labels = { [HUB_UID_LABEL]: await hubUid(stage), [PROVIDER_LABEL]: name, [PROVIDER_UID_LABEL]: metadata.uid }
    await placeStranger(ask, '/api/v1/namespaces', { metadata: { name: home, labels } })
    return placeStranger(ask, `${at}/namespaces/${home}/${kind}`, { metadata: { name: part }, ...fields })
  })
  const said = await providerSays(stage, name, 'Ready=False/NameTaken')
  expect(readyMessage(said)).toContain(`an object named ${part} in namespace ${home} exists`)
  await stranger.isUntouched()

  await stranger.remove()
  await providerSays(stage, name, 'Ready=False/NotConnected')
}

async function hubUid({ ask }: Stage): Promise<string> {
  const { body } = await ask('/api/v1/namespaces/kube-system')
  return (body as StrangerObject & { readonly metadata: { readonly uid: string } }).metadata.uid
}

/** A job that holds still while strangers take the names that follow from its uid. */
async function suspendedJob(stage: Stage, { name, spec }: Pick<Order, 'name' | 'spec'>): Promise<OrderedJob> {
  const job = await orderJob(stage, { namespace, name, spec: { suspend: true, ...spec }, simulate: { seconds: '2' } })
  await job.is('Suspended')
  return job
}

async function foreignRun(stage: Stage): Promise<void> {
  const decoy = await suspendedJob(stage, { name: 'decoy' })
  const job = await suspendedJob(stage, { name: 'run-taken', spec: on('eu-west') })
  const { apiVersion, kind, metadata, spec } = gpuRun({ job: await job.is('Suspended'), spec: { run: 7 } })
  // With the order to stop in it no agent begins it, also one that sees it before it has its status.
  const stop = { reason: 'JobDeleted', requestedAt: '2026-01-01T00:00:00Z' }
  const order = { ...spec, job: { ...spec.job, name: 'decoy', uid: decoy.uid }, stop }
  const runs = `${group}/namespaces/provider-acme/gpuruns`
  const status = { observedGeneration: 1, state: 'Succeeded', reason: 'Completed', cleanedAt: '2026-01-01T00:00:00Z' }
  // The agent would take it for an order of the hub, which it is not told apart from: it sees it when it is over.
  const stranger = await whileFrozen(agentOf(stage, 'acme'), () =>
    placeStranger(stage.ask, runs, { apiVersion, kind, metadata: { name: metadata.name }, spec: order, status }),
  )
  await job.change({ suspend: false })
  const said = await job.says('Placed=False/NameTaken')
  expect(said.status?.why).toContain(`GpuRun provider-acme/${metadata.name} exists and was not made for this job`)
  await stranger.isUntouched()

  await stranger.remove()
  const after = await job.is('Succeeded', lookSeconds)
  expect(after.status?.lastRun).toBe(1)
}

async function foreignTenant(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const name = tenantNamespace(await hubUid(stage), 'strangers', () => '')
  const stranger = await placeStranger(side.controlPlane.ask, '/api/v1/namespaces', { metadata: { name } })
  const job = await orderJob(stage, { namespace: 'strangers', name: 'refused', spec: on('eu-west') })
  await job.says('Placed=False/BackingOff')
  // What refused it once is not asked again, and it may go nowhere else.
  const said = await job.says('Placed=False/NeverFits')
  expect(said.status?.why).toContain('ProviderExcluded')
  expect(said.status?.runs).toMatchObject([{ outcome: 'Rejected', reason: 'NameTaken', provider: 'acme' }])
  await stranger.isUntouched()

  await stranger.remove()
  const next = await orderJob(stage, { namespace: 'strangers', name: 'welcome', spec: on('eu-west') })
  await next.is('Succeeded')
}

/** Its name for the first run is taken on both providers; the next run has another name. */
async function goesElsewhere(stage: Stage, job: OrderedJob, { at, kind, fields }: Place): Promise<void> {
  const name = runName(await job.is('Suspended'), 1)
  const home = await tenantHome(stage)
  const strangers: Stranger[] = []
  for (const { controlPlane } of stage.sides.values()) {
    strangers.push(
      await placeStranger(controlPlane.ask, `${at}/namespaces/${home}/${kind}`, { metadata: { name }, ...fields }),
    )
  }
  await job.change({ suspend: false })
  await job.says('Placed=False/BackingOff')
  const { status } = await job.is('Succeeded')
  expect(status?.runs).toMatchObject([
    { run: 1, outcome: 'Rejected', reason: 'NameTaken' },
    { run: 2, outcome: 'Succeeded' },
  ])
  expect(status?.runs?.[0]?.provider).not.toBe(status?.runs?.[1]?.provider)
  for (const stranger of strangers) await stranger.isUntouched()

  await job.remove()
  await job.leavesNothing()
  for (const stranger of strangers) await stranger.isUntouched()
}

async function foreignAfterwards(stage: Stage): Promise<void> {
  const job = await orderJob(stage, { namespace, name: 'removed', spec: on('eu-west'), simulate: { how: 'hang' } })
  const name = runName(await job.is('Running'), 1)
  const { ask } = sideOf(stage, 'acme').controlPlane
  const jobs = `/apis/batch/v1/namespaces/${await tenantHome(stage)}/jobs`
  await ask(`${jobs}/${name}?propagationPolicy=Background`, { method: 'DELETE' })
  const { status } = await job.until('to run anew', ({ status: is }) => is?.state === 'Running' && is.lastRun === 2)
  expect(status?.runs).toMatchObject([{ outcome: 'Reclaimed', reason: 'JobRemoved' }])

  const stranger = await placeStranger(ask, jobs, { metadata: { name }, spec: ownJob })
  await job.remove()
  await job.leavesNothing()
  await stranger.isUntouched()
}

let home: Promise<string> | undefined

/** The namespace of the tenant on the providers, once each has had a job of it. */
function tenantHome(stage: Stage): Promise<string> {
  home ??= (async () => {
    for (const { region } of stage.sides.values()) {
      const job = await orderJob(stage, { namespace, name: `first-in-${region}`, spec: on(region) })
      await job.is('Succeeded')
    }
    return tenantNamespace(await hubUid(stage), namespace, () => '')
  })()
  return home
}
