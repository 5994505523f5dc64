import { describe, expect, test } from '@jest/globals'
import type { EngineSnapshot } from '../../../domain/scheduling/facts.ts'
import type { RawRequest } from '../client.ts'
import { snapshotSource } from './snapshot-source.ts'

const nothing: EngineSnapshot = {
  providers: [],
  nodes: [],
  waiting: [],
  bookings: [],
  queues: [],
  usages: [],
  weights: [],
  demand: [],
}
const user = { username: 'ann', uid: '7', groups: ['ops'], extra: { scope: ['a'] } }

/** An API server that answers so; what it was asked is kept. */
function sourceOf(answers: { readonly review?: object; readonly allowed?: boolean }) {
  const asked: RawRequest[] = []
  const review = { authenticated: true, audiences: ['gpu-commons-hub'], user, ...answers.review }
  const request = async (one: RawRequest) => {
    asked.push(one)
    return { status: one.path.endsWith('/tokenreviews') ? review : { allowed: answers.allowed ?? true } }
  }
  const engine = { snapshot: () => nothing }
  return { asked, ...snapshotSource({ request }, { engine, clock: { now: () => 0 } }) }
}

describe('a snapshot is for', () => {
  test('whose token is known for this audience, and who may get the path', async () => {
    const { admit, asked } = sourceOf({})
    expect(await admit('t')).toBe('Admitted')
    expect(asked.map(({ body }) => (body as { spec: object }).spec)).toEqual([
      { token: 't', audiences: ['gpu-commons-hub'] },
      {
        user: 'ann',
        uid: '7',
        groups: ['ops'],
        extra: { scope: ['a'] },
        nonResourceAttributes: { path: '/debug/snapshot', verb: 'get' },
      },
    ])
  })

  test.each([
    { name: 'nobody without a token', token: undefined, says: 'Unknown' },
    {
      name: 'nobody whom the API server does not know',
      review: { authenticated: undefined, audiences: undefined, user: {} },
      says: 'Unknown',
    },
    {
      name: 'nobody with a token for the API server itself',
      review: { audiences: ['https://kubernetes'] },
      says: 'Unknown',
    },
    { name: 'nobody of an authenticator without audiences', review: { audiences: undefined }, says: 'Unknown' },
    { name: 'nobody without the right', allowed: false, says: 'Forbidden' },
  ])('$name', async ({ says, ...answers }) => {
    const { admit } = sourceOf(answers)
    expect(await admit('token' in answers ? answers.token : 't')).toBe(says)
  })

  test('and says when it was taken', () => {
    expect([...sourceOf({}).pieces()].join('')).toContain('"takenAt":"1970-01-01T00:00:00Z"')
  })
})
