import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { agentInstallation, hubInstallation } from './adapters/kubernetes/installation.ts'

const main = join(import.meta.dirname, 'rights.ts')
const run = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args])

describe('node operator/src/rights.ts', () => {
  test.each([
    { program: 'hub', items: hubInstallation() },
    { program: 'agent', items: agentInstallation() },
  ])('prints what the $program needs, as a List that kubectl takes', async ({ program, items }) => {
    const { stdout } = await run(program)
    expect(JSON.parse(stdout)).toEqual({ apiVersion: 'v1', kind: 'List', items })
  })

  test.each([[], ['nobody'], ['toString'], ['hub', 'agent']].map((args) => ({ args })))(
    'refuses $args and says what it takes',
    async ({ args }) => {
      await expect(run(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('hub|agent') })
    },
  )
})
