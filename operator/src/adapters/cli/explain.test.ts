// kubectl gpu explain, with a hub on an API server in memory.
import { afterEach, describe, expect, test } from '@jest/globals'
import { gpuNode } from '../../../../test/builders/gpunode.ts'
import { agentSays, federation, stopHubs, submit } from '../../../../test/builders/hub-world.ts'
import { gpuJobs, gpuNodes } from '../kubernetes/kinds.ts'
import { explain } from './explain.ts'

afterEach(stopHubs)

async function world() {
  const { api, time, cluster } = await federation()
  const ask = async (name: string, question = 'q1') => {
    const asking = { client: api, timers: time.timers, signal: new AbortController().signal, question }
    const answer = explain(asking, { namespace: 'team', name }, { seconds: 5 })
    answer.catch(() => {})
    await time.advance(10_000)
    return await answer
  }
  return { api, time, cluster, ask, submit: (options: object) => submit(cluster, options) }
}

describe('explain', () => {
  test('prints for each provider what keeps the job out, and the least change', async () => {
    const { ask, submit: apply } = await world()
    await apply({ spec: { gpus: { count: 9 } } })
    const { text, value } = await ask('train')
    expect(text.split('\n')).toEqual([
      'NeverFits: no node of any provider could ever take it: NodeTooSmall',
      '',
      'PROVIDER   WHY NOT            LEAST CHANGE',
      'acme       NodeTooSmall (1)   ask for 8 GPUs of each worker in place of 9 (spec.gpus.count)',
      '',
      'Most fields are fixed: delete the job and make it anew with the change.',
    ])
    expect(value).toMatchObject({ name: 'train', verdict: 'NeverFits', asked: 'q1', providers: [{ provider: 'acme' }] })
  })

  test('names a run of the same namespace that is to be waited for', async () => {
    const { ask, submit: apply } = await world()
    await apply({ name: 'first', spec: { gpus: { count: 8 } } })
    await apply({ spec: { gpus: { count: 8 } } })
    expect((await ask('train')).text).toContain('wait for run 1 of first')
  })

  test('says of a job that does not wait how it is', async () => {
    const { ask, submit: apply } = await world()
    await apply({})
    expect((await ask('train')).text).toMatch(/^train does not wait for GPUs: Placed on provider acme/)
  })

  test('says so where there is no such job', async () => {
    const { ask } = await world()
    await expect(ask('train')).rejects.toThrow('there is no GpuJob train in namespace team')
  })

  test('does not wait for ever where no hub runs', async () => {
    const { ask, submit: apply } = await world()
    await apply({ spec: { gpus: { count: 9 } } })
    stopHubs()
    await expect(ask('train')).rejects.toThrow(
      'no hub has answered within 5 s; is one running? Its status says: NeverFits',
    )
  })

  test('answers each question anew, and nobody asks the engine in between', async () => {
    const { api, ask, submit: apply, time } = await world()
    await apply({ spec: { gpus: { count: 9 } } })
    await ask('train')
    api.requests.splice(0)
    await time.advance(50_000)
    expect(api.requests.filter((request) => JSON.stringify(request).includes('gpujobs/status'))).toEqual([])
    expect((await ask('train', 'q2')).value).toMatchObject({ asked: 'q2' })
  })

  test('is forgotten when the job is placed', async () => {
    const { api, ask, cluster, submit: apply } = await world()
    const first = await apply({ name: 'first', spec: { gpus: { count: 8 } } })
    await apply({ spec: { gpus: { count: 8 } } })
    await ask('train')
    const statusOf = async () => (await api.get(gpuJobs, { namespace: 'team', name: 'train' }))?.status
    expect(await statusOf()).toMatchObject({ explanation: { asked: 'q1' }, waiting: { verdict: 'Waits' } })
    await agentSays(cluster, first, { state: 'Succeeded', finishedAt: '2026-01-01T00:00:00Z' })
    const { state, explanation, waiting } = (await statusOf()) ?? {}
    expect([state, explanation, waiting]).toEqual(['Placed', undefined, undefined])
  })

  test('what never fitted is placed by itself when a node comes that can hold it', async () => {
    const { api, cluster, ask, submit: apply } = await world()
    await apply({ spec: { gpus: { count: 16 } } })
    expect((await ask('train')).text).toContain('NeverFits')
    const { metadata, spec } = gpuNode({ name: 'large', gpus: 16 })
    await api.create(gpuNodes, { metadata: { name: metadata.name, namespace: 'provider-acme' }, spec })
    await cluster.time.advance(3000)
    expect((await ask('train')).text).toContain('train does not wait for GPUs: Placed')
  })
})
