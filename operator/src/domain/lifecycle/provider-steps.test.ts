import { describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { BEGINNING } from '../../../../test/builders/meta.ts'
import { provider } from '../../../../test/builders/provider.ts'
import { reportSpec } from '../../../../test/builders/providerreport.ts'
import type { Condition } from '../../api/meta.ts'
import { noRules } from '../../api/owner-rules.ts'
import type { Provider } from '../../api/provider.ts'
import { type Decision, decide, type Seen } from './provider-steps.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const made = { state: 'Made', namespaceUid: 'ns-uid' } as const
const taken = { state: 'Taken', what: 'Namespace provider-acme', by: 'Stranger' } as const
const cordoned = provider({ spec: { intake: 'Cordoned' } })

function known(status: Condition['status'], reason: string): Provider {
  const condition = { type: 'Connected', status, reason, message: 'm', lastTransitionTime: BEGINNING }
  return provider({ status: { conditions: [condition] } })
}

/** Its agent was seen a second ago. */
function seen(some: Partial<Seen>): Seen {
  const times = { silentMs: 1000, watchedMs: 60_000, suspectAfterMs: 15_000, now }
  const nothing = { nodes: [], report: undefined, lostShare: 0, hubChanged: undefined, runsFromBefore: false }
  return { provider: provider(), home: made, jobsUid: 'jobs-uid', ...times, ...nothing, ...some }
}

/** Connected, Ready, what the engine is told, and when to look again. */
function rendered({ status, fact, recheckMs }: Decision): string {
  const said = ['Connected', 'Ready'].map((type) => {
    const one = status.conditions.find((condition) => condition.type === type)
    return `${one?.status}/${one?.reason}`
  })
  return [...said, fact.state, ...(recheckMs === undefined ? [] : [`again in ${recheckMs / 1000} s`])].join(' ')
}

const cases: readonly { name: string; seen: Partial<Seen>; says: string }[] = [
  { name: 'its agent renews its Lease', seen: {}, says: 'True/Heartbeat True/Ready Connected again in 14 s' },
  {
    name: 'its agent is silent for as long as that may be',
    seen: { silentMs: 15_000 },
    says: 'Unknown/Silent False/NotConnected Disconnected',
  },
  {
    name: 'its agent is there, and remembers another hub: no new work goes there',
    seen: { hubChanged: { change: 'SetBack', fingerprint: 'a-b-c-1' } },
    says: 'False/HubChanged False/NotConnected Disconnected again in 14 s',
  },
  {
    name: 'also when this hub has just started and heard nothing yet',
    seen: { hubChanged: { change: 'SetBack', fingerprint: 'a-b-c-1' }, silentMs: undefined, watchedMs: 0 },
    says: 'False/HubChanged False/NotConnected Disconnected again in 15 s',
  },
  {
    name: 'its agent remembered another hub and is silent since',
    seen: { hubChanged: { change: 'SetBack', fingerprint: 'a-b-c-1' }, silentMs: 15_000 },
    says: 'Unknown/Silent False/NotConnected Disconnected',
  },
  {
    name: 'runs go on there whose jobs went with their kind: no new work goes there',
    seen: { runsFromBefore: true },
    says: 'True/Heartbeat False/HubChanged NotReady again in 14 s',
  },
  {
    name: 'no agent was ever seen',
    seen: { silentMs: undefined },
    says: 'Unknown/NeverSeen False/NotConnected Disconnected',
  },
  {
    name: 'a hub that has just started takes what was known for true',
    seen: { provider: known('True', 'Heartbeat'), silentMs: undefined, watchedMs: 5000 },
    says: 'True/Heartbeat True/Ready Connected again in 10 s',
  },
  {
    name: 'but no longer than the usual silence',
    seen: { provider: known('True', 'Heartbeat'), silentMs: undefined, watchedMs: 15_000 },
    says: 'Unknown/Silent False/NotConnected Disconnected',
  },
  {
    name: 'a hub that has just started does not take a silent agent for alive',
    seen: { provider: known('Unknown', 'Silent'), silentMs: undefined, watchedMs: 0 },
    says: 'Unknown/Silent False/NotConnected Disconnected',
  },
  {
    name: 'silence that this hub has heard counts, whatever was known',
    seen: { provider: known('True', 'Heartbeat'), silentMs: 20_000, watchedMs: 20_000 },
    says: 'Unknown/Silent False/NotConnected Disconnected',
  },
  {
    name: 'a cordoned provider is connected, and takes no new work',
    seen: { provider: cordoned },
    says: 'True/Heartbeat False/Cordoned Cordoned again in 14 s',
  },
  {
    name: 'one that is revoked is shut out, whatever its Lease says',
    seen: { provider: provider({ spec: { intake: 'Revoked' } }), home: { state: 'Closed' } },
    says: 'False/Revoked False/Revoked NotReady',
  },
  {
    name: 'a namesake stands where its home should be: it is looked at again',
    seen: { home: taken, silentMs: undefined },
    says: 'Unknown/NeverSeen False/NameTaken NotReady again in 30 s',
  },
  {
    name: 'a namesake is told before a cordon',
    seen: { home: taken, provider: cordoned },
    says: 'True/Heartbeat False/NameTaken NotReady again in 14 s',
  },
]

describe('what is said of a Provider', () => {
  test.each(cases)('$name', ({ seen: some, says }) => {
    expect(rendered(decide(seen(some)))).toBe(says)
  })

  test.each(cases)('$name: said twice it is an equal status', ({ seen: some }) => {
    const world = seen(some)
    const { status } = decide(world)
    const again = { ...world.provider, status }
    // What was said of a Lease that nobody renews stays said.
    expect(
      decide({ ...world, provider: again, now: now + 5000 }).status.conditions.map(
        ({ lastTransitionTime }) => lastTransitionTime,
      ),
    ).toEqual(status.conditions.map(({ lastTransitionTime }) => lastTransitionTime))
  })

  const message = (some: Partial<Seen>, type: string) =>
    decide(seen(some)).status.conditions.find((one) => one.type === type)?.message

  test.each(['KindMadeAgain', 'ProviderMadeAgain', 'SetBack'] as const)(
    'of an agent for which it is %s, how this hub is accepted',
    (change) => {
      expect(message({ hubChanged: { change, fingerprint: 'a-b-c-1' } }, 'Connected')).toContain(
        'kubectl annotate provider acme gpucommons.io/accept-hub=a-b-c-1 --overwrite',
      )
    },
  )

  test('another hub than the one that is remembered is told that the owner alone accepts', () => {
    const said = message({ hubChanged: { change: 'OtherHub', fingerprint: 'a-b-c-1' } }, 'Connected')
    expect(said).toContain('only the owner')
    expect(said).not.toContain('a-b-c-1')
  })

  test('of runs whose jobs went with their kind, both ways on', () => {
    const said = message({ runsFromBefore: true }, 'Ready')
    expect(said).toContain("-l 'gpucommons.io/gpujobs-uid notin (jobs-uid,let-go)' gpucommons.io/gpujobs-uid=let-go")
    expect(said).toContain('gpucommons.io/gpujobs-uid=jobs-uid --overwrite')
  })

  test('nothing of it is verified', () => {
    expect(decide(seen({})).status.conditions).toContainEqual(
      expect.objectContaining({ type: 'Verified', status: 'Unknown', reason: 'NotYet' }),
    )
  })

  test('offered nodes are summed up by model; those withheld are not', () => {
    const nodes = [
      gpuNode({ name: 'a', gpus: 8 }),
      gpuNode({ name: 'b', gpus: 4, model: 'A100' }),
      gpuNode({ name: 'c', gpus: 2 }),
      gpuNode({ name: 'd', spec: { offer: 'Withheld', withheldBecause: 'NotReady' } }),
    ]
    expect(decide(seen({ nodes })).status.inventory).toEqual({
      nodes: 3,
      gpus: 14,
      models: [
        { model: 'A100', gpus: 4 },
        { model: 'H100', gpus: 10 },
      ],
    })
  })

  test('only healthy GPUs count', () => {
    const [device] = gpuNode().spec.devices
    const nodes = device ? [gpuNode({ spec: { devices: [{ ...device, healthy: 5 }] } })] : []
    expect(decide(seen({ nodes })).status.inventory?.gpus).toBe(5)
  })

  test('its agent and its namespace are told', () => {
    const report = reportSpec({ agentVersion: '0.1.0', kubernetesVersion: 'v1.34.4' })
    expect(decide(seen({ report })).status).toMatchObject({
      agent: { version: '0.1.0', kubernetesVersion: 'v1.34.4' },
      namespaceUid: 'ns-uid',
    })
  })

  test('outside of the hours of its owner it is not Ready, and the engine hears it', () => {
    const closed = { silentMs: 0, report: reportSpec({ intake: 'OutsideHours' }) }
    const { status, fact } = decide(seen(closed))
    expect(status.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'OutsideHours',
    })
    expect(fact.state).toBe('OutsideHours')
  })

  test('GPUs that the owner keeps are not offered', () => {
    expect(decide(seen({ nodes: [gpuNode({ spec: { keptGpus: 3 } })] })).status.inventory?.gpus).toBe(5)
  })

  test('the engine hears the rules of its owner, and that no taint is tolerated that they do not name', () => {
    const rules = { ...noRules, taints: ['team'] }
    expect(decide(seen({ report: undefined })).fact).toMatchObject({ tolerates: [] })
    expect(decide(seen({ report: reportSpec({ rules }) })).fact).toMatchObject({ rules, tolerates: ['team'] })
  })

  test('the engine hears what its GPUs cost', () => {
    const priced = provider({ spec: { prices: [{ model: 'H100', perGpuHour: '2.4' }] } })
    expect(decide(seen({ provider: priced })).fact.pricesPerGpuHour).toEqual({ H100: 2_400_000 })
    expect(decide(seen({})).fact).not.toHaveProperty('pricesPerGpuHour')
  })

  test('the engine hears its name and labels', () => {
    const labelled = provider({ metadata: { labels: { region: 'eu' } } })
    expect(decide(seen({ provider: labelled })).fact).toMatchObject({ name: 'acme', labels: { region: 'eu' } })
  })
})
