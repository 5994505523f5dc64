// The commands of kubectl gpu, on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { gpuQueue } from '../../../../test/builders/gpuqueue.ts'
import { gpuRun } from '../../../../test/builders/gpurun.ts'
import { federation, stopHubs } from '../../../../test/builders/hub-world.ts'
import type { GpuNode } from '../../api/gpunode.ts'
import type { GpuQueue } from '../../api/gpuqueue.ts'
import { gpuNodes, gpuQueues, gpuRuns, providers as providerKind } from '../kubernetes/kinds.ts'
import { namespaces, serviceAccounts } from '../kubernetes/resources.ts'
import { setIntake } from './intake.ts'
import { type InviteOptions, invite } from './invite.ts'
import { printed, table } from './output.ts'
import { providers } from './providers.ts'
import { queues } from './queues.ts'
import { leave, revoke } from './revoke.ts'
import { top } from './top.ts'

afterEach(stopHubs)

const usual: InviteOptions = {
  ttl: '1h',
  takeover: false,
  hubUrl: 'https://hub.example:6443',
  hubCa: 'PEM',
  chart: './charts/gpu-commons-agent',
}

async function hub() {
  const { api, time } = await federation()
  const inviting = { client: api, timers: time.timers, signal: new AbortController().signal }
  return {
    api,
    time,
    invite: (provider: string, how: Partial<InviteOptions> = {}) => invite(inviting, provider, { ...usual, ...how }),
  }
}

describe('invite', () => {
  test('prints one line that a shell takes as it is, with all that a chart needs', async () => {
    const world = await hub()
    const { text, value } = await world.invite('acme')
    const { id, token } = value as { id: string; token: string }
    const [, ...line] = text.split('\n\n')
    expect(line.join('').replaceAll(/ \\\n\s+/g, ' ')).toBe(
      [
        'helm install gpu-commons-agent ./charts/gpu-commons-agent --namespace gpu-commons --create-namespace',
        '--set provider=acme --set hub.url=https://hub.example:6443 --set hub.ca=UEVN',
        `--set-string invite.id=${id} --set invite.token=${token}`,
      ].join(' '),
    )
  })

  test('says what a new Provider is to be', async () => {
    const { api, time, invite: make } = await hub()
    const making = make('fresh', { region: 'eu-west', price: ['H100=2.10', 'A100=1'] })
    await time.advance(2000)
    expect((await making).value).toMatchObject({ provider: 'fresh', isNewProvider: true })
    expect((await api.get(providerKind, { name: 'fresh' }))?.spec).toEqual({
      intake: 'Open',
      region: 'eu-west',
      prices: [
        { model: 'H100', perGpuHour: '2.10' },
        { model: 'A100', perGpuHour: '1' },
      ],
    })
  })

  test.each<{ says: RegExp; provider?: string; how?: Partial<InviteOptions> }>([
    { provider: 'Acme', says: /^Acme cannot be the name of a Provider, which is a letter/ },
    { provider: '1st', says: /^1st cannot be/ },
    { provider: 'a'.repeat(55), says: /of at most 54 characters in all$/ },
    { how: { ttl: '5m' }, says: /^--ttl 5m is not a time from 10m to 7d, such as 1h$/ },
    { how: { ttl: '8d' }, says: /^--ttl 8d/ },
    { how: { ttl: 'soon' }, says: /^--ttl soon/ },
    { how: { region: '' }, says: /^--region has 1 to 63/ },
    { how: { price: ['H100'] }, says: /^--price H100 is not MODEL=PRICE, such as H100=2.10$/ },
    { how: { price: ['H100=cheap'] }, says: /^--price H100=cheap/ },
    { how: { price: ['H100=1', 'H100=2'] }, says: /^--price names a model twice$/ },
  ])('refuses: $says', async ({ provider = 'acme', how = {}, says }) => {
    const { api, invite: make } = await hub()
    api.requests.splice(0)
    await expect(make(provider, how)).rejects.toThrow(says)
    expect(api.requests).toEqual([])
  })

  test('says so where no hub gives the Provider a home', async () => {
    const { time, invite: make } = await hub()
    stopHubs()
    const making = make('fresh')
    making.catch(() => {})
    await time.advance(60_000)
    await expect(making).rejects.toThrow(
      'Provider fresh (gpucommons.io/v1alpha1) has no namespace on the hub: no hub has looked at it',
    )
  })
})

