import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { identifyGpu } from './gpu-models.ts'

function says(product: string, reportedMiB?: number): string {
  const { model, memoryMiB, cut } = identifyGpu(product, reportedMiB)
  return [model, memoryMiB === undefined ? '?' : memoryMiB / 1024, cut].filter(Boolean).join(' ')
}

describe('a product of GPU feature discovery', () => {
  test.each([
    ['NVIDIA-H100-80GB-HBM3', 'H100 80'],
    ['NVIDIA-H100-PCIe', 'H100 80'],
    ['NVIDIA-H100-NVL', 'H100 94'],
    ['NVIDIA-H200', 'H200 141'],
    ['NVIDIA-H200-NVL', 'H200 141'],
    ['NVIDIA-GH200-480GB', 'GH200 96'],
    ['NVIDIA-GH200-144G-HBM3e', 'GH200 144'],
    ['NVIDIA-B200', 'B200 180'],
    ['NVIDIA-GB200', 'GB200 186'],
    ['NVIDIA-A100-SXM4-40GB', 'A100 40'],
    ['NVIDIA-A100-SXM4-80GB', 'A100 80'],
    ['NVIDIA-A100-80GB-PCIe', 'A100 80'],
    ['NVIDIA-A100-PCIE-40GB', 'A100 40'],
    ['A100-SXM4-40GB', 'A100 40'],
    ['NVIDIA-A10', 'A10 24'],
    ['NVIDIA-A10G', 'A10G 24'],
    ['NVIDIA-A16', 'A16 16'],
    ['NVIDIA-A2', 'A2 16'],
    ['NVIDIA-A30', 'A30 24'],
    ['NVIDIA-A40', 'A40 48'],
    ['NVIDIA-L4', 'L4 24'],
    ['NVIDIA-L40', 'L40 48'],
    ['NVIDIA-L40S', 'L40S 48'],
    ['Tesla-T4', 'T4 16'],
    ['NVIDIA-T4', 'T4 16'],
    ['NVIDIA-Tesla-T4', 'T4 16'],
    ['Tesla-V100-SXM2-16GB', 'V100 16'],
    ['Tesla-V100-SXM2-32GB', 'V100 32'],
    ['Tesla-V100S-PCIE-32GB', 'V100 32'],
    ['Tesla-P100-PCIE-16GB', 'P100 16'],
    ['Tesla-P100-PCIE-12GB', 'P100 12'],
    ['Tesla-P40', 'P40 24'],
    ['Tesla-P4', 'P4 8'],
    ['Tesla-K80', 'K80 12'],
    ['NVIDIA-RTX-A6000', 'RTXA6000 48'],
    ['NVIDIA-RTX-6000-Ada-Generation', 'RTX6000Ada 48'],
    ['Quadro-RTX-6000', 'RTX6000 24'],
    ['NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition', 'RTXPRO6000 96'],
    ['NVIDIA-GeForce-RTX-5090', 'RTX5090 32'],
    ['NVIDIA-GeForce-RTX-4090', 'RTX4090 24'],
    ['NVIDIA-GeForce-RTX-4090-D', 'RTX4090D 24'],
    ['NVIDIA-GeForce-RTX-4080', 'RTX4080 16'],
    ['NVIDIA-GeForce-RTX-4080-SUPER', 'RTX4080Super 16'],
    ['NVIDIA-GeForce-RTX-3090', 'RTX3090 24'],
    ['NVIDIA-GeForce-RTX-3090-Ti', 'RTX3090Ti 24'],
    ['NVIDIA-GeForce-RTX-3080', 'RTX3080 10'],
    ['NVIDIA-GeForce-RTX-2080-Ti', 'RTX2080Ti 11'],
    ['NVIDIA-GeForce-GTX-1080-Ti', 'GTX1080Ti 11'],
    ['GeForce-GTX-1080-Ti', 'GTX1080Ti 11'],
  ])('%s is %s', (product, meaning) => {
    expect(says(product)).toBe(meaning)
  })

  test.each([
    { name: 'a size that the name leaves open', product: 'NVIDIA-GeForce-RTX-3080', reports: 12_288, is: 'RTX3080' },
    { name: 'a card that reports less than its name', product: 'NVIDIA-H100-80GB-HBM3', reports: 81_559, is: 'H100' },
    { name: 'a laptop chip', product: 'NVIDIA-GeForce-RTX-4090-Laptop-GPU', reports: 16_376, is: 'RTX4090Laptop' },
    { name: 'a model without a datasheet', product: 'NVIDIA-B300-SXM6-AC', reports: 275_040, is: 'B300' },
    { name: 'an unknown product', product: 'NVIDIA-X9000', reports: 10_000, is: 'NVIDIA-X9000' },
    { name: 'a model that only begins like a known one', product: 'NVIDIA-A1000', reports: 8188, is: 'NVIDIA-A1000' },
    { name: 'another maker', product: 'AMD_Instinct/MI300X', reports: 196_592, is: 'AMD-Instinct-MI300X' },
  ])('$name: $product of $reports MiB is $is, and no smaller', ({ product, reports, is }) => {
    const { model, memoryMiB = 0 } = identifyGpu(product, reports)
    expect(model).toBe(is)
    expect(memoryMiB).toBeGreaterThanOrEqual(reports)
    expect(memoryMiB).toBeLessThan(reports * 1.02 + 1100)
  })

  test('an unlisted size is the next GiB, plus 2 %', () => {
    expect(identifyGpu('NVIDIA-X9000', 10_000).memoryMiB).toBe(Math.ceil(10 * 1024 * 1.02))
    expect(identifyGpu('NVIDIA-X9000')).toEqual({ model: 'NVIDIA-X9000' })
    expect(identifyGpu('')).toEqual({ model: 'unknown' })
  })

  test('no card is believed to be larger than the largest of its model', () => {
    expect(says('NVIDIA-H200', 999_999)).toBe('H200 141')
  })

  test.each([
    ['NVIDIA-A100-SXM4-40GB-SHARED', 'A100 40 TimeSlicing'],
    ['NVIDIA-A100-SXM4-80GB-MIG-1g.10gb', 'A100-MIG-1g.10gb 10 Mig'],
    ['NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me', 'H100-MIG-1g.10gb.me 10 Mig'],
    ['NVIDIA-H100-80GB-HBM3-MIG-3g.40gb-SHARED', 'H100-MIG-3g.40gb 40 Mig'],
    ['NVIDIA-X9000-SHARED', 'NVIDIA-X9000 ? TimeSlicing'],
  ])('%s is cut: %s', (product, meaning) => {
    expect(says(product)).toBe(meaning)
  })

  test('the model is a canonical name, whatever the product', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (product) => {
        expect(identifyGpu(product).model).toMatch(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/)
      }),
    )
  })
})
