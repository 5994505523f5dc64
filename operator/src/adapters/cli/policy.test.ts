import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { queuesOf } from './policy.ts'

async function read(text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'policy-'))
  try {
    const file = join(folder, 'queues.yaml')
    await writeFile(file, text)
    return await queuesOf(file)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const queue = (rest: string) => `apiVersion: gpucommons.io/v1alpha1\nkind: GpuQueue\nmetadata: { name: ml }\n${rest}`

describe('the queues of a policy', () => {
  test('are read as the hub reads GpuQueues, with their defaults', async () => {
    const text = `${queue('spec: { weight: 3, quota: [{ model: H100, guaranteed: 8 }] }')}\n---\n${queue('')}\n---\n`
    const preemption = { withinQueue: 'Never', reclaim: 'Any', minRuntimeMs: 0 }
    expect(await read(text)).toEqual([
      { name: 'ml', weight: 3, quota: { H100: { guaranteed: 8 } }, preemption },
      { name: 'ml', weight: 1, quota: {}, preemption },
    ])
  })

  test('may be a list, as kubectl prints it', async () => {
    const one = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuQueue', metadata: { name: 'a' } }
    const facts = await read(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [one] }))
    expect(facts.map(({ name }) => name)).toEqual(['a'])
  })

  test.each([
    { name: 'another kind', text: queue('').replace('GpuQueue', 'GpuJob'), says: /object 1: kind: / },
    {
      name: 'a field that nobody knows',
      text: queue('spec: { colour: red }'),
      says: /object 1: spec\.colour: there is no such field/,
    },
    {
      name: 'a misspelt bound',
      text: queue('spec: { quota: [{ model: H100, guaranteed: 4 }, { model: A100, borrowlimit: 0 }] }'),
      says: /object 1: spec\.quota\[1\]\.borrowlimit: there is no such field/,
    },
    { name: 'a weight that is none', text: queue('spec: { weight: -1 }'), says: /object 1: spec\.weight: / },
    { name: 'what is no YAML', text: ': [', says: /^--policy .*queues\.yaml: / },
  ])('are refused for $name', async ({ text, says }) => {
    await expect(read(text)).rejects.toThrow(says)
  })
})
