// What an agent keeps of its credential, and for whom it is good.
import { expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../../test/fakes/time.ts'
import type { InviteFiles } from '../../invite-folder.ts'
import { namespaces } from '../resources.ts'
import { credentialPorts, HubAccess } from './hub-credential.ts'

const first: InviteFiles = {
  hubUrl: 'https://hub.example',
  hubCa: 'certificates\n',
  id: 'one',
  token: 'x',
  ownerKey: undefined,
}
const held = { inviteId: 'one', token: 'secret', obtainedAt: 1, lifeMs: 600_000 }

/** Programs of one cluster, one after the other, each with what its flag and its folder say when it starts. */
async function cluster() {
  const own = fakeKubeApi(fakeTime())
  await own.create(namespaces, { metadata: { name: 'gpu-commons' } })
  return (given: Partial<InviteFiles> = {}, provider = 'acme') => {
    const folder = { ...first, ...given }
    const otherHub: string[] = []
    const ports = credentialPorts({
      provider,
      namespace: 'gpu-commons',
      agentVersion: '0.1.0',
      own,
      readInvite: async () => folder,
      connectWith: async () => own,
      access: new HubAccess(folder),
      onOtherHub: ({ message }) => void otherHub.push(message),
      now: () => 1,
    })
    return { ...ports, folder, otherHub }
  }
}

test('an agent finds what it kept, also where the hub has another address now', async () => {
  const start = await cluster()
  await start().save(held)
  expect((await start({ hubUrl: 'https://other.example' }).load()).held).toEqual(held)
})

test.each([
  { what: 'another provider', as: ['acmexyz'], given: {} },
  { what: 'a provider whose name begins with it', as: ['acm'], given: {} },
  { what: 'another hub', as: ['acme'], given: { hubCa: 'of another\n', id: 'two' } },
])('what it kept is not held by an agent of $what', async ({ as, given }) => {
  const start = await cluster()
  await start().save(held)
  expect((await start(given, ...as).load()).held).toBeUndefined()
})

test('the certificates of the hub may change: it is the invite that says which hub it is', async () => {
  const start = await cluster()
  await start().save(held)
  expect((await start({ hubCa: 'new ones\n' }).load()).held).toEqual(held)
})

test('they may change after the invite was taken away', async () => {
  const start = await cluster()
  await start().save(held)
  expect((await start({ hubCa: 'new ones\n', id: undefined, token: undefined }).load()).held).toEqual(held)
})

test('an invite to another hub is left to a program that starts anew: this one would join there and go on here', async () => {
  const agent = (await cluster())()
  Object.assign(agent.folder, { id: 'two' })
  expect([await agent.inviteId(), agent.otherHub]).toEqual(['two', []])
  Object.assign(agent.folder, { hubUrl: 'https://other.example' })
  expect(await agent.inviteId()).toBeUndefined()
  expect(agent.otherHub).toEqual([
    'the invite in the folder is to the hub https://other.example, and this program talks to https://hub.example',
  ])
})
