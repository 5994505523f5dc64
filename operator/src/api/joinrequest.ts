import { z } from 'zod'
import { atomic, fixedField, instant, reason, rules } from './fields.ts'
import { AGE, type Kind } from './kind.ts'
import type { DeepReadonly, KubeObject } from './meta.ts'

/** The name of a JoinRequest is the id of the invite that it uses: so many letters and digits. */
export const INVITE_ID_LENGTH = 10

/** An agent that cannot join with an invite says so once, in a JoinRequest named `<id>-complaint`. */
export const COMPLAINT_SUFFIX = '-complaint'

export const joinRequestSpecSchema = z.object({
  publicKey: z
    .string()
    .max(43)
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .describe(
      'An X25519 key that the agent made for this request (32 bytes, base64url): the token is encrypted to it.',
    ),
  signature: z
    .string()
    .max(86)
    .regex(/^[A-Za-z0-9_-]{86}$/)
    .optional()
    .describe(
      "Ed25519 (64 bytes, base64url) by the owner's key, where spec.publicKey of the Provider pins one: see below.",
    ),
  agentVersion: z.string().min(1).max(64),
  complaint: z
    .enum(['UsedBefore', 'OtherProvider'])
    .optional()
    .describe(
      `Why the agent that has the invite cannot join with it; in a JoinRequest named <id>${COMPLAINT_SUFFIX}, which asks for nothing and is always refused.`,
    ),
})

export const joinRequestStatusSchema = z
  .object({
    state: z.enum(['Granted', 'Refused']),
    reason: reason(),
    message: z.string().max(1024),
    decidedAt: instant(),
    credential: z
      .string()
      .max(16_384)
      .optional()
      .describe('The token of the agent: a JWE (RFC 7516, ECDH-ES with A256GCM) to spec.publicKey.'),
  })
  .meta(atomic)

export const joinRequestSchema = z
  .object({
    spec: fixedField(joinRequestSpecSchema, 'cannot be changed: ask for another invite'),
    status: joinRequestStatusSchema.optional(),
  })
  .describe('One use of one invite: the agent of a provider asks for its credential.')
  .meta(
    rules(
      {
        rule: `self.metadata.name.matches('^[a-z0-9]{${INVITE_ID_LENGTH}}(${COMPLAINT_SUFFIX})?$')`,
        message: `metadata.name must be the id of an invite: ${INVITE_ID_LENGTH} letters and digits, all lower case`,
      },
      {
        rule: `has(self.spec.complaint) == self.metadata.name.endsWith('${COMPLAINT_SUFFIX}')`,
        message: `spec.complaint must be set where metadata.name ends in ${COMPLAINT_SUFFIX}, and nowhere else`,
      },
      {
        rule: '!has(oldSelf.status) || (has(self.status) && self.status == oldSelf.status)',
        message: 'status cannot be changed once it is decided: one invite gives one credential',
      },
    ),
  )

export type JoinRequestSpec = DeepReadonly<z.output<typeof joinRequestSpecSchema>>
export type JoinRequestStatus = DeepReadonly<z.output<typeof joinRequestStatusSchema>>
export type JoinRequest = KubeObject<'JoinRequest', JoinRequestSpec, JoinRequestStatus>

export type Complaint = NonNullable<JoinRequestSpec['complaint']>

export const joinRequestKind: Kind = {
  kind: 'JoinRequest',
  plural: 'joinrequests',
  singular: 'joinrequest',
  shortNames: ['join'],
  scope: 'Namespaced',
  schema: joinRequestSchema,
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    { name: 'Agent', type: 'string', jsonPath: '.spec.agentVersion' },
    AGE,
  ],
}
