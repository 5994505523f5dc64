import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { jobFact, nodeFact, providerFact } from '../../../../test/builders/scheduling.ts'
import { createEngine } from '../../domain/scheduling/engine.ts'
import { snapshotPieces } from '../snapshot-file.ts'
import { replayFile } from './replay.ts'

async function replayed(bytes: string | Buffer) {
  const folder = await mkdtemp(join(tmpdir(), 'replay-'))
  try {
    const file = join(folder, 'snapshot')
    await writeFile(file, bytes)
    return await replayFile(file)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function snapshotOf(...jobs: readonly Parameters<typeof jobFact>[0][]): string {
  const engine = createEngine()
  engine.setProvider(providerFact())
  engine.setNode(nodeFact())
  for (const job of jobs) engine.wait(jobFact(job))
  return [...snapshotPieces(engine.snapshot(), '2026-01-01T00:00:00Z')].join('')
}

describe('replay', () => {
  test('prints a line for each decision and for each job that waits then', async () => {
    const { text, value } = await replayed(snapshotOf({ uid: 'a', gpus: 2, workers: 2 }))
    expect(text).toBe('ml/a run 1: acme, n1×2')
    expect(value).toMatchObject({ decisions: [{ uid: 'a', run: 1, provider: 'acme' }], waiting: [] })
    expect((await replayed(snapshotOf({ uid: 'b', gpus: 9 }))).text).toBe('ml/b run 1: never fits: NodeTooSmall (1)')
  })

  test('says so where there is nothing to decide', async () => {
    expect((await replayed(snapshotOf())).text).toBe('no job waits')
  })

  test('reads what is zipped', async () => {
    expect((await replayed(gzipSync(snapshotOf({ uid: 'a' })))).text).toBe('ml/a run 1: acme, n1×1')
  })

  test('names file and field of what it cannot read', async () => {
    const spoilt = snapshotOf({ uid: 'a' }).replace('"gpus":8', '"gpus":"8"')
    await expect(replayed(spoilt)).rejects.toThrow(/^reading snapshot .*: snapshot\.nodes\[0\]\.gpus: Invalid input/)
    await expect(replayFile('/nowhere')).rejects.toThrow('reading snapshot /nowhere: ENOENT')
  })
})
