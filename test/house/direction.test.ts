import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

interface Violation {
  readonly from: string
  readonly to: string
  readonly rule: { readonly name: string }
}

interface Cruise {
  readonly summary: { readonly totalCruised: number; readonly violations: readonly Violation[] }
}

function cruise(folder: string): Cruise {
  const program = join(process.cwd(), 'node_modules/.bin/depcruise')
  const args = [program, '--output-type', 'json', 'operator/src', 'test', 'tools']
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (!stdout) throw new Error(`dependency-cruiser said nothing: ${stderr}`)
  return JSON.parse(stdout) as Cruise
}

/** What the forbidden imports point at. */
const neighbours = {
  'operator/src/hub.ts': 'export const hub = 1',
  'operator/src/api/gpujob.ts': 'export interface GpuJob { readonly name: string }\nexport const kind = 1',
  'operator/src/domain/engine.ts': 'export interface Engine { readonly name: string }\nexport const engine = 1',
  'operator/src/controllers/hub/gpujob.ts': 'export const gpuJob = 1',
  'operator/src/controllers/agent/run.ts': 'export const run = 1',
  'operator/src/adapters/kubernetes/client.ts':
    'export interface Client { readonly name: string }\nexport const client = 1',
  'test/builders/job.ts': 'export const job = 1',
  'test/bed/bed.ts': 'export const bed = 1',
  'tools/resolve.ts': 'export const resolve = 1',
}

const client = '../adapters/kubernetes/client.ts'

/** Ten ways to write the same forbidden import. */
const forms = [
  { form: 'import', source: `import { client } from '${client}'\nexport const x = client` },
  { form: 'import type', source: `import type { Client } from '${client}'\nexport type X = Client` },
  { form: 'import { type }', source: `import { type Client } from '${client}'\nexport type X = Client` },
  { form: 'import as side effect', source: `import '${client}'` },
  { form: 'export … from', source: `export { client } from '${client}'` },
  { form: 'export * from', source: `export * from '${client}'` },
  { form: 'export type … from', source: `export type { Client } from '${client}'` },
  { form: 'await import()', source: `export const x = await import('${client}')` },
  { form: 'import() in a function', source: `export function x() {\n  return () => import('${client}')\n}` },
  { form: 'import() of a template', source: `export const x = () => import(\`${client}\`)` },
  { form: 'import() as a type', source: `export type X = import('${client}').Client` },
  {
    form: 'createRequire',
    source: `import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\nexport const x = require('${client}')`,
  },
].map(({ form, source }, index) => ({
  form,
  file: `operator/src/controllers/form-${index}.ts`,
  source,
  rule: 'only-mains-name-adapters',
}))

