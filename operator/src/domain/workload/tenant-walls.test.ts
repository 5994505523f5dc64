import { BlockList, isIPv6 } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { type Surroundings, tenantWalls, withDiskLimit } from './tenant-walls.ts'

const place = { namespace: 'gpc-012345-team', labels: { 'gpucommons.io/hub-uid': 'hub' } }
const usual: Surroundings = { nameservers: ['10.96.0.10'], apiServers: ['10.96.0.1'], closedRanges: [] }

interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
  readonly podSelector?: object
  readonly namespaceSelector?: object
}

interface Rule {
  readonly to: readonly Peer[]
  readonly ports?: readonly { readonly protocol: string; readonly port: number }[]
}

interface PolicySpec {
  readonly podSelector: object
  readonly policyTypes: readonly string[]
  readonly ingress: readonly { readonly from: readonly Peer[] }[]
  readonly egress: readonly Rule[]
}

function policy(surroundings: Partial<Surroundings> = {}): PolicySpec {
  return tenantWalls(place, { ...usual, ...surroundings }).networkPolicy.spec as PolicySpec
}

/** As a network that enforces the policy reads it. */
function lets(address: string, port = 443, surroundings: Partial<Surroundings> = {}): boolean {
  return policy(surroundings).egress.some(
    ({ to, ports }) =>
      (!ports || ports.some((one) => one.port === port)) &&
      to.some(({ ipBlock }) => ipBlock && within(address, [ipBlock.cidr]) && !within(address, ipBlock.except ?? [])),
  )
}

function within(address: string, ranges: readonly string[]): boolean {
  const list = new BlockList()
  // To Node, an address of IPv4 lies in ::/0 too.
  for (const range of ranges.filter((one) => one.includes(':') === address.includes(':'))) {
    const [net = '', length = ''] = range.split('/')
    list.addSubnet(net, Number(length), isIPv6(net) ? 'ipv6' : 'ipv4')
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

describe("a tenant's pod", () => {
  test.each([
    ['the internet', '140.82.121.4', true],
    ['the internet by IPv6', '2606:50c0:8000::153', true],
    ['the internet by IPv6 that is translated', '64:ff9b::8c52:7904', true],
    ['the metadata service of most clouds', '169.254.169.254', false],
    ['the same, translated', '64:ff9b::a9fe:a9fe', false],
    ['the metadata service of Alibaba', '100.100.100.200', false],
    ['the metadata service of Azure', '168.63.129.16', false],
    ['the metadata service of Oracle', '192.0.0.192', false],
    ['the metadata service of AWS by IPv6', 'fd00:ec2::254', false],
    ['the metadata service of Google by IPv6', 'fd20:ce::254', false],
    ['a private network', '10.1.2.3', false],
    ['a private network, translated', '64:ff9b::a01:203', false],
    ['a private network of the middle size', '172.31.0.1', false],
    ['a network at home', '192.168.178.1', false],
    ['what lies beside a private network', '172.32.0.1', true],
    ['the network of a carrier', '100.64.0.1', false],
    ['its own machine', '127.0.0.1', false],
    ['its own machine by IPv6', '::1', false],
    ['all at once', '224.0.0.1', false],
    ['a neighbour on the link by IPv6', 'fe80::1', false],
    ['a private address in one of 6to4', '2002:a00:1::1', false],
  ])('and %s: %s', (_, address, says) => {
    expect(lets(address)).toBe(says)
  })

  test('reaches the nameserver for names and for nothing else', () => {
    const own = { nameservers: ['169.254.20.10', 'fd00::a'] }
    expect([lets('169.254.20.10', 53, own), lets('fd00::a', 53, own)]).toEqual([true, true])
    expect([lets('169.254.20.10', 443, own), lets('169.254.20.11', 53, own)]).toEqual([false, false])
  })

  test('reaches the pods of the DNS server where no address is known', () => {
    const { to, ports } = policy({ nameservers: [] }).egress[1] ?? { to: [] }
    expect([to, ports]).toEqual([
      [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
          podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
        },
      ],
      [
        { protocol: 'UDP', port: 53 },
        { protocol: 'TCP', port: 53 },
      ],
    ])
  })

  test('does not reach the API server, wherever it is', () => {
    const public_ = { apiServers: ['10.96.0.1', '203.0.113.7', '2001:4860::7'] }
    expect([lets('203.0.113.7', 6443, public_), lets('2001:4860::7', 6443, public_)]).toEqual([false, false])
    expect([lets('203.0.113.8', 6443, public_), lets('64:ff9b::cb00:7107', 6443, public_)]).toEqual([true, false])
  })

  test('does not reach what the owner closes', () => {
    const closed = { closedRanges: ['198.51.100.0/24', '2a00:1::/32'] }
    expect([lets('198.51.100.9', 443, closed), lets('2a00:1::9', 443, closed)]).toEqual([false, false])
    expect([lets('198.51.101.9', 443, closed), lets('2a00:2::9', 443, closed)]).toEqual([true, true])
  })

  test('has no internet where the owner closes all of it, and still its gang', () => {
    const closed = { closedRanges: ['0.0.0.0/0', '::/0'] }
    expect(policy(closed).egress).toHaveLength(2)
    expect([lets('140.82.121.4', 443, closed), lets('64:ff9b::8c52:7904', 443, closed)]).toEqual([false, false])
    expect(lets('2606:50c0:8000::153', 443, { closedRanges: ['0.0.0.0/0'] })).toBe(true)
  })

  test('talks to and hears from pods of its own namespace, on every port; nobody else reaches it', () => {
    const { podSelector, policyTypes, ingress, egress } = policy()
    expect({ podSelector, policyTypes, ingress, first: egress[0] }).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ podSelector: {} }] }],
      first: { to: [{ podSelector: {} }] },
    })
  })
})

