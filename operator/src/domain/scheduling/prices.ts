// What free GPUs are worth for what is asked: a piece of a GPU that no job fills is worth nothing, however large it is.
// The prices are the dual values of the cutting-stock problem of the demand, found by column generation
// (P. C. Gilmore, R. E. Gomory, "A Linear Programming Approach to the Cutting-Stock Problem", Operations Research 9, 1961).

/** How much of what is asked for, by the size of its pieces. */
export interface Cut {
  /** In units; whole. */
  readonly size: number
  readonly amount: number
}

/** More are made fewer, by sizes that are rounded up: a round takes the square of them, and there are more rounds. */
const mostSizes = 32

/** More than so many sizes need; the prices of the last round are nearly those of the best. */
const mostRounds = 500
/** What the arithmetic of the tableau may be off by. */
const tolerance = 1e-9

/**
 * @param cuts of different sizes; those that are larger than the whole are left out.
 * @param units of the whole.
 * @returns for each number of units from 0 to the whole, the part of a whole that it is worth; the whole is worth 1.
 *   Where nothing is asked for, each is worth its size.
 */
export function pricesOf(cuts: readonly Cut[], units: number): Float64Array {
  const asked = fewSizes(
    cuts.filter(({ size, amount }) => size > 0 && size <= units && amount > 0),
    units,
  )
  if (asked.length === 0) return Float64Array.from({ length: units + 1 }, (_, size) => size / units)
  const basis = firstBasis(asked, units)
  for (let round = 0; ; round += 1) {
    const filled = fill(asked, basisPrices(basis), units)
    const best = filled.worth[units] ?? 0
    if (best <= 1 + tolerance || round === mostRounds) return filled.worth.map((worth) => Math.min(1, worth / best))
    enter(basis, patternOf(asked, filled, units))
  }
}

function fewSizes(cuts: readonly Cut[], units: number): readonly Cut[] {
  let rounded = cuts
  for (let grain = 2; rounded.length > mostSizes; grain += 1) {
    const sizes = Map.groupBy(cuts, ({ size }) => Math.min(units, Math.ceil(size / grain) * grain))
    rounded = Array.from(sizes, ([size, here]) => ({ size, amount: here.reduce((sum, { amount }) => sum + amount, 0) }))
  }
  return rounded
}

/** The simplex tableau: the inverse of the matrix of the patterns in use, and how often each is used. */
interface Basis {
  readonly inverse: Float64Array[]
  readonly used: Float64Array
}

/** Of each size alone as many as fit. */
function firstBasis(cuts: readonly Cut[], units: number): Basis {
  const each = cuts.map(({ size }) => 1 / Math.floor(units / size))
  return {
    inverse: each.map((part, i) => new Float64Array(cuts.length).fill(part, i, i + 1)),
    used: Float64Array.from(cuts, ({ amount }, i) => amount * (each[i] ?? 0)),
  }
}

function basisPrices({ inverse }: Basis): Float64Array {
  const prices = new Float64Array(inverse.length)
  for (const row of inverse) for (let i = 0; i < row.length; i += 1) prices[i] = (prices[i] ?? 0) + (row[i] ?? 0)
  return prices
}

interface Filled {
  /** By units. */
  readonly worth: Float64Array
  /** The cut that was added last; -1: a unit is left over. */
  readonly last: Int32Array
}

/** The unbounded knapsack. */
function fill(cuts: readonly Cut[], prices: Float64Array, units: number): Filled {
  const worth = new Float64Array(units + 1)
  const last = new Int32Array(units + 1).fill(-1)
  for (let all = 1; all <= units; all += 1) {
    let most = worth[all - 1] ?? 0
    for (const [i, { size }] of cuts.entries()) {
      const value = size <= all ? (worth[all - size] ?? 0) + (prices[i] ?? 0) : 0
      if (value <= most + tolerance / 1000) continue
      most = value
      last[all] = i
    }
    worth[all] = most
  }
  return { worth, last }
}

/** How many of each cut make the whole worth most. */
function patternOf(cuts: readonly Cut[], { last }: Filled, units: number): Float64Array {
  const pattern = new Float64Array(cuts.length)
  for (let left = units; left > 0; ) {
    const i = last[left] ?? -1
    if (i >= 0) pattern[i] = (pattern[i] ?? 0) + 1
    left -= cuts[i]?.size ?? 1
  }
  return pattern
}

/** The pattern takes the place of the one that is used up first. */
function enter({ inverse, used }: Basis, pattern: Float64Array): void {
  const steps = inverse.map((row) => row.reduce((sum, value, i) => sum + value * (pattern[i] ?? 0), 0))
  const ratios = steps.map((step, i) => (step > tolerance ? (used[i] ?? 0) / step : Infinity))
  const least = Math.min(...ratios)
  const at = ratios.indexOf(least)
  const [row, step] = [inverse[at], steps[at]]
  if (!row || !step) return
  const scaled = row.map((value) => value / step)
  for (const [i, other] of inverse.entries()) {
    const by = steps[i] ?? 0
    if (i === at || by === 0) continue
    for (let j = 0; j < other.length; j += 1) other[j] = (other[j] ?? 0) - by * (scaled[j] ?? 0)
    used[i] = (used[i] ?? 0) - least * by
  }
  inverse[at] = scaled
  used[at] = least
}
