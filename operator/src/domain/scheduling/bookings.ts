import type { Booking, RunId } from './facts.ts'

/** Bookings by job and run. */
export interface Bookings {
  readonly get: (uid: string, run: number) => Booking | undefined
  readonly values: () => IteratorObject<Booking>
  readonly set: (booking: Booking) => void
  readonly delete: (booking: RunId) => void
}

export function bookingKey(uid: string, run: number): string {
  return `${uid}/${run}`
}

/** Nearly every job has one run at a time, which is found by its uid: to build a key and look it up costs more. */
export function createBookings(): Bookings {
  const byUid = new Map<string, Booking>()
  const others = new Map<string, Booking>()

  function get(uid: string, run: number): Booking | undefined {
    const known = byUid.get(uid)
    if (known?.run === run) return known
    return others.size === 0 ? undefined : others.get(bookingKey(uid, run))
  }

  function set(booking: Booking): void {
    const { uid, run } = booking
    const isOther = others.size > 0 && others.has(bookingKey(uid, run))
    const known = byUid.get(uid)
    if (isOther || (known && known.run !== run)) others.set(bookingKey(uid, run), booking)
    else byUid.set(uid, booking)
  }

  return {
    get,
    set,
    values: () => [byUid, others].values().flatMap((bookings) => bookings.values()),
    delete: ({ uid, run }) => {
      if (byUid.get(uid)?.run === run) byUid.delete(uid)
      else others.delete(bookingKey(uid, run))
    },
  }
}
