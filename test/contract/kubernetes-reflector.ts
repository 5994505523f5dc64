import { describe, expect, test } from '@jest/globals'
import { type Later, reflect } from '../../operator/src/adapters/kubernetes/reflector.ts'
import { type Bench, eventually, type Widget, widgets } from './kubernetes-bench.ts'

interface Small {
  readonly metadata: Pick<Widget['metadata'], 'namespace' | 'name' | 'uid' | 'resourceVersion'>
  readonly size: number
}

function small({ metadata: { namespace, name, uid, resourceVersion }, spec: { size = 0 } }: Widget): Small {
  return { metadata: { ...(namespace ? { namespace } : {}), name, uid, resourceVersion }, size }
}

function reflected({ server, client, namespace }: Bench, later?: Later) {
  const stop = new AbortController()
  const errors: Error[] = []
  const log: string[] = []
  const { clock, timers } = server
  const onError = (error: Error) => errors.push(error)
  const { store, begun, synced, done } = reflect({
    client,
    clock,
    timers,
    random: Math.random,
    signal: stop.signal,
    onError,
    resource: widgets,
    namespace,
    project: small,
    later,
    indexes: { size: ({ size }: Small) => [String(size)] },
  })
  store.subscribe(({ type, object }) => log.push(`${type} ${object.metadata.name}`))
  const end = async () => {
    stop.abort()
    await done
  }
  return { store, begun, synced, errors, log, end }
}

export function reflectorRows(bench: () => Promise<Bench>): void {
  describe('a reflector', () => {
    test('fills its store and keeps it equal to the server', async () => {
      const on = await bench()
      const { client, namespace } = on
      for (const name of ['a', 'b']) await client.create(widgets, { metadata: { namespace, name }, spec: { size: 1 } })
      const { store, synced, log, errors, end } = reflected(on)
      await synced
      expect([...store.keys()]).toEqual([`${namespace}/a`, `${namespace}/b`])
      await client.mergePatch(widgets, { ref: { namespace, name: 'a' }, patch: { spec: { size: 2 } } })
      await client.delete(widgets, { namespace, name: 'b' })
      await eventually(on.server, () => store.size === 1)
      expect(store.by('size', '2').map(({ metadata }) => metadata.name)).toEqual(['a'])
      expect(log).toEqual(['added a', 'added b', 'modified a', 'deleted b'])
      expect(errors).toEqual([])
      await end()
    })

    test('begins with what is not over, and has the rest when it is synced', async () => {
      const on = await bench()
      const { client, namespace } = on
      for (const name of ['a', 'b', 'c']) await client.create(widgets, { metadata: { namespace, name }, spec: {} })
      const end = (name: string) =>
        client.mergePatch(
          widgets,
          { ref: { namespace, name }, patch: { status: { phase: 'Over' } } },
          { subresource: 'status' },
        )
      await end('a')
      const goOn = Promise.withResolvers<void>()
      const reflection = reflected(on, { field: 'status.phase', values: ['Over', 'Lost'], after: goOn.promise })
      await reflection.begun
      expect([...reflection.store.keys()]).toEqual(['b', 'c'].map((name) => `${namespace}/${name}`))
      await end('b')
      await client.delete(widgets, { namespace, name: 'c' })
      await eventually(on.server, () => reflection.log.length === 4)
      expect(reflection.log).toEqual(['added b', 'added c', 'modified b', 'deleted c'])
      goOn.resolve()
      await reflection.synced
      expect([reflection.log.slice(4), reflection.errors]).toEqual([['added a'], []])
      await reflection.end()
    })

    test('finds everything again after the server was away and has forgotten', async () => {
      const on = await bench()
      const { client, namespace } = on
      for (const name of ['a', 'b', 'c']) await client.create(widgets, { metadata: { namespace, name }, spec: {} })
      const { store, synced, log, end } = reflected(on)
      await synced
      await on.server.forget()
      await client.delete(widgets, { namespace, name: 'a' })
      await client.mergePatch(widgets, { ref: { namespace, name: 'b' }, patch: { spec: { size: 7 } } })
      await client.create(widgets, { metadata: { namespace, name: 'd' }, spec: {} })
      await eventually(on.server, () => log.length >= 6)
      expect([...store.keys()].toSorted()).toEqual(['b', 'c', 'd'].map((name) => `${namespace}/${name}`))
      expect(log.toSorted()).toEqual(['added a', 'added b', 'added c', 'added d', 'deleted a', 'modified b'])
      await end()
    }, 60_000)
  })
}
