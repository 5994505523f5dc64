// Keys, signatures and encryption of joining: X25519 and Ed25519 (RFC 8037), JWE (RFC 7516).
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK } from 'jose'
import { z } from 'zod'
import { type Signed, signedText } from '../domain/joining/signed-text.ts'

/** What the hub hands to an agent. */
export interface Credential {
  readonly provider: string
  readonly inviteId: string
  /** Of ServiceAccount `agent` in the provider's namespace. */
  readonly token: string
  /** RFC 3339, by the hub's clock. */
  readonly expiresAt: string
}

const credentialSchema = z.strictObject({
  provider: z.string().min(1).max(63),
  inviteId: z.string().min(1).max(63),
  token: z.string().min(1).max(8192),
  expiresAt: z.iso.datetime(),
})

const alg = 'ECDH-ES'
const enc = 'A256GCM'

/** An X25519 key pair for one request. */
export interface RequestKey {
  /** 32 bytes, base64url. */
  readonly publicKey: string
  readonly open: (jwe: string) => Promise<Credential>
}

/** A private JWK, as text. */
export async function newRequestKey(): Promise<string> {
  const { privateKey } = await generateKeyPair(alg, { crv: 'X25519', extractable: true })
  return JSON.stringify(await exportJWK(privateKey))
}

const requestKeySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('X25519'),
  x: z.string().length(43),
  d: z.string().length(43),
})

/** `jwk` as `newRequestKey` made it. */
export async function requestKeyOf(jwk: string): Promise<RequestKey> {
  const parsed = requestKeySchema.parse(secretJson('the key of the request', jwk))
  const privateKey = await importJWK(parsed, alg)
  return {
    publicKey: parsed.x,
    open: async (jwe) => {
      const { plaintext } = await compactDecrypt(jwe, privateKey, {
        keyManagementAlgorithms: [alg],
        contentEncryptionAlgorithms: [enc],
      })
      return credentialSchema.parse(secretJson('the credential', new TextDecoder().decode(plaintext)))
    },
  }
}

/** Errors of JSON.parse quote what they could not read. */
export function secretJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${what} is not JSON`)
  }
}

/** Gives the JWE in its compact form. */
export async function sealTo(publicKey: string, credential: Credential): Promise<string> {
  const key = await importJWK({ kty: 'OKP', crv: 'X25519', x: publicKey }, alg)
  const plaintext = new TextEncoder().encode(JSON.stringify(credential))
  return new CompactEncrypt(plaintext).setProtectedHeader({ alg, enc }).encrypt(key)
}

/** To some points of the curve nothing can be encrypted (RFC 7748, section 6.1). */
export async function isUsableKey(publicKey: string): Promise<boolean> {
  try {
    await sealTo(publicKey, { provider: 'x', inviteId: 'x', token: 'x', expiresAt: 'x' })
    return true
  } catch {
    return false // Whatever it is, it is the fault of the key: nothing else of it came from outside.
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** `pem`: the owner's Ed25519 key in PKCS #8. Gives the signature in base64url. */
export function signJoin(pem: string, signed: Signed): string {
  return sign(null, Buffer.from(signedText(signed)), ed25519(createPrivateKey(pem))).toString('base64url')
}

/** `pinned`: 32 bytes in base64 or base64url. A key that cannot be read has signed nothing. */
export function isSignedBy(pinned: string, signature: string, signed: Signed): boolean {
  const x = Buffer.from(pinned, 'base64url').toString('base64url')
  if (Buffer.from(x, 'base64url').length !== 32) return false
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, Buffer.from(signedText(signed)), key, Buffer.from(signature, 'base64url'))
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new Error(`the owner's key is ${key.asymmetricKeyType}, and must be Ed25519`)
}
