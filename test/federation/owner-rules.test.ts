// What owners let jobs do, and for how much, on real API servers: where a rule keeps a job away it says so and goes elsewhere; who asks for
// what an owner offers gets it. acme has rules of every kind, borealis none, and cumulus gets hours while a job runs there.
import { expect } from '@jest/globals'
import type { GpuJobSpec } from '../../operator/src/api/gpujob.ts'
import { JOB_UID_LABEL } from '../../operator/src/api/labels.ts'
import { WEEKDAYS } from '../../operator/src/api/owner-rules.ts'
import type { Provider } from '../../operator/src/api/provider.ts'
import type { PodSpec } from '../../operator/src/api/template.ts'
import type { Reason } from '../../operator/src/domain/scheduling/reasons.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import type { OwnersRules } from '../bed/operator.ts'
import { startAgentAgain } from './agent-again.ts'
import type { Order } from './order.ts'
import { orderJob } from './ordered-job.ts'
import { testScenarios } from './scenarios.ts'
import { agentOf, group, type Stage, sideOf } from './stage.ts'

const namespace = 'welcome'
const stranger = 'stranger'

const acme: OwnersRules = {
  tenants: { allow: ['welc*'] },
  images: { allow: ['example.com/*'], deny: ['example.com/miner'] },
  keptGpusPerNode: 2,
  mostGpusPerRun: 4,
  longestRunSeconds: 3600,
  podSecurity: 'Restricted',
  runtimeClassName: 'sandboxed',
  storageClasses: ['fast'],
  taints: ['tenants'],
}

const nodes: Readonly<Record<string, readonly NodeManifest[]>> = {
  acme: [
    gpuNode({ name: 'acme-1', card: 'H100', gpus: 8 }),
    gpuNode({ name: 'acme-2', card: 'L40S', gpus: 1 }),
    {
      ...gpuNode({ name: 'acme-3', card: 'T4', gpus: 4 }),
      spec: { taints: [{ key: 'tenants', value: 'only', effect: 'NoSchedule' }] },
    },
  ],
  borealis: [gpuNode({ name: 'borealis-1', card: 'H100', gpus: 8 })],
  cumulus: [gpuNode({ name: 'cumulus-1', card: 'A100-80GB', gpus: 8 })],
}

const image = { name: 'main', image: 'example.com/train:1' }
const decent: PodSpec = { containers: [image], securityContext: { runAsNonRoot: true } }
const scratch = (storageClassName: string) => ({
  name: 'scratch',
  ephemeral: {
    volumeClaimTemplate: {
      spec: { accessModes: ['ReadWriteOnce' as const], storageClassName, resources: { requests: { storage: '1Gi' } } },
    },
  },
})
const at = (region: string, spec: Partial<GpuJobSpec> = {}) => ({
  maxRuntimeSeconds: 600,
  placement: { providerSelector: { region } },
  ...spec,
})

testScenarios(
  {
    name: 'owner-rules',
    providers: 3,
    nodes: (provider) => nodes[provider] ?? [],
    namespaces: [namespace, stranger],
    agentArgs: ['--heartbeat-seconds', '1'],
    rules: { acme },
  },
  {
    'each rule that a job breaks is said, and nothing is ordered': brokenRules,
    'who keeps all rules runs, in the way that the owner wants it': kept,
    'a job that one owner does not take goes to another one': elsewhere,
    'who names a price keeps away from what costs more, until it costs less': cap,
    'GPUs that the owner keeps are not offered': keptGpus,
    'what runs when the hours are over goes elsewhere, and when they are not is told': hours,
  },
)

async function brokenRules(stage: Stage): Promise<void> {
  const region = sideOf(stage, 'acme').region
  const { maxRuntimeSeconds: _, ...forEver } = at(region)
  const broken: Readonly<Record<string, Partial<Order> & { readonly says: Reason }>> = {
    tenant: { namespace: stranger, says: 'OwnerRuleTenant' },
    image: { pod: { ...decent, containers: [{ ...image, image: 'ubuntu:24.04' }] }, says: 'OwnerRuleImage' },
    denied: {
      pod: { ...decent, initContainers: [{ name: 'init', image: 'example.com/miner:2' }] },
      says: 'OwnerRuleImage',
    },
    gpus: { spec: at(region, { workers: 5 }), says: 'OwnerRuleGpus' },
    long: { spec: at(region, { maxRuntimeSeconds: 3601 }), says: 'OwnerRuleRuntime' },
    forever: { spec: forEver, says: 'OwnerRuleRuntime' },
    storage: { pod: { ...decent, volumes: [scratch('slow')] }, says: 'OwnerRuleStorage' },
    root: { pod: { containers: [image] }, says: 'NeedsRoot' },
  }
  const heard = Object.entries(broken).map(async ([name, { says: _says, ...order }]) => {
    const job = await orderJob(stage, { namespace, name, spec: at(region), pod: decent, ...order })
    const { status } = await job.says('Placed=False/NeverFits')
    expect(job.runs).toEqual([])
    return [name, status?.conditions.find(({ type }) => type === 'Placed')?.message]
  })
  const message = (says: Reason) => `no node of any provider could ever take it: ${says}, ProviderSelector`
  expect(await Promise.all(heard)).toEqual(Object.entries(broken).map(([name, { says }]) => [name, message(says)]))
}

