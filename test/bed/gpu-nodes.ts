/** GPU nodes as NVIDIA's device plugin and GPU feature discovery make them. */

/** What kwok takes for one of its own. */
export const kwokLabel = { key: 'type', value: 'kwok' } as const

export type Card = 'H200' | 'H100' | 'A100-80GB' | 'A100-40GB' | 'L40S' | 'RTX4090' | 'T4'

export interface GpuNodeOptions {
  readonly name: string
  readonly card: Card
  /** Physical cards. */
  readonly gpus: number
  readonly region?: string
  readonly zone?: string
  readonly rack?: string
  /** Cards that are broken: still in the capacity, not to be had. */
  readonly unhealthy?: number
  /** `nvidia.com/gpu=present:NoSchedule`, which keeps pods without GPUs away. */
  readonly tainted?: boolean
  readonly sharing?: Sharing
  /** Quantities; the default is that of a machine with so many cards. */
  readonly cpu?: string
  readonly memory?: string
  readonly labels?: Readonly<Record<string, string>>
}

/** How more than one pod gets a piece of one card. Absent: they do not. */
export type Sharing =
  | {
      readonly by: 'TimeSlicing'
      readonly replicas: number
      /** With renameByDefault; absent: nvidia.com/gpu. */
      readonly resource?: 'nvidia.com/gpu.shared'
    }
  /** All cards are cut alike, and each piece calls itself nvidia.com/gpu. */
  | { readonly by: 'MigSingle'; readonly profile: string; readonly perCard: number }
  /** Pieces have resources of their own. */
  | { readonly by: 'MigMixed'; readonly slices: readonly { readonly profile: string; readonly count: number }[] }

interface CardFacts {
  readonly product: string
  readonly memoryMiB: number
  readonly family: string
  readonly compute: readonly [major: number, minor: number]
  readonly mig: 'Capable' | 'Not'
}

const cards: Readonly<Record<Card, CardFacts>> = {
  H200: { product: 'NVIDIA-H200', memoryMiB: 143_771, family: 'hopper', compute: [9, 0], mig: 'Capable' },
  H100: { product: 'NVIDIA-H100-80GB-HBM3', memoryMiB: 81_559, family: 'hopper', compute: [9, 0], mig: 'Capable' },
  'A100-80GB': {
    product: 'NVIDIA-A100-SXM4-80GB',
    memoryMiB: 81_920,
    family: 'ampere',
    compute: [8, 0],
    mig: 'Capable',
  },
  'A100-40GB': {
    product: 'NVIDIA-A100-SXM4-40GB',
    memoryMiB: 40_960,
    family: 'ampere',
    compute: [8, 0],
    mig: 'Capable',
  },
  L40S: { product: 'NVIDIA-L40S', memoryMiB: 46_068, family: 'ada-lovelace', compute: [8, 9], mig: 'Not' },
  RTX4090: {
    product: 'NVIDIA-GeForce-RTX-4090',
    memoryMiB: 24_564,
    family: 'ada-lovelace',
    compute: [8, 9],
    mig: 'Not',
  },
  T4: { product: 'Tesla-T4', memoryMiB: 15_360, family: 'turing', compute: [7, 5], mig: 'Not' },
}

export interface NodeManifest {
  readonly apiVersion: 'v1'
  readonly kind: 'Node'
  readonly metadata: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: { readonly taints?: readonly { key: string; value: string; effect: string }[] }
  readonly status: {
    readonly capacity: Readonly<Record<string, string>>
    readonly allocatable: Readonly<Record<string, string>>
  }
}

export function gpuNode(options: GpuNodeOptions): NodeManifest {
  const { name, gpus, unhealthy = 0, sharing } = options
  const machine = {
    cpu: options.cpu ?? String(Math.max(8, 24 * gpus)),
    memory: options.memory ?? `${Math.max(32, 240 * gpus)}Gi`,
    'ephemeral-storage': '2Ti',
    pods: '110',
  }
  const taints = [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { ...placeLabels(options), ...discovered(options), ...options.labels },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    spec: options.tainted ? { taints } : {},
    status: {
      capacity: { ...machine, ...devices(gpus, sharing) },
      allocatable: { ...machine, ...devices(gpus - unhealthy, sharing) },
    },
  }
}

function placeLabels({ name, region, zone, rack }: GpuNodeOptions): Record<string, string> {
  return {
    [kwokLabel.key]: kwokLabel.value,
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    ...(region === undefined ? {} : { 'topology.kubernetes.io/region': region }),
    ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
    ...(rack === undefined ? {} : { 'topology.kubernetes.io/rack': rack }),
  }
}

