// The hours of the week in which an owner gives the cluster to the federation.
import { type OwnerRules, WEEKDAYS } from '../../api/owner-rules.ts'

type Hours = NonNullable<OwnerRules['hours']>

const dayMinutes = 24 * 60
const weekMinutes = 7 * dayMinutes

export function isTimeZone(name: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return false
  }
}

/**
 * @param now wall clock, milliseconds
 * @throws RangeError where the time zone is none
 */
export function isOpenAt(hours: Hours | undefined, now: number): boolean {
  if (!hours) return true
  const minute = minuteOfWeek(hours.timeZone, now)
  return hours.windows.some((window) => covers(window, minute))
}

function covers({ days, from, to }: Hours['windows'][number], minute: number): boolean {
  const length = (minutesOf(to) - minutesOf(from) + dayMinutes) % dayMinutes || dayMinutes
  return days.some((day) => {
    const begins = WEEKDAYS.indexOf(day) * dayMinutes + minutesOf(from)
    return (minute - begins + weekMinutes) % weekMinutes < length
  })
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':')
  return Number(hours) * 60 + Number(minutes)
}

/** Minutes since Monday began there. */
function minuteOfWeek(timeZone: string, now: number): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]))
  const day = WEEKDAYS.findIndex((name) => name === parts['weekday'])
  return day * dayMinutes + Number(parts['hour']) * 60 + Number(parts['minute'])
}