async function kept(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'acme')
  const made = await side.controlPlane.ask('/apis/node.k8s.io/v1/runtimeclasses', {
    method: 'POST',
    body: { metadata: { name: 'sandboxed' }, handler: 'runc' },
  })
  expect(made.status).toBe(201)
  const tolerations = [{ key: 'tenants', operator: 'Exists' as const }]
  const gpus = (count: number) => at(side.region, { gpus: { count, models: ['T4'] } })
  const pod: PodSpec = { ...decent, tolerations }
  const tooLarge = await orderJob(stage, { namespace, name: 'too-large', spec: gpus(4), pod })
  await tooLarge.says('Placed=False/NeverFits') // The owner keeps two of the four.
  const job = await orderJob(stage, { namespace, name: 'kept', spec: gpus(2), pod })
  await job.is('Succeeded')
  const ours = side.jobs.all.values().find(({ metadata }) => metadata.labels?.[JOB_UID_LABEL] === job.uid)
  expect(ours?.spec.template?.spec).toMatchObject({ runtimeClassName: 'sandboxed' })
  const { body } = await side.controlPlane.ask(`/api/v1/namespaces/${ours?.metadata.namespace}`)
  expect(body).toMatchObject({ metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } })
}

async function elsewhere(stage: Stage): Promise<void> {
  const gpus = { count: 1, models: ['H100'] }
  const jobs = [1, 2, 3, 4].map((i) => orderJob(stage, { namespace: stranger, name: `elsewhere-${i}`, spec: { gpus } }))
  const done = await Promise.all(jobs.map(async (job) => (await job).is('Succeeded')))
  expect(new Set(done.map(({ status }) => status?.placement?.provider))).toEqual(new Set(['borealis']))
}

async function cap(stage: Stage): Promise<void> {
  const priced = async (perGpuHour: string) => {
    const { status, body } = await stage.ask(`${group}/providers/borealis`, {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { spec: { prices: [{ model: 'H100', perGpuHour }] } },
    })
    expect(status).toBe(200)
    const { generation } = (body as Provider).metadata
    await stage.providers.until({
      what: 'the hub to have seen the price',
      seconds: 20,
      find: (all) => all.get('borealis')?.status?.observedGeneration === generation || undefined,
    })
  }
  await priced('2.5001')
  const spec = { gpus: { count: 1, models: ['H100'] }, placement: { maxPricePerGpuHour: '2.50' } }
  const job = await orderJob(stage, { namespace: stranger, name: 'cap', spec })
  await job.until('to find it too expensive', ({ status }) =>
    Boolean(status?.conditions.some(({ type, message }) => type === 'Placed' && message.includes('TooExpensive'))),
  )
  await priced('2.5')
  await job.is('Succeeded')
}

async function keptGpus(stage: Stage): Promise<void> {
  const offers = () =>
    ['acme-1', 'acme-2'].map((name) => {
      const { spec } = stage.nodes.all.get(`provider-acme/${name}`) ?? {}
      return [spec?.keptGpus, spec?.offer, spec?.withheldBecause]
    })
  expect(offers()).toEqual([
    [2, 'Offered', undefined],
    [2, 'Withheld', 'KeptByOwner'],
  ])
  await stage.providers.until({
    what: 'the Provider to sum up 8 GPUs, those kept included',
    seconds: 10,
    find: (all) => all.get('acme')?.status?.inventory?.gpus === 8 || undefined,
  })
}

/** Hours that end with a minute that leaves an agent time to start. */
function endingSoon(): OwnersRules {
  const end = new Date(Math.ceil((Date.now() + 20_000) / 60_000) * 60_000)
  const from = new Date(end.getTime() - 3_600_000)
  const time = (at: Date) => at.toISOString().slice(11, 16)
  const days = [WEEKDAYS[(from.getUTCDay() + 6) % 7] ?? 'Mon']
  return { hours: { windows: [{ days, from: time(from), to: time(end) }] } }
}

async function hours(stage: Stage): Promise<void> {
  const side = sideOf(stage, 'cumulus')
  const job = await orderJob(stage, {
    namespace: stranger,
    name: 'hours',
    spec: { placement: { providerSelector: { region: side.region } } },
    simulate: { how: 'hang' },
  })
  await job.is('Running')
  await agentOf(stage, 'cumulus').stop()
  await using _again = await startAgentAgain(stage, side, endingSoon())
  await job.until('to be taken down', ({ status }) => status?.runs?.[0]?.reason === 'OwnerRuleHours', 100)
  expect(job.runs.map(({ status }) => `${status?.state}/${status?.reason}`)).toEqual(['Reclaimed/OwnerRuleHours'])
  await job.until('to hear why it waits', ({ status }) =>
    Boolean(status?.conditions.some(({ type, message }) => type === 'Placed' && message.includes('OutsideHours'))),
  )
  await stage.providers.until({
    what: 'cumulus to say that it is outside of its hours',
    seconds: 20,
    find: (all) => all.get('cumulus')?.status?.conditions.some(({ reason }) => reason === 'OutsideHours') || undefined,
  })
  await job.remove()
}
