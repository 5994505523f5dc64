/** Tokens of ServiceAccounts with times that no API server would give them, signed with its own key. */
import { sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ControlPlane } from './control-plane.ts'

export interface Times {
  /** Seconds since 1970. */
  readonly iat: number
  readonly nbf: number
  readonly exp: number
}

/** The same token with other times; they hold for a minute longer, which an API server allows for clocks that differ. */
export async function signedAnew(
  { signingKeyFile }: Pick<ControlPlane, 'signingKeyFile'>,
  token: string,
  times: Times,
): Promise<string> {
  const [header = '', payload = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as object
  const signed = `${header}.${Buffer.from(JSON.stringify({ ...claims, ...times })).toString('base64url')}`
  const key = { key: await readFile(signingKeyFile, 'utf8'), dsaEncoding: 'ieee-p1363' } as const
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}
