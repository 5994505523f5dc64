import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { Pool } from 'undici'
import { waitUntil } from './child.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { gpuNode } from './gpu-nodes.ts'
import { addNodes, type Kwok, startKwok } from './kwok.ts'

jest.setTimeout(120_000)

const folder = mkdtempSync(join(tmpdir(), 'bed-kwok-'))
let cluster: ControlPlane
let kwok: Kwok

beforeAll(async () => {
  cluster = await startControlPlane({ name: 'acme', dir: folder, controllerManager: true, scheduler: true })
  kwok = await startKwok(cluster)
  const nodes = [0, 1].map((index) => gpuNode({ name: `node-${index}`, card: 'H100', gpus: 8, tainted: true }))
  await addNodes(cluster, nodes)
})
afterAll(async () => {
  await kwok?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
  readonly spec: { readonly nodeName?: string }
  readonly status: {
    readonly phase: string
    readonly startTime?: string
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

interface ContainerStatus {
  readonly name: string
  readonly state: {
    readonly waiting?: { readonly reason: string }
    readonly running?: { readonly startedAt: string }
    readonly terminated?: {
      readonly exitCode: number
      readonly reason: string
      readonly startedAt: string
      readonly finishedAt: string
    }
  }
}

/** The shape that our agent gives a gang of two, with a sidecar, an init container, and the GPUs in the second container. */
function gang(name: string, labels: Readonly<Record<string, string>>): object {
  const gpu = { limits: { 'nvidia.com/gpu': '1' } }
  const spec = {
    restartPolicy: 'Never',
    tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }],
    initContainers: [
      { name: 'sidecar', image: 'any', restartPolicy: 'Always' },
      { name: 'prepare', image: 'any' },
    ],
    containers: [
      { name: 'first', image: 'any' },
      { name: 'main', image: 'any', resources: gpu },
    ],
  }
  const shape = {
    completionMode: 'Indexed',
    parallelism: 2,
    completions: 2,
    backoffLimit: 0,
    podReplacementPolicy: 'Failed',
  }
  const failed = { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: { ...shape, podFailurePolicy: { rules: [failed] }, template: { metadata: { labels }, spec } },
  }
}

async function create(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
  const { status, body } = await cluster.ask('/apis/batch/v1/namespaces/default/jobs', {
    method: 'POST',
    body: gang(name, labels),
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
}

async function podsOf(job: string): Promise<readonly Pod[]> {
  const { body } = await cluster.ask(`/api/v1/namespaces/default/pods?labelSelector=job-name%3D${job}`)
  return (body as { items: readonly Pod[] }).items
}

function podsWhen(job: string, what: string, is: (pod: Pod) => boolean): Promise<readonly Pod[]> {
  const ask = async () => {
    const pods = await podsOf(job)
    return pods.length === 2 && pods.every(is) ? pods : undefined
  }
  return waitUntil(ask, { what: `the pods of ${job} ${what}`, seconds: 20 })
}

/** `Failed first=0/Completed main=3/Error`. */
function story({ status }: Pod): string {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  return [status.phase, ...containers.map(({ name, state }) => `${name}=${inWords(state)}`)].join(' ')
}

function inWords({ waiting, running, terminated }: ContainerStatus['state']): string {
  if (terminated) return `${terminated.exitCode}/${terminated.reason}`
  return running ? 'running' : (waiting?.reason ?? 'nothing')
}

const tenant = (labels: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`tenant.gpucommons.io/${key}`, value]))
const run = (number: string) => ({ 'gpucommons.io/run-number': number })

const good = 'Succeeded sidecar=0/Completed prepare=0/Completed first=0/Completed main=0/Completed'
const failedWith = (code: number) =>
  `Failed sidecar=0/Completed prepare=0/Completed first=0/Completed main=${code}/Error`
const quick = { 'simulate-seconds': '0.2' }

test.each([
  { name: 'plain', does: 'succeeds', labels: {}, says: good, condition: 'Complete' },
  {
    name: 'exits',
    does: 'ends as told',
    labels: tenant({ ...quick, 'simulate-exit': '3' }),
    says: failedWith(3),
    condition: 'Failed',
  },
  {
    name: 'too-soon',
    does: 'fails before its run',
    labels: { ...tenant({ ...quick, 'simulate-fail-until-run': '2' }), ...run('1') },
    says: failedWith(1),
    condition: 'Failed',
  },
  {
    name: 'its-run',
    does: 'succeeds from its run on',
    labels: { ...tenant({ ...quick, 'simulate-fail-until-run': '2', 'simulate-exit': '7' }), ...run('2') },
    says: good,
    condition: 'Complete',
  },
])('a gang $does ($name)', async ({ name, labels, says, condition }) => {
  await create(name, labels)
  const pods = await podsWhen(name, 'end', (pod) => ['Succeeded', 'Failed'].includes(pod.status.phase))
  expect(pods.map(story)).toEqual([says, says])
  await cluster.kubectl(['wait', `job/${name}`, `--for=condition=${condition}`, '--timeout=20s'])
})

test('a pod runs as long as it is told, and its times say so', async () => {
  await create('three-seconds', tenant({ 'simulate-seconds': '3' }))
  const [pod] = await podsWhen('three-seconds', 'end', ({ status }) => status.phase === 'Succeeded')
  const main = pod?.status.containerStatuses?.[1]?.state.terminated
  const seconds = (Date.parse(main?.finishedAt ?? '') - Date.parse(main?.startedAt ?? '')) / 1000
  expect(seconds).toBeGreaterThanOrEqual(2) // Kubernetes keeps whole seconds.
  expect(seconds).toBeLessThanOrEqual(5)
})

test('a pod that hangs runs until it is deleted, and then first its containers end', async () => {
  await create('hangs', tenant({ simulate: 'hang' }))
  const pods = await podsWhen('hangs', 'run', ({ status }) => status.phase === 'Running')
  expect(pods.map(story)).toEqual(
    Array(2).fill('Running sidecar=running prepare=0/Completed first=running main=running'),
  )
  await using seen = await watchPods('hangs')
  await cluster.kubectl(['delete', 'job', 'hangs', '--wait=false'])
  await waitUntil(async () => (await podsOf('hangs')).length === 0 || undefined, {
    what: 'the pods to go',
    seconds: 20,
  })
  const last = 'Failed sidecar=137/Error prepare=0/Completed first=137/Error main=137/Error'
  for (const { metadata } of pods) {
    const events = () =>
      Promise.resolve(seen.of(metadata.name).at(-1)?.startsWith('DELETED') ? seen.of(metadata.name) : undefined)
    const story = await waitUntil(events, { what: 'the last event', seconds: 5 })
    expect(story).toContain(`MODIFIED deleting ${last}`)
    expect(story.indexOf(`MODIFIED deleting ${last}`)).toBeGreaterThan(
      story.findIndex((line) => line.startsWith('MODIFIED deleting Running')),
    )
    expect(story.at(-1)).toBe(`DELETED deleting ${last}`)
  }
})

/** Watches the pods of a job; `of` tells what was seen of one. */
async function watchPods(job: string) {
  const pool = new Pool(cluster.url, { connect: { ca: readFileSync(cluster.caFile, 'utf8') }, bodyTimeout: 0 })
  const path = `/api/v1/namespaces/default/pods?watch=1&labelSelector=job-name%3D${job}`
  const { body } = await pool.request({ path, method: 'GET', headers: { authorization: `Bearer ${cluster.token}` } })
  const seen: { readonly name: string; readonly line: string }[] = []
  let rest = ''
  body.setEncoding('utf8')
  body.on('error', () => undefined) // The end of the test breaks it off.
  body.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as { type: string; object: Pod }
      const deleting = object.metadata.deletionTimestamp === undefined ? '' : ' deleting'
      seen.push({ name: object.metadata.name, line: `${type}${deleting} ${story(object)}` })
    }
  })
  return {
    of: (name: string) => seen.filter((event) => event.name === name).map(({ line }) => line),
    [Symbol.asyncDispose]: () => pool.destroy(),
  }
}

