// What travels with a run: what its hub took of the tenant's Secrets and ConfigMaps when it ordered the run.
import { MAY_TRAVEL_LABEL } from '../../api/labels.ts'
import { INDEX_KEY, payloadIndexSchema } from '../../api/payload.ts'
import type { Source, SourceKind } from './payload.ts'

export interface Content {
  readonly kind: SourceKind
  readonly name: string
  /** By key, in base64. */
  readonly data: ReadonlyMap<string, string>
  /** By key, in base64: of a ConfigMap, what can only be a file. */
  readonly binaryData: ReadonlyMap<string, string>
}

export type Payload = readonly Content[]

/** Why what the template names cannot travel now. */
export interface PayloadProblem {
  readonly reason: 'SourceMissing' | 'MayNotTravel' | 'PayloadTooLarge' | 'PullSecretBroken' | 'NotReadable'
  /** Names, sizes; never a content. */
  readonly message: string
}

/** A Secret or ConfigMap as the hub's API server has it; values in base64. */
export interface Found extends Pick<Content, 'data' | 'binaryData'> {
  readonly labels: Readonly<Record<string, string>> | undefined
}

/** Kubernetes holds 1 MiB in a Secret; the rest is for names. */
export const mostPayloadBytes = 900 * 1024

/** What of a source travels; `undefined`: nothing of it is there, and nothing has to be. */
export function contentOf(
  source: Source,
  found: Found | 'NotReadable' | undefined,
): Content | PayloadProblem | undefined {
  const { kind, name, keys, optional } = source
  if (found === 'NotReadable') {
    return {
      reason: 'NotReadable',
      message: `the hub may not read ${kind} ${name}; the federation operator can allow it`,
    }
  }
  if (!found) return optional ? undefined : { reason: 'SourceMissing', message: `there is no ${kind} ${name}` }
  if (found.labels?.[MAY_TRAVEL_LABEL] !== 'true') {
    const kubectl = `kubectl label ${kind.toLowerCase()} ${name} ${MAY_TRAVEL_LABEL}=true`
    return {
      reason: 'MayNotTravel',
      message: `${kind} ${name} lacks the label ${MAY_TRAVEL_LABEL}: "true"; ${kubectl} lets it travel to the provider, who can read it`,
    }
  }
  const named = (values: ReadonlyMap<string, string>) =>
    new Map([...values].filter(([key]) => keys === 'All' || keys.has(key)))
  return { kind, name, data: named(found.data), binaryData: named(found.binaryData) }
}

/** As it counts against `mostPayloadBytes`: the values, and each key in its place and in the index. */
export function bytesOf({ data, binaryData }: Pick<Content, 'data' | 'binaryData'>): number {
  const entries = [...data, ...binaryData]
  return entries.reduce((sum, [key, value]) => sum + (value.length / 4) * 3 + 2 * key.length + 16, 0)
}

export interface Weighed {
  readonly kind: SourceKind
  readonly name: string
  readonly bytes: number
}

export function tooLarge(weighed: readonly Weighed[]): PayloadProblem | undefined {
  const sum = weighed.reduce((total, { bytes }) => total + bytes, 0)
  if (sum <= mostPayloadBytes) return undefined
  const largest = weighed.reduce((a, b) => (b.bytes > a.bytes ? b : a))
  const kib = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`
  return {
    reason: 'PayloadTooLarge',
    message: `Secrets and ConfigMaps of the job are ${kib(sum)} in all and may be ${kib(mostPayloadBytes)}; the largest is ${largest.kind} ${largest.name} with ${kib(largest.bytes)}; put large files into an image or fetch them`,
  }
}

/** The same text for the same content, in whatever order it was read: what the hash is over. */
export function canonicalText(payload: Payload): string {
  const sorted = (values: ReadonlyMap<string, string>) => [...values].toSorted(([a], [b]) => compare(a, b))
  return JSON.stringify(
    payload
      .toSorted((a, b) => compare(`${a.kind} ${a.name}`, `${b.kind} ${b.name}`))
      .map(({ kind, name, data, binaryData }) => [kind, name, sorted(data), sorted(binaryData)]),
  )
}

/** By code units: the order must not depend on a machine's language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** The `data` of the Secret in which it lies on the hub. */
export function sealed(payload: Payload): Record<string, string> {
  const index = payload.map(({ kind, name, data, binaryData }) => ({
    kind,
    name,
    keys: [...data.keys()],
    binaryKeys: [...binaryData.keys()],
  }))
  const values = payload.flatMap(({ data, binaryData }, i) =>
    [...data.values(), ...binaryData.values()].map((value, k) => [`${i}.${k}`, value] as const),
  )
  return { [INDEX_KEY]: Buffer.from(JSON.stringify(index)).toString('base64'), ...Object.fromEntries(values) }
}

/** `undefined` for anything that `sealed` could not have made. */
export function opened(secret: Readonly<Record<string, string>> | undefined): Payload | undefined {
  const index = payloadIndexSchema.safeParse(parsed(secret?.[INDEX_KEY]))
  if (!secret || !index.success) return undefined
  const payload = index.data.map(({ kind, name, keys, binaryKeys }, i) => {
    const values = (of: readonly string[], first: number) =>
      new Map(
        of.flatMap((key, k) =>
          secret[`${i}.${first + k}`] === undefined ? [] : [[key, secret[`${i}.${first + k}`] ?? '']],
        ),
      )
    return { kind, name, data: values(keys, 0), binaryData: values(binaryKeys, keys.length) }
  })
  const told = index.data.reduce((sum, { keys, binaryKeys }) => sum + keys.length + binaryKeys.length, 0)
  const there = payload.reduce((sum, { data, binaryData }) => sum + data.size + binaryData.size, 0)
  return there === told && Object.keys(secret).length === told + 1 ? payload : undefined
}

function parsed(base64: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(base64 ?? '', 'base64').toString())
  } catch {
    return undefined // No JSON is no index: the caller says so.
  }
}
