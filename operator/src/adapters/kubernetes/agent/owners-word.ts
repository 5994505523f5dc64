// Whether the owner of this cluster lets a run begin here.
import type { GpuRun } from '../../../api/gpurun.ts'
import type { OwnerRules } from '../../../api/owner-rules.ts'
import { type PodTemplate, podTemplateSchema } from '../../../api/template.ts'
import { outcomeOf, runId } from '../../../domain/lifecycle/gpurun.ts'
import type { Refusal } from '../../../domain/lifecycle/gpurun-start.ts'
import { askedBy, askedByTemplate } from '../../../domain/rules/asked.ts'
import { brokenOnNodes } from '../../../domain/rules/nodes.ts'
import { brokenRule } from '../../../domain/rules/owner-rules.ts'
import type { AgentCaches } from './caches.ts'
import { type ClaimWorld, claimOf } from './node-claim-ports.ts'

export interface OwnersWorld extends ClaimWorld {
  readonly rules: OwnerRules
}

/** `undefined`: the run may begin. */
export function ownersWord(world: OwnersWorld, run: GpuRun): Refusal | undefined {
  const { caches, rules } = world
  const { spec } = run
  // What cannot be read is refused by who makes the Job of it.
  const template = podTemplateSchema.safeParse(spec.template)
  const asked = template.success && askedBy(spec.job, spec, askedByTemplate(template.data as PodTemplate))
  const broken =
    (asked && brokenRule(rules, asked)) ||
    brokenOnNodes(spec, {
      claim: (node) => claimOf(node, world),
      held: (node) => heldOn(node, run, caches),
    })
  return broken && { reason: broken.rule, message: broken.message }
}

function heldOn(node: string, run: GpuRun, { runs }: Pick<AgentCaches, 'runs'>): number {
  const others = [...runs.values()].filter((one) => outcomeOf(one) === undefined && runId(one) !== runId(run))
  const shares = others.flatMap(({ spec }) =>
    spec.nodes.map(({ name, workers }) => (name === node ? workers * spec.gpus.count : 0)),
  )
  return shares.reduce((sum, gpus) => sum + gpus, 0)
}
