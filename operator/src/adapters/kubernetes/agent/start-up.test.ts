import { expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import { priorityClasses, providerReports } from '../kinds.ts'
import { ensurePriorityClass, kubernetesVersion, report } from './start-up.ts'

const namespace = 'provider-acme'
const versions = { agentVersion: '0.1.0', kubernetesVersion: 'v1.34.4' }

test('federated pods push nobody out; the class is made once, and the owner may change it', async () => {
  const { provider } = clusters()
  await ensurePriorityClass(provider)
  const ref = { name: 'gpu-commons-federated' }
  expect(await provider.get(priorityClasses, ref)).toMatchObject({
    value: -1000,
    preemptionPolicy: 'Never',
    globalDefault: false,
  })
  await provider.mergePatch(priorityClasses, { ref, patch: { description: 'mine' } })
  await ensurePriorityClass(provider)
  expect((await provider.get(priorityClasses, ref))?.description).toBe('mine')
})

test('a first report has the defaults, a later one keeps what its owner wrote', async () => {
  const { hub } = clusters()
  await report(hub, namespace, versions)
  const ref = { name: 'self', namespace }
  expect((await hub.get(providerReports, ref))?.spec).toEqual({
    ...versions,
    podSecurity: 'Baseline',
    networkIsolation: 'Unknown',
  })
  await hub.mergePatch(providerReports, { ref, patch: { spec: { podSecurity: 'Restricted' } } })
  await report(hub, namespace, { ...versions, agentVersion: '0.2.0' })
  expect((await hub.get(providerReports, ref))?.spec).toMatchObject({
    agentVersion: '0.2.0',
    podSecurity: 'Restricted',
  })
})

test('a version is text, of a length that the schema takes', async () => {
  const { provider } = clusters()
  expect(await kubernetesVersion(provider)).toBe('v1.34.4')
  const strange = (answer: unknown) => kubernetesVersion({ ...provider, request: async () => answer })
  expect([await strange({}), (await strange({ gitVersion: 'v'.repeat(99) })).length]).toEqual(['unknown', 64])
})
