// From a schema of values to the files that a chart has of it.
import { dump } from 'js-yaml'
import { z } from 'zod'

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
}

export interface ValuesFiles {
  readonly 'values.yaml': string
  readonly 'values.schema.json': string
  /** For its README, in Markdown. */
  readonly table: string
}

export function valuesFiles(values: z.ZodType): ValuesFiles {
  const schema = z.toJSONSchema(values, { target: 'draft-7', io: 'input' }) as Schema
  return {
    'values.yaml': `${yamlOf(schema, '').join('\n')}\n`,
    'values.schema.json': `${JSON.stringify(schema, undefined, 2)}\n`,
    table: ['| value | default | meaning |', '|---|---|---|', ...rowsOf(schema, '')].join('\n'),
  }
}

const unseen = new Set(['global'])

function fieldsOf(schema: Schema): [name: string, field: Schema][] {
  return Object.entries(schema.properties ?? {}).filter(([name]) => !unseen.has(name))
}

function yamlOf(schema: Schema, indent: string): string[] {
  return fieldsOf(schema).flatMap(([name, field]) => {
    if (field.properties) {
      const inside = yamlOf(field, `${indent}  `)
      if (field.default === undefined && !isRequired(schema, name))
        return [`${indent}# ${name}:`, ...inside.map(asComment)]
      const hasValues = inside.some((line) => !line.trimStart().startsWith('#'))
      return [`${indent}${hasValues ? '' : '# '}${name}:`, ...inside]
    }
    const comment = `${indent}# ${field.description ?? ''}${isRequired(schema, name) ? ' (required)' : ''}`
    if (field.default === undefined) return [comment, `${indent}# ${name}:`]
    const lines = dump({ [name]: field.default }, { lineWidth: -1 })
      .trimEnd()
      .split('\n')
    return [comment, ...lines.map((line) => indent + line)]
  })
}

/** Of what is not there unless somebody asks for it. */
function asComment(line: string): string {
  return line.replace(/^( *)(?![ #])/, '$1# ')
}

function rowsOf(schema: Schema, path: string): string[] {
  return fieldsOf(schema).flatMap(([name, field]) => {
    if (field.properties) return rowsOf(field, `${path}${name}.`)
    const given = field.default === undefined ? '–' : `\`${JSON.stringify(field.default)}\``
    const preset = isRequired(schema, name) ? 'required' : given
    const choice = field.enum ? ` (${field.enum.join(', ')})` : ''
    return [`| \`${path}${name}\` | ${preset} | ${field.description ?? ''}${choice} |`]
  })
}

function isRequired(schema: Schema, name: string): boolean {
  return schema.required?.includes(name) ?? false
}
