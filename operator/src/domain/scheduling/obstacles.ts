// What keeps a job from a node however empty it is, as what would have to be otherwise.
import { type Change } from './changes.ts'
import type { JobFact, ProviderFact } from './facts.ts'
import { blocking, type NodeAt, priceAt, toleratesAll } from './filters.ts'
import type { Reason } from './reasons.ts'

type Obstacle = (job: JobFact, place: NodeAt) => readonly Change[] | 'Wall'

/** Undefined: nothing that the job or time can change. */
export function obstaclesOn(job: JobFact, place: NodeAt): readonly Change[] | undefined {
  if (place.node.withheld !== undefined) return undefined
  const changes: Change[] = []
  for (const obstacle of obstacles) {
    const found = obstacle(job, place)
    if (found === 'Wall') return undefined
    changes.push(...found)
  }
  return changes
}

const obstacles: readonly Obstacle[] = [
  ({ providerSelector }, { provider }) => selects('ProviderSelector', providerSelector, provider.labels),
  ownersRule,
  ({ excludedProviders }, { provider: { name } }) =>
    excludedProviders.includes(name) ? [{ change: 'TriedAgain', provider: name }] : [],
  ({ models }, { node: { model } }) =>
    models.length === 0 || models.includes(model) ? [] : [{ change: 'Models', also: model }],
  ({ gpuMemoryMiB = 0 }, { node }) =>
    node.gpuMemoryMiB >= gpuMemoryMiB ? [] : [{ change: 'GpuMemory', toMiB: node.gpuMemoryMiB }],
  ({ maxPrice = Infinity }, { provider, node: { model } }) => {
    const price = priceAt(provider, model)
    return price <= maxPrice ? [] : [{ change: 'MaxPrice', to: price, by: price - maxPrice }]
  },
  ({ nodeSelector }, { node }) => selects('NodeSelector', nodeSelector, node.labels),
  ({ avoidNodes = [] }, { node: { provider, name } }) =>
    avoidNodes.includes(`${provider}/${name}`) ? [{ change: 'TriedAgain', provider, node: name }] : [],
  (job, { provider, node }) => {
    const taints = blocking(node.taints).filter((taint) => !toleratesAll(job, { taints: [taint], provider }))
    const isForbidden = taints.some(({ key }) => provider.tolerates?.includes(key) === false)
    return isForbidden ? 'Wall' : taints.map((of) => ({ change: 'Toleration', of }))
  },
]

function selects(
  change: 'ProviderSelector' | 'NodeSelector',
  wanted: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): readonly Change[] {
  const without = Object.keys(wanted).filter((key) => labels[key] !== wanted[key])
  return without.length === 0 ? [] : [{ change, without }]
}

function ownersRule({ refusedBy = {} }: JobFact, { provider }: NodeAt): readonly Change[] | 'Wall' {
  const rule = Object.hasOwn(refusedBy, provider.name) ? refusedBy[provider.name] : undefined
  if (rule === undefined || rule === 'OwnerRuleGpus') return []
  const way = wayOut(rule, provider)
  return way === undefined ? 'Wall' : [{ change: 'OwnerRule', provider: provider.name, rule, way }]
}

/** What the job could say to be let in. */
function wayOut(rule: Reason, { rules }: ProviderFact): string | undefined {
  switch (rule) {
    case 'OwnerRuleImage':
      return rules?.images?.pinning === 'Digest' ? 'name images by their digest' : 'use images that the owner lets run'
    case 'OwnerRuleRuntime':
      return `set spec.maxRuntimeSeconds to ${rules?.longestRunSeconds ?? 'what the owner allows'} or less`
    case 'OwnerRuleStorage':
      return rules?.storageClasses?.length
        ? `name storage class ${rules.storageClasses.slice(0, 3).join(' or ')}, or none`
        : 'use an emptyDir in place of ephemeral volumes'
    case 'NeedsRoot':
      return 'say runAsNonRoot: true in spec.template.spec.securityContext'
    default:
      return undefined
  }
}
