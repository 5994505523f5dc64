import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { booking } from '../../../../test/builders/scheduling.ts'
import { bookingKey, createBookings } from './bookings.ts'
import type { Booking } from './facts.ts'

const id = fc.record({ uid: fc.constantFrom('a', 'b'), run: fc.constantFrom(1, 2, 3) })
const step = fc.record({ id, does: fc.constantFrom('set' as const, 'set' as const, 'delete' as const) })

test('bookings are those of a map by job and run, also where a job has several runs', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const bookings = createBookings()
      const expected = new Map<string, Booking>()
      for (const { id, does } of steps) {
        const one = booking(id)
        if (does === 'set') bookings.set(one)
        else bookings.delete(id)
        if (does === 'set') expected.set(bookingKey(id.uid, id.run), one)
        else expected.delete(bookingKey(id.uid, id.run))
      }
      expect(new Set(bookings.values())).toEqual(new Set(expected.values()))
      for (const uid of ['a', 'b'])
        for (const run of [1, 2, 3]) expect(bookings.get(uid, run)).toBe(expected.get(bookingKey(uid, run)))
    }),
  )
})
