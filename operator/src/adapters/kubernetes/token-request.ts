// Tokens of ServiceAccounts, by the TokenRequest API.
import { z } from 'zod'
import type { KubeClient, ObjectRef } from './client.ts'

export interface Token {
  readonly token: string
  /** RFC 3339: an API server may grant less than was asked. */
  readonly expiresAt: string
  /** For whom it is good; the API server fills in its own where none was asked for. */
  readonly audiences: readonly string[]
}

export interface TokenWanted {
  readonly seconds: number
  /** Absent: the API server. */
  readonly audience?: string
  /** The token ends with this Secret. Without a uid: the one that has the name now. */
  readonly secret?: { readonly name: string; readonly uid?: string | undefined }
}

const answerSchema = z.looseObject({
  spec: z.looseObject({ audiences: z.array(z.string()).default([]) }),
  status: z.looseObject({ token: z.string().min(1), expirationTimestamp: z.iso.datetime({ offset: true }) }),
})

export async function requestToken(
  client: Pick<KubeClient, 'request'>,
  { namespace = '', name }: ObjectRef,
  { seconds, audience, secret }: TokenWanted,
): Promise<Token> {
  const audiences = audience === undefined ? undefined : [audience]
  const boundObjectRef = secret && { apiVersion: 'v1', kind: 'Secret', ...secret }
  const answer = await client.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        expirationSeconds: seconds,
        ...(audiences ? { audiences } : {}),
        ...(boundObjectRef ? { boundObjectRef } : {}),
      },
    },
  })
  const { spec, status } = answerSchema.parse(answer)
  return { token: status.token, expiresAt: status.expirationTimestamp, audiences: spec.audiences }
}
