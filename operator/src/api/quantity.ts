// Kubernetes quantities (80Gi, 500m, 1e3, 1.5), read strictly and without rounding errors.
// A text with a minus is refused: no quantity that we read may be negative.

/** Powers of ten or of two that a suffix stands for. */
const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binary: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }

const grammar =
  /^\+?(?<whole>\d*)(?:\.(?<part>\d*))?(?:(?<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?<exponent>[+-]?\d{1,2}))?$/

/** Longer texts say nothing that a shorter one could not, and cost more to read. */
const maxLength = 64

interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** The value as a number. @throws RangeError naming the text, where it is no quantity. */
export function parseQuantity(quantity: string | number): number {
  const { numerator, denominator } = read(quantity)
  return Number(numerator) / Number(denominator)
}

/** CPU in thousandths of a core, rounded up. @throws RangeError */
export function cpuMilli(quantity: string | number): number {
  return roundedUp(quantity, { numerator: 1000n, denominator: 1n })
}

/** Memory or storage in MiB, rounded up. @throws RangeError */
export function memoryMiB(quantity: string | number): number {
  return roundedUp(quantity, { numerator: 1n, denominator: 1n << 20n })
}

/** Memory or storage in bytes, rounded up. @throws RangeError */
export function bytes(quantity: string | number): number {
  return roundedUp(quantity, { numerator: 1n, denominator: 1n })
}

/** A count, such as of GPUs. @throws RangeError, also where it is not whole. */
export function wholeNumber(quantity: string | number): number {
  const value = parseQuantity(quantity)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${JSON.stringify(quantity)} is not a whole number`)
  return value
}

function roundedUp(quantity: string | number, unit: Fraction): number {
  const value = read(quantity)
  const numerator = value.numerator * unit.numerator
  const denominator = value.denominator * unit.denominator
  const rounded = Number((numerator + denominator - 1n) / denominator)
  if (!Number.isSafeInteger(rounded)) throw new RangeError(`the quantity ${JSON.stringify(quantity)} is too large`)
  return rounded
}

function read(quantity: string | number): Fraction {
  const text = String(quantity)
  const groups = text.length <= maxLength ? grammar.exec(text)?.groups : undefined
  const { whole = '', part = '', suffix = '', exponent = '0' } = groups ?? {}
  if (!groups || whole + part === '') throw new RangeError(`${JSON.stringify(quantity)} is not a Kubernetes quantity`)

  const digits = BigInt(whole + part)
  const ten = Number(exponent) + (decimal[suffix] ?? 0) - part.length
  const two = BigInt(binary[suffix] ?? 0)
  return ten < 0
    ? { numerator: digits << two, denominator: 10n ** BigInt(-ten) }
    : { numerator: (digits << two) * 10n ** BigInt(ten), denominator: 1n }
}
