import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { isSignedBy, newRequestKey, requestKeyOf, sealTo, signJoin } from './joining.ts'

const credential = { provider: 'acme', inviteId: 'abcdefghij', token: 'secret', expiresAt: '2026-12-05T00:00:00Z' }
const signed = { provider: 'acme', hubCaSha256: 'aa', inviteId: 'abcdefghij', publicKey: 'k' }

const freshKey = async () => requestKeyOf(await newRequestKey())

function ownersKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { pem, pinned: Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64') }
}

describe('a credential', () => {
  test('is read by the one whose key it was sealed to', async () => {
    const key = await freshKey()
    const jwe = await sealTo(key.publicKey, credential)
    expect(jwe).not.toContain('secret')
    expect(await key.open(jwe)).toEqual(credential)
  })

  test('is read by nobody else', async () => {
    const jwe = await sealTo((await freshKey()).publicKey, credential)
    await expect((await freshKey()).open(jwe)).rejects.toThrow('decryption operation failed')
  })

  test('is not taken when a byte of it was changed', async () => {
    const key = await freshKey()
    const parts = (await sealTo(key.publicKey, credential)).split('.')
    const [first = '', ...rest] = parts[3] ?? ''
    parts[3] = [first === 'A' ? 'B' : 'A', ...rest].join('')
    await expect(key.open(parts.join('.'))).rejects.toThrow('decryption operation failed')
  })
})

test('what cannot be read is not quoted', async () => {
  await expect(requestKeyOf('eyJ-secret')).rejects.toThrow(/^the key of the request is not JSON$/)
})

describe('a signature', () => {
  test('is of the owner, in both ways to write base64', () => {
    const { pem, pinned } = ownersKey()
    const signature = signJoin(pem, signed)
    const url = Buffer.from(pinned, 'base64').toString('base64url')
    expect([isSignedBy(pinned, signature, signed), isSignedBy(url, signature, signed)]).toEqual([true, true])
  })

  test.each(['provider', 'hubCaSha256', 'inviteId', 'publicKey'] as const)('is of no use for another %s', (part) => {
    const { pem, pinned } = ownersKey()
    expect(isSignedBy(pinned, signJoin(pem, signed), { ...signed, [part]: 'other' })).toBe(false)
  })

  test('by another key, or under a key that is none, is none', () => {
    const signature = signJoin(ownersKey().pem, signed)
    expect([isSignedBy(ownersKey().pinned, signature, signed), isSignedBy('AAAA', signature, signed)]).toEqual([
      false,
      false,
    ])
  })

  test('needs an Ed25519 key', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    expect(() => signJoin(pem, signed)).toThrow("the owner's key is ec, and must be Ed25519")
  })
})
