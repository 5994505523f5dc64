import { describe, expect, test } from '@jest/globals'
import { reflect } from '../../operator/src/adapters/kubernetes/reflector.ts'
import { type Bench, eventually, type Widget, widgets } from './kubernetes-bench.ts'

interface Small {
  readonly metadata: Pick<Widget['metadata'], 'namespace' | 'name' | 'uid' | 'resourceVersion'>
  readonly size: number
}

function small({ metadata: { namespace, name, uid, resourceVersion }, spec: { size = 0 } }: Widget): Small {
  return { metadata: { ...(namespace ? { namespace } : {}), name, uid, resourceVersion }, size }
}

function reflected({ server, client, namespace }: Bench) {
  const stop = new AbortController()
  const errors: Error[] = []
  const log: string[] = []
  const { clock, timers } = server
  const onError = (error: Error) => errors.push(error)
  const { store, synced, done } = reflect({
    client,
    clock,
    timers,
    random: Math.random,
    signal: stop.signal,
    onError,
    resource: widgets,
    namespace,
    project: small,
    indexes: { size: ({ size }: Small) => [String(size)] },
  })
  store.subscribe(({ type, object }) => log.push(`${type} ${object.metadata.name}`))
  const end = async () => {
    stop.abort()
    await done
  }
  return { store, synced, errors, log, end }
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
