// Canonical model names and nominal memory, from the product strings that NVIDIA's GPU feature discovery puts on nodes.

export interface GpuIdentity {
  /** Canonical, such as `H100`, and `H100-MIG-1g.10gb` for a slice; an unknown product keeps its own name, letters, digits, dots and dashes only. */
  readonly model: string
  /** Nominal size of one GPU (a MIG slice where it is one); absent: unknown product that reported no size. */
  readonly memoryMiB?: number
  /** How one physical GPU is cut into several; absent: it is whole. */
  readonly cut?: 'Mig' | 'TimeSlicing'
}

interface Known {
  /** What the product is called, less the maker's and brand's prefix; what follows must be set off by a dash. */
  readonly product: string
  readonly model: string
  /** Nominal sizes in GiB, ascending; empty: sold in too many sizes, so the reported one counts. */
  readonly sizes: readonly number[]
}

/** Memory of the datasheets. A GH200-480GB has 96 GiB on the GPU: the 480 are the CPU's. */
const datasheets: readonly Known[] = [
  ...known('B300', []),
  ...known('GB300', []),
  ...known('B200', [180]),
  ...known('GB200', [186]),
  ...known('GH200', [96, 144]),
  ...known('GH200', [96], 'GH200-480GB'),
  ...known('GH200', [144], 'GH200-144G'),
  ...known('H200', [141]),
  ...known('H100', [64, 80, 94, 96]),
  ...known('H100', [80], 'H100-PCIe'),
  ...known('H100', [94], 'H100-NVL'),
  ...known('H800', [80]),
  ...known('H20', [96, 141]),
  ...known('A100', [40, 64, 80]),
  ...known('A800', [40, 80]),
  ...known('A40', [48]),
  ...known('A30', [24]),
  ...known('A16', [16]),
  ...known('A10G', [24]),
  ...known('A10', [24]),
  ...known('A2', [16]),
  ...known('L40S', [48]),
  ...known('L40', [48]),
  ...known('L20', [48]),
  ...known('L4', [24]),
  ...known('T4', [16]),
  ...known('T4G', [16]),
  ...known('V100', [16, 32]),
  ...known('V100', [32], 'V100S'),
  ...known('P100', [12, 16]),
  ...known('P40', [24]),
  ...known('P4', [8]),
  ...known('M60', [8]),
  ...known('M40', [12, 24]),
  ...known('K80', [12]),
  ...known('RTXPRO6000', [96], 'RTX-PRO-6000'),
  ...known('RTXPRO5000', [48, 72], 'RTX-PRO-5000'),
  ...known('RTXPRO4500', [32], 'RTX-PRO-4500'),
  ...known('RTXPRO4000', [24], 'RTX-PRO-4000'),
  ...known('RTX6000Ada', [48], 'RTX-6000-Ada'),
  ...known('RTX5000Ada', [32], 'RTX-5000-Ada'),
  ...known('RTX4500Ada', [24], 'RTX-4500-Ada'),
  ...known('RTX4000Ada', [20], 'RTX-4000-Ada'),
  ...known('RTX4000SFFAda', [20], 'RTX-4000-SFF-Ada'),
  ...known('RTX2000Ada', [16], 'RTX-2000-Ada'),
  ...known('RTXA6000', [48], 'RTX-A6000'),
  ...known('RTXA5500', [24], 'RTX-A5500'),
  ...known('RTXA5000', [24], 'RTX-A5000'),
  ...known('RTXA4500', [20], 'RTX-A4500'),
  ...known('RTXA4000', [16], 'RTX-A4000'),
  ...known('RTXA2000', [6, 12], 'RTX-A2000'),
  ...known('RTX8000', [48], 'RTX-8000'),
  ...known('RTX6000', [24], 'RTX-6000'),
  ...known('RTX5000', [16], 'RTX-5000'),
  ...known('RTX4000', [8], 'RTX-4000'),
  ...known('TITANRTX', [24], 'TITAN-RTX'),
  ...known('TITANV', [12], 'TITAN-V'),
  ...known('TITANXp', [12], 'TITAN-Xp'),
  ...geForce('RTX-5090', [32]),
  ...geForce('RTX-5090-D', [32]),
  ...geForce('RTX-5080', [16]),
  ...geForce('RTX-5070', [12]),
  ...geForce('RTX-5070-Ti', [16]),
  ...geForce('RTX-5060', [8]),
  ...geForce('RTX-5060-Ti', [8, 16]),
  ...geForce('RTX-4090', [24]),
  ...geForce('RTX-4090-D', [24]),
  ...geForce('RTX-4080', [16]),
  ...geForce('RTX-4080-SUPER', [16]),
  ...geForce('RTX-4070', [12]),
  ...geForce('RTX-4070-Ti', [12]),
  ...geForce('RTX-4070-SUPER', [12]),
  ...geForce('RTX-4070-Ti-SUPER', [16]),
  ...geForce('RTX-4060', [8]),
  ...geForce('RTX-4060-Ti', [8, 16]),
  ...geForce('RTX-3090', [24]),
  ...geForce('RTX-3090-Ti', [24]),
  ...geForce('RTX-3080', [10, 12]),
  ...geForce('RTX-3080-Ti', [12]),
  ...geForce('RTX-3070', [8]),
  ...geForce('RTX-3070-Ti', [8]),
  ...geForce('RTX-3060', [8, 12]),
  ...geForce('RTX-3060-Ti', [8]),
  ...geForce('RTX-2080', [8]),
  ...geForce('RTX-2080-Ti', [11]),
  ...geForce('RTX-2080-SUPER', [8]),
  ...geForce('RTX-2070', [8]),
  ...geForce('RTX-2070-SUPER', [8]),
  ...geForce('RTX-2060', [6, 12]),
  ...geForce('RTX-2060-SUPER', [8]),
  ...geForce('GTX-1660', [6]),
  ...geForce('GTX-1660-Ti', [6]),
  ...geForce('GTX-1660-SUPER', [6]),
  ...geForce('GTX-1080', [8]),
  ...geForce('GTX-1080-Ti', [11]),
  ...geForce('GTX-1070', [8]),
  ...geForce('GTX-1070-Ti', [8]),
  ...geForce('GTX-1060', [3, 6]),
  ...geForce('GTX-1050-Ti', [4]),
]

