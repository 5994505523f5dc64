import { WrongUse } from './wrong-use.ts'

const week = 7 * 24 * 3600

/** `90s`, `10m`, `1h`, `7d`, which is the most; of a flag. */
export function secondsOf(flag: string, text: string, { least }: { readonly least: number }): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const seconds = Number(number) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? Number.NaN)
  if (seconds >= least && seconds <= week) return seconds
  throw new WrongUse(
    `${flag} ${text} is not a time from ${least % 60 === 0 ? `${least / 60}m` : `${least}s`} to 7d, such as 1h`,
  )
}
