// Equal values kept once: thousands of objects have the same spec but for their names, and say the same of themselves.

/** So many different values are remembered; then it begins anew, and what is held elsewhere stays as it is. */
const rememberedValues = 10_000

/** Gives for each value one that is equal to it, the same for equal ones. Nobody may change what it was given. */
export function sharedValues(limit = rememberedValues): <T>(value: T) => T {
  const seen = new Map<string, unknown>()
  return <T>(value: T): T => {
    const text = JSON.stringify(value)
    const known = seen.get(text) as T | undefined
    if (known !== undefined) return known
    if (seen.size >= limit) seen.clear()
    seen.set(text, value)
    return value
  }
}
