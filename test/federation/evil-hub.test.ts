// A hub that its provider should not have trusted: it orders what breaks the owner's rules, names what is not its own, and
// serves a GpuRun whose schema holds nothing back. The agent is all that stands between it and the owner's cluster.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { gpuNode, type NodeManifest } from '../bed/gpu-nodes.ts'
import { group, openStage, type ProviderSide, type Stage, sideOf } from './stage.ts'

const nodes: readonly NodeManifest[] = ['acme-1', 'acme-2'].map((name) => gpuNode({ name, card: 'H100', gpus: 8 }))

const rules = {
  tenants: { deny: ['unwanted'] },
  images: { allow: ['example.com/*'] },
  keptGpusPerNode: 2,
  mostGpusPerRun: 7,
  longestRunSeconds: 3600,
  storageClasses: [],
}

const main = { name: 'main', image: 'example.com/train:1' }
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }

function withPod(spec: object, container: object = {}): object {
  return { template: { spec: { containers: [{ ...main, ...container }], ...spec } } }
}

const token = { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }

/** What is ordered, beside an order that is as it should be, and how the run ends. */
const refused: Readonly<Record<string, { spec?: object; name?: string; says: string }>> = {
  'for a tenant whom the owner does not want': {
    spec: { job: { namespace: 'unwanted', name: 'evil', uid: 'unwanted' } },
    says: 'OwnerRuleTenant',
  },
  'of an image that the owner does not let run': {
    spec: withPod({}, { image: 'evil.example/miner' }),
    says: 'OwnerRuleImage',
  },
  'of such an image in an init container': {
    spec: withPod({ initContainers: [{ name: 'init', image: 'evil.example/miner' }] }),
    says: 'OwnerRuleImage',
  },
  'for more GPUs than a run may have': {
    spec: { workers: 8, nodes: [{ name: 'acme-1', workers: 8 }] },
    says: 'OwnerRuleGpus',
  },
  'for GPUs that the owner keeps': {
    spec: { gpus: { count: 7 } },
    says: 'OwnerRuleGpus',
  },
  'that makes more pods than it names places for': {
    spec: { workers: 6, nodes: [{ name: 'acme-1', workers: 1 }] },
    says: 'NodeNotOffered',
  },
  'for ever': { spec: { maxRuntimeSeconds: undefined }, says: 'OwnerRuleRuntime' },
  'with storage that the owner does not offer': {
    spec: withPod({ volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: claim } } }] }),
    says: 'OwnerRuleStorage',
  },
  'on a node that the owner cordoned': { spec: { nodes: [{ name: 'acme-2', workers: 1 }] }, says: 'NodeNotOffered' },
  'on a node that there is none of': { spec: { nodes: [{ name: 'elsewhere', workers: 1 }] }, says: 'NodeNotOffered' },
  'on one good node and one that is not offered': {
    spec: {
      workers: 2,
      nodes: [
        { name: 'acme-1', workers: 1 },
        { name: 'acme-2', workers: 1 },
      ],
    },
    says: 'NodeNotOffered',
  },
  'with a payload that is a Secret of the agent': {
    spec: {
      payload: { name: 'agent-token', sha256: '0'.repeat(64) },
      ...withPod({}, { envFrom: [{ secretRef: { name: 'x' } }] }),
    },
    says: 'PayloadMissing',
  },
  'that reads a Secret of the owner': {
    spec: withPod({}, { envFrom: [{ secretRef: { name: 'owners' } }] }),
    says: 'Invalid',
  },
  'with a name that no Job can have': {
    name: 'a.dotted.name.that.is.longer.than.sixty-three.characters.in.all.of.its.parts',
    says: 'Invalid',
  },
  'whose uid is no label': { spec: { job: { namespace: 'team', name: 'evil', uid: '../../x,y=z' } }, says: 'Invalid' },
  ...Object.fromEntries(
    Object.entries({
      'that is privileged': withPod({}, { securityContext: { privileged: true } }),
      'that may escalate': withPod({}, { securityContext: { allowPrivilegeEscalation: true } }),
      'that adds capabilities': withPod({}, { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }),
      'without seccomp': withPod({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
      'on the network of its node': withPod({ hostNetwork: true }),
      'among the processes of its node': withPod({ hostPID: true }),
      'with a folder of its node': withPod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      'with a token of the API server': withPod({ volumes: [{ name: 'v', ...token }] }),
      'with the token of its account': withPod({ automountServiceAccountToken: true }),
      'that shows its container every GPU': withPod({}, { env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] }),
      'with a device that is not the federation’s': withPod({}, { resources: { limits: { 'example.com/fpga': 1 } } }),
      'whose mount is over /proc': withPod(
        { volumes: [{ name: 'v', emptyDir: {} }] },
        { volumeMounts: [{ name: 'v', mountPath: '/proc' }] },
      ),
      'whose mount is where devices are chosen': withPod(
        { volumes: [{ name: 'v', emptyDir: {} }] },
        { volumeMounts: [{ name: 'v', mountPath: '/var/run/nvidia-container-devices/all' }] },
      ),
      'with GPUs for a second container': withPod({
        containers: ['main', 'side'].map((name) => ({ ...main, name, resources: { limits: { 'nvidia.com/gpu': 1 } } })),
      }),
      'with GPUs for an init container': withPod({
        initContainers: [{ ...main, name: 'init', resources: { limits: { 'nvidia.com/gpu': 1 } } }],
      }),
      'of whatever image the node has by that id': withPod({}, { image: `sha256:${'a'.repeat(64)}` }),
      'that is no template': { template: 'none' },
      'whose containers are none': { template: { spec: { containers: 7 } } },
    }).map(([name, spec]) => [name, { spec, says: 'Invalid' }]),
  ),
}

