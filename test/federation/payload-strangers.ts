// Secrets of strangers stay as they are; a payload that is not what was ordered is never used; an agent can read payloads
// by their names, and nothing else; nothing that is secret is said anywhere.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { sealed } from '../../operator/src/domain/workload/payload-content.ts'
import { waitUntil } from '../bed/child.ts'
import { base64, keeping } from '../builders/kubelet.ts'
import { whileFrozen } from './freeze.ts'
import type { OrderedJob } from './ordered-job.ts'
import { onBorealis } from './payload-changes.ts'
import { envFromKey as pod } from './payload-refusals.ts'
import { acme, endsWithoutTrace, expectAsAtHome, newTenant, onProvider, payloadOf } from './payload-story.ts'
import type { Scenarios } from './scenarios.ts'
import { agentOf, group, type Stage } from './stage.ts'
import { placeStranger } from './stranger.ts'

const kept = { 'Secret key': keeping({ A: 'right' }) }

export const strangers: Scenarios = {
  "a stranger's Secret has the name of a payload: the next run has another name": strangerOnHub,
  "a stranger's Secret on the provider has the name of the run": strangerOnProvider,
  'a payload that is not what the run was ordered with is never used': (stage) =>
    spoilt(stage, 'PayloadMismatch', async (secret) => {
      const wrong = [
        { kind: 'Secret' as const, name: 'key', data: new Map([['A', base64('wrong')]]), binaryData: new Map() },
      ]
      const { name, labels, ownerReferences } = secret.metadata
      const body = { metadata: { name, labels, ownerReferences }, data: sealed(wrong) }
      const { status } = await stage.ask('/api/v1/namespaces/provider-borealis/secrets', { method: 'POST', body })
      expect(status).toBe(201)
    }),
  'a payload that somebody removed does not come: another run is ordered': (stage) =>
    spoilt(stage, 'PayloadMissing', async () => {}),
  'an agent may get a Secret of its namespace on the hub by its name, and no more': rights,
  'what is secret stands in no status, no event and no log': silence,
}

async function strangerOnHub(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(kept)
  const job = await tenant.orders('taken', { pod, spec: { suspend: true, placement: acmeOnly } })
  const name = runName(await job.is('Suspended'), 1)
  const at = '/api/v1/namespaces/provider-acme/secrets'
  const stranger = await placeStranger(stage.ask, at, { metadata: { name }, data: { index: base64('[]') } })
  await job.change({ suspend: false })
  const running = await job.is('Running')
  expect(running.status).toMatchObject({ lastRun: 2, failures: 0, runs: [{ run: 1, outcome: 'Stopped' }] })
  expect(job.runs.map(({ spec }) => spec.stop?.reason)).toEqual(['PayloadGone', undefined])
  expectAsAtHome(await onProvider(acme(stage), job, 2), { pod, kept })
  await endsWithoutTrace(stage, job)
  await stranger.isUntouched()
  await stranger.remove()
}

const acmeOnly = { providerSelector: { region: 'eu-west' } }

async function strangerOnProvider(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(kept)
  // So that the tenant's namespace is there.
  const first = await tenant.orders('first', { pod, simulate: { seconds: '0.5' } })
  await first.is('Succeeded')
  const { ask } = acme(stage).controlPlane
  const home = [...acme(stage).jobs.all.values()].find(
    ({ metadata }) => metadata.labels?.['gpucommons.io/job-uid'] === first.uid,
  )
  const job = await tenant.orders('taken', { pod, spec: { suspend: true, placement: acmeOnly } })
  const name = runName(await job.is('Suspended'), 1)
  const at = `/api/v1/namespaces/${home?.metadata.namespace}/secrets`
  const theirs = [name, `${name}-pull`].map((one) => placeStranger(ask, at, { metadata: { name: one } }))
  const placed = await Promise.all(theirs)
  await job.change({ suspend: false })
  await job.is('Running')
  expectAsAtHome(await onProvider(acme(stage), job), { pod, kept })
  await endsWithoutTrace(stage, job)
  await endsWithoutTrace(stage, first)
  for (const stranger of placed) {
    await stranger.isUntouched()
    await stranger.remove()
  }
}

