// A template that finds what it names in the one Secret that is made for its run on the provider.
import type { Container, EnvVar, PodTemplate } from '../../api/template.ts'
import type { SourceKind } from './payload.ts'
import type { Content, Payload, PayloadProblem } from './payload-content.ts'
import { mergedPullSecret } from './pull-secret.ts'

/** What the Secrets of a run are called on its provider. */
export interface SecretNames {
  readonly secret: string
  readonly pull: string
}

export function secretNames(name: string): SecretNames {
  return { secret: name, pull: `${name}-pull` }
}

export interface Provided {
  /** Without envFrom, and with no name of a Secret or ConfigMap of the tenant. */
  readonly template: PodTemplate
  /** The `data` of the run's Secret, by `<kind>.<name>.<key>`. */
  readonly data: Readonly<Record<string, string>>
  /** The `.dockerconfigjson` of its other Secret, in base64, where it needs one. */
  readonly pull?: string
}

export interface Providing {
  readonly payload: Payload
  readonly names: SecretNames
  readonly sha256Hex: (text: string) => string
}

/** A pod is kept in one piece with its Job, and etcd takes no more than 1.5 MiB. */
export const mostTemplateBytes = 512 * 1024

export function provided(template: PodTemplate, providing: Providing): Provided | PayloadProblem {
  const { spec } = template
  const shelf = new Shelf(providing)
  const container = <C extends Container>({ envFrom, env, ...rest }: C) => {
    const variables = variablesOf({ envFrom, env }, shelf)
    return variables.length > 0 ? { ...rest, env: variables } : rest
  }
  const { imagePullSecrets = [], initContainers, volumes, ...others } = spec
  const rewritten = {
    ...others,
    ...(initContainers ? { initContainers: initContainers.map(container) } : {}),
    containers: spec.containers.map(container),
    ...(volumes ? { volumes: volumes.map((volume) => volumeOf(volume, shelf)) } : {}),
    ...(imagePullSecrets.length > 0 ? { imagePullSecrets: [{ name: providing.names.pull }] } : {}),
  } as PodTemplate['spec']
  const pulls = imagePullSecrets.flatMap(({ name }) => shelf.find('Secret', { name }) ?? [])
  const pull = imagePullSecrets.length === 0 ? undefined : mergedPullSecret(pulls)
  const [lack] = shelf.lacks
  if (lack !== undefined) return { reason: 'SourceMissing', message: lack }
  if (typeof pull === 'object') return pull
  if (JSON.stringify(rewritten).length > mostTemplateBytes) {
    return {
      reason: 'PayloadTooLarge',
      message:
        'envFrom and volumes take so many keys that the pod would be too large; name the keys that are needed in items or env',
    }
  }
  return { template: { ...template, spec: rewritten }, data: shelf.data, ...(pull === undefined ? {} : { pull }) }
}

interface Reference {
  readonly name: string
  readonly optional?: boolean | undefined
}

/** Takes of the payload what is asked for, and notes what is missing. */
class Shelf {
  readonly lacks: string[] = []
  readonly #contents: ReadonlyMap<string, Content>
  readonly #taken = new Map<string, string>()
  readonly #data = new Map<string, string>()
  readonly #providing: Providing

  constructor(providing: Providing) {
    this.#providing = providing
    this.#contents = new Map(providing.payload.map((content) => [`${content.kind} ${content.name}`, content]))
  }

  get data(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#data)
  }

  get secret(): string {
    return this.#providing.names.secret
  }

  find(kind: SourceKind, { name, optional = false }: Reference): Content | undefined {
    const content = this.#contents.get(`${kind} ${name}`)
    if (!content && !optional) this.lacks.push(`there is no ${kind} ${name}`)
    return content
  }

  /** The key under which a value lies in the run's Secret. */
  take({ kind, name, data, binaryData }: Content, key: string): string {
    const id = `${kind} ${name} ${key}`
    const known = this.#taken.get(id)
    if (known !== undefined) return known
    const plain = `${kind.toLowerCase()}.${name}.${key}`
    // Too long for a key, or the same as of another name with dots in it.
    const isFree = plain.length <= 253 && !this.#data.has(plain)
    const own = isFree ? plain : `${kind.toLowerCase()}.${this.#providing.sha256Hex(id)}`
    this.#taken.set(id, own)
    this.#data.set(own, data.get(key) ?? binaryData.get(key) ?? '')
    return own
  }
}

