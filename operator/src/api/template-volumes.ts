// Volumes that a job may bring along: only kinds that need nothing of the provider's own.
import { z } from 'zod'
import { dnsLabel, listAtomic, listMap, objectName, partName, quantity, rules } from './fields.ts'

const mode = () => z.int().min(0).max(0o777).describe('Permission bits, such as 0400 (octal) or 256 (decimal).')

/** A path inside a volume: relative, and never up. */
function relativePath() {
  return z
    .string()
    .min(1)
    .max(256)
    .regex(/^[.]?[^/.][^/]*([/][.]?[^/.][^/]*)*$/)
}

const key = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[-._a-zA-Z0-9]+$/)

const keyToPath = z.object({
  key: key(),
  path: relativePath().describe('Where the key becomes a file, relative to the mount.'),
  mode: mode().optional(),
})

const items = () =>
  z.array(keyToPath).max(32).meta(listAtomic).optional().describe('Which keys become files; absent: all of them.')

/** A field of the pod on the provider that says nothing of its machines beyond what the job's status says. */
export const fieldRefSchema = z.object({
  fieldPath: z
    .string()
    .min(1)
    .max(340)
    .regex(
      /^(metadata[.](name|namespace|uid)|metadata[.](labels|annotations)\['[-A-Za-z0-9_./]+'\]|spec[.]nodeName|status[.]podIPs?)$/,
    )
    .describe(
      "metadata.name, .namespace, .uid, .labels['…'], .annotations['…'], spec.nodeName, status.podIP or .podIPs.",
    ),
})

const emptyDir = z
  .object({
    medium: z.enum(['Memory']).optional().describe('Memory keeps it in memory; absent: on the disk of the node.'),
    sizeLimit: quantity().optional(),
  })
  .describe('An empty folder that lives as long as the pod.')

const configMap = z.object({
  name: objectName(),
  items: items(),
  defaultMode: mode().optional(),
  optional: z.boolean().optional(),
})

const secret = z.object({
  secretName: objectName(),
  items: items(),
  defaultMode: mode().optional(),
  optional: z.boolean().optional(),
})

const ephemeral = z
  .object({
    volumeClaimTemplate: z.object({
      metadata: z
        .object({})
        .optional()
        .describe('Taken so that a template can be pasted; labels and annotations of it do not travel.'),
      spec: z.object({
        accessModes: z
          .array(z.enum(['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany', 'ReadOnlyMany']))
          .min(1)
          .max(4)
          .meta(listAtomic),
        storageClassName: objectName().optional().describe("One of the provider's; absent: its default."),
        volumeMode: z.enum(['Filesystem']).optional(),
        resources: z.object({ requests: z.object({ storage: quantity() }) }),
      }),
    }),
  })
  .describe("A volume from the provider's storage that lives as long as the pod.")

const projectedSource = z
  .object({
    configMap: z.object({ name: objectName(), items: items(), optional: z.boolean().optional() }).optional(),
    secret: z.object({ name: objectName(), items: items(), optional: z.boolean().optional() }).optional(),
    downwardAPI: z
      .object({
        items: z
          .array(z.object({ path: relativePath(), fieldRef: fieldRefSchema, mode: mode().optional() }))
          .max(16)
          .meta(listAtomic),
      })
      .optional(),
  })
  .meta(
    rules({
      rule: '[has(self.configMap), has(self.secret), has(self.downwardAPI)].filter(given, given).size() == 1',
      message: 'must have exactly one of configMap, secret, downwardAPI; tokens and trust bundles do not travel',
    }),
  )

export const volumeSchema = z
  .object({
    name: partName(),
    emptyDir: emptyDir.optional(),
    configMap: configMap.optional().describe('Does not travel yet: the job would wait with NotSupportedYet.'),
    secret: secret.optional().describe('Does not travel yet: the job would wait with NotSupportedYet.'),
    ephemeral: ephemeral.optional(),
    projected: z
      .object({
        sources: z.array(projectedSource).min(1).max(8).meta(listAtomic),
        defaultMode: mode().optional(),
      })
      .optional(),
  })
  .meta(
    rules({
      rule: '[has(self.emptyDir), has(self.configMap), has(self.secret), has(self.ephemeral), has(self.projected)].filter(given, given).size() == 1',
      message: 'must have exactly one of emptyDir, configMap, secret, ephemeral, projected',
    }),
  )

export const volumesSchema = z.array(volumeSchema).max(32).meta(listMap('name'))

export const volumeMountSchema = z.object({
  name: dnsLabel().describe('The name of one of the volumes of this template.'),
  mountPath: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[/][^:]*$/)
    .describe('Where the volume appears in the container.'),
  subPath: relativePath().optional(),
  readOnly: z.boolean().optional(),
})
