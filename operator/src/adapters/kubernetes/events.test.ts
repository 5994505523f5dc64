import { describe, expect, test } from '@jest/globals'
import { fakeKubeApi } from '../../../../test/fakes/kube-api.ts'
import { fakeTime } from '../../../../test/fakes/time.ts'
import { eventRecorder, type Happening } from './events.ts'
import { events } from './resources.ts'

function bench() {
  const time = fakeTime()
  const api = fakeKubeApi({ ...time, namespaces: ['team-a'] })
  const errors: string[] = []
  const outcomes: string[] = []
  const recorder = eventRecorder({
    client: api,
    component: 'gpu-commons-hub',
    instance: 'hub-0',
    clock: time.clock,
    onError: (error) => errors.push(error.message),
    observe: (outcome) => outcomes.push(outcome),
  })
  const record = async (how: Partial<Happening> = {}) => {
    recorder.record({ regarding: train, type: 'Normal', reason: 'Placed', message: 'on acme', ...how })
    await recorder.flushed()
  }
  const written = async (namespace = 'team-a') =>
    (await api.list(events, { namespace })).items
      .map(
        ({ reason, message, count, lastTimestamp }) =>
          `${reason} ×${count}: ${message} (${lastTimestamp?.slice(11, 19)})`,
      )
      .toSorted()
  return { time, api, errors, outcomes, record, written }
}

const train = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'GpuJob', namespace: 'team-a', name: 'train', uid: 'u1' }
const acme = { apiVersion: 'gpucommons.io/v1alpha1', kind: 'Provider', name: 'acme', uid: 'u2' }

describe('an event', () => {
  test('says what, of which object, by whom', async () => {
    const { api, record } = bench()
    await record()
    const [event] = (await api.list(events, { namespace: 'team-a' })).items
    expect(event).toMatchObject({
      metadata: { namespace: 'team-a', name: expect.stringMatching(/^train\.[0-9a-f]{16}$/) },
      involvedObject: train,
      type: 'Normal',
      reason: 'Placed',
      message: 'on acme',
      reportingComponent: 'gpu-commons-hub',
      reportingInstance: 'hub-0',
    })
  })

  test('of the same reason is counted up for ten minutes, with its newest words', async () => {
    const { time, record, written } = bench()
    await record()
    await time.advance(60_000)
    await record({ message: 'on zeta' })
    expect(await written()).toEqual(['Placed ×2: on zeta (00:01:00)'])
    await time.advance(9 * 60_000)
    await record()
    expect(await written()).toEqual(['Placed ×1: on acme (00:10:00)', 'Placed ×2: on zeta (00:01:00)'])
  })

  test('of another reason, type or object is another', async () => {
    const { record, written } = bench()
    await record()
    await record({ reason: 'Running' })
    await record({ type: 'Warning' })
    await record({ regarding: { ...train, uid: 'u9' } })
    expect(await written()).toHaveLength(4)
  })

  test('of what has no namespace lies in default', async () => {
    const { record, written } = bench()
    await record({ regarding: acme })
    expect(await written('default')).toHaveLength(1)
  })

  test('that the server has forgotten meanwhile is made anew', async () => {
    const { api, record, written } = bench()
    await record()
    const [event] = (await api.list(events, { namespace: 'team-a' })).items
    if (event) await api.delete(events, event.metadata)
    await record()
    expect(await written()).toEqual(['Placed ×1: on acme (00:00:00)'])
  })

  test('of a long name has a name that is none too long', async () => {
    const { api, record } = bench()
    await record({ regarding: { ...train, name: `${'a'.repeat(199)}.${'b'.repeat(50)}` } })
    const [event] = (await api.list(events, { namespace: 'team-a' })).items
    expect(event?.metadata.name).toMatch(/^a{199}\.[0-9a-f]{16}$/)
  })
})

describe('a recorder', () => {
  test('drops what is too much about one object, and only that', async () => {
    const { time, outcomes, record } = bench()
    for (let count = 0; count < 30; count++) await record({ reason: `R${count}` })
    await record({ regarding: acme })
    expect(outcomes.filter((outcome) => outcome === 'dropped')).toHaveLength(5)
    expect(outcomes.at(-1)).toBe('written')
    await time.advance(5 * 60_000)
    await record({ reason: 'Later' })
    expect(outcomes.at(-1)).toBe('written')
  })

  test('reports what it could not write, and goes on', async () => {
    const { api, errors, outcomes, record } = bench()
    api.fail(/POST events/, { with: new Error('no route') })
    await record()
    await record()
    expect(errors).toEqual(['writing the event Placed of GpuJob train'])
    expect(outcomes).toEqual(['failed', 'written'])
  })

  test('holds nobody up: what waits is bounded', async () => {
    const time = fakeTime()
    const outcomes: string[] = []
    const never = () => new Promise<never>(() => {})
    const { record } = eventRecorder({
      client: { create: never, mergePatch: never },
      component: 'c',
      instance: 'i',
      clock: time.clock,
      onError: () => {},
      observe: (outcome) => outcomes.push(outcome),
    })
    for (let count = 0; count < 1200; count++) {
      record({ regarding: { ...train, uid: `u${count}` }, type: 'Normal', reason: 'Placed', message: '' })
    }
    expect(outcomes).toEqual(Array.from({ length: 200 }, () => 'dropped'))
  })
})
