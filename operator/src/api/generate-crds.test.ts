import { expect, test } from '@jest/globals'
import { customResourceDefinition, structural } from './crd.ts'
import { difference, kinds } from './generate-crds.ts'

const differences = [
  { name: 'equal texts', committed: 'a\nb\n', generated: 'a\nb\n', says: undefined },
  { name: 'a changed line', committed: 'a\nb\n', generated: 'a\nc\n', says: 'line 2\n- b\n+ c' },
  { name: 'a missing file', committed: '', generated: 'a\n', says: 'line 1\n- \n+ a' },
  { name: 'a line too many', committed: 'a\nb', generated: 'a', says: 'line 2\n- b\n+ (end of file)' },
]

test.each(differences)('$name', ({ committed, generated, says }) => {
  expect(difference(committed, generated)).toBe(says)
})

/** kubectl apply keeps a copy in an annotation of at most 256 KiB. */
test.each(kinds.map((kind) => ({ name: kind.kind, kind })))('the CRD of $name fits into kubectl apply', ({ kind }) => {
  expect(JSON.stringify(customResourceDefinition(kind)).length).toBeLessThan(200_000)
})

/** Without a maximum everywhere the API server refuses CEL rules, and an object may be of any size. */
test.each(kinds.map((kind) => ({ name: kind.kind, kind })))('every field of $name has a maximum', ({ kind }) => {
  const schemas: { path: string; schema: Record<string, unknown> }[] = []
  function walk(path: string, value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    if ('type' in value && typeof value.type === 'string') schemas.push({ path, schema: { ...value } })
    for (const [key, inner] of Object.entries(value)) walk(`${path}.${key}`, inner)
  }
  const {
    apiVersion: _,
    kind: __,
    metadata: ___,
    ...own
  } = structural(kind.schema)['properties'] as Record<string, unknown>
  walk('', own)

  const bounds: Record<string, readonly string[]> = {
    string: ['maxLength', 'enum'],
    integer: ['maximum'],
    number: ['maximum'],
    array: ['maxItems'],
  }
  const unbounded = schemas.filter(({ path, schema }) => {
    const asked =
      schema['type'] === 'object' && 'additionalProperties' in schema
        ? ['maxProperties']
        : bounds[String(schema['type'])]
    return asked !== undefined && !path.includes('.anyOf.') && !asked.some((bound) => bound in schema)
  })
  expect(schemas.length).toBeGreaterThan(3)
  expect(unbounded.map(({ path }) => path)).toEqual([])
})

test('what a run copies from its job has the types and bounds of the job, and not its rules a second time', () => {
  const template = (name: string) => {
    const [{ schema }] = kinds.filter(({ kind }) => kind === name) as [(typeof kinds)[number]]
    const properties = (of: unknown) => (of as { properties: Record<string, unknown> }).properties
    return JSON.stringify(properties(properties(structural(schema))['spec'])['template'])
  }
  const rule = /"x-kubernetes-validations":\[\{.*?\}\],?/
  expect(template('GpuJob')).toMatch(rule)
  expect(template('GpuRun')).not.toMatch(rule)
  expect(template('GpuRun')).not.toContain('rulesHeldBefore')
  const withoutRules = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (key, inner) => (key === 'x-kubernetes-validations' ? undefined : inner))
  expect(JSON.parse(template('GpuRun'))).toEqual(withoutRules(JSON.parse(template('GpuJob'))))
})
