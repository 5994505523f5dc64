// JSON schemas for kubeconform of all that an API server serves, ours included: from its own OpenAPI document, so from no network.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPlane } from '../bed/control-plane.ts'

interface Definition {
  readonly type?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Definition>>
  readonly additionalProperties?: unknown
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly [keyword: string]: unknown
}

const shared = 'definitions.json'

/** What OpenAPI v2 cannot say: these are read from strings and from numbers. */
const stringOrNumber = { oneOf: [{ type: 'string' }, { type: 'number' }] }
const freer: Readonly<Record<string, Definition>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': stringOrNumber,
  'io.k8s.apimachinery.pkg.api.resource.Quantity': stringOrNumber,
}

/** Writes them and gives the `-schema-location` of kubeconform. */
export async function writeSchemas(plane: ControlPlane, dir: string): Promise<string> {
  await mkdir(dir, { recursive: true })
  const { body } = await plane.ask('/openapi/v2')
  const { definitions } = body as { definitions: Readonly<Record<string, Definition>> }
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, freer[name] ?? strictly(definition)]),
  )
  await writeFile(join(dir, shared), JSON.stringify({ definitions: strict }))
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      const suffix = [group.split('.')[0], version].filter((part) => part !== '').join('-')
      const schema = { $ref: `${shared}#/definitions/${name}` }
      await writeFile(join(dir, `${kind.toLowerCase()}-${suffix}.json`), JSON.stringify(schema))
    }
  }
  return join(dir, '{{.ResourceKind}}{{.KindSuffix}}.json')
}

/** Refuses what it does not name, as an API server does that is asked for strict validation. */
function strictly(definition: Definition): Definition {
  const { properties } = definition
  if (!properties) return definition
  const inside = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, strictly(one)]))
  const isOpen = definition.additionalProperties !== undefined || definition['x-kubernetes-preserve-unknown-fields']
  return { ...definition, properties: inside, ...(isOpen ? {} : { additionalProperties: false }) }
}
