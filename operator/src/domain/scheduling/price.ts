/** The smallest part of a currency unit that is reckoned with: whole numbers of it are compared, never fractions. */
const millionths = 1_000_000

/** @param written as the schema has it, such as `2.10`; in millionths of a currency unit. */
export function priceOf(written: string): number {
  const [whole = '0', part = ''] = written.split('.')
  return Number(whole) * millionths + Number(part.padEnd(6, '0').slice(0, 6))
}
