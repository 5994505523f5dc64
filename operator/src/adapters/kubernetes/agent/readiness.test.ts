import { expect, test } from '@jest/globals'
import { agentReadiness } from './readiness.ts'

function readiness() {
  const said: (string | undefined)[] = []
  const silent = () => undefined
  const state = agentReadiness({
    provider: 'acme',
    namespace: 'gpu-commons',
    waitsFor: (what) => void said.push(what),
    warn: silent,
    setHolding: silent,
    setHubChanged: silent,
  })
  return { said, state }
}

test('an agent that stands by is ready: it takes over at once, and its Deployment is complete', () => {
  const { said, state } = readiness()
  state.standsBy(true)
  expect(said).toEqual(['the hub, which takes no heartbeat of this agent', undefined])
})

test('it is not ready while it has no credential that is good, whatever else it waits for', () => {
  const { said, state } = readiness()
  state.waitsForHub('another invite')
  state.heard(true)
  state.filled(true)
  expect(said.at(-1)).toBe('another invite')
  state.waitsForHub(undefined)
  expect(said.at(-1)).toBeUndefined()
})

test('it is not ready any more when the hub has stopped to answer, or when it works and has not read all yet', () => {
  const { said, state } = readiness()
  state.standsBy(true)
  state.standsBy(false)
  expect(said.at(-1)).toContain('no heartbeat')
  state.standsBy(true)
  state.heard(true)
  expect(said.at(-1)).toContain('lists')
  state.filled(true)
  expect(said.at(-1)).toBeUndefined()
})
