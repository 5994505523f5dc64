import { expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { reflect } from './reflector.ts'
import { type Secret, secrets } from './resources.ts'

test('what was learned from an answer is not read once more from the watch, and what comes after it is', async () => {
  const time = fakeTime()
  const api = fakeKubeApi({ ...time, namespaces: ['ns'] })
  const ref = { namespace: 'ns', name: 'a' }
  await api.create(secrets, { metadata: ref })
  const stop = new AbortController()
  let reads = 0
  const project = (secret: Secret) => {
    reads += 1
    return secret
  }
  const { clock, timers } = time
  const { signal } = stop
  const onError = (error: Error) => expect(error).toBeUndefined()
  const reflection = reflect<Secret, Secret>({
    client: api,
    resource: secrets,
    project,
    clock,
    timers,
    random: () => 1,
    signal,
    onError,
  })
  await reflection.synced
  const change = (at: string) => api.mergePatch(secrets, { ref, patch: { data: { at } } })
  const readsAfter = async () => {
    await time.turn()
    return reads
  }
  reflection.learn(await change('1'))
  expect(await readsAfter()).toBe(2)
  await change('2')
  expect(await readsAfter()).toBe(3)
  stop.abort()
})
