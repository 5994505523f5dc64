import { describe, expect, test } from '@jest/globals'
import { isOpenAt, isTimeZone } from './hours.ts'

const work = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'] as const
const nights = { timeZone: 'UTC', windows: [{ days: work, from: '19:00', to: '07:00' }] }
const days = { timeZone: 'UTC', windows: [{ days: work, from: '09:00', to: '17:30' }] }
const weekend = { timeZone: 'UTC', windows: [{ days: ['Sat', 'Sun'] as const, from: '00:00', to: '24:00' }] }
const berlin = { ...days, timeZone: 'Europe/Berlin' }

describe('the hours of an owner', () => {
  // The first of January 2026 was a Thursday.
  test.each([
    { name: 'no hours are all hours', hours: undefined, at: '2026-01-01T03:00:00Z', open: true },
    { name: 'before they begin', hours: days, at: '2026-01-01T08:59:59Z', open: false },
    { name: 'when they begin', hours: days, at: '2026-01-01T09:00:00Z', open: true },
    { name: 'in their last second', hours: days, at: '2026-01-01T17:29:59Z', open: true },
    { name: 'when they end', hours: days, at: '2026-01-01T17:30:00Z', open: false },
    { name: 'on another day', hours: days, at: '2026-01-03T12:00:00Z', open: false },
    { name: 'over midnight, before it', hours: nights, at: '2026-01-02T23:59:00Z', open: true },
    {
      name: 'over midnight, after it, though that day is not named',
      hours: nights,
      at: '2026-01-03T06:59:00Z',
      open: true,
    },
    { name: 'over the end of the week they do not begin', hours: nights, at: '2026-01-05T06:00:00Z', open: false },
    {
      name: 'from Sunday into Monday',
      hours: { ...nights, windows: [{ days: ['Sun'] as const, from: '23:00', to: '01:00' }] },
      at: '2026-01-05T00:30:00Z',
      open: true,
    },
    { name: 'a whole day', hours: weekend, at: '2026-01-04T23:59:59Z', open: true },
    { name: 'after a whole day', hours: weekend, at: '2026-01-05T00:00:00Z', open: false },
    { name: 'elsewhere it is later, in winter by an hour', hours: berlin, at: '2026-01-01T08:00:00Z', open: true },
    { name: 'and in summer by two', hours: berlin, at: '2026-07-01T07:00:00Z', open: true },
    { name: 'where it is not yet nine', hours: berlin, at: '2026-07-01T06:59:59Z', open: false },
  ])('$name', ({ hours, at, open }) => {
    expect(isOpenAt(hours, Date.parse(at))).toBe(open)
  })

  test('a time zone is one that the system knows', () => {
    expect(['UTC', 'Europe/Berlin', 'Europe/Atlantis', ''].map(isTimeZone)).toEqual([true, true, false, false])
  })
})
