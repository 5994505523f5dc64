// The Secrets and ConfigMaps of the tenant that a template names, and what of each a run needs.
import type { Container, PodTemplate } from '../../api/template.ts'

export type SourceKind = 'Secret' | 'ConfigMap'

export interface Source {
  readonly kind: SourceKind
  readonly name: string
  /** Only what is named travels. */
  readonly keys: 'All' | ReadonlySet<string>
  /** Whether every mention of it says that it may be absent. */
  readonly optional: boolean
}

interface Mention {
  readonly kind: SourceKind
  readonly name: string
  readonly keys: 'All' | readonly string[]
  readonly optional?: boolean | undefined
}

/** Under these a Secret has what images are pulled with: today's form, and the one before it. */
export const PULL_KEYS = ['.dockerconfigjson', '.dockercfg'] as const

/** Each source once, in the order of the template. */
export function payloadSources({ spec }: PodTemplate): Source[] {
  const found = new Map<string, Source>()
  for (const mention of mentions(spec)) {
    const { kind, name } = mention
    const id = `${kind} ${name}`
    found.set(id, merged(found.get(id) ?? { kind, name, keys: new Set(), optional: true }, mention))
  }
  return [...found.values()]
}

function merged(source: Source, { keys, optional = false }: Mention): Source {
  return {
    ...source,
    keys: source.keys === 'All' || keys === 'All' ? 'All' : new Set([...source.keys, ...keys]),
    optional: source.optional && optional,
  }
}

function* mentions(spec: PodTemplate['spec']): Generator<Mention> {
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) yield* mentionsOf(container)
  for (const { configMap, secret, projected } of spec.volumes ?? []) {
    if (configMap) yield { kind: 'ConfigMap', ...configMap, keys: keysOf(configMap) }
    if (secret) yield { kind: 'Secret', ...secret, name: secret.secretName, keys: keysOf(secret) }
    for (const source of projected?.sources ?? []) {
      if (source.configMap) yield { kind: 'ConfigMap', ...source.configMap, keys: keysOf(source.configMap) }
      if (source.secret) yield { kind: 'Secret', ...source.secret, keys: keysOf(source.secret) }
    }
  }
  for (const { name } of spec.imagePullSecrets ?? []) yield { kind: 'Secret', name, keys: PULL_KEYS }
}

function* mentionsOf({ envFrom, env }: Pick<Container, 'env' | 'envFrom'>): Generator<Mention> {
  for (const { configMapRef, secretRef } of envFrom ?? []) {
    if (configMapRef) yield { kind: 'ConfigMap', ...configMapRef, keys: 'All' }
    if (secretRef) yield { kind: 'Secret', ...secretRef, keys: 'All' }
  }
  for (const { valueFrom: { configMapKeyRef, secretKeyRef } = {} } of env ?? []) {
    if (configMapKeyRef) yield { kind: 'ConfigMap', ...configMapKeyRef, keys: [configMapKeyRef.key] }
    if (secretKeyRef) yield { kind: 'Secret', ...secretKeyRef, keys: [secretKeyRef.key] }
  }
}

function keysOf({ items = [] }: { readonly items?: readonly { readonly key: string }[] }): Mention['keys'] {
  return items.length === 0 ? 'All' : items.map(({ key }) => key)
}
