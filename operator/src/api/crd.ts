import { z } from 'zod'
import { GROUP, VERSION } from './group.ts'
import type { Kind } from './kind.ts'

type Schema = Record<string, unknown>

/** The CustomResourceDefinition of a kind, as `kubectl apply` takes it. */
export function customResourceDefinition(kind: Kind): Schema {
  const { plural, singular, shortNames, scope, schema, columns, selectable } = kind
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope,
      names: { kind: kind.kind, listKind: `${kind.kind}List`, plural, singular, shortNames, categories: ['gpu'] },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...('status' in schema.shape ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns,
          ...(selectable ? { selectableFields: selectable.map((jsonPath) => ({ jsonPath })) } : {}),
          schema: { openAPIV3Schema: structural(schema) },
        },
      ],
    },
  }
}

/** The schema as Kubernetes wants it: structural, and with the fields that every object has. */
export function structural(schema: z.ZodObject): Schema {
  const whole: Schema = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      // Kubernetes wants exactly these two branches, and all limits beside them.
      if ('x-kubernetes-int-or-string' in jsonSchema) jsonSchema.anyOf = [{ type: 'integer' }, { type: 'string' }]
      // It prunes what it does not know, and takes no word that it must not be there.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    },
  })
  const { type, description, properties, required, ...rest } = withoutRulesHeldBefore(whole) as Schema
  return {
    type,
    description,
    required,
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...(properties as Schema),
    },
    ...rest,
  }
}

const heldBefore = 'rulesHeldBefore'
const celRules = 'x-kubernetes-validations'

/**
 * A field that is copied from an object whose own CEL rules have held it: the API server need not evaluate them again.
 * Types and bounds of the field stay.
 */
export function rulesHeldBefore<S extends z.ZodType>(schema: S): S {
  return schema.meta({ ...schema.meta(), [heldBefore]: true })
}

function withoutRulesHeldBefore(value: unknown, stripping = false): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutRulesHeldBefore(one, stripping))
  if (typeof value !== 'object' || value === null) return value
  const strips = stripping || heldBefore in value
  const kept = Object.entries(value).filter(([key]) => key !== heldBefore && !(strips && key === celRules))
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutRulesHeldBefore(inner, strips)]))
}