/** As kubelets do it: what is in envFrom first, of one name the later, and `env` after it, which therefore wins. */
function variablesOf(
  { envFrom, env }: { envFrom: Container['envFrom']; env: Container['env'] },
  shelf: Shelf,
): EnvVar[] {
  const fromSources = new Map<string, EnvVar>()
  for (const { prefix = '', configMapRef, secretRef } of envFrom ?? []) {
    const content = configMapRef ? shelf.find('ConfigMap', configMapRef) : secretRef && shelf.find('Secret', secretRef)
    for (const key of content?.data.keys() ?? []) {
      const name = prefix + key
      // Where it stands decides nothing before `env`, but of two the later one's value must be the one that is left.
      if (content && isVariable(name)) fromSources.set(name, variable(name, shelf, shelf.take(content, key)))
    }
  }
  return [...fromSources.values(), ...(env ?? []).flatMap((one) => ownVariable(one, shelf))]
}

/** Kubernetes has taken more since 1.34; a name must not depend on the version of the provider. */
function isVariable(name: string): boolean {
  return /^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name) && name !== '.' && !name.startsWith('..')
}

function variable(name: string, { secret }: Shelf, key: string): EnvVar {
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } }
}

function ownVariable(one: EnvVar, shelf: Shelf): EnvVar[] {
  const { configMapKeyRef, secretKeyRef } = one.valueFrom ?? {}
  const reference = configMapKeyRef ?? secretKeyRef
  if (!reference) return [one]
  const content = shelf.find(configMapKeyRef ? 'ConfigMap' : 'Secret', reference)
  if (!content) return []
  if (content.data.has(reference.key)) return [variable(one.name, shelf, shelf.take(content, reference.key))]
  if (!reference.optional) shelf.lacks.push(`${content.kind} ${content.name} has no key ${reference.key}`)
  return []
}

type Volume = NonNullable<PodTemplate['spec']['volumes']>[number]
type ProjectedSource = NonNullable<Volume['projected']>['sources'][number]
type Item = NonNullable<NonNullable<ProjectedSource['secret']>['items']>[number]
interface VolumeReference extends Reference {
  readonly items?: readonly Item[] | undefined
}

/** Always as a projected volume: that one may be empty, where a Secret volume without items would show everything. */
function volumeOf(volume: Volume, shelf: Shelf): Volume {
  const { name, configMap, secret, projected } = volume
  if (configMap) return projectedOf({ name, mode: configMap.defaultMode, sources: [{ configMap }] }, shelf)
  if (secret) {
    const source = { ...secret, name: secret.secretName }
    return projectedOf({ name, mode: secret.defaultMode, sources: [{ secret: source }] }, shelf)
  }
  return projected ? projectedOf({ name, mode: projected.defaultMode, sources: projected.sources }, shelf) : volume
}

interface Projection {
  readonly name: string
  readonly mode: number | undefined
  readonly sources: readonly {
    configMap?: VolumeReference
    secret?: VolumeReference
    downwardAPI?: ProjectedSource['downwardAPI']
  }[]
}

function projectedOf({ name, mode, sources }: Projection, shelf: Shelf): Volume {
  const parts = sources.map(({ configMap, secret, downwardAPI }) => {
    if (downwardAPI) return { downwardAPI }
    if (configMap) return { items: itemsOf('ConfigMap', configMap, shelf) }
    return { items: secret ? itemsOf('Secret', secret, shelf) : [] }
  })
  // Of two files at one path the later wins, as with kubelets; the API server takes no path twice.
  const last = new Map<string, number>()
  for (const [i, { downwardAPI, items = downwardAPI?.items ?? [] }] of parts.entries())
    for (const { path } of items) last.set(path, i)
  const kept = parts.map(({ downwardAPI, items = [] }, i) => {
    const isLast = ({ path }: { readonly path: string }) => last.get(path) === i
    return downwardAPI
      ? { downwardAPI: { items: downwardAPI.items.filter(isLast) } }
      : { secret: { name: shelf.secret, items: items.filter(isLast) } }
  })
  const filled = kept.filter(({ downwardAPI, secret }) => (downwardAPI ?? secret)?.items.length !== 0)
  return { name, projected: { sources: filled, ...(mode === undefined ? {} : { defaultMode: mode }) } }
}

function itemsOf(kind: SourceKind, { items = [], ...reference }: VolumeReference, shelf: Shelf): Item[] {
  const content = shelf.find(kind, reference)
  if (!content) return []
  if (items.length === 0) {
    const keys = [...content.data.keys(), ...content.binaryData.keys()]
    return keys.map((key) => ({ key: shelf.take(content, key), path: key }))
  }
  return items.flatMap((item) => {
    if (content.data.has(item.key) || content.binaryData.has(item.key))
      return [{ ...item, key: shelf.take(content, item.key) }]
    if (!reference.optional) shelf.lacks.push(`${kind} ${content.name} has no key ${item.key}`)
    return []
  })
}
