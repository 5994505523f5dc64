import { describe, expect, test } from '@jest/globals'
import { isConflict, isNotFound } from '../../operator/src/adapters/kubernetes/errors.ts'
import { secrets, serviceAccounts } from '../../operator/src/adapters/kubernetes/resources.ts'
import { requestToken } from '../../operator/src/adapters/kubernetes/token-request.ts'
import { type Bench, refusal } from './kubernetes-bench.ts'

const otherUid = '11111111-1111-4111-8111-111111111111'

export function tokenRows(bench: () => Promise<Bench>): void {
  describe('a token of a ServiceAccount', () => {
    async function withAccount() {
      const { client, namespace, server } = await bench()
      const account = { namespace, name: 'agent' }
      await client.create(serviceAccounts, { metadata: account })
      const secret = await client.create(secrets, { metadata: { namespace, name: 'bound' } })
      return { client, account, secret: secret.metadata, now: server.clock.now }
    }

    test('is good for about as long as was asked, and each is another one', async () => {
      const { client, account, secret, now } = await withAccount()
      const one = await requestToken(client, account, { seconds: 3600, secret })
      const other = await requestToken(client, account, { seconds: 7200, secret })
      expect(other.token).not.toBe(one.token)
      const seconds = (Date.parse(one.expiresAt) - now()) / 1000
      expect(Math.abs(seconds - 3600)).toBeLessThan(120)
    })

    test('is not given for what is not there', async () => {
      const { client, account, secret } = await withAccount()
      const nobody = { ...account, name: 'nobody' }
      expect(isNotFound(await refusal(requestToken(client, nobody, { seconds: 3600 })))).toBe(true)
      const absent = { seconds: 3600, secret: { name: 'absent' } }
      expect(isNotFound(await refusal(requestToken(client, account, absent)))).toBe(true)
      const another = { seconds: 3600, secret: { name: secret.name, uid: otherUid } }
      expect(isConflict(await refusal(requestToken(client, account, another)))).toBe(true)
    })
  })
}
