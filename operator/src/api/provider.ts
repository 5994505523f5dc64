import { z } from 'zod'
import { atomic, gpuModel, kindName, listMap, nameRule, nameWords, price, uid } from './fields.ts'
import { AGE, type Kind } from './kind.ts'
import { conditionsSchema, type DeepReadonly, type KubeObject } from './meta.ts'

/** The name of a provider becomes `provider-<name>`, a namespace. */
const MAX_PROVIDER_NAME = 54

/** The rule of a Provider's name, for those who have a name and no Provider: flags, commands, charts. */
export const providerName = () => kindName(MAX_PROVIDER_NAME)
export const providerNameWords = nameWords(MAX_PROVIDER_NAME)

export const providerSpecSchema = z.object({
  region: z.string().min(1).max(63).optional().describe('Where it is, in words of your own.'),
  prices: z
    .array(z.object({ model: gpuModel(), perGpuHour: price() }))
    .max(64)
    .meta(listMap('model'))
    .optional()
    .describe('What a GPU costs in an hour; a model without a price costs nothing.'),
  intake: z
    .enum(['Open', 'Cordoned', 'Revoked'])
    .default('Open')
    .describe(
      'Cordoned: no new work goes there, what runs goes on. Revoked: its agent is shut out, and the hub writes nothing for it.',
    ),
  publicKey: z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9+/_=-]+$/)
    .optional()
    .describe('The Ed25519 key of its owner, in base64: only who signs with it may join.'),
})

export const providerStatusSchema = z
  .object({
    observedGeneration: z.int().min(0),
    conditions: conditionsSchema,
    inventory: z
      .object({
        nodes: z.int().min(0).max(1_000_000),
        gpus: z.int().min(0).max(100_000_000),
        models: z
          .array(z.object({ model: gpuModel(), gpus: z.int().min(0).max(100_000_000) }))
          .max(64)
          .meta(listMap('model')),
      })
      .optional()
      .describe('What the provider offers, summed up.'),
    agent: z
      .object({ version: z.string().max(64), kubernetesVersion: z.string().max(64).optional() })
      .optional()
      .describe('What the agent says of itself.'),
    namespaceUid: uid().optional().describe('The uid of the namespace made for it.'),
  })
  .meta(atomic)

export const providerSchema = z
  .object({ spec: providerSpecSchema.prefault({}), status: providerStatusSchema.optional() })
  .describe('One member cluster of the federation.')
  .meta(nameRule(MAX_PROVIDER_NAME))

export type ProviderSpec = DeepReadonly<z.output<typeof providerSpecSchema>>
export type ProviderStatus = DeepReadonly<z.output<typeof providerStatusSchema>>
export type Provider = KubeObject<'Provider', ProviderSpec, ProviderStatus>

export const providerKind: Kind = {
  kind: 'Provider',
  plural: 'providers',
  singular: 'provider',
  shortNames: ['prov'],
  scope: 'Cluster',
  schema: providerSchema,
  columns: [
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status" },
    { name: 'Connected', type: 'string', jsonPath: ".status.conditions[?(@.type=='Connected')].status" },
    { name: 'GPUs', type: 'integer', jsonPath: '.status.inventory.gpus' },
    { name: 'Nodes', type: 'integer', jsonPath: '.status.inventory.nodes' },
    { name: 'Region', type: 'string', jsonPath: '.spec.region' },
    { name: 'Intake', type: 'string', jsonPath: '.spec.intake' },
    AGE,
  ],
}