test('a pod waits with the reason that it is told, and goes when it is deleted', async () => {
  await create('waits', tenant({ simulate: 'waiting', 'simulate-waiting-reason': 'ImagePullBackOff' }))
  const pods = await podsWhen('waits', 'wait', ({ status }) => status.containerStatuses !== undefined)
  expect(pods.map(story)).toEqual(Array(2).fill('Pending first=ImagePullBackOff main=ImagePullBackOff'))
  await cluster.kubectl(['delete', 'job', 'waits', '--wait=false'])
  await waitUntil(async () => (await podsOf('waits')).length === 0 || undefined, {
    what: 'the pods to go',
    seconds: 20,
  })
})

test('a pod that fits nowhere stays unbound and untouched', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'too-big' },
    spec: { containers: [{ name: 'main', image: 'any', resources: { limits: { 'nvidia.com/gpu': '9' } } }] },
  }
  await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
  await cluster.kubectl([
    'wait',
    'pod/too-big',
    '--for=jsonpath={.status.conditions[0].reason}=Unschedulable',
    '--timeout=20s',
  ])
  const { body } = await cluster.ask('/api/v1/namespaces/default/pods/too-big')
  expect([(body as Pod).spec.nodeName, story(body as Pod)]).toEqual([undefined, 'Pending'])
})

test('a node that is made unready stays so, and its pods go elsewhere', async () => {
  const patch = { status: { conditions: [{ type: 'Ready', status: 'Unknown', reason: 'Test' }] } }
  const contentType = 'application/strategic-merge-patch+json'
  await cluster.ask('/api/v1/nodes/node-1/status', { method: 'PATCH', body: patch, contentType })
  const isAvoided = async () => (await nodeStory('node-1')).includes('unreachable') || undefined
  await waitUntil(isAvoided, { what: 'the controller manager to taint the node', seconds: 20 })
  await cluster.kubectl(['annotate', 'node', 'node-1', 'touched=yes']) // What wakes kwok.
  await create('elsewhere', tenant(quick))
  const pods = await podsWhen('elsewhere', 'end', ({ status }) => status.phase === 'Succeeded')
  expect(pods.map(({ spec }) => spec.nodeName)).toEqual(['node-0', 'node-0'])
  expect(await nodeStory('node-1')).toMatch(/^Unknown .*unreachable/)
})

/** Whether it is Ready, and its taints. */
function nodeStory(name: string): Promise<string> {
  const path = '{.status.conditions[?(@.type=="Ready")].status} {.spec.taints[*].key}'
  return cluster.kubectl(['get', 'node', name, '-o', `jsonpath=${path}`])
}
