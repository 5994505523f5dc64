type Json = Readonly<Record<string, unknown>>

/**
 * The merge patch (RFC 7396) that makes `after` of `before`; lists are replaced whole.
 * `undefined` where they are equal.
 */
export function mergePatchBetween(before: unknown, after: unknown): unknown {
  if (!isObject(before) || !isObject(after)) return isSame(before, after) ? undefined : after

  const changes = Object.entries(after).flatMap(([key, value]) => {
    const change = mergePatchBetween(valueOf(before, key), value)
    return change === undefined ? [] : [[key, change] as const]
  })
  const removals = Object.keys(before).filter((key) => before[key] !== undefined && valueOf(after, key) === undefined)
  const patch = Object.fromEntries([...changes, ...removals.map((key) => [key, null] as const)])
  return Object.keys(patch).length === 0 ? undefined : patch
}

/** Not what every object inherits: a key may be called `constructor`. */
function valueOf(object: Json, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
