import { describe, expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../../test/fakes/time.ts'
import { leases } from '../resources.ts'
import { memoryPorts, tellLeft } from './memory.ts'

const ref = { name: 'gpu-commons-agent-acme', namespace: 'gpu-commons' }
const remembered = { hubUid: 'h', runsUid: 'r', providerUid: 'p', version: '10', setBack: false }

function world() {
  const provider = fakeKubeApi(fakeTime())
  const asked: string[] = []
  const where = { provider, namespace: 'gpu-commons', providerName: 'acme' }
  const ports = memoryPorts({ ...where, onLeaving: (question) => void asked.push(question) })
  return { provider, ...ports, asked, left: () => tellLeft(where, 'try-1') }
}

describe('what an agent remembers of its hub', () => {
  test('is nothing at first', async () => {
    expect(await world().load()).toBeUndefined()
  })

  test('is what was saved last, and its namespace is made where it is missing', async () => {
    const { save, load } = world()
    await save(remembered)
    await save({ ...remembered, version: '11', setBack: true })
    expect(await load()).toEqual({ remembered: { ...remembered, version: '11', setBack: true }, accepted: undefined })
  })

  test('keeps what its owner accepts', async () => {
    const { provider, save, load } = world()
    await save(remembered)
    await provider.mergePatch(leases, {
      ref,
      patch: { metadata: { annotations: { 'gpucommons.io/accept-hub': 'f' } } },
    })
    await save({ ...remembered, version: '11' })
    expect((await load())?.accepted).toBe('f')
  })

  test('is not taken for nothing when it cannot be read', async () => {
    const { provider, save, load } = world()
    await save(remembered)
    await provider.mergePatch(leases, { ref, patch: { metadata: { annotations: { 'gpucommons.io/hub-uid': null } } } })
    await expect(load()).rejects.toThrow('lacks the annotation gpucommons.io/hub-uid')
  })

  test('hears that its owner leaves at the next look or save, and says when nothing runs any more', async () => {
    const { provider, save, load, asked, left } = world()
    await save(remembered)
    expect(asked).toEqual([])
    await provider.mergePatch(leases, {
      ref,
      patch: { metadata: { annotations: { 'gpucommons.io/leaving': 'try-1' } } },
    })
    await save({ ...remembered, version: '11' })
    await load()
    expect(asked).toEqual(['try-1', 'try-1'])
    await left()
    expect((await provider.get(leases, ref))?.metadata.annotations?.['gpucommons.io/left']).toBe('try-1')
  })

  test('nor when nothing of it is left but its Lease', async () => {
    const { provider, save, load } = world()
    await save(remembered)
    const { annotations = {} } = (await provider.get(leases, ref))?.metadata ?? {}
    const none = Object.fromEntries(Object.keys(annotations).map((key) => [key, null]))
    await provider.mergePatch(leases, { ref, patch: { metadata: { annotations: none } } })
    await expect(load()).rejects.toThrow('lacks the annotation')
  })
})
