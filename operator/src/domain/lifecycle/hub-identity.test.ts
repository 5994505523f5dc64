import { describe, expect, test } from '@jest/globals'
import { changeOf, fingerprintOf, isAccepted, isOlder, type LeaseIdentity, type Remembered } from './hub-identity.ts'

const hub = { hubUid: 'hub-uid-1', runsUid: 'runs-uid-1', providerUid: 'acme-uid-1' }
const known: Remembered = { ...hub, version: '1000', setBack: false }
const now: LeaseIdentity = { ...hub, version: '1001' }

const cases: readonly {
  name: string
  known?: Partial<Remembered>
  seen: Partial<LeaseIdentity> | 'Gone'
  says: string
}[] = [
  { name: 'the hub that is remembered', seen: {}, says: 'the same' },
  { name: 'the very same answer', seen: { version: '1000' }, says: 'the same' },
  { name: 'a hub without the Lease', seen: 'Gone', says: 'LeaseGone' },
  { name: 'another cluster', seen: { hubUid: 'other', runsUid: 'other', version: '1' }, says: 'OtherHub' },
  { name: 'kinds that were made anew', seen: { runsUid: 'other' }, says: 'KindMadeAgain' },
  {
    name: 'kinds that were made anew on a hub that was set back',
    seen: { runsUid: 'other', version: '5' },
    says: 'KindMadeAgain',
  },
  { name: 'another Provider of that name', seen: { providerUid: 'other' }, says: 'ProviderMadeAgain' },
  {
    name: 'another Provider, to which the home was handed over',
    seen: { providerUid: 'other', formerProviderUid: 'acme-uid-1' },
    says: 'the same',
  },
  {
    name: 'a home handed over from yet another Provider',
    seen: { providerUid: 'other', formerProviderUid: 'third' },
    says: 'ProviderMadeAgain',
  },
  { name: 'an older answer', seen: { version: '999' }, says: 'SetBack' },
  { name: 'an older answer, with fewer digits', seen: { version: '99' }, says: 'SetBack' },
  { name: 'a newer answer after an older one', known: { setBack: true }, seen: { version: '2000' }, says: 'SetBack' },
  {
    name: 'a home handed over on a hub that was set back',
    seen: { providerUid: 'other', formerProviderUid: 'acme-uid-1', version: '5' },
    says: 'SetBack',
  },
]

describe('to an agent, what it sees is', () => {
  test.each(cases)('$name: $says', ({ known: remembered, seen, says }) => {
    expect(changeOf({ ...known, ...remembered }, seen === 'Gone' ? seen : { ...now, ...seen }) ?? 'the same').toBe(says)
  })
})

test('versions are compared as numbers of any size, and only as numbers', () => {
  const pairs = [
    ['9', '10'],
    ['90071992547409930', '90071992547409931'],
    ['10', '9'],
    ['7', '7'],
    ['a', '7'],
    ['7', ''],
  ]
  expect(pairs.map(([a = '', b = '']) => isOlder(a, b))).toEqual([true, true, false, false, false, false])
})

describe('what is accepted', () => {
  const fingerprint = fingerprintOf(known, now)

  test('is one hub after what is remembered, whatever its version is by now', () => {
    expect(fingerprintOf(known, { ...now, version: '2000' } as LeaseIdentity)).toBe(fingerprint)
    const others = [
      fingerprintOf({ ...known, version: '1002' }, now),
      fingerprintOf(known, { ...now, hubUid: 'other' }),
      fingerprintOf(known, { ...now, runsUid: 'other' }),
      fingerprintOf(known, { ...now, providerUid: 'other' }),
    ]
    expect(others).not.toContain(fingerprint)
    expect(fingerprint).toMatch(/^[0-9a-z-]{1,63}$/)
  })

  test.each([
    { change: 'SetBack', who: { byOwner: fingerprint, byHub: undefined }, says: true },
    { change: 'SetBack', who: { byOwner: undefined, byHub: fingerprint }, says: true },
    { change: 'SetBack', who: { byOwner: 'other', byHub: 'other' }, says: false },
    { change: 'SetBack', who: { byOwner: undefined, byHub: undefined }, says: false },
    { change: 'OtherHub', who: { byOwner: fingerprint, byHub: undefined }, says: true },
    { change: 'OtherHub', who: { byOwner: undefined, byHub: fingerprint }, says: false },
  ] as const)('$change, $who: $says', ({ change, who, says }) => {
    expect(isAccepted(change, { fingerprint, ...who })).toBe(says)
  })
})
