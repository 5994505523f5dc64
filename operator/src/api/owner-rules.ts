// What the owner of a cluster lets the federation do there. The agent holds to it; the hub only spares itself refusals.
import { z } from 'zod'
import { LABEL_KEY, listAtomic, listSet, objectName } from './fields.ts'
import type { DeepReadonly } from './meta.ts'

/** A beginning with a `*` after it, or all of a name. */
function patterns(pattern: RegExp) {
  return z.array(z.string().min(1).max(512).regex(pattern)).max(256).meta(listSet)
}

function allowOrDeny(pattern: RegExp) {
  return {
    allow: patterns(pattern).min(1).optional().describe('Only these; absent: all but the denied ones.'),
    deny: patterns(pattern).optional().describe('Never these, whatever `allow` says.'),
  }
}

const TENANT = /^[-a-z0-9]*[*]?$/
/** A registry tells itself from the first part of a path by a dot or a port in it. */
const IMAGE = /^([-a-z0-9]+([.][-a-z0-9]+)+(:[0-9]+)?|[-a-z0-9]+:[0-9]+|localhost)[/][^*\s]*[*]?$/

const time = (most: string) =>
  z
    .string()
    .max(5)
    .regex(new RegExp(`^(([01][0-9]|2[0-3]):[0-5][0-9]${most})$`))

export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const

const hoursSchema = z
  .strictObject({
    timeZone: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[A-Za-z][A-Za-z0-9+_/-]*$/)
      .default('UTC')
      .describe('Of the IANA time zone database, such as Europe/Berlin.'),
    windows: z
      .array(
        z.strictObject({
          days: z.array(z.enum(WEEKDAYS)).min(1).max(7).meta(listSet).describe('On which it begins.'),
          from: time('').describe('HH:MM'),
          to: time('|24:00').describe('HH:MM; one that is not after `from` is of the next day.'),
        }),
      )
      .min(1)
      .max(32)
      .meta(listAtomic)
      .describe('Each with `days` (Mon to Sun, on which it begins), `from` and `to` (HH:MM).'),
  })
  .describe('Outside of these hours no run begins, and those that are there end as Reclaimed.')

export const ownerRulesSchema = z.strictObject({
  tenants: z
    .strictObject(allowOrDeny(TENANT))
    .optional()
    .describe('Namespaces of the hub, such as research or team-*.'),
  images: z
    .strictObject({
      ...allowOrDeny(IMAGE),
      pinning: z
        .enum(['Any', 'Digest'])
        .default('Any')
        .describe('Digest: each image is named by its digest, as in name@sha256:….'),
    })
    .optional()
    .describe(
      'With their registry, such as nvcr.io/nvidia/* or docker.io/library/ubuntu. A registry may have several names: what must not run is kept out by `allow`, not by `deny`.',
    ),
  keptGpusPerNode: z.int().min(0).max(1024).default(0).describe('GPUs of each node that the federation never gets.'),
  mostGpusPerRun: z.int().min(1).max(65_536).optional().describe('Of all its workers together; absent: any number.'),
  longestRunSeconds: z
    .int()
    .min(60)
    .max(31_536_000)
    .optional()
    .describe('Only jobs whose spec.maxRuntimeSeconds is at most this; absent: also those that have none.'),
  hours: hoursSchema.optional(),
  podSecurity: z
    .enum(['Baseline', 'Restricted'])
    .default('Baseline')
    .describe("The Pod Security level of tenants' namespaces. Restricted: only jobs that say runAsNonRoot: true."),
  runtimeClassName: objectName().optional().describe('Of all pods of the federation, such as nvidia or gvisor.'),
  storageClasses: z
    .array(objectName())
    .max(32)
    .meta(listAtomic)
    .optional()
    .describe(
      'For ephemeral volumes; a job that names none gets the first. Empty: no such volumes. Absent: any class.',
    ),
  taints: z
    .array(
      z
        .string()
        .min(1)
        .max(317)
        .regex(new RegExp(`^${LABEL_KEY}$`)),
    )
    .max(32)
    .meta(listSet)
    .optional()
    .describe('Keys of taints that jobs may tolerate, beside nvidia.com/gpu.'),
})

export type OwnerRules = DeepReadonly<z.output<typeof ownerRulesSchema>>

/** Of an owner who says nothing. */
export const noRules: OwnerRules = ownerRulesSchema.parse({}) as OwnerRules