test('no address is let through twice and closed once: an exception is part of what it is taken from', () => {
  for (const { to } of policy({ apiServers: ['10.96.0.1', '203.0.113.7'] }).egress) {
    for (const { ipBlock: { cidr, except = [] } = { cidr: '' } } of to) {
      for (const range of except) expect([range, within(range.split('/')[0] ?? '', [cidr])]).toEqual([range, true])
    }
  }
})

test('the quota counts what pods bring with them, and lets no Service out of the namespace', () => {
  const { resourceQuota, limitRange } = tenantWalls(place, usual)
  expect(resourceQuota.spec).toEqual({
    hard: {
      pods: '10k',
      persistentvolumeclaims: '5k',
      'requests.storage': '100Ti',
      'services.loadbalancers': '0',
      'services.nodeports': '0',
    },
  })
  // No request of anything: the engine has booked none.
  expect(limitRange.spec).toEqual({
    limits: [
      {
        type: 'Container',
        default: { 'ephemeral-storage': '100Gi' },
        defaultRequest: { 'ephemeral-storage': '0' },
      },
    ],
  })
})

describe('the disk of a container', () => {
  const limitOf = (resources: Parameters<typeof withDiskLimit>[0]) =>
    withDiskLimit(resources).limits?.['ephemeral-storage'] ?? 'the default'

  test.each([
    ['without a word is the default', {}, 'the default'],
    ['that asks for less is the default', { requests: { 'ephemeral-storage': '100Gi' } }, 'the default'],
    ['that asks for more is what it asks for', { requests: { 'ephemeral-storage': '200Gi' } }, '200Gi'],
    [
      'that says a limit has that',
      { requests: { 'ephemeral-storage': '200Gi' }, limits: { 'ephemeral-storage': '1Ti' } },
      '1Ti',
    ],
  ])('%s', (_, resources, says) => {
    expect(limitOf(resources)).toBe(says)
  })

  test('leaves its other limits alone', () => {
    expect(withDiskLimit({ requests: { 'ephemeral-storage': '200Gi' }, limits: { memory: '1Gi' } }).limits).toEqual({
      memory: '1Gi',
      'ephemeral-storage': '200Gi',
    })
  })
})
