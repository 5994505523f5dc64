// The walls around a tenant's namespace on a provider: whom its pods reach, how many there may be, how much disk each may fill.
// Why they are like this: operator/decisions/0025.
import { bytes } from '../../api/quantity.ts'

/** What walls must know of the cluster in which they stand. */
export interface Surroundings {
  /** Of the pods of this cluster, as far as that is known: addresses. */
  readonly nameservers: readonly string[]
  /** Of this cluster: addresses, as pods have them and as they are behind that. */
  readonly apiServers: readonly string[]
  /** What its owner closes beyond what is closed to everybody: CIDRs. */
  readonly closedRanges: readonly string[]
}

interface WallManifest<Kind extends string> {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly spec: object
}

export interface TenantWalls {
  readonly networkPolicy: WallManifest<'NetworkPolicy'>
  readonly resourceQuota: WallManifest<'ResourceQuota'>
  readonly limitRange: WallManifest<'LimitRange'>
}

/** Of all three. */
export const wallsName = 'gpu-commons-tenant'

interface Place {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

export function tenantWalls(place: Place, surroundings: Surroundings): TenantWalls {
  const metadata = { name: wallsName, ...place }
  return {
    networkPolicy: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [ownPods] }],
        egress: [{ to: [ownPods] }, dns(surroundings), ...internet(surroundings)],
      },
    },
    resourceQuota: { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard: mostOfAll } },
    limitRange: { apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits: [diskOfContainer] } },
  }
}

/** Every pod of the namespace: gangs talk to each other on ports that nobody can foretell. */
const ownPods = { podSelector: {} }

/** By address, and by what nearly every cluster calls these pods: some networks look where a Service's address has led to. */
function dns({ nameservers }: Surroundings): object {
  const servers = nameservers.map((address) => ({ ipBlock: { cidr: hostRange(address) } }))
  const pods = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
  }
  const ports = ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 }))
  return { to: [...servers, pods], ports }
}

/** Not of the internet, by the registries of IANA for special purposes: private, of the machine, of the link, of no one host. */
const closedV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10', // Also 100.100.100.200, the metadata service of one cloud.
  '127.0.0.0/8',
  '169.254.0.0/16', // Also 169.254.169.254, that of most.
  '172.16.0.0/12',
  '192.0.0.0/24', // Also 192.0.0.192, that of a third.
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32', // The one of a fourth that lies in the midst of the internet.
]

/** What leads to addresses of IPv4; it is opened once more, for those that are open. */
const translated = '64:ff9b::/96'

const closedV6 = [
  '::1/128',
  translated,
  '64:ff9b:1::/48', // Translated too, where the network's owner likes.
  '2001::/32', // Teredo and 6to4, which have addresses of IPv4 in them.
  '2002::/16',
  'fc00::/7', // Also the metadata services that clouds have here.
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

const everything = { v4: '0.0.0.0/0', v6: '::/0' } as const

function internet({ apiServers, closedRanges }: Surroundings): object[] {
  // An exception must be smaller than what it is of, however all of it is written.
  const whole = (range: string) => (isV6(range) ? everything.v6 : everything.v4)
  const asWritten = closedRanges.map((range) => (/[/]0+$/.test(range) ? whole(range) : range))
  const closed = [...apiServers.map(hostRange), ...asWritten]
  const own = { v4: closed.filter((range) => !isV6(range)), v6: closed.filter(isV6) }
  const v4 = [...new Set([...closedV4, ...own.v4])]
  const v6 = [...new Set([...closedV6, ...own.v6])]
  const isOpenV4 = !v4.includes(everything.v4)
  const open = [
    ...(isOpenV4 ? [{ cidr: everything.v4, except: v4 }] : []),
    ...(v6.includes(everything.v6) ? [] : [{ cidr: everything.v6, except: v6 }]),
    ...(isOpenV4 && !v6.includes(everything.v6) ? [{ cidr: translated, except: v4.map(inTranslated) }] : []),
  ]
  // A rule without peers would let through everything.
  return open.length === 0 ? [] : [{ to: open.map((ipBlock) => ({ ipBlock })) }]
}

function isV6(range: string): boolean {
  return range.includes(':')
}

function hostRange(address: string): string {
  return isV6(address) ? `${address}/128` : `${address}/32`
}

/** `10.0.0.0/8` is `64:ff9b::a00:0/104` where a network translates (RFC 6052). */
function inTranslated(range: string): string {
  const [address = '', length = '32'] = range.split('/')
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const hex = (high: number, low: number) => (high * 256 + low).toString(16)
  return `64:ff9b::${hex(a, b)}:${hex(c, d)}/${96 + Number(length)}`
}

/**
 * So many that no honest tenant comes near: the hub orders no more workers than there are GPUs. Only what pods bring with
 * them is counted, for each thing that is counted costs its API server a write more when it is made.
 */
const mostOfAll = {
  pods: '10k',
  persistentvolumeclaims: '5k',
  'requests.storage': '100Ti',
  'services.loadbalancers': '0',
  'services.nodeports': '0',
}

const disk = 'ephemeral-storage'
/** What a container may fill of its node's disk that says nothing of it. */
const mostDisk = '100Gi'

/**
 * A limit and no request: a request would make the pod larger than the engine has booked it. CPU and memory have neither.
 * Who asks for none is the first to be pushed out by the kubelet and the kernel, and a limit of memory would only break it.
 */
const diskOfContainer = { type: 'Container', default: { [disk]: mostDisk }, defaultRequest: { [disk]: '0' } }

interface Resources {
  readonly requests?: Readonly<Record<string, string | number>> | undefined
  readonly limits?: Readonly<Record<string, string | number>> | undefined
}

/** Who asks for more disk than the default limit, and says no limit, has what it asks for: else the default would forbid its pods. */
export function withDiskLimit<R extends Resources>(resources: R): R | (R & { readonly limits: object }) {
  const { requests, limits } = resources
  const asked = requests?.[disk]
  if (asked === undefined || limits?.[disk] !== undefined || bytes(asked) <= bytes(mostDisk)) return resources
  return { ...resources, limits: { ...limits, [disk]: asked } }
}
