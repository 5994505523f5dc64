// The pages of the kinds and the code say the same.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import {
  gpuJobReasons,
  gpuQueueReasons,
  gpuRunReasons,
  joinReasons,
  providerReasons,
  withheldReasons,
} from '../../operator/src/api/conditions.ts'
import { kinds } from '../../operator/src/api/generate-crds.ts'
import { reasons as engineReasons } from '../../operator/src/domain/scheduling/reasons.ts'

const root = new URL('../../', import.meta.url).pathname

function page(name: string): string {
  return readFileSync(`${root}crds/${name}.md`, 'utf8')
}

/** The table of reasons under a heading: each reason with its sentence. */
function table(text: string, heading: string): Record<string, string> {
  const section = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  return Object.fromEntries(
    [...section.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, reason = '', text = '']) => [reason, text]),
  )
}

const tables = [
  ...Object.entries(gpuJobReasons).map(([heading, reasons]) => ({ page: 'gpujob', heading, reasons })),
  { page: 'gpujob', heading: 'Why it waits', reasons: engineReasons },
  { page: 'gpurun', heading: 'Reasons', reasons: gpuRunReasons },
  ...Object.entries(gpuQueueReasons).map(([heading, reasons]) => ({ page: 'gpuqueue', heading, reasons })),
  ...Object.entries(providerReasons).map(([heading, reasons]) => ({ page: 'provider', heading, reasons })),
  { page: 'joinrequest', heading: 'Reasons', reasons: joinReasons },
  { page: 'gpunode', heading: 'Withheld', reasons: withheldReasons },
]

test.each(tables)('$page.md: the reasons under "$heading" are those of the code, in the same words', (row) => {
  expect(table(page(row.page), row.heading)).toEqual(row.reasons)
})

test('every reason is said somewhere', () => {
  const folders = ['domain', 'controllers', 'adapters'].map((folder) => `${root}operator/src/${folder}`)
  const code = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(`${folder}/${file}`, 'utf8')),
  )
  const documented = tables
    .filter(({ reasons }) => reasons !== engineReasons)
    .flatMap(({ reasons }) => Object.keys(reasons))
  const said = new Set(code.flatMap((text) => [...text.matchAll(/'([A-Z]\w+)'/g)].map(([, word]) => word)))
  expect(documented.filter((reason) => !said.has(reason))).toEqual([])
})

describe.each(kinds.map((kind) => ({ name: kind.singular, kind })))('$name.md', ({ name, kind }) => {
  test('has the sections of every page, in order', () => {
    const sections = ['Example', 'Writing a spec', 'What happens to it', 'Status', 'When it goes wrong']
    expect([...page(name).matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(sections)
  })

  test('speaks of every field of the spec', () => {
    const text = page(name)
    const spec = kind.schema.shape['spec'] as { shape?: object; unwrap?: () => { shape: object } }
    const fields = Object.keys(spec.shape ?? spec.unwrap?.().shape ?? {})
    expect(fields.length).toBeGreaterThan(0)
    expect(fields.filter((field) => !new RegExp(`\\b${field}\\b`).test(text))).toEqual([])
  })

  test('shows the columns that kubectl prints', () => {
    const shown = kind.columns.filter(({ priority }) => priority !== 1).map(({ name: title }) => title.toUpperCase())
    expect(page(name)).toMatch(new RegExp(`^NAME +${shown.join(' +')}$`, 'm'))
  })
})
