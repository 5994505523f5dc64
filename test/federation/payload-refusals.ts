// What may not travel: said with a reason and the way out, looked at again by itself, and never placed before.
import { expect } from '@jest/globals'
import type { PodSpec } from '../../operator/src/api/template.ts'
import { type Cupboard, keeping } from '../builders/kubelet.ts'
import type { OrderedJob } from './ordered-job.ts'
import { acme, endsWithoutTrace, expectAsAtHome, isRefused, newTenant, onProvider } from './payload-story.ts'
import type { Scenarios } from './scenarios.ts'
import type { Stage } from './stage.ts'

const image = 'example.com/train:1'
export const envFromKey: PodSpec = { containers: [{ name: 'main', image, envFrom: [{ secretRef: { name: 'key' } }] }] }
const volumeOf = (...names: string[]): PodSpec => ({
  containers: [{ name: 'main', image }],
  volumes: names.map((name, i) => ({ name: `v${i}`, configMap: { name } })),
})
const pulledWith = (...names: string[]): PodSpec => ({
  containers: [{ name: 'main', image }],
  imagePullSecrets: names.map((name) => ({ name })),
})
const optional: PodSpec = {
  containers: [{ name: 'main', image, envFrom: [{ secretRef: { name: 'key', optional: true } }] }],
}
const missingKey: PodSpec = {
  containers: [{ name: 'main', image, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'key', key: 'b' } } }] }],
}
const text = (kib: number) => 'x'.repeat(kib * 1024)

interface Refusal {
  readonly kept: Cupboard
  readonly label?: string
  readonly pod: PodSpec
  readonly reason: string
  readonly words: RegExp
}

const threeTimes22 = ['x', 'y', 'z'].map((name) => ({
  name,
  image,
  envFrom: Array.from({ length: 22 }, (_, i) => ({ configMapRef: { name: `${name}${i}` } })),
}))

const refused: Readonly<Record<string, Refusal>> = {
  'two ConfigMaps without the label are named at once, with the command that mends it': {
    kept: { 'ConfigMap a': keeping({}), 'ConfigMap b': keeping({}) },
    label: '',
    pod: volumeOf('a', 'b'),
    reason: 'MayNotTravel',
    words: /ConfigMap a lacks .*kubectl label configmap a gpucommons.io\/may-travel=true.*; ConfigMap b lacks/,
  },
  'another value of the label is none': {
    kept: { 'Secret key': keeping({}) },
    label: 'yes',
    pod: envFromKey,
    reason: 'MayNotTravel',
    words: /Secret key lacks the label/,
  },
  'what may be absent, and is there without the label': {
    kept: { 'Secret key': keeping({}) },
    label: '',
    pod: optional,
    reason: 'MayNotTravel',
    words: /Secret key lacks the label/,
  },
  'a key that is missing': {
    kept: { 'Secret key': keeping({ a: '1' }) },
    pod: missingKey,
    reason: 'SourceMissing',
    words: /Secret key has no key b/,
  },
  'two megabytes in several': {
    kept: Object.fromEntries(['a', 'b', 'c'].map((name, i) => [`ConfigMap ${name}`, keeping({ f: text(650 + i) })])),
    pod: volumeOf('a', 'b', 'c'),
    reason: 'PayloadTooLarge',
    words: /1954 KiB in all and may be 900 KiB; the largest is ConfigMap c with 653 KiB/,
  },
  'one of a megabyte': {
    kept: { 'ConfigMap a': keeping({ f: text(1000) }) },
    pod: volumeOf('a'),
    reason: 'PayloadTooLarge',
    words: /the largest is ConfigMap a with 1001 KiB/,
  },
  'more keys than a pod can list': {
    kept: { 'Secret key': keeping(Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`K${i}`, '']))) },
    pod: envFromKey,
    reason: 'PayloadTooLarge',
    words: /the pod would be too large/,
  },
  'more sources than a job may name': {
    kept: {},
    pod: { containers: threeTimes22 },
    reason: 'PayloadTooLarge',
    words: /names 66 Secrets and ConfigMaps and may name 64/,
  },
  'a pull secret that is not there': {
    kept: {},
    pod: pulledWith('registry'),
    reason: 'SourceMissing',
    words: /there is no Secret registry/,
  },
  'a pull secret that is broken': {
    kept: { 'Secret registry': keeping({ '.dockerconfigjson': '{"auths": [' }) },
    pod: pulledWith('registry'),
    reason: 'PullSecretBroken',
    words: /Secret registry of imagePullSecrets has no registries/,
  },
}

