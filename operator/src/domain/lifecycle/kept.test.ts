import { describe, expect, test } from '@jest/globals'
import { gpuJob } from '../../../../test/builders/gpujob.ts'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import type { GpuJob } from '../../api/gpujob.ts'
import { keptJob, keptRun } from './kept.ts'

function job(meta: Partial<GpuJob['metadata']>, cpu: string): GpuJob {
  const main = { name: 'main', image: 'train', resources: { requests: { cpu } } }
  const { metadata, ...rest } = gpuJob({ spec: { template: { spec: { containers: [main] } } } })
  return { ...rest, metadata: { ...metadata, ...meta } }
}

const before = keptJob(job({ uid: 'a', generation: 1 }, '4'))

describe('what is kept of a job, beside what was kept of it before', () => {
  const cases = [
    { name: 'of the same spec nothing is found again', meta: { uid: 'a', generation: 1 }, cpuMilli: 4000, same: true },
    { name: 'a changed spec is read', meta: { uid: 'a', generation: 2 }, cpuMilli: 8000, same: false },
    { name: 'another job of that name is read', meta: { uid: 'b', generation: 1 }, cpuMilli: 8000, same: false },
  ]
  test.each(cases)('$name', ({ meta, cpuMilli, same }) => {
    const after = keptJob(job({ ...meta, resourceVersion: '2' }, same ? '4' : '8'), before)
    expect(after.needs.perWorker.cpuMilli).toBe(cpuMilli)
    expect(after.spec === before.spec).toBe(same)
    expect(after.metadata.resourceVersion).toBe('2')
  })

  test('an object whose generation is not told is read', () => {
    const untold = (cpu: string): GpuJob => {
      const { metadata, ...rest } = job({ uid: 'a' }, cpu)
      const { generation: _, ...meta } = metadata
      return { ...rest, metadata: meta }
    }
    expect(keptJob(untold('8'), keptJob(untold('4'))).needs.perWorker.cpuMilli).toBe(8000)
  })

  test('no template is kept, of a job or of a run', () => {
    expect(before.spec).not.toHaveProperty('template')
    expect(keptRun(gpuRun({})).spec).not.toHaveProperty('template')
  })
})
