// What a kubelet makes of a pod's references to Secrets and ConfigMaps: a reference to compare with, as Kubernetes
// documents it. Names of variables are held to the rule that all its versions share.
import type { Container, PodSpec } from '../../operator/src/api/template.ts'

export interface Kept {
  /** In base64. */
  readonly data?: Readonly<Record<string, string>>
  /** Of a ConfigMap: texts in `data`, base64 here. */
  readonly binaryData?: Readonly<Record<string, string>>
}

/** By `Secret <name>` and `ConfigMap <name>`; of both kinds `data` is in base64 here. */
export type Cupboard = Readonly<Record<string, Kept>>

type Values = ReadonlyMap<string, string>

/** A container that could not start: CreateContainerConfigError, or a volume that cannot be set up. */
export class CannotStart extends Error {}

/** The environment of a container, by name; values in base64, as what comes of a Secret may be no text. */
export function environmentOf({ env, envFrom }: Pick<Container, 'env' | 'envFrom'>, kept: Cupboard): Values {
  const made = new Map<string, string>()
  for (const { prefix = '', configMapRef, secretRef } of envFrom ?? []) {
    const [kind, ref] = configMapRef ? (['ConfigMap', configMapRef] as const) : (['Secret', secretRef] as const)
    const found = ref && lookUp(kept, `${kind} ${ref.name}`, ref.optional)
    for (const [key, value] of Object.entries(found?.data ?? {})) {
      if (isVariable(prefix + key)) made.set(prefix + key, value)
    }
  }
  for (const { name, value, valueFrom } of env ?? []) {
    const { configMapKeyRef, secretKeyRef } = valueFrom ?? {}
    const ref = configMapKeyRef ?? secretKeyRef
    if (!ref) made.set(name, base64(expanded(value ?? '', made)))
    else {
      const found = lookUp(kept, `${configMapKeyRef ? 'ConfigMap' : 'Secret'} ${ref.name}`, ref.optional)
      const content = new Map(Object.entries(found?.data ?? {})).get(ref.key)
      if (content !== undefined) made.set(name, content)
      else if (!ref.optional) throw new CannotStart(`no key ${ref.key} in ${ref.name}`)
    }
  }
  return made
}

/** `$(NAME)` of what was defined before; `$$` is a dollar. */
function expanded(text: string, made: Values): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (all, name: string | undefined) => {
    if (name === undefined) return '$'
    const value = made.get(name)
    return value === undefined ? all : Buffer.from(value, 'base64').toString()
  })
}

function isVariable(name: string): boolean {
  return /^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name) && name !== '.' && !name.startsWith('..')
}

type Volume = NonNullable<PodSpec['volumes']>[number]
type Source = NonNullable<Volume['projected']>['sources'][number]
interface Part {
  readonly of: string
  readonly optional?: boolean | undefined
  readonly items?: readonly { readonly key: string; readonly path: string; readonly mode?: number | undefined }[]
}

/** The files of a volume: `<path> <octal mode>` to content in base64; `field` for those of the downward API. */
export function filesOf({ secret, configMap, projected }: Volume, kept: Cupboard): Values {
  const files = new Map<string, readonly [string, string]>()
  const defaultMode = (secret ?? configMap ?? projected)?.defaultMode ?? 0o644
  const sources: readonly Source[] =
    projected?.sources ??
    (secret ? [{ secret: { ...secret, name: secret.secretName } }] : configMap ? [{ configMap }] : [])
  for (const source of sources) {
    for (const { path, mode } of source.downwardAPI?.items ?? [])
      files.set(path, [modeText(mode ?? defaultMode), 'field'])
    if (source.secret) add(files, { ...source.secret, of: `Secret ${source.secret.name}` }, { kept, defaultMode })
    if (source.configMap)
      add(files, { ...source.configMap, of: `ConfigMap ${source.configMap.name}` }, { kept, defaultMode })
  }
  return new Map([...files].map(([path, [mode, content]]) => [`${path} ${mode}`, content]))
}

function add(
  files: Map<string, readonly [string, string]>,
  { of, optional, items = [] }: Part,
  { kept, defaultMode }: { readonly kept: Cupboard; readonly defaultMode: number },
): void {
  const found = lookUp(kept, of, optional)
  const contents = new Map([...Object.entries(found?.data ?? {}), ...Object.entries(found?.binaryData ?? {})])
  const wanted: NonNullable<Part['items']> =
    items.length > 0 ? items : [...contents.keys()].map((key) => ({ key, path: key }))
  for (const { key, path, mode } of wanted) {
    const content = contents.get(key)
    if (content !== undefined) files.set(path, [modeText(mode ?? defaultMode), content])
    else if (!optional) throw new CannotStart(`no key ${key} in ${of}`)
  }
}

function lookUp(kept: Cupboard, id: string, optional: boolean | undefined): Kept | undefined {
  const found = new Map(Object.entries(kept)).get(id)
  if (!found && !optional) throw new CannotStart(`there is no ${id}`)
  return found
}

function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** A Secret or ConfigMap with these texts. */
export function keeping(texts: Readonly<Record<string, string>>, binary: Readonly<Record<string, string>> = {}): Kept {
  const coded = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([key, text]) => [key, base64(text)]))
  return { data: coded(texts), binaryData: coded(binary) }
}
