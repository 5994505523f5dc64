import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'
import { noRules } from '../../api/owner-rules.ts'
import type { PodTemplate } from '../../api/template.ts'
import { runId } from '../lifecycle/gpurun.ts'
import { jobManifest, serviceManifest } from './job-manifest.ts'

const context = {
  namespace: 'gpc-012345-team',
  hubUid: 'hub-uid',
  provider: 'acme',
  rules: noRules,
  gpuResource: 'nvidia.com/gpu',
}
const image = { name: 'main', image: 'i' }

function manifest(spec: Partial<GpuRunSpec> = {}) {
  return jobManifest(gpuRun({ run: 3, spec }), context)
}

const { name } = gpuRun({ run: 3 }).metadata
const id = runId(gpuRun({ run: 3 }))
const ours = {
  'gpucommons.io/hub-uid': 'hub-uid',
  'gpucommons.io/run': id,
  'gpucommons.io/run-number': '3',
  'gpucommons.io/job-uid': gpuJob().metadata.uid,
  'gpucommons.io/job': 'train',
  'gpucommons.io/job-namespace': 'team',
}

describe('the Job of a run', () => {
  test('has exactly this shape', () => {
    const { template, ...spec } = manifest({
      workers: 4,
      ttlSecondsAfterFinished: 60,
      maxRuntimeSeconds: 600,
      bindTimeoutSeconds: 30,
    }).spec
    expect(spec).toEqual({
      completionMode: 'Indexed',
      parallelism: 4,
      completions: 4,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
        ],
      },
      activeDeadlineSeconds: 600 + 30 + 3600,
      ttlSecondsAfterFinished: 86_400,
    })
    expect(template.spec).toMatchObject({ restartPolicy: 'Never' })
  })

  test('stays as long as the job wants, and never so short that its agent could miss how it ended', () => {
    expect(manifest({ ttlSecondsAfterFinished: 0 }).spec.ttlSecondsAfterFinished).toBe(86_400)
    expect(manifest({ ttlSecondsAfterFinished: 604_800 }).spec.ttlSecondsAfterFinished).toBe(604_800)
  })

  test('has no deadline where the job has none', () => {
    expect(manifest().spec).not.toHaveProperty('activeDeadlineSeconds')
  })

  test('has the name of its run, in the namespace of its tenant, and carries whose it is', () => {
    expect(manifest().metadata).toEqual({ name, namespace: 'gpc-012345-team', labels: ours })
  })

  test('its pods carry the same', () => {
    expect(manifest().spec.template.metadata.labels).toEqual(ours)
  })
})

describe('labels of the template', () => {
  const labelled = (labels: Record<string, string>) =>
    manifest({ template: { metadata: { labels }, spec: { containers: [image] } } }).spec.template.metadata.labels

  test('travel under a prefix', () => {
    expect(labelled({ app: 'train' })).toEqual({ ...ours, 'tenant.gpucommons.io/app': 'train' })
  })

  test.each(['gpucommons.io/run', 'tenant.gpucommons.io/app', 'pod-security.kubernetes.io/enforce'])(
    '%s belongs to a domain and stays at home',
    (key) => {
      expect(labelled({ [key]: 'x' })).toEqual(ours)
    },
  )

  test('annotations stay at home', () => {
    const template: object = { metadata: { annotations: { a: 'b' } }, spec: { containers: [image] } }
    expect(Object.keys(manifest({ template: template as PodTemplate }).spec.template.metadata)).toEqual(['labels'])
  })
})

describe('the Service of a gang', () => {
  const run = gpuRun({ run: 3, spec: { workers: 4 } })

  test('is headless, finds pods that are not ready, and leaves with the Job', () => {
    expect(serviceManifest(run, 'job-uid', context)).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace: 'gpc-012345-team',
        labels: ours,
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: 'job-uid' }],
      },
      spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { 'gpucommons.io/run': id } },
    })
  })

  test('has a name that a Service may have, also of the longest job and a run in the thousands', () => {
    const job = gpuJob({ name: 'j'.repeat(40) })
    const { name: longest } = serviceManifest(gpuRun({ job, run: 9999 }), 'u', context).metadata
    expect(longest).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/)
    // The pods of an Indexed Job are called `<name>-<index>`, and that is a label.
    expect(`${longest}-1023`.length).toBeLessThanOrEqual(63)
  })
})