type PayloadSecret = NonNullable<Awaited<ReturnType<typeof payloadOf>>>

/** While its agent cannot see it, the payload of the first run goes, and something else may come in its place. */
async function spoilt(stage: Stage, reason: string, replace: (was: PayloadSecret) => Promise<void>): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(kept)
  const job = await whileFrozen(agentOf(stage, 'borealis'), async () => {
    const ordered = await tenant.orders('spoilt', { pod, spec: { ...onBorealis, bindTimeoutSeconds: 10 } })
    const name = runName(await ordered.says('Placed=True/Recorded', 10), 1)
    const there = () => payloadOf(stage, 'borealis', name)
    const was = await waitUntil(there, { what: 'the payload to be on the hub', seconds: 10 })
    const path = `/api/v1/namespaces/provider-borealis/secrets/${name}`
    expect((await stage.ask(path, { method: 'DELETE' })).status).toBe(200)
    await replace(was)
    return ordered
  })
  const again = await job.until('to run again', ({ status }) => status?.state === 'Running')
  expect(again.status).toMatchObject({ lastRun: 2, failures: 0, runs: [{ run: 1, outcome: 'Rejected', reason }] })
  // The provider was not to blame.
  expect(again.status).not.toHaveProperty('excludedProviders')
  await nothingOfRunOne(stage, job)
  await endsWithoutTrace(stage, job)
}

async function nothingOfRunOne(stage: Stage, job: OrderedJob): Promise<void> {
  for (const { jobs } of stage.sides.values()) {
    const labels = [...jobs.all.values()].map(({ metadata }) => metadata.labels ?? {})
    const first = labels.filter(
      (one) => one['gpucommons.io/job-uid'] === job.uid && one['gpucommons.io/run-number'] === '1',
    )
    expect(first).toEqual([])
  }
}

async function rights(stage: Stage): Promise<void> {
  const may = async (verb: string, provider: string) => {
    const spec = {
      user: 'system:serviceaccount:provider-acme:agent',
      groups: ['system:serviceaccounts', 'system:authenticated'],
      resourceAttributes: { verb, resource: 'secrets', namespace: `provider-${provider}`, name: 'x' },
    }
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
    const { body } = await stage.ask(path, { method: 'POST', body: { spec } })
    return (body as { status: { allowed: boolean } }).status.allowed
  }
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']
  const allowed = await Promise.all(verbs.map(async (verb) => [verb, await may(verb, 'acme')] as const))
  expect(allowed.flatMap(([verb, yes]) => (yes ? [verb] : []))).toEqual(['get'])
  expect(await may('get', 'borealis')).toBe(false)
}

async function silence(stage: Stage): Promise<void> {
  const marker = 'do-not-tell-anybody'
  const tenant = await newTenant(stage)
  const broken = { containers: pod.containers, imagePullSecrets: [{ name: 'registry' }] }
  await tenant.keeps({
    'Secret key': keeping({ A: marker }),
    'Secret registry': keeping({ '.dockerconfigjson': `{"auths": {"${marker}"` }),
  })
  const fails = await tenant.orders('fails', { pod, spec: { retry: { limit: 0 } }, simulate: { exit: '3' } })
  const refused = await tenant.orders('refused', { pod: broken })
  await fails.is('Failed')
  await refused.says('Admitted=False/PullSecretBroken')
  const said: string[] = []
  for (const path of [`${group}/gpujobs`, `${group}/gpuruns`, '/api/v1/events'])
    said.push(JSON.stringify((await stage.ask(path)).body))
  const { dir } = stage.federation
  for (const file of await readdir(dir)) if (file.endsWith('.log')) said.push(await readFile(join(dir, file), 'utf8'))
  expect(said.length).toBeGreaterThanOrEqual(7)
  for (const text of said) for (const word of [marker, base64(marker)]) expect(text.includes(word)).toBe(false)
  await endsWithoutTrace(stage, fails)
  await endsWithoutTrace(stage, refused)
}
