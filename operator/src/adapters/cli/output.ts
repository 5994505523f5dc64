// How answers are printed: tables for people, JSON and YAML for programs.
import { dump } from 'js-yaml'

export const formats = ['table', 'json', 'yaml'] as const
export type Format = (typeof formats)[number]

export interface Answer {
  /** For programs: what is in it stays so from version to version. */
  readonly value: unknown
  /** For people. */
  readonly text: string
}

export function printed({ value, text }: Answer, format: Format): string {
  if (format === 'json') return `${JSON.stringify(value, undefined, 2)}\n`
  if (format === 'yaml') return dump(value, { noRefs: true, lineWidth: -1 })
  return `${text}\n`
}

/** Columns as kubectl sets them. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}