/** What an agent's own schema does not know does not travel. */
const stripped: Readonly<Record<string, object>> = {
  'names an account': withPod({ serviceAccountName: 'default', serviceAccount: 'default' }),
  'names its node': withPod({ nodeName: 'control-plane' }),
  'names its scheduler, priority and class': withPod({
    schedulerName: 'mine',
    priorityClassName: 'system-node-critical',
    runtimeClassName: 'x',
  }),
  'shares processes': withPod({ shareProcessNamespace: true }),
  'binds a port of its node': withPod({}, { ports: [{ containerPort: 80, hostPort: 80 }] }),
  'probes another host': withPod({}, { livenessProbe: { httpGet: { port: 80, host: '169.254.169.254' } } }),
  'tolerates control planes': withPod({
    tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }],
  }),
}

/** None of these may be in a pod that is made of them. */
const evil = /control-plane|system-node-critical|"mine"|hostPort|169\.254|shareProcessNamespace|"serviceAccount/

let stage: Stage
let side: ProviderSide
beforeAll(async () => {
  stage = await openStage({
    name: 'evil-hub',
    providers: 1,
    nodes: () => nodes,
    namespaces: [],
    agentArgs: ['--heartbeat-seconds', '1'],
    rules: { acme: rules },
  })
  side = sideOf(stage, 'acme')
  await side.controlPlane.kubectl(['cordon', 'acme-2'])
  // From here on its API server is the whole hub, and has one master.
  await stage.operator.hub.stop()
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const schema = { ...open, properties: { status: { ...open, properties: { state: { type: 'string' } } } } }
  const { status, body } = await stage.ask(
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gpuruns.gpucommons.io',
    {
      method: 'PATCH',
      contentType: 'application/json-patch+json',
      body: [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value: schema }] as never,
    },
  )
  if (status !== 200) throw new Error(`opening the schema: ${JSON.stringify(body)}`)
  await untilServed()
}, 120_000)
afterAll(async () => stage?.[Symbol.asyncDispose](), 30_000)

/** The first answer that keeps what the schema of before would have pruned. */
async function untilServed(): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const { body } = await stage.ask(`${group}/namespaces/provider-acme/gpuruns?dryRun=All`, {
      method: 'POST',
      body: manifest('probe', { anything: true }),
    })
    if ((body as { spec?: { anything?: boolean } }).spec?.anything) return
  }
  throw new Error('the API server goes on serving the schema of before')
}

function manifest(name: string, spec: object): object {
  return {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuRun',
    metadata: { name, namespace: 'provider-acme' },
    spec: {
      job: { namespace: 'team', name: 'evil', uid: `uid-${name}` },
      run: 1,
      workers: 1,
      gpus: { count: 1 },
      nodes: [{ name: 'acme-1', workers: 1 }],
      failover: { policy: 'Manual', leaseSeconds: 600 },
      bindTimeoutSeconds: 10,
      maxRuntimeSeconds: 600,
      ttlSecondsAfterFinished: 60,
      ...withPod({}),
      ...spec,
    },
  }
}

async function order(name: string, spec: object): Promise<void> {
  const { status, body } = await stage.ask(`${group}/namespaces/provider-acme/gpuruns`, {
    method: 'POST',
    body: manifest(name, spec),
  })
  if (status !== 201) throw new Error(`ordering ${name}: ${JSON.stringify(body)}`)
}

function until(name: string, holds: (run: GpuRun) => boolean): Promise<GpuRun> {
  return stage.runs.until({
    what: `run ${name}`,
    seconds: 40,
    find: (all) => [...all.values()].find((run) => run.metadata.name === name && holds(run)),
    state: () => JSON.stringify(stage.runs.all.get(`provider-acme/${name}`)?.status),
  })
}

const jobsOf = (name: string) =>
  side.jobs.all
    .values()
    .filter(({ metadata }) => metadata.name === name)
    .toArray()

test.each(Object.entries(refused).map(([what, one], i) => ({ what, i, ...one })))(
  'an order $what is refused: $says',
  async ({ i, name = `refused-${i}`, spec = {}, says }) => {
    await order(name, spec)
    const { status } = await until(name, (run) => run.status?.state !== undefined)
    expect([`${status?.state}/${status?.reason}`, jobsOf(name)]).toEqual([`Rejected/${says}`, []])
  },
  60_000,
)

test.each(Object.entries(stripped).map(([what, spec], i) => ({ what, name: `stripped-${i}`, spec })))(
  'a template that $what is cut down to what may travel',
  async ({ name, spec }) => {
    await order(name, spec)
    const job = await side.jobs.until({ what: `Job ${name}`, seconds: 40, find: () => jobsOf(name)[0] })
    expect(JSON.stringify(job.spec.template)).not.toMatch(evil)
    expect(job.spec.template?.spec).toMatchObject({ automountServiceAccountToken: false })
    await until(name, (run) => run.status?.state === 'Succeeded')
  },
  60_000,
)

test('a tenant who is called like a namespace of the owner gets one of its own', async () => {
  await order('kube', { job: { namespace: 'kube-system', name: 'evil', uid: 'kube' } })
  const job = await side.jobs.until({ what: 'its Job', seconds: 40, find: () => jobsOf('kube')[0] })
  expect(job.metadata.namespace).toMatch(/^gpc-[0-9a-f]{6}-kube-system$/)
})

test('nothing was made outside of the namespaces of tenants', async () => {
  const made = side.jobs.all.values().map(({ metadata }) => metadata.namespace ?? '')
  expect([...new Set(made)].filter((namespace) => !namespace.startsWith('gpc-'))).toEqual([])
})
