type Json = Readonly<Record<string, unknown>>

/**
 * The merge patch (RFC 7396) that makes `after` of `before`; lists are replaced whole.
 * `undefined` where they are equal.
 */
export function mergePatchBetween(before: unknown, after: unknown): unknown {
  if (!isObject(before) || !isObject(after)) return isSame(before, after) ? undefined : after

  const changes = Object.entries(after).flatMap(([key, value]) => {
    const change = mergePatchBetween(before[key], value)
    return change === undefined ? [] : [[key, change] as const]
  })
  const removals = Object.keys(before).filter((key) => before[key] !== undefined && after[key] === undefined)
  const patch = Object.fromEntries([...changes, ...removals.map((key) => [key, null] as const)])
  return Object.keys(patch).length === 0 ? undefined : patch
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
