import { describe, expect, test } from '@jest/globals'
import { type PodResources, podRequests } from './pod-requests.ts'

function container(requests: Record<string, string | number>) {
  return { resources: { requests } }
}

function says(pod: Partial<PodResources>): string {
  const { cpuMilli, memoryMiB, storageMiB, gpus } = podRequests({ containers: [], ...pod })
  return `${cpuMilli}m ${memoryMiB}Mi ${gpus}${storageMiB === 0 ? '' : ` disk ${storageMiB}Mi`}`
}

describe('what a pod asks for', () => {
  const cases: { name: string; pod: Partial<PodResources>; says: string }[] = [
    { name: 'nothing where it says nothing', pod: { containers: [{}] }, says: '0m 0Mi 0' },
    {
      name: 'the sum of its containers',
      pod: { containers: [container({ cpu: '500m', memory: '1Gi', 'nvidia.com/gpu': 2 }), container({ cpu: 1 })] },
      says: '1500m 1024Mi 2',
    },
    {
      name: 'its limits where there is no request',
      pod: { containers: [{ resources: { limits: { cpu: 4, 'nvidia.com/gpu': '8' }, requests: { cpu: 2 } } }] },
      says: '2000m 0Mi 8',
    },
    {
      name: 'its largest init container where that is more',
      pod: {
        initContainers: [container({ cpu: 3 }), container({ memory: '2Gi' })],
        containers: [container({ cpu: 1, memory: '1Gi' })],
      },
      says: '3000m 2048Mi 0',
    },
    {
      name: 'its sidecars beside its containers',
      pod: {
        initContainers: [{ ...container({ cpu: 1 }), restartPolicy: 'Always' }],
        containers: [container({ cpu: 2 })],
      },
      says: '3000m 0Mi 0',
    },
    {
      name: 'an init container beside the sidecars before it, not those after it',
      pod: {
        initContainers: [
          { ...container({ cpu: 1 }), restartPolicy: 'Always' },
          container({ cpu: 4 }),
          { ...container({ cpu: 2 }), restartPolicy: 'Always' },
        ],
        containers: [container({ cpu: 1 })],
      },
      says: '5000m 0Mi 0',
    },
    {
      name: 'what the pod itself says, in place of the sum of its containers',
      pod: {
        resources: { requests: { cpu: 8 } },
        containers: [container({ cpu: 1, memory: '1Gi', 'nvidia.com/gpu': 1 })],
      },
      says: '8000m 1024Mi 1',
    },
    {
      name: 'its disk by the same rules: the larger of init containers and containers, on sidecars that run beside',
      pod: {
        initContainers: [
          { ...container({ 'ephemeral-storage': '1Gi' }), restartPolicy: 'Always' },
          container({ 'ephemeral-storage': '7Gi' }),
        ],
        containers: [
          container({ 'ephemeral-storage': '2Gi' }),
          { resources: { limits: { 'ephemeral-storage': '4Gi' } } },
        ],
      },
      says: '0m 0Mi 0 disk 8192Mi',
    },
    {
      name: 'the disk of its containers, whatever CPU the pod itself says',
      pod: { resources: { requests: { cpu: 8 } }, containers: [container({ cpu: 1, 'ephemeral-storage': '1Gi' })] },
      says: '8000m 0Mi 0 disk 1024Mi',
    },
    {
      name: 'its overhead on top',
      pod: { overhead: { cpu: '250m', memory: '120Mi' }, containers: [container({ cpu: 1 })] },
      says: '1250m 120Mi 0',
    },
  ]
  test.each(cases)('$name', (row) => {
    expect(says(row.pod)).toBe(row.says)
  })

  test('a quantity that is none is an error that names it', () => {
    expect(() => says({ containers: [container({ cpu: 'much' })] })).toThrow('"much"')
  })
})
