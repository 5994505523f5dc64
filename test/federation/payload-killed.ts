// A hub that ends between the run and its payload, an agent that ends between the Job and its Secrets.
import { expect } from '@jest/globals'
import { waitUntil } from '../bed/child.ts'
import { agentOptions, hubOptions } from '../bed/operator.ts'
import { type Program, startProgram } from '../bed/program.ts'
import { keeping } from '../builders/kubelet.ts'
import { envFromKey as pod } from './payload-refusals.ts'
import {
  acme,
  endsWithoutTrace,
  expectAsAtHome,
  leavesNoSecrets,
  newTenant,
  onProvider,
  payloadOf,
} from './payload-story.ts'
import { agentOf, type Stage, sideOf } from './stage.ts'

const before = { 'Secret key': keeping({ A: 'before' }) }
const after = { 'Secret key': keeping({ A: 'after' }) }

/** At the moment when it has made the Job: whether its Secret is there by then, and the Job let go, is left to chance. */
export async function agentKilled(stage: Stage, again: Program[]): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(before)
  const side = sideOf(stage, 'cumulus')
  const agent = agentOf(stage, 'cumulus')
  side.jobs.onChange(({ type, object }) => {
    if (type === 'ADDED' && object.metadata.labels?.['gpucommons.io/job-namespace'] === tenant.namespace)
      void agent.kill()
  })
  const spec = { placement: { providerSelector: { region: 'us-east' } } }
  const job = await tenant.orders('agent-killed', { pod, spec })
  await agent.end
  const provider = stage.federation.providers.find(({ name }) => name === 'cumulus')
  if (!provider) throw new Error('there is no provider cumulus')
  const options = await agentOptions(stage.federation, { provider })
  again.push(await startProgram({ dir: stage.federation.dir, ...options, name: 'agent-cumulus-again' }))
  expect((await job.is('Running', 60)).status?.lastRun).toBe(1)
  expectAsAtHome(await onProvider(side, job), { pod, kept: before })
  await endsWithoutTrace(stage, job)
}

/** The API server takes no payload of these jobs, so that their hub stands still between the run and its payload. */
export async function hubKilled(stage: Stage, again: Program[]): Promise<void> {
  const takeAgain = await takeNoPayloads(stage)
  const tenant = await newTenant(stage)
  const other = await newTenant(stage)
  await tenant.keeps(before)
  await other.keeps(before)
  const same = await tenant.orders('held-same', { pod })
  const changed = await other.orders('held-changed', { pod })
  for (const job of [same, changed]) {
    await stage.runs.until({
      what: 'its run to be ordered',
      seconds: 30,
      find: (all) => all.values().some(({ spec }) => spec.job.uid === job.uid && spec.payload) || undefined,
    })
  }
  await stage.operator.hub.kill()
  for (const { metadata } of [...same.runs, ...changed.runs]) {
    expect(await payloadOf(stage, 'acme', metadata.name)).toBeUndefined()
  }
  await other.keeps(after)
  await takeAgain()
  const options = await hubOptions(stage.federation, { hubArgs: ['--tombstone-seconds', '5'] })
  again.push(await startProgram({ dir: stage.federation.dir, ...options, name: 'hub-again' }))

  expect((await same.is('Running', 60)).status?.lastRun).toBe(1)
  expectAsAtHome(await onProvider(acme(stage), same), { pod, kept: before })
  const { status } = await changed.is('Running', 60)
  expect(status).toMatchObject({ lastRun: 2, runs: [{ run: 1, outcome: 'Stopped' }] })
  expect(changed.runs[0]?.spec.stop?.reason).toBe('PayloadGone')
  expectAsAtHome(await onProvider(acme(stage), changed, 2), { pod, kept: after })
  await endsWithoutTrace(stage, same)
  await endsWithoutTrace(stage, changed)
  await leavesNoSecrets(stage, {})
  expect([...stage.runs.all.keys()]).toEqual([])
}

const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic'

async function takeNoPayloads({ ask }: Stage): Promise<() => Promise<void>> {
  const isHeld =
    "has(object.metadata.labels) && object.metadata.labels[?'gpucommons.io/job'].orValue('').startsWith('held')"
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }
  const metadata = { name: 'hold-payloads' }
  const spec = { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: `!(${isHeld})` }] }
  await made(ask(`${policies}ies`, { method: 'POST', body: { metadata, spec } }))
  const binding = { metadata, spec: { policyName: metadata.name, validationActions: ['Deny'] } }
  await made(ask(`${policies}ybindings`, { method: 'POST', body: binding }))
  const probe = { metadata: { name: 'probe', labels: { 'gpucommons.io/job': 'held' } } }
  const holds = async (expected: boolean) => {
    const { status } = await ask('/api/v1/namespaces/default/secrets?dryRun=All', { method: 'POST', body: probe })
    return status === (expected ? 422 : 201) || undefined
  }
  await waitUntil(() => holds(true), { what: 'the policy to be in force', seconds: 30 })
  return async () => {
    await ask(`${policies}ybindings/${metadata.name}`, { method: 'DELETE' })
    await ask(`${policies}ies/${metadata.name}`, { method: 'DELETE' })
    await waitUntil(() => holds(false), { what: 'the policy to be gone', seconds: 30 })
  }
}

async function made(asked: ReturnType<Stage['ask']>): Promise<void> {
  const { status, body } = await asked
  if (status !== 201) throw new Error(JSON.stringify(body))
}