/** What the device plugin offers for so many working cards. */
function devices(cardCount: number, sharing: Sharing | undefined): Record<string, string> {
  switch (sharing?.by) {
    case undefined:
      return { 'nvidia.com/gpu': String(cardCount) }
    case 'TimeSlicing':
      return { [sharing.resource ?? 'nvidia.com/gpu']: String(cardCount * sharing.replicas) }
    case 'MigSingle':
      return { 'nvidia.com/gpu': String(cardCount * sharing.perCard) }
    case 'MigMixed':
      return Object.fromEntries(
        sharing.slices.map(({ profile, count }) => [`nvidia.com/mig-${profile}`, String(count)]),
      )
  }
}

/** The labels of GPU feature discovery. */
function discovered({ card, gpus, sharing }: GpuNodeOptions): Record<string, string> {
  const { product, memoryMiB, family, compute, mig } = cards[card]
  return {
    'nvidia.com/gpu.present': 'true',
    'nvidia.com/gpu.product': product,
    'nvidia.com/gpu.memory': String(memoryMiB),
    'nvidia.com/gpu.count': String(gpus),
    'nvidia.com/gpu.replicas': '1',
    'nvidia.com/gpu.sharing-strategy': 'none',
    'nvidia.com/gpu.family': family,
    'nvidia.com/gpu.compute.major': String(compute[0]),
    'nvidia.com/gpu.compute.minor': String(compute[1]),
    'nvidia.com/gpu.machine': 'kwok',
    'nvidia.com/cuda.driver.major': '570',
    'nvidia.com/cuda.driver.minor': '124',
    'nvidia.com/cuda.driver.rev': '06',
    'nvidia.com/cuda.driver-version.full': '570.124.06',
    'nvidia.com/cuda.driver-version.major': '570',
    'nvidia.com/cuda.driver-version.minor': '124',
    'nvidia.com/cuda.driver-version.revision': '06',
    'nvidia.com/cuda.runtime.major': '12',
    'nvidia.com/cuda.runtime.minor': '8',
    'nvidia.com/mig.capable': String(mig === 'Capable'),
    ...(mig === 'Capable' ? { 'nvidia.com/mig.strategy': migStrategy(sharing) } : {}),
    ...sharingLabels(product, gpus, sharing),
  }
}

function migStrategy(sharing: Sharing | undefined): string {
  return sharing?.by === 'MigMixed' ? 'mixed' : 'single'
}

function sharingLabels(product: string, gpus: number, sharing: Sharing | undefined): Record<string, string> {
  switch (sharing?.by) {
    case undefined:
      return {}
    case 'TimeSlicing':
      return {
        'nvidia.com/gpu.product': sharing.resource ? product : `${product}-SHARED`,
        'nvidia.com/gpu.replicas': String(sharing.replicas),
        'nvidia.com/gpu.sharing-strategy': 'time-slicing',
      }
    case 'MigSingle':
      return {
        'nvidia.com/gpu.product': `${product}-MIG-${sharing.profile}`,
        'nvidia.com/gpu.count': String(gpus * sharing.perCard),
        'nvidia.com/gpu.memory': String(profileMemoryMiB(sharing.profile)),
      }
    case 'MigMixed':
      return Object.fromEntries(
        sharing.slices.flatMap(({ profile, count }) => [
          [`nvidia.com/mig-${profile}.count`, String(count)],
          [`nvidia.com/mig-${profile}.product`, `${product}-MIG-${profile}`],
          [`nvidia.com/mig-${profile}.memory`, String(profileMemoryMiB(profile))],
          [`nvidia.com/mig-${profile}.replicas`, '1'],
        ]),
      )
  }
}

/** `1g.10gb` has a little less than its name says: what is held back for the card itself. */
function profileMemoryMiB(profile: string): number {
  return Math.round(Number(/\.(\d+)gb/.exec(profile)?.[1] ?? 0) * 1024 * 0.95)
}

/** So many nodes as a provider with mixed machines has them, named `<prefix>-0` and so on; the first ones are the biggest. */
export function mixedNodes(
  count: number,
  { prefix, region }: { readonly prefix: string; readonly region: string },
): NodeManifest[] {
  return Array.from({ length: count }, (_, index) => {
    const kind = mix[index % mix.length] ?? mix[0]
    const place = { region, zone: `${region}-${(index % 2) + 1}`, rack: `rack-${Math.floor(index / 4) + 1}` }
    return gpuNode({ ...kind, ...place, name: `${prefix}-${index}` })
  })
}

/** Eight of them take all of `crds/examples/`: the gang of 4 × 8, and the even one over two nodes of four. */
const mix: readonly [Omit<GpuNodeOptions, 'name'>, ...Omit<GpuNodeOptions, 'name'>[]] = [
  { card: 'H100', gpus: 8 },
  { card: 'H100', gpus: 8 },
  { card: 'H100', gpus: 8 },
  { card: 'H100', gpus: 8 },
  { card: 'L40S', gpus: 4 },
  { card: 'L40S', gpus: 4 },
  { card: 'A100-80GB', gpus: 8, tainted: true },
  { card: 'RTX4090', gpus: 2 },
  { card: 'T4', gpus: 1 },
]
