import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type Clusters,
  clusters,
  jobOf,
  kubeletSays,
  makeNode,
  makePod,
  order,
  startAgent,
  stateOf,
  tenant,
} from '../../../../../test/builders/agent-world.ts'
import type { GpuRunOptions } from '../../../../../test/builders/gpurun.ts'
import type { GpuRunSpec } from '../../../api/gpurun.ts'
import { noRules, type OwnerRules } from '../../../api/owner-rules.ts'
import { namespaces, nodes } from '../resources.ts'

const agents: { readonly stop: () => void }[] = []
afterEach(() => {
  for (const { stop } of agents.splice(0)) stop()
})

async function agentOn(world: Clusters, rules: Partial<OwnerRules> = {}) {
  const agent = await startAgent(world, { ...noRules, ...rules })
  agents.push(agent)
  return agent
}

const claim = {
  accessModes: ['ReadWriteOnce' as const],
  storageClassName: 'nfs',
  resources: { requests: { storage: '1Gi' } },
}

/** A hub that does not ask, or that has another opinion. */
describe('what breaks the rules of the owner is refused, whatever the hub orders', () => {
  const cases: { rules: Partial<OwnerRules>; spec?: Partial<GpuRunSpec>; says: string }[] = [
    { rules: { tenants: { deny: ['team'] } }, says: 'Rejected/OwnerRuleTenant' },
    { rules: { images: { allow: ['nvcr.io/nvidia/*'], pinning: 'Any' } }, says: 'Rejected/OwnerRuleImage' },
    { rules: { mostGpusPerRun: 1 }, spec: { gpus: { count: 2 } }, says: 'Rejected/OwnerRuleGpus' },
    { rules: { keptGpusPerNode: 7 }, spec: { gpus: { count: 2 } }, says: 'Rejected/OwnerRuleGpus' },
    { rules: { longestRunSeconds: 60 }, says: 'Rejected/OwnerRuleRuntime' },
    {
      rules: { storageClasses: ['ssd'] },
      spec: {
        template: {
          spec: {
            containers: [{ name: 'main', image: 'a' }],
            volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: claim } } }],
          },
        },
      },
      says: 'Rejected/OwnerRuleStorage',
    },
    { rules: { podSecurity: 'Restricted' }, says: 'Rejected/NeedsRoot' },
    { rules: {}, spec: { nodes: [{ name: 'control-plane', workers: 1 }] }, says: 'Rejected/NodeNotOffered' },
  ]
  test.each(cases)('$says: $rules', async ({ rules, spec = {}, says }) => {
    const world = clusters()
    const agent = await agentOn(world, rules)
    const run = await order(world, { spec })
    expect([await stateOf(world, run), await jobOf(world, run), agent.errors]).toEqual([says, undefined, []])
    // Nor is anything made for a tenant whom the owner does not want.
    expect(await world.provider.get(namespaces, { name: tenant })).toBeUndefined()
  })
})

test('a node that its owner cordoned takes no order', async () => {
  const world = clusters()
  await agentOn(world)
  await world.provider.mergePatch(nodes, { ref: { name: 'node-1' }, patch: { spec: { unschedulable: true } } })
  await world.time.advance(0)
  expect(await stateOf(world, await order(world))).toBe('Rejected/NodeNotOffered')
})

test('GPUs that the owner keeps are kept from all runs of a node together', async () => {
  const world = clusters()
  await agentOn(world, { keptGpusPerNode: 2 })
  const of = (run: number, count: number): GpuRunOptions => ({ run, spec: { gpus: { count } } })
  const states = []
  for (const [run, count] of [
    [1, 4],
    [2, 3],
    [3, 2],
  ] as const)
    states.push(await stateOf(world, await order(world, of(run, count))))
  expect(states).toEqual(['not begun', 'Rejected/OwnerRuleGpus', 'not begun'])
})

const hours = { timeZone: 'UTC', windows: [{ days: ['Thu'] as const, from: '00:00', to: '00:10' }] }

test('what runs when the hours are over is taken down as Reclaimed, and what comes later does not begin', async () => {
  const world = clusters() // A Thursday begins.
  await makeNode(world)
  await agentOn(world, { hours })
  const run = await order(world)
  await kubeletSays(world, await makePod(world, run), 'Running')
  expect(await stateOf(world, run)).toBe('Running')
  await world.time.advance(600_000)
  expect([await stateOf(world, run), await jobOf(world, run)]).toEqual(['Running/OwnerRuleHours', undefined])
  expect(await stateOf(world, await order(world, { run: 2 }))).toBe('Reclaimed/OwnerRuleHours')
})

test('an owner who wants another Pod Security level has it in the namespaces that are there', async () => {
  const world = clusters()
  const level = async () =>
    (await world.provider.get(namespaces, { name: tenant }))?.metadata.labels?.['pod-security.kubernetes.io/enforce']
  const first = await agentOn(world)
  await order(world)
  expect(await level()).toBe('baseline')
  first.stop()
  await agentOn(world, { podSecurity: 'Restricted' })
  const rootless = { securityContext: { runAsNonRoot: true }, containers: [{ name: 'main', image: 'a' }] }
  const run = await order(world, { run: 2, spec: { template: { spec: rootless } } })
  expect([await level(), (await jobOf(world, run)) !== undefined]).toEqual(['restricted', true])
})

test('the pods of an owner have the runtime class that the owner names, and tolerate what the owner lets them', async () => {
  const world = clusters()
  await agentOn(world, { runtimeClassName: 'gvisor', taints: ['team'] })
  const tolerations = [
    { key: 'team', operator: 'Exists' as const },
    { key: 'other', operator: 'Exists' as const },
  ]
  const run = await order(world, {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'a' }], tolerations } } },
  })
  expect((await jobOf(world, run))?.spec.template?.spec).toMatchObject({
    runtimeClassName: 'gvisor',
    tolerations: [{ key: 'nvidia.com/gpu' }, { key: 'team' }],
  })
})