/** Each rule, seen to bite. */
const crossings = [
  {
    form: 'a Node module in the domain',
    file: 'operator/src/domain/node.ts',
    source: `export { cpus } from 'node:os'`,
    rule: 'domain-imports-api-and-itself',
  },
  {
    form: 'a package in the domain',
    file: 'operator/src/domain/package.ts',
    source: `export { z } from 'zod'`,
    rule: 'domain-imports-api-and-itself',
  },
  {
    form: 'a controller in the domain',
    file: 'operator/src/domain/controller.ts',
    source: `export { gpuJob } from '../controllers/hub/gpujob.ts'`,
    rule: 'domain-imports-api-and-itself',
  },
  {
    form: 'the domain in the api',
    file: 'operator/src/api/domain.ts',
    source: `export type { Engine } from '../domain/engine.ts'`,
    rule: 'api-imports-zod-and-itself',
  },
  {
    form: 'a package but zod in the api',
    file: 'operator/src/api/package.ts',
    source: `export { load } from 'js-yaml'`,
    rule: 'api-imports-zod-and-itself',
  },
  {
    form: 'the network in the CRD generator',
    file: 'operator/src/api/generate-crds.ts',
    source: `export { get } from 'node:http'`,
    rule: 'crd-generator-writes-yaml-files-only',
  },
  {
    form: 'a package in a controller',
    file: 'operator/src/controllers/package.ts',
    source: `export { request } from 'undici'`,
    rule: 'controllers-import-no-package',
  },
  {
    form: 'the agent in the hub',
    file: 'operator/src/controllers/hub/stranger.ts',
    source: `export { run } from '../agent/run.ts'`,
    rule: 'hub-and-agent-are-strangers',
  },
  {
    form: 'the hub in the agent',
    file: 'operator/src/controllers/agent/stranger.ts',
    source: `export { gpuJob } from '../hub/gpujob.ts'`,
    rule: 'hub-and-agent-are-strangers',
  },
  {
    form: 'the configuration in a controller',
    file: 'operator/src/controllers/config.ts',
    source: `export { client } from '../config.ts'`,
    rule: 'controllers-know-no-config',
  },
  {
    form: 'a main in an adapter',
    file: 'operator/src/adapters/main.ts',
    source: `export { hub } from '../hub.ts'`,
    rule: 'nobody-imports-a-main',
  },
  {
    form: 'an adapter in the configuration',
    file: 'operator/src/config.ts',
    source: `export { client } from './adapters/kubernetes/client.ts'`,
    rule: 'only-mains-name-adapters',
  },
  {
    form: 'client-node in another adapter',
    file: 'operator/src/adapters/http/exec.ts',
    source: `export { Exec } from '@kubernetes/client-node'`,
    rule: 'client-node-in-one-adapter',
  },
  {
    form: 'a builder outside of tests',
    file: 'operator/src/controllers/builder.ts',
    source: `export { job } from '../../../test/builders/job.ts'`,
    rule: 'operator-knows-no-tests-or-tools',
  },
  {
    form: 'a tool in an adapter',
    file: 'operator/src/adapters/tool.ts',
    source: `export { resolve } from '../../../tools/resolve.ts'`,
    rule: 'operator-knows-no-tests-or-tools',
  },
  {
    form: 'the bed in a unit test',
    file: 'operator/src/domain/bed.test.ts',
    source: `export { bed } from '../../../test/bed/bed.ts'`,
    rule: 'unit-tests-know-builders-and-fakes',
  },
  {
    form: 'a circle',
    file: 'operator/src/domain/circle.ts',
    source: `export * from './circle.ts'`,
    rule: 'no-circular',
  },
  {
    form: 'a file that does not exist',
    file: 'test/bed/missing.ts',
    source: `export * from './nowhere.ts'`,
    rule: 'not-to-unresolvable',
  },
]

const allowed = {
  'operator/src/agent.ts': `export { client } from './adapters/kubernetes/client.ts'`,
  'operator/src/domain/job.ts': `export type { GpuJob } from '../api/gpujob.ts'`,
  'operator/src/domain/job.test.ts': `export { job } from '../../../test/builders/job.ts'\nexport { test } from '@jest/globals'`,
  'operator/src/api/schema.ts': `export { z } from 'zod'`,
  'operator/src/adapters/kubernetes/exec.ts': `export { Exec } from '@kubernetes/client-node'`,
  'operator/src/adapters/run.ts': `export { run } from '../controllers/agent/run.ts'`,
}

describe('a tree that breaks every rule', () => {
  let violations: readonly Violation[]
  const folder = mkdtempSync(join(tmpdir(), 'direction-'))

  beforeAll(() => {
    const broken = Object.fromEntries([...forms, ...crossings].map(({ file, source }) => [file, source]))
    for (const [file, source] of Object.entries({ ...neighbours, ...allowed, ...broken })) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), `${source}\n`)
    }
    for (const settings of ['.dependency-cruiser.mjs', 'tsconfig.json', 'package.json']) {
      copyFileSync(settings, join(folder, settings))
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'))
    violations = cruise(folder).summary.violations
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each([...forms, ...crossings])('is refused for $form', ({ file, rule }) => {
    const broken = violations.filter(({ from }) => from === file).map((violation) => violation.rule.name)
    expect(broken).toContain(rule)
  })

  test.each(Object.keys(allowed))('is not refused for what %s may import', (file) => {
    expect(violations.filter(({ from }) => from === file)).toEqual([])
  })
})

test('the tree itself breaks none', () => {
  const { totalCruised, violations } = cruise('.').summary
  expect(violations.map(({ from, to, rule }) => `${rule.name}: ${from} → ${to}`)).toEqual([])
  expect(totalCruised).toBeGreaterThan(0)
}, 60_000)