function known(model: string, sizes: readonly number[], product: string = model): readonly Known[] {
  return [{ product, model, sizes }]
}

/** GeForce names become the model by leaving out the dashes. Laptop chips of the same number are other, smaller GPUs. */
function geForce(product: string, sizes: readonly number[]): readonly Known[] {
  const model = product.replaceAll('-', '').replace('SUPER', 'Super')
  return [
    { product, model, sizes },
    { product: `${product}-Laptop-GPU`, model: `${model}Laptop`, sizes: [] },
  ]
}

/** Longest first, so that `H100-NVL` is found before `H100`. */
const longestFirst = datasheets.toSorted((a, b) => b.product.length - a.product.length)

const brands = /^(?:NVIDIA-|Tesla-|Quadro-|GeForce-)*/i
const cuts = /(?<slice>-MIG-\d+g\.(?<sliceGiB>\d+)gb[A-Za-z0-9.+]*)?(?<shared>-SHARED)?$/

/** @param reportedMiB what feature discovery measured; less than the nominal size. */
export function identifyGpu(product: string, reportedMiB?: number): GpuIdentity {
  const { slice = '', sliceGiB, shared } = cuts.exec(product)?.groups ?? {}
  const whole = product.replace(cuts, '')
  const name = whole.replace(brands, '')
  const found = longestFirst.find((each) => startsWithWord(name, each.product))

  const GiB = sliceGiB === undefined ? nominalGiB(found, { name, reportedMiB }) : Number(sliceGiB)
  const memoryMiB = GiB === undefined ? unlistedMiB(reportedMiB) : GiB * 1024
  return {
    model: labelSafe(`${found?.model ?? labelSafe(whole)}${slice}`),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(sliceGiB === undefined ? shared && { cut: 'TimeSlicing' } : { cut: 'Mig' }),
  }
}

/** The size that the product's name gives, else the smallest that holds what was reported, else the smallest. */
function nominalGiB(
  found: Known | undefined,
  { name, reportedMiB = 0 }: { readonly name: string; readonly reportedMiB: number | undefined },
): number | undefined {
  const named = /-(\d+)GB(?:-|$)/i.exec(name.slice(found?.product.length))?.[1]
  const sizes = found?.sizes ?? []
  return (
    sizes.find((size) => size === Number(named)) ?? sizes.find((size) => size * 1024 >= reportedMiB) ?? sizes.at(-1)
  )
}

/** GPUs report a little less than they are sold as: the next GiB, plus 2 %, makes up for it. */
function unlistedMiB(reportedMiB: number | undefined): number | undefined {
  return reportedMiB === undefined ? undefined : Math.ceil(Math.ceil(reportedMiB / 1024) * 1024 * 1.02)
}

function startsWithWord(text: string, word: string): boolean {
  const start = text.slice(0, word.length + 1).toLowerCase()
  return start === word.toLowerCase() || start === `${word.toLowerCase()}-`
}

function labelSafe(text: string): string {
  const safe = text.replaceAll(/[^A-Za-z0-9.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  return safe.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '') || 'unknown'
}
