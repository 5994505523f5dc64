import { describe, expect, test } from '@jest/globals'
import { agentConfig, hubConfig, inCluster, WrongFlags } from './config.ts'
import { defaultWeights } from './domain/scheduling/weights.ts'

const inPod = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443', POD_UID: 'pod-uid' }
const hub = (...args: string[]) => hubConfig(['--kubeconfig', 'f', ...args], {})
const agent = (...args: string[]) => agentConfig(args, {})
const notAName =
  'cannot be the name of a Provider, which is a letter, then letters, digits and dashes (all lower case), of at most 54 characters in all'
const agentFlags = ['--provider', 'acme', '--hub-kubeconfig', 'h', '--kubeconfig', 'p']

/** What the person at the prompt reads. */
function said(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof WrongFlags) return error.message
    throw error
  }
  return 'all is well'
}

describe('flags', () => {
  test('a hub needs one', () => {
    expect(hub()).toEqual({
      kubeconfig: 'f',
      http: { host: '0.0.0.0', port: 8080 },
      logLevel: 'info',
      identity: expect.stringMatching(/.-[0-9a-f-]{36}$/),
      namespace: 'gpu-commons',
      suspectAfterSeconds: 15,
      tombstoneSeconds: 600,
      weights: defaultWeights,
    })
  })

  test('an agent needs three', () => {
    expect(agent(...agentFlags)).toMatchObject({
      provider: 'acme',
      hub: { kubeconfig: 'h' },
      kubeconfig: 'p',
      heartbeatSeconds: 5,
    })
  })

  test('an agent may close ranges, and has an image for its probe or none', () => {
    const given = agent(...agentFlags, '--closed-ranges', '198.51.100.0/24,2001:db8::/32', '--probe-image', 'i:1')
    expect(given).toMatchObject({ closedRanges: ['198.51.100.0/24', '2001:db8::/32'], probeImage: 'i:1' })
    expect(agent(...agentFlags)).toMatchObject({ closedRanges: [], probeImage: undefined })
  })

  test('an agent reads racks from the label that its owner names', () => {
    expect(agent(...agentFlags).rackLabel).toBe('topology.kubernetes.io/rack')
    const key = 'network.topology.nvidia.com/leaf'
    expect(agent(...agentFlags, '--rack-label', key).rackLabel).toBe(key)
    expect(said(() => agent(...agentFlags, '--rack-label', 'a b'))).toContain('--rack-label a b is not the key')
  })

  test.each(['198.51.100.0', '198.51.100.0/33', '2001:db8::/129', 'lab/24', '10.0.0.0/8/8', '10.0.0.0/'])(
    'a closed range is no %s',
    (text) => {
      expect(said(() => agent(...agentFlags, '--closed-ranges', text))).toContain(
        `--closed-ranges ${text} is not a range`,
      )
    },
  )

  test('in a pod the cluster is the one around it, and the identity is the pod', () => {
    expect(hubConfig([], inPod)).toMatchObject({ kubeconfig: undefined, identity: 'pod-uid' })
    expect(inCluster(inPod)).toEqual({ host: '10.96.0.1', port: '6443' })
  })

  test('both forms are taken, and the last one counts', () => {
    expect(hub('--namespace=a', '--namespace', 'b').namespace).toBe('b')
  })

  test('two programs on one machine are two', () => {
    expect(hub().identity).not.toBe(hub().identity)
  })

  test.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
  ])('the address %s', (text, http) => {
    expect(hub('--http-address', text).http).toEqual(http)
  })
})

describe('wrong flags are named, with the way out', () => {
  test.each([
    { args: ['--kubeconfg', 'f'], says: 'unknown flag --kubeconfg' },
    { args: ['-k', 'f'], says: 'unknown flag -k' },
    { args: ['--help'], says: 'unknown flag --help' },
    { args: ['serve'], says: 'hub takes flags only, not "serve"' },
    { args: ['--namespace'], says: '--namespace needs a value' },
    { args: ['--namespace='], says: '--namespace needs a value' },
    { args: ['--namespace', '--log-level', 'debug'], says: '--namespace needs a value' },
  ])('$args: $says', ({ args, says }) => {
    const text = said(() => hub(...args))
    expect(text.split('\n')[0]).toBe(says)
    expect(text).toContain('usage: node operator/src/hub.ts\n  --kubeconfig hub.kubeconfig')
  })

  test.each([
    { args: ['--log-level', 'loud'], says: '--log-level loud is none of trace, debug, info, warn, error' },
    { args: ['--http-address', '8080'], says: '--http-address 8080 is not HOST:PORT, such as 127.0.0.1:8080' },
    { args: ['--http-address', 'a:99999'], says: '--http-address a:99999 is not HOST:PORT, such as 127.0.0.1:8080' },
    {
      args: ['--suspect-after-seconds', 'soon'],
      says: '--suspect-after-seconds soon is not a number of seconds from 1 to 86400',
    },
    {
      args: ['--suspect-after-seconds', '0'],
      says: '--suspect-after-seconds 0 is not a number of seconds from 1 to 86400',
    },
    { args: ['--tombstone-seconds', '-5'], says: '--tombstone-seconds -5 is not a number of seconds from 1 to 86400' },
    {
      args: ['--tombstone-seconds', '1e9'],
      says: '--tombstone-seconds 1e9 is not a number of seconds from 1 to 86400',
    },
    {
      args: ['--weights', 'beauty=1'],
      says: '--weights beauty=1: beauty is none of price, losses, moving, breaking, such as price=1,moving=0',
    },
  ])('$args', ({ args, says }) => {
    expect(said(() => hub(...args))).toBe(says)
  })

  test.each([
    {
      args: ['--hub-kubeconfig', 'h', '--kubeconfig', 'p'],
      says: '--provider is missing: the name of the Provider on the hub',
    },
    {
      args: ['--provider', 'acme', '--kubeconfig', 'p'],
      says: 'either --invite or --hub-kubeconfig is needed, such as --invite /etc/gpu-commons/invite',
    },
    {
      args: [...agentFlags, '--invite', 'folder'],
      says: 'either --invite or --hub-kubeconfig is needed, such as --invite /etc/gpu-commons/invite',
    },
    {
      args: ['--provider', 'acme', '--hub-kubeconfig', 'h'],
      says: '--kubeconfig is missing, and this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set)',
    },
    {
      args: [...agentFlags, '--provider', 'Acme!'],
      says: `--provider Acme! ${notAName}`,
    },
    {
      args: [...agentFlags, '--provider', 'a'.repeat(55)],
      says: `--provider ${'a'.repeat(55)} ${notAName}`,
    },
  ])('an agent with $args', ({ args, says }) => {
    expect(said(() => agent(...args)).split('\n')[0]).toBe(says)
  })
})
