// A provider is shut out, let in again, and leaves: with real tokens, watches and jobs.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { connect } from '../../operator/src/adapters/kubernetes/connect.ts'
import { gpuRuns } from '../../operator/src/adapters/kubernetes/kinds.ts'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import type { GpuRun } from '../../operator/src/api/gpurun.ts'
import { waitUntil } from '../bed/child.ts'
import { writeKubeconfig } from '../bed/kubeconfig.ts'
import { type JoinStage, joinStage } from './join-stage.ts'
import { group } from './stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await joinStage('revoke')
  await stage.federation.hub.kubectl(['create', 'namespace', 'team'])
}, 240_000)
afterAll(async () => stage?.[Symbol.asyncDispose](), 60_000)

const runsPath = `${group}/namespaces/provider-acme/gpuruns`

async function runs(): Promise<readonly GpuRun[]> {
  return ((await stage.federation.hub.ask(runsPath)).body as { items: GpuRun[] }).items
}

async function stateOf(name: string): Promise<string | undefined> {
  const { body } = await stage.federation.hub.ask(`${group}/namespaces/team/gpujobs/${name}`)
  return (body as GpuJob).status?.state
}

async function running(name: string): Promise<string> {
  const { body } = await stage.federation.hub.ask(`${group}/namespaces/team/gpujobs/${name}`)
  const found = (body as GpuJob).status?.conditions.find(({ type }) => type === 'Running')
  return `${found?.status}/${found?.reason}`
}

async function sendJob(name: string, seconds: number): Promise<void> {
  const container = { name: 'main', image: 'registry.example.com/train:1' }
  const template = { metadata: { labels: { 'simulate-seconds': String(seconds) } }, spec: { containers: [container] } }
  const job = {
    apiVersion: 'gpucommons.io/v1alpha1',
    kind: 'GpuJob',
    metadata: { name, namespace: 'team' },
    spec: { gpus: { count: 1 }, template },
  }
  await stage.federation.hub.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(job) })
}

async function untilRunning(name: string, says: string): Promise<void> {
  const is = async () => (await running(name)) === says || undefined
  await waitUntil(is, { what: `Running of ${name} to be ${says}`, seconds: 30 })
}

/** What the agent got for its invite, from where it keeps it. */
async function tokenOfAgent(): Promise<string> {
  const secret = await stage.side.controlPlane.kubectl([
    '-n',
    'gpu-commons',
    'get',
    'secret',
    'gpu-commons-hub',
    '-o',
    'json',
  ])
  const { data } = JSON.parse(secret) as { data: { token: string } }
  return Buffer.from(data.token, 'base64').toString()
}

test('a provider that is revoked gets 401 within 15 s, its open watch brings nothing more, and it can be let in again', async () => {
  await stage.invite('acme')
  const agent = await stage.startAgent('acme')
  await stage.untilCondition('acme', 'Ready', 30)
  await sendJob('long', 600)
  await untilRunning('long', 'True/Running')

  const { hub } = stage.federation
  const token = await tokenOfAgent()
  const kubeconfig = join(hub.dir, 'holder.kubeconfig')
  const ca = await readFile(hub.caFile, 'utf8')
  await writeKubeconfig(kubeconfig, { cluster: 'hub', url: hub.url, ca, user: 'holder', token })
  await using holder = await connect({ kubeconfig, userAgent: 'open-watch' })
  const seen: string[] = []
  const end = new AbortController()
  const { resourceVersion } = await holder.list(gpuRuns, { namespace: 'provider-acme' })
  const watching = (async () => {
    const options = { namespace: 'provider-acme', resourceVersion, timeoutSeconds: 600, signal: end.signal }
    for await (const events of holder.watch(gpuRuns, options)) {
      seen.push(...events.map(({ type }) => type).filter((type) => type !== 'BOOKMARK'))
    }
  })().catch(() => undefined)

  const began = performance.now()
  await stage.kubectlGpu('revoke', 'acme')
  await waitUntil(async () => ((await stage.asHolder(token, runsPath)).status === 401 ? true : undefined), {
    what: 'the first 401',
    seconds: 20,
  })
  const seconds = (performance.now() - began) / 1000
  expect(seconds).toBeLessThanOrEqual(15)
  console.log(JSON.stringify({ suite: 'revoke', firstRefusalSeconds: seconds }))
  const tries = [
    ['GET', runsPath],
    ['POST', `${group}/namespaces/provider-acme/gpunodes`],
    ['PATCH', `/apis/coordination.k8s.io/v1/namespaces/provider-acme/leases/agent`],
    ['POST', '/api/v1/namespaces/provider-acme/serviceaccounts/agent/token'],
  ] as const
  for (const [method, path] of tries) {
    expect((await stage.asHolder(token, path, { method, ...(method === 'GET' ? {} : { body: {} }) })).status).toBe(401)
  }

  await untilRunning('long', 'Unknown/ProviderRevoked')
  await hub.kubectl(['-n', 'team', 'delete', 'gpujob', 'long'])
  const { metadata, spec } = (await runs())[0] as GpuRun
  // The hub has looked at it by the time that it does what comes after.
  await sendJob('after', 1)
  await waitUntil(async () => ((await stateOf('after')) === 'Waiting' ? true : undefined), {
    what: 'the hub to look at the next job',
    seconds: 30,
  })
  expect([seen, spec.stop, (await runs()).map((run) => run.metadata.resourceVersion)]).toEqual([
    [],
    undefined,
    [metadata.resourceVersion],
  ])
  // It was open all the time: what somebody else changes is seen.
  await hub.kubectl(['-n', 'provider-acme', 'label', 'gpurun', metadata.name, 'touched=yes'])
  await waitUntil(async () => seen.length > 0 || undefined, { what: 'the open watch to see a change', seconds: 10 })
  expect(seen).toEqual(['MODIFIED'])
  end.abort()
  await watching
  await agent.stop()

  await expect(stage.invite('acme')).rejects.toThrow('uncordon')
  await stage.kubectlGpu('uncordon', 'acme')
  await stage.invite('acme')
  await using again = await stage.startAgent('acme', { name: 'agent-acme-again' })
  await stage.untilCondition('acme', 'Ready', 60)
  expect(again.url).toBeDefined()
  await waitUntil(
    async () =>
      (await runs()).every(({ spec: { job }, status }) => job.name !== 'long' || status?.cleanedAt) ? true : undefined,
    {
      what: 'the run of the job that was deleted meanwhile to be cleaned',
      seconds: 60,
    },
  )
  await waitUntil(async () => ((await stateOf('after')) === 'Succeeded' ? true : undefined), {
    what: 'the job that waited to succeed',
    seconds: 60,
  })
}, 240_000)

test('a provider that leaves is waited for, and nothing of it is left', async () => {
  await using agent = await stage.startAgent('acme', { name: 'agent-acme-last' })
  await stage.untilCondition('acme', 'Ready', 60)
  expect(agent.url).toBeDefined()
  await sendJob('last', 8)
  await untilRunning('last', 'True/Running')
  await expect(stage.kubectlGpu('leave', 'acme', '--timeout', '10s')).resolves.toContain('has left')
  expect(await stateOf('last')).toBe('Succeeded')
  const { hub } = stage.federation
  await waitUntil(async () => ((await hub.ask('/api/v1/namespaces/provider-acme')).status === 404 ? true : undefined), {
    what: 'its namespace to be gone',
    seconds: 30,
  })
  expect((await hub.ask(`${group}/providers/acme`)).status).toBe(404)
  await expect(stage.kubectlGpu('leave', 'acme')).rejects.toMatchObject({ code: 3 })
}, 120_000)
