// Volumes that a job may bring along: only kinds that need nothing of the provider's own.
import { z } from 'zod'
import {
  contentKey,
  dnsLabel,
  guarded,
  LABEL_KEY,
  listAtomic,
  listMap,
  objectName,
  partName,
  quantity,
  rules,
} from './fields.ts'

const mode = () => z.int().min(0).max(0o777).describe('Permission bits, such as 0400 (octal) or 256 (decimal).')

/** A path inside a volume: relative, and never up. */
function relativePath() {
  return z
    .string()
    .min(1)
    .max(256)
    .regex(/^[.]?[^/.][^/]*([/][.]?[^/.][^/]*)*$/)
}

const keyToPath = z.object({
  key: contentKey(),
  path: relativePath().describe('Where the key becomes a file, relative to the mount.'),
  mode: mode().optional(),
})

const items = () =>
  z.array(keyToPath).max(32).meta(listMap('path')).optional().describe('Which keys become files; absent: all of them.')

/** A field of the pod on the provider that says nothing of its machines beyond what the job's status says. */
function fieldRef(others: string) {
  return z.object({
    fieldPath: z
      .string()
      .min(1)
      .max(341)
      .regex(
        new RegExp(`^(metadata[.](name|namespace|uid)|metadata[.](labels|annotations)\\['${LABEL_KEY}'\\]|${others})$`),
      )
      .meta(
        rules({
          rule: `!self.contains('/') || self.indexOf('/') - self.indexOf('[') <= 255`,
          message: 'must not have more than 253 characters before the slash of a key',
        }),
      ),
  })
}

export const variableFieldSchema = fieldRef('spec[.]nodeName|status[.]podIPs?').describe(
  "metadata.name, .namespace, .uid, .labels['…'], .annotations['…'], spec.nodeName, status.podIP or .podIPs.",
)

const fileFieldSchema = fieldRef('metadata[.](labels|annotations)').describe(
  "metadata.name, .namespace, .uid, .labels, .annotations, .labels['…'] or .annotations['…'].",
)

const emptyDir = z
  .object({
    medium: z.enum(['Memory']).optional().describe('Memory keeps it in memory; absent: on the disk of the node.'),
    sizeLimit: quantity().optional(),
  })
  .describe('An empty folder that lives as long as the pod.')

/** Of what the tenant keeps on the hub. */
export const TRAVELS = 'Travels to the provider, who can read it: only with the label gpucommons.io/may-travel: "true".'

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
          .meta({
            ...listAtomic,
            ...rules({
              rule: "self.size() == 1 || !('ReadWriteOncePod' in self)",
              message: 'must not have ReadWriteOncePod beside another mode',
            }),
          }),
        storageClassName: objectName().optional().describe("One of the provider's; absent: its default."),
        volumeMode: z.enum(['Filesystem']).optional(),
        resources: z.object({
          requests: z.object({ storage: quantity() }).meta(
            rules({
              rule: "!isQuantity(string(self.storage)) || quantity(string(self.storage)).isGreaterThan(quantity('0'))",
              message: 'must ask for more than no storage',
              fieldPath: '.storage',
            }),
          ),
        }),
      }),
    }),
  })
  .describe("A volume from the provider's storage that lives as long as the pod.")

/** Of what may stand in a list of alternatives. */
function isOne(given: object, names: readonly string[]): boolean {
  return names.filter((name) => given[name as keyof typeof given] !== undefined).length === 1
}

const projectedSource = guarded(
  z.object({
    configMap: z.object({ name: objectName(), items: items(), optional: z.boolean().optional() }).optional(),
    secret: z.object({ name: objectName(), items: items(), optional: z.boolean().optional() }).optional(),
    downwardAPI: z
      .object({
        items: z
          .array(z.object({ path: relativePath(), fieldRef: fileFieldSchema, mode: mode().optional() }))
          .max(16)
          .meta(listMap('path')),
      })
      .optional(),
  }),
  (source) => isOne(source, ['configMap', 'secret', 'downwardAPI']),
  {
    rule: '[has(self.configMap), has(self.secret), has(self.downwardAPI)].filter(given, given).size() == 1',
    message: 'must have exactly one of configMap, secret, downwardAPI; tokens and trust bundles do not travel',
  },
)

export const volumeSchema = guarded(
  z.object({
    name: partName(),
    emptyDir: emptyDir.optional(),
    configMap: configMap.optional().describe(TRAVELS),
    secret: secret.optional().describe(TRAVELS),
    ephemeral: ephemeral.optional(),
    projected: z
      .object({
        sources: z
          .array(projectedSource)
          .min(1)
          .max(8)
          .meta({
            ...listAtomic,
            ...rules({
              rule: 'self.filter(source, has(source.downwardAPI)).size() <= 1',
              message: 'must not have downwardAPI twice: put all items into one, where no path may come twice',
            }),
          }),
        defaultMode: mode().optional(),
      })
      .optional(),
  }),
  (volume) => isOne(volume, ['emptyDir', 'configMap', 'secret', 'ephemeral', 'projected']),
  {
    rule: '[has(self.emptyDir), has(self.configMap), has(self.secret), has(self.ephemeral), has(self.projected)].filter(given, given).size() == 1',
    message: 'must have exactly one of emptyDir, configMap, secret, ephemeral, projected',
  },
)

export const volumesSchema = z.array(volumeSchema).max(32).meta(listMap('name'))

/** Patterns, without the first slash: what belongs to the kernel, to NVIDIA's container runtime and to the kubelet. */
const RESERVED = ['proc', 'sys', 'dev', '(var/)?run/nvidia-container-devices', '(var/)?run/secrets/kubernetes[.]io']

export const volumeMountSchema = z.object({
  name: dnsLabel().describe('The name of one of the volumes of this template.'),
  mountPath: guarded(
    guarded(
      z
        .string()
        .min(1)
        .max(256)
        .regex(/^[/][^:]+$/)
        .describe('Where the volume appears in the container.'),
      (path) => !/[/]([.][.]?([/]|$)|[/])/.test(path),
      { rule: "!self.matches('/([.][.]?(/|$)|/)')", message: 'must not have //, /./ or /../ in it' },
    ),
    (path) => !new RegExp(`^/(${RESERVED.join('|')})(/|$)`).test(path) || /^[/]dev[/]shm([/]|$)/.test(path),
    {
      rule: `!self.matches('^/(${RESERVED.join('|')})(/|$)') || self.matches('^/dev/shm(/|$)')`,
      message: "must not be under /proc, /sys, /dev (but /dev/shm is free) or where the provider's own mounts are",
    },
  ),
  subPath: relativePath().optional(),
  readOnly: z.boolean().optional(),
})
