// Saved snapshots, and the decisions that the engine takes on them. A new case: `kubectl gpu snapshot > x.json` in here, and
// GPU_COMMONS_WRITE_GOLDEN=1 writes what is decided beside it; look at it.
import { globSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { replayFile } from '../../operator/src/adapters/cli/replay.ts'

const here = import.meta.dirname

test.each(globSync('*.json', { cwd: here }).toSorted())('%s is decided as it was', async (name) => {
  const { text } = await replayFile(join(here, name))
  const golden = join(here, name.replace('.json', '.decisions.txt'))
  if (process.env['GPU_COMMONS_WRITE_GOLDEN']) await writeFile(golden, `${text}\n`)
  expect(`${text}\n`).toBe(await readFile(golden, 'utf8'))
})
