import { describe, expect, test } from '@jest/globals'
import { joinRequest } from '../../../../test/builders/joinrequest.ts'
import { toTime } from '../../api/time.ts'
import { decide, type Seen } from './join-steps.ts'

const created = Date.parse('2026-01-01T00:00:00Z')
const after = (seconds: number) => created + seconds * 1000

const invite = { uid: 'invite-uid', expiresAt: after(3600), takeover: false }
const fresh: Seen = {
  request: joinRequest({ createdAt: toTime(created) }),
  invite,
  provider: 'Ready',
  signature: 'NotAsked',
  isKeyUsable: true,
  agent: 'Silent',
  knownMs: 1000,
  now: after(1),
}

const decided = (seconds: number) =>
  joinRequest({
    status: { state: 'Granted', reason: 'Joined', message: '', decidedAt: toTime(after(seconds)) },
  })

describe('who asks to join', () => {
  test.each<{ name: string; seen: Partial<Seen>; does: object }>([
    { name: 'gets the credential', seen: {}, does: { do: 'grant' } },
    { name: 'with the signature that the Provider wants', seen: { signature: 'Right' }, does: { do: 'grant' } },
    {
      name: 'in the place of an agent that lives, where the invite says so',
      seen: { agent: 'Alive', invite: { ...invite, takeover: true }, knownMs: 60_000 },
      does: { do: 'grant' },
    },
    {
      name: 'waits until the home of the Provider is made',
      seen: { provider: 'NotYet' },
      does: { do: 'wait', recheckMs: 2000 },
    },
    {
      name: 'waits for an agent that may just have ended',
      seen: { agent: 'Alive' },
      does: { do: 'wait', recheckMs: 2000 },
    },
    {
      name: 'waits until the hub knows whether an agent lives, however long it takes',
      seen: { agent: 'Unknown', knownMs: 60_000 },
      does: { do: 'wait', recheckMs: 2000 },
    },
  ])('$name', ({ seen, does }) => {
    expect(decide({ ...fresh, ...seen })).toEqual(does)
  })

  test.each<{ reason: string; seen: Partial<Seen> }>([
    { reason: 'ProviderGone', seen: { provider: 'Gone' } },
    { reason: 'ProviderRevoked', seen: { provider: 'Revoked' } },
    { reason: 'InviteUnknown', seen: { invite: undefined } },
    { reason: 'InviteExpired', seen: { invite: { ...invite, expiresAt: created } } },
    { reason: 'KeyUnusable', seen: { isKeyUsable: false } },
    { reason: 'SignatureMissing', seen: { signature: 'Missing' } },
    { reason: 'SignatureWrong', seen: { signature: 'Wrong' } },
    { reason: 'SignatureWrong', seen: { signature: 'Wrong', invite: { ...invite, takeover: true } } },
    { reason: 'AgentAlive', seen: { agent: 'Alive', knownMs: 25_000 } },
    { reason: 'InviteUsed', seen: { request: joinRequest({ complaint: 'UsedBefore' }) } },
    { reason: 'InviteUsed', seen: { request: joinRequest({ complaint: 'UsedBefore' }), invite: undefined } },
    { reason: 'OtherProvider', seen: { request: joinRequest({ complaint: 'OtherProvider' }) } },
    { reason: 'ProviderRevoked', seen: { request: joinRequest({ complaint: 'UsedBefore' }), provider: 'Revoked' } },
  ])('is refused: $reason', ({ reason, seen }) => {
    expect(decide({ ...fresh, ...seen })).toMatchObject({ do: 'refuse', reason })
  })
})

describe('what is decided', () => {
  test('stays so, whatever is seen later', () => {
    const seen = { ...fresh, request: decided(1), provider: 'Gone', agent: 'Alive' } as const
    expect(decide({ ...seen, now: after(2) })).toMatchObject({ do: 'tidyUp' })
  })

  test('can be read by the one who asked for an hour; then the invite is removed', () => {
    const seen = { ...fresh, request: decided(1) }
    expect(decide({ ...seen, now: after(1) })).toEqual({ do: 'tidyUp', recheckMs: 3_600_000 })
    expect(decide({ ...seen, now: after(3601) })).toEqual({ do: 'tidyUp', removes: 'Invite', recheckMs: 0 })
  })

  test('is kept for a day', () => {
    const seen = { ...fresh, request: decided(1), invite: undefined }
    expect(decide({ ...seen, now: after(1) })).toEqual({ do: 'tidyUp', recheckMs: 86_400_000 })
    expect(decide({ ...seen, now: after(86_401) })).toEqual({ do: 'tidyUp', removes: 'Request' })
  })

  test('is not removed before its invite, however old it is', () => {
    const seen = { ...fresh, request: decided(1) }
    expect(decide({ ...seen, now: after(86_401) })).toMatchObject({ removes: 'Invite' })
  })

  test('takes nothing from who asked in time, however long the hub was away', () => {
    expect(decide({ ...fresh, now: after(100_000) })).toEqual({ do: 'grant' })
  })
})
