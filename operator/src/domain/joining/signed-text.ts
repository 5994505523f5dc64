// What the owner of a cluster signs, where the Provider pins the owner's key.

export interface Signed {
  readonly provider: string
  /** SHA-256, in hexadecimal, of the CA certificates (PEM) that came with the invite: a signature for one hub is of no use at another. */
  readonly hubCaSha256: string
  readonly inviteId: string
  /** The key of the request: who only has the signature cannot read the answer. */
  readonly publicKey: string
}

/** UTF-8, lines ended by a line feed, no other bytes: none of the parts can have a line feed in it. */
export function signedText({ provider, hubCaSha256, inviteId, publicKey }: Signed): string {
  return ['gpu-commons join v1', provider, hubCaSha256, inviteId, publicKey, ''].join('\n')
}
