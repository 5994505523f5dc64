// Secrets that change, jobs that share them, runs that end in every way: each run has what there was when it began, and
// both sides are rid of it when it is over.
import { expect } from '@jest/globals'
import { runName } from '../../operator/src/domain/lifecycle/gpurun.ts'
import { waitUntil } from '../bed/child.ts'
import { keeping } from '../builders/kubelet.ts'
import { whileFrozen } from './freeze.ts'
import { envFromKey } from './payload-refusals.ts'
import {
  acme,
  endsWithoutTrace,
  expectAsAtHome,
  leavesNoSecrets,
  newTenant,
  onProvider,
  payloadOf,
} from './payload-story.ts'
import type { Scenarios } from './scenarios.ts'
import { agentOf, type Stage, sideOf } from './stage.ts'

const pod = envFromKey
const before = { 'Secret key': keeping({ A: 'before' }) }
const after = { 'Secret key': keeping({ A: 'after', B: 'new' }) }
export const onBorealis = { placement: { providerSelector: { region: 'eu-north' } } }

export const changes: Scenarios = {
  'a change during a run changes nothing in it': async (stage) => {
    const tenant = await newTenant(stage)
    await tenant.keeps(before)
    const job = await tenant.orders('steady', { pod })
    await job.is('Running')
    await tenant.keeps(after, { label: '' })
    // The next job has been looked at: the hub knows of the change.
    const next = await tenant.orders('next', { pod })
    await next.says('Admitted=False/MayNotTravel')
    expectAsAtHome(await onProvider(acme(stage), job), { pod, kept: before })
    expect((await job.is('Running')).status?.lastRun).toBe(1)
    await next.remove()
    await endsWithoutTrace(stage, job)
  },
  'the next run has the newest content': async (stage) => {
    const tenant = await newTenant(stage)
    await tenant.keeps(before)
    const job = await tenant.orders('repeated', { pod, simulate: { 'fail-until-run': '2', exit: '7', seconds: '4' } })
    expectAsAtHome(await onProvider(acme(stage), job), { pod, kept: before })
    await tenant.keeps(after)
    expectAsAtHome(await onProvider(acme(stage), job, 2), { pod, kept: after })
    await job.is('Succeeded')
    const [first, second] = job.runs.map(({ spec }) => spec.payload?.sha256)
    expect([first, second]).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      expect.not.stringContaining(first ?? '?'),
    ])
    await leavesNoSecrets(stage, job)
    await endsWithoutTrace(stage, job)
  },
  'two jobs with one Secret: each has its own, and the end of one is nothing to the other': async (stage) => {
    const tenant = await newTenant(stage)
    await tenant.keeps(before)
    const [one, two] = await Promise.all(['one', 'two'].map((name) => tenant.orders(name, { pod })))
    if (!one || !two) throw new Error('two jobs were ordered')
    await Promise.all([one.is('Running'), two.is('Running')])
    await endsWithoutTrace(stage, one)
    expectAsAtHome(await onProvider(acme(stage), two), { pod, kept: before })
    await endsWithoutTrace(stage, two)
  },
  'a gang has one Secret for all its workers': async (stage) => {
    const tenant = await newTenant(stage)
    await tenant.keeps(before)
    const job = await tenant.orders('gang', { pod, spec: { workers: 2 } })
    await job.is('Running')
    const there = await onProvider(acme(stage), job)
    expect(there.secrets).toHaveLength(1)
    expectAsAtHome(there, { pod, kept: before })
    await endsWithoutTrace(stage, job)
  },
  'a job that is suspended has nothing there, and begins anew with what there is then': async (stage) => {
    const tenant = await newTenant(stage)
    await tenant.keeps(before)
    const job = await tenant.orders('rests', { pod })
    await job.is('Running')
    await job.change({ suspend: true })
    await job.is('Suspended')
    await leavesNoSecrets(stage, job)
    await tenant.keeps(after)
    await job.change({ suspend: false })
    expectAsAtHome(await onProvider(acme(stage), job, 2), { pod, kept: after })
    await endsWithoutTrace(stage, job)
  },
  'pull secrets of two registries are one Secret': (stage) =>
    pulled(stage, {
      one: { 'one.example.com': { auth: 'b25l' } },
      two: { 'two.example.com': { auth: 'dHdv' } },
    }),
  'of one registry in two pull secrets the first counts': (stage) =>
    pulled(stage, {
      one: { 'one.example.com': { auth: 'b25l' } },
      two: { 'two.example.com': { auth: 'dHdv' }, 'one.example.com': { auth: 'c2Vj' } },
    }),
  'its provider is away when it is deleted': awayWhenDeleted,
  'its provider is away when its workers end': awayAtTheEnd,
}

async function pulled(stage: Stage, auths: { readonly one: object; readonly two: object }): Promise<void> {
  const tenant = await newTenant(stage)
  const kept = Object.entries(auths).map(([name, registries]) => {
    return [`Secret ${name}`, keeping({ '.dockerconfigjson': JSON.stringify({ auths: registries }) })] as const
  })
  await tenant.keeps(Object.fromEntries(kept), { type: 'kubernetes.io/dockerconfigjson' })
  const job = await tenant.orders('pulls', {
    pod: {
      ...pod,
      containers: [{ name: 'main', image: 'one.example.com/train:1' }],
      imagePullSecrets: [{ name: 'one' }, { name: 'two' }],
    },
  })
  await job.is('Running')
  const { pod: made, secrets } = await onProvider(acme(stage), job)
  const named = made.imagePullSecrets?.map(({ name }) => secrets.find(({ metadata }) => metadata.name === name))
  expect(named).toMatchObject([{ type: 'kubernetes.io/dockerconfigjson' }])
  const config = Buffer.from(named?.[0]?.data?.['.dockerconfigjson'] ?? '', 'base64').toString()
  expect(JSON.parse(config)).toEqual({ auths: { ...auths.two, ...auths.one } })
  await endsWithoutTrace(stage, job)
}

async function awayWhenDeleted(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(before)
  const job = await tenant.orders('away', { pod, spec: onBorealis })
  const running = await job.is('Running')
  await whileFrozen(agentOf(stage, 'borealis'), async () => {
    await job.remove()
    await job.isGone()
    await stage.runs.until({
      what: 'its run to have the stop order',
      seconds: 20,
      find: (all) => all.values().some(({ spec }) => spec.job.uid === job.uid && spec.stop) || undefined,
    })
    const isGone = async () => (await payloadOf(stage, 'borealis', runName(running, 1))) === undefined || undefined
    await waitUntil(isGone, { what: 'its payload to be gone from the hub', seconds: 10 })
  })
  await job.leavesNothing()
  await leavesNoSecrets(stage, job)
}

async function awayAtTheEnd(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps(before)
  const job = await tenant.orders('ends-alone', { pod, spec: onBorealis, simulate: { seconds: '3' } })
  await job.is('Running')
  const { pods } = sideOf(stage, 'borealis')
  await whileFrozen(agentOf(stage, 'borealis'), () =>
    pods.until({
      what: 'its worker to end',
      seconds: 30,
      find: (all) =>
        all.values().some(({ metadata, status }) => {
          return metadata.labels?.['gpucommons.io/job-uid'] === job.uid && status?.phase === 'Succeeded'
        }) || undefined,
    }),
  )
  await job.is('Succeeded')
  await leavesNoSecrets(stage, job)
  await endsWithoutTrace(stage, job)
}
