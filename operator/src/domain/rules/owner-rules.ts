// Whether an owner's rules let a job run there. The hub asks before it places, the agent before it begins.
import type { OwnerRules } from '../../api/owner-rules.ts'
import type { PodTemplate } from '../../api/template.ts'
import type { Asked } from './asked.ts'
import { fullImageName, fullImagePattern, isPinned } from './image-name.ts'

export interface Broken {
  readonly rule: BrokenRule
  /** For who sent the job: what it is, and the way out. */
  readonly message: string
}

export type BrokenRule =
  | 'OwnerRuleTenant'
  | 'OwnerRuleImage'
  | 'OwnerRuleGpus'
  | 'OwnerRuleRuntime'
  | 'OwnerRuleStorage'
  | 'NeedsRoot'

type Check = (rules: OwnerRules, asked: Asked) => Broken | undefined

/** What no change of the job mends comes first: the first that is broken is what the user reads. */
const checks: readonly Check[] = [
  ({ tenants }, { tenant }) =>
    tenants && !isAllowed(tenants, tenant)
      ? { rule: 'OwnerRuleTenant', message: `the owner takes no jobs of namespace ${tenant}` }
      : undefined,
  ({ images }, asked) => {
    const read = images && asRead(images)
    const image = read && asked.images.find((one) => !isAllowed(read, fullImageName(one)))
    return image === undefined
      ? undefined
      : { rule: 'OwnerRuleImage', message: `the owner does not let image ${image} run; another registry may do` }
  },
  ({ images }, asked) => {
    const image = images?.pinning === 'Digest' ? asked.images.find((one) => !isPinned(one)) : undefined
    return image === undefined
      ? undefined
      : {
          rule: 'OwnerRuleImage',
          message: `the owner takes images by their digest only: write ${image.split('@')[0]} with @sha256:… at its end`,
        }
  },
  ({ mostGpusPerRun = Infinity }, { gpus }) =>
    gpus > mostGpusPerRun
      ? {
          rule: 'OwnerRuleGpus',
          message: `the owner gives ${mostGpusPerRun} GPUs to a run, and this one asks for ${gpus}`,
        }
      : undefined,
  ({ longestRunSeconds: longest = Infinity }, { maxRuntimeSeconds = Infinity }) =>
    maxRuntimeSeconds > longest
      ? {
          rule: 'OwnerRuleRuntime',
          message: `the owner takes runs of at most ${longest} s: set spec.maxRuntimeSeconds to that or less`,
        }
      : undefined,
  ({ storageClasses: offered }, { storageClasses }) =>
    offered?.length === 0 && storageClasses.length > 0
      ? {
          rule: 'OwnerRuleStorage',
          message: 'the owner offers no storage for ephemeral volumes: use an emptyDir',
        }
      : undefined,
  ({ storageClasses: offered }, { storageClasses }) => {
    const other = offered && storageClasses.find((one) => one !== undefined && !offered.includes(one))
    return other === undefined
      ? undefined
      : {
          rule: 'OwnerRuleStorage',
          message: `the owner does not offer storage class ${other}: name one of ${offered?.join(', ')}, or none`,
        }
  },
  ({ podSecurity }, { root }) =>
    podSecurity === 'Restricted' && root === 'Perhaps'
      ? {
          rule: 'NeedsRoot',
          message: 'the owner lets nothing run as root: say runAsNonRoot: true in spec.template.spec.securityContext',
        }
      : undefined,
]

export function brokenRule(rules: OwnerRules, asked: Asked): Broken | undefined {
  for (const check of checks) {
    const broken = check(rules, asked)
    if (broken) return broken
  }
  return undefined
}

interface Allowing {
  readonly allow?: readonly string[] | undefined
  readonly deny?: readonly string[] | undefined
}

function asRead({ allow, deny }: Allowing): Allowing {
  return { allow: allow?.map(fullImagePattern), deny: deny?.map(fullImagePattern) }
}

/** @param name of an image: with its registry */
function isAllowed({ allow, deny = [] }: Allowing, name: string): boolean {
  const matches = (pattern: string) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : isNamed(name, pattern)
  return (allow === undefined || allow.some(matches)) && !deny.some(matches)
}

/** An image that a rule names without tag and digest is meant with any. */
function isNamed(name: string, pattern: string): boolean {
  return name.startsWith(pattern) && /^(:[^/@]+)?(@[^/]+)?$/.test(name.slice(pattern.length))
}

/** The template as it was judged: with the storage class that an owner offers, and with images that every runtime reads alike. */
export function asJudged(template: PodTemplate, { storageClasses = [], images }: OwnerRules): PodTemplate {
  const { volumes, containers, initContainers } = template.spec
  const named = <C extends { readonly image: string }>(container: C): C =>
    images ? { ...container, image: fullImageName(container.image) } : container
  return {
    ...template,
    spec: {
      ...template.spec,
      containers: containers.map(named),
      ...(initContainers ? { initContainers: initContainers.map(named) } : {}),
      ...(volumes ? { volumes: volumes.map((volume) => withClass(volume, storageClasses[0])) } : {}),
    },
  }
}

type Volume = NonNullable<PodTemplate['spec']['volumes']>[number]

function withClass(volume: Volume, storageClassName: string | undefined): Volume {
  if (!volume.ephemeral || storageClassName === undefined) return volume
  const { volumeClaimTemplate: claim } = volume.ephemeral
  return { ...volume, ephemeral: { volumeClaimTemplate: { ...claim, spec: { storageClassName, ...claim.spec } } } }
}
