// What of a job its provider's owner has a word in.
import type { PodTemplate } from '../../api/template.ts'

export interface Asked extends AskedByTemplate {
  /** The namespace of the job on the hub. */
  readonly tenant: string
  /** Of all workers; a part of one is less than 1. */
  readonly gpus: number
  /** Absent: it may run for ever. */
  readonly maxRuntimeSeconds?: number | undefined
}

export interface AskedByTemplate {
  readonly images: readonly string[]
  /** Of its ephemeral volumes; `undefined` for one that names none. */
  readonly storageClasses: readonly (string | undefined)[]
  /** `Never`: each container says that it does not run as root. */
  readonly root: 'Never' | 'Perhaps'
}

export function askedByTemplate({ spec }: PodTemplate): AskedByTemplate {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  const isRootless = containers.every(({ securityContext: own = {} }) => {
    const { runAsNonRoot, runAsUser } = { ...spec.securityContext, ...own }
    return runAsNonRoot === true && runAsUser !== 0
  })
  return {
    images: [...new Set(containers.map(({ image }) => image))],
    storageClasses: (spec.volumes ?? []).flatMap(({ ephemeral }) =>
      ephemeral ? [ephemeral.volumeClaimTemplate.spec.storageClassName] : [],
    ),
    root: isRootless ? 'Never' : 'Perhaps',
  }
}

export interface AskedGpus {
  readonly count?: number | undefined
  readonly fraction?: string | undefined
}

/** Of one worker: whole ones, or a part of one. */
export function gpusOf({ count = 1, fraction }: AskedGpus): number {
  return fraction === undefined ? count : Number(fraction)
}

export function askedBy(
  { namespace = '' }: { readonly namespace?: string | undefined },
  spec: {
    readonly workers: number
    readonly gpus: AskedGpus
    readonly maxRuntimeSeconds?: number | undefined
  },
  template: AskedByTemplate,
): Asked {
  const { workers, gpus, maxRuntimeSeconds } = spec
  return { ...template, tenant: namespace, gpus: workers * gpusOf(gpus), maxRuntimeSeconds }
}
