/** One line of JSON for whoever compares runs. */
export function printFigures(suite: string, figures: Readonly<Record<string, number>>): void {
  process.stdout.write(`${JSON.stringify({ suite, ...figures })}\n`)
}

/** @param begun of `performance.now()` */
export function secondsSince(begun: number): number {
  return rounded((performance.now() - begun) / 1000)
}

export function rounded(number: number): number {
  return Math.round(number * 100) / 100
}

/** How many there are of each name, as text that a failure can show. */
export function countBy<T>(items: Iterable<T>, name: (item: T) => string): string {
  const groups = Map.groupBy(items, name)
  return JSON.stringify(Object.fromEntries(groups.entries().map(([key, { length }]) => [key, length])))
}