export const refusals: Scenarios = {
  ...Object.fromEntries(
    Object.entries(refused).map(([name, { kept, label, pod, reason, words }]) => [
      `refused: ${name}`,
      async (stage: Stage) => {
        const tenant = await newTenant(stage)
        await tenant.keeps(kept, label === undefined ? {} : { label })
        const job = await tenant.orders('refused', { pod })
        await isRefused(job, reason, words)
        await job.remove()
        await job.isGone()
        neverRan(job)
      },
    ]),
  ),
  'one that is missing, then lacks the label, then travels: the job goes on by itself': goesOn,
  'a label that is taken away while the job waits for GPUs': labelTaken,
  'a job that was deleted while it waited for a Secret has left nothing': deletedWaiting,
  'a refused job can be suspended, and is refused again when it is resumed': suspendedRefused,
  'just under 900 KiB arrives': almostTooLarge,
}

function neverRan({ runs }: OrderedJob): void {
  expect(runs).toEqual([])
}

async function goesOn(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  const job = await tenant.orders('goes-on', { pod: envFromKey })
  await isRefused(job, 'SourceMissing', 'there is no Secret key')
  const kept = { 'Secret key': keeping({ A: '1' }) }
  await tenant.keeps(kept, { label: '' })
  await isRefused(job, 'MayNotTravel', 'Secret key lacks the label')
  await tenant.labels('Secret key', 'true')
  await job.is('Running')
  expectAsAtHome(await onProvider(acme(stage), job), { pod: envFromKey, kept })
  expect(job.runs).toHaveLength(1)
  await endsWithoutTrace(stage, job)
}

async function labelTaken(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  await tenant.keeps({ 'Secret key': keeping({ A: '1' }) })
  const all = { placement: { providerSelector: { region: 'us-east' } }, gpus: { count: 8 }, workers: 4 }
  const first = await tenant.orders('takes-all', { spec: all })
  await first.is('Running')
  const job = await tenant.orders('waits', { pod: envFromKey, spec: all })
  await job.says('Placed=False/Waiting')
  await job.says('Admitted=True/Admitted')
  await tenant.labels('Secret key', null)
  await first.remove()
  await isRefused(job, 'MayNotTravel', 'Secret key lacks the label')
  expect(job.runs).toEqual([])
  await tenant.labels('Secret key', 'true')
  await job.is('Running')
  await endsWithoutTrace(stage, job)
}

async function deletedWaiting(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  const job = await tenant.orders('deleted', { pod: envFromKey })
  await job.says('Admitted=False/SourceMissing')
  await job.remove()
  await job.isGone()
  await tenant.keeps({ 'Secret key': keeping({ A: '1' }) })
  const next = await tenant.orders('next', { pod: envFromKey })
  await next.is('Running')
  expect(job.runs).toEqual([])
  await endsWithoutTrace(stage, next)
}

async function suspendedRefused(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  const job = await tenant.orders('suspended', { pod: envFromKey })
  await job.says('Admitted=False/SourceMissing')
  await job.change({ suspend: true })
  await job.is('Suspended')
  await job.change({ suspend: false })
  await job.says('Admitted=False/SourceMissing')
  await endsWithoutTrace(stage, job)
}

async function almostTooLarge(stage: Stage): Promise<void> {
  const tenant = await newTenant(stage)
  const kept = { 'ConfigMap a': keeping({ f: text(449) }), 'ConfigMap b': keeping({ f: text(450) }) }
  await tenant.keeps(kept)
  const pod = volumeOf('a', 'b')
  const job = await tenant.orders('large', { pod })
  await job.is('Running')
  expectAsAtHome(await onProvider(acme(stage), job), { pod, kept })
  await endsWithoutTrace(stage, job)
}
