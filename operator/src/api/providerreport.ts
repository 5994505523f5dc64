import { z } from 'zod'
import { atomic, rules } from './fields.ts'
import { AGE, type Kind } from './kind.ts'
import type { DeepReadonly, KubeObject } from './meta.ts'
import { ownerRulesSchema } from './owner-rules.ts'

/** There is one report in a provider's namespace, and this is its name. */
export const REPORT_NAME = 'self'

/** So many are told of at most. */
export const MAX_UNORDERED = 5000

export const providerReportSpecSchema = z.object({
  agentVersion: z.string().min(1).max(64),
  kubernetesVersion: z.string().max(64).optional(),
  rules: ownerRulesSchema
    .prefault({})
    .meta(atomic) // Field by field its managed fields would be as long as itself.
    .describe('What the owner lets jobs do there. The agent refuses what breaks them, whatever stands here.'),
  intake: z
    .enum(['Open', 'OutsideHours'])
    .default('Open')
    .describe('OutsideHours: by the agent’s clock it is not within the hours of the rules, and nothing runs there.'),
  networkIsolation: z
    .enum(['Unknown', 'Enforced', 'NotEnforced'])
    .default('Unknown')
    .describe("Whether the cluster's network enforces NetworkPolicies, as far as the agent could see."),
  unordered: z
    .array(
      z
        .string()
        .max(64)
        .regex(/^[0-9A-Za-z-]{1,53}[.][0-9]{1,10}$/),
    )
    .max(MAX_UNORDERED)
    .optional()
    .describe(
      'Runs that compute there without a GpuRun, `<uid of the GpuJob>.<run>`: no other provider starts these jobs.',
    ),
})

export const providerReportSchema = z
  .object({ spec: providerReportSpecSchema })
  .describe('What an agent says of itself and of its cluster.')
  .meta(
    rules({
      rule: `self.metadata.name == '${REPORT_NAME}'`,
      message: `metadata.name must be ${REPORT_NAME}`,
    }),
  )

export type ProviderReportSpec = DeepReadonly<z.output<typeof providerReportSpecSchema>>
export type ProviderReport = KubeObject<'ProviderReport', ProviderReportSpec, never>

export const providerReportKind: Kind = {
  kind: 'ProviderReport',
  plural: 'providerreports',
  singular: 'providerreport',
  shortNames: ['prep'],
  scope: 'Namespaced',
  schema: providerReportSchema,
  columns: [
    { name: 'Agent', type: 'string', jsonPath: '.spec.agentVersion' },
    { name: 'Kubernetes', type: 'string', jsonPath: '.spec.kubernetesVersion' },
    { name: 'Pod Security', type: 'string', jsonPath: '.spec.rules.podSecurity' },
    { name: 'Intake', type: 'string', jsonPath: '.spec.intake' },
    { name: 'Isolation', type: 'string', jsonPath: '.spec.networkIsolation' },
    AGE,
  ],
}
