import { expect, test } from '@jest/globals'
import { clusters } from '../../../../../test/builders/agent-world.ts'
import { noRules } from '../../../api/owner-rules.ts'
import { ApiError } from '../errors.ts'
import { priorityClasses, providerReports } from '../kinds.ts'
import { ensurePriorityClass, keptPriorityClass, kubernetesVersion, report } from './start-up.ts'

const namespace = 'provider-acme'
const told = { agentVersion: '0.1.0', kubernetesVersion: 'v1.34.4', rules: noRules, intake: 'Open' } as const

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

test('the class is looked for once a minute, however many Jobs come, and again after a failure', async () => {
  const { provider, time } = clusters()
  const kept = keptPriorityClass(provider, time.clock)
  const broken = new ApiError('GET', { status: 500, reason: 'InternalError', message: 'etcd' })
  provider.fail(/^GET priorityclasses/, { with: broken })
  await expect(Promise.all([kept(), kept()])).rejects.toThrow('etcd')
  await Promise.all([kept(), kept(), kept()])
  const looks = () => provider.requests.filter((one) => one.startsWith('GET priorityclasses')).length
  expect(looks()).toBe(2)
  await time.advance(60_000)
  await kept()
  expect(looks()).toBe(3)
})

test('a report tells the rules of now, and keeps what others of the agent have told', async () => {
  const { hub } = clusters()
  const ref = { name: 'self', namespace }
  await report(hub, namespace, { ...told, rules: { ...noRules, mostGpusPerRun: 8 } })
  expect((await hub.get(providerReports, ref))?.spec.rules).toEqual({ ...noRules, mostGpusPerRun: 8 })
  await hub.mergePatch(providerReports, { ref, patch: { spec: { unordered: ['uid.1'] } } })
  await report(hub, namespace, told)
  expect((await hub.get(providerReports, ref))?.spec).toEqual({
    ...told,
    networkIsolation: 'Unknown',
    unordered: ['uid.1'],
  })
})

test('who tells the same again writes nothing', async () => {
  const { hub } = clusters()
  await report(hub, namespace, told)
  await report(hub, namespace, { ...told })
  expect(hub.requests.filter((one) => /^(POST|PUT)/.test(one))).toHaveLength(1)
})

test('a version is text, of a length that the schema takes', async () => {
  const { provider } = clusters()
  expect(await kubernetesVersion(provider)).toBe('v1.34.4')
  const strange = (answer: unknown) => kubernetesVersion({ ...provider, request: async () => answer })
  expect([await strange({}), (await strange({ gitVersion: 'v'.repeat(99) })).length]).toEqual(['unknown', 64])
})
