import { expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { withoutBallast } from './projection.ts'

test('an object is kept without what nobody reads', () => {
  const job = gpuJob({
    metadata: { labels: { a: 'b' }, deletionTimestamp: '2026-01-01T00:00:00Z' },
    status: { lastRun: 1 },
  })
  const ballast = {
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    managedFields: [{ manager: 'kubectl' }],
    ownerReferences: [],
  }
  const whole = { ...job, metadata: { ...job.metadata, ...ballast }, extra: true }
  expect(withoutBallast(whole)).toEqual({ ...job, metadata: { ...job.metadata, isCut: true } })
})

test('it says where something of it was left out that somebody wrote', () => {
  const meta = gpuJob().metadata
  const cut = [{ finalizers: ['a/b'] }, { annotations: { a: 'b' } }, { annotations: {} }, { managedFields: [{}] }].map(
    (more) => withoutBallast({ ...gpuJob(), metadata: { ...meta, ...more } }).metadata.isCut,
  )
  expect(cut).toEqual([true, true, undefined, undefined])
})

test('what is absent stays absent', () => {
  const { generation: _, ...metadata } = gpuJob().metadata
  const kept = withoutBallast({ ...gpuJob(), metadata })
  expect([Object.keys(kept), Object.keys(kept.metadata)]).toEqual([
    ['apiVersion', 'kind', 'metadata', 'spec'],
    ['name', 'uid', 'resourceVersion', 'creationTimestamp', 'namespace'],
  ])
})