test('providers says of each how it is, and why it is not ready', async () => {
  const { api, time } = await hub()
  await setIntake(api, 'acme', 'Cordoned')
  await time.advance(0)
  const { text, value } = await providers(api, new AbortController().signal)
  expect(text).toMatch(
    /^NAME +READY +CONNECTED +GPUS +NODES +REGION +INTAKE +WHY\nacme +False +True +8 +1 .*Cordoned +Cordoned: /,
  )
  expect(value).toMatchObject([
    { name: 'acme', ready: 'False', connected: 'True', gpus: 8, nodes: 1, intake: 'Cordoned' },
  ])
})

describe('queues', () => {
  const says = async (all: readonly GpuQueue[]) => {
    const { api } = await hub()
    stopHubs()
    for (const { metadata, spec, status } of all) {
      const { name } = metadata
      await api.create(gpuQueues, { metadata: { name }, spec })
      if (status) await api.mergePatch(gpuQueues, { ref: { name }, patch: { status } }, { subresource: 'status' })
    }
    return queues(api, new AbortController().signal)
  }
  const part = (name: string, parent?: string) =>
    gpuQueue({ name, spec: parent === undefined ? {} : { parent }, status: {} })

  test('are a tree, each before its parts, and a ring hides nobody', async () => {
    const { text, value } = await says([
      part('b', 'org'),
      part('ring-2', 'ring-1'),
      part('a', 'org'),
      part('org'),
      part('a-1', 'a'),
      part('lost', 'nobody'),
      part('ring-1', 'ring-2'),
    ])
    const names = text.split('\n').map((line) => /^ *[-\w]+/.exec(line)?.[0])
    expect(names).toEqual(['NAME', 'lost', 'org', '  a', '    a-1', '  b', 'ring-1', '  ring-2'])
    expect(value).toMatchObject([
      { name: 'lost', parent: 'nobody', depth: 0 },
      { name: 'org' },
      { depth: 1 },
      {},
      {},
      {},
      {},
    ])
  })

  test('say what is guaranteed, used, borrowed, and why one is not ready', async () => {
    const quota = [
      { model: 'H100', guaranteed: 8, borrowLimit: 4 },
      { model: '*', guaranteed: 16, borrowLimit: 0 },
      { model: 'L4', guaranteed: 0 },
    ]
    const conditions = [
      {
        type: 'Ready',
        status: 'False',
        reason: 'Cycle',
        message: 'its parents are in a ring',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ] as const
    const { text } = await says([
      gpuQueue({
        spec: { quota },
        status: {
          conditions,
          used: 'H100 12/8, * 12/16',
          borrowed: 4,
          lent: 0,
          running: 2,
          waiting: 3,
          share: { now: 0.25, fair: 0.5, average: 0.1234, at: '2026-01-01T00:00:00Z' },
        },
      }),
    ])
    expect(text.split('\n')[1]).toMatch(
      /^research +False +H100 8\+4, any 16, L4 0\+ +H100 12\/8, \* 12\/16 +4 +0 +2 +3 +25.0% +50.0% +12.3% +Cycle: its parents are in a ring$/,
    )
  })

  test('say so where there are none', async () => {
    expect((await says([])).text).toContain('There is no GpuQueue')
  })
})

test('top counts the GPUs of each model once: ours, others’, free and withheld', async () => {
  const { api } = await hub()
  stopHubs()
  const make = async ({ metadata: { name, namespace = '' }, spec }: GpuNode) =>
    api.create(gpuNodes, { metadata: { name, namespace }, spec })
  const namespace = 'provider-acme'
  await make(gpuNode({ name: 'busy', spec: { usedByOthers: { cpu: '0', memory: '0', gpus: 3 }, keptGpus: 1 } }))
  await make(gpuNode({ name: 'kept', spec: { offer: 'Withheld', withheldBecause: 'Cordoned' } }))
  await make(gpuNode({ name: 'small', model: 'L4', gpus: 2 }))
  const order = async (name: string, nodes: readonly string[], count: number) => {
    const spec = { nodes: nodes.map((node) => ({ name: node, workers: 1 })), gpus: { count }, workers: nodes.length }
    const run = gpuRun({ spec })
    await api.create(gpuRuns, { metadata: { namespace, name }, spec: run.spec })
  }
  await order('live', ['node-1', 'busy'], 2)
  await order('over', ['small'], 2)
  await order('lost', ['nobody-knows'], 1)
  const over = { state: 'Succeeded', observedGeneration: 1 } as const
  await api.mergePatch(
    gpuRuns,
    { ref: { namespace, name: 'over' }, patch: { status: over } },
    { subresource: 'status' },
  )
  const { metadata, spec, status } = gpuQueue({ status: { used: 'H100 4/8', usage: [{ model: 'H100', gpus: 4 }] } })
  await api.create(gpuQueues, { metadata: { name: metadata.name }, spec })
  await api.mergePatch(gpuQueues, { ref: metadata, patch: { status } } as never, { subresource: 'status' })

  const { value, text } = await top(api, new AbortController().signal)
  expect(value).toEqual({
    gpus: [
      { provider: 'acme', model: 'H100', gpus: 15, ours: 4, others: 2, free: 9, withheld: 8 },
      { provider: 'acme', model: 'L4', gpus: 2, ours: 0, others: 0, free: 2, withheld: 0 },
      { provider: 'acme', model: 'unknown', gpus: 0, ours: 1, others: 0, free: 0, withheld: 0 },
    ],
    queues: [{ name: 'research', gpus: 4, used: 'H100 4/8', running: 0, waiting: 0 }],
  })
  expect(text).toMatch(/^\(all\) +17 +5 +2 +11 +8$/m)
  expect(text).toMatch(/^research +4 +H100 4\/8 +0 +0$/m)
})

describe('revoke and leave', () => {
  const namespace = 'provider-acme'
  const ending = ({ api, time }: Awaited<ReturnType<typeof hub>>) => ({
    client: api,
    timers: time.timers,
    signal: new AbortController().signal,
  })

  test('revoke shuts the agent out by itself, and there is no invite to a Provider that is revoked', async () => {
    const world = await hub()
    await world.invite('acme')
    const { value, text } = await revoke({ client: world.api }, 'acme')
    expect([value, text]).toEqual([
      { provider: 'acme', intake: 'Revoked', invites: 1 },
      expect.stringContaining('within 15 s'),
    ])
    expect(await world.api.get(serviceAccounts, { namespace, name: 'agent' })).toBeUndefined()
    await expect(world.invite('acme')).rejects.toThrow('kubectl gpu uncordon acme')
  })

  test('leave waits for what runs, for as long as it may, and then removes all', async () => {
    const world = await hub()
    const { api, time } = world
    const { metadata, spec } = gpuRun()
    const run = await api.create(gpuRuns, { metadata: { namespace, name: metadata.name }, spec })
    const first = leave(ending(world), 'acme', { seconds: 10 }).catch((error: Error) => error.message)
    await time.advance(20_000)
    expect(await first).toContain(`after 10 s acme still runs ${run.metadata.name}`)
    expect((await api.get(providerKind, { name: 'acme' }))?.spec.intake).toBe('Cordoned')

    const again = leave(ending(world), 'acme', { seconds: 60 })
    await time.advance(5000)
    const status = { state: 'Succeeded', observedGeneration: 1 } as const
    await api.mergePatch(gpuRuns, { ref: run.metadata, patch: { status } }, { subresource: 'status' })
    await time.advance(5000)
    expect((await again).text).toContain('has left')
    expect(await api.get(providerKind, { name: 'acme' })).toBeUndefined()
    expect(await api.get(namespaces, { name: namespace })).toBeUndefined()
  })
})

test('cordon and uncordon change spec.intake and nothing else', async () => {
  const { api } = await hub()
  const specOf = async () => (await api.get(providerKind, { name: 'acme' }))?.spec
  const before = await specOf()
  const { text } = await setIntake(api, 'acme', 'Cordoned')
  expect([text, await specOf()]).toEqual([
    'Provider acme takes no new work; what runs there goes on',
    { ...before, intake: 'Cordoned' },
  ])
  await setIntake(api, 'acme', 'Open')
  expect(await specOf()).toEqual(before)
  await expect(setIntake(api, 'nobody', 'Open')).rejects.toThrow('there is no Provider nobody')
})

describe('output', () => {
  const answer = { value: { a: 1, b: ['x'] }, text: 'A\n1' }

  test.each([
    { format: 'table' as const, says: 'A\n1\n' },
    { format: 'json' as const, says: '{\n  "a": 1,\n  "b": [\n    "x"\n  ]\n}\n' },
    { format: 'yaml' as const, says: 'a: 1\nb:\n  - x\n' },
  ])('as $format', ({ format, says }) => {
    expect(printed(answer, format)).toBe(says)
  })

  test('a table sets its columns by their longest cell', () => {
    expect(table(['A', 'B'], [['long', 'x']])).toBe('A      B\nlong   x')
  })
})
