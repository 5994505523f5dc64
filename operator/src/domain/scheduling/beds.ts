/** Who sleeps, and on what: things that may help them when they change. */
export interface Beds<Sleeper> {
  readonly all: () => Iterable<Sleeper>
  readonly on: (thing: object) => ReadonlySet<Sleeper>
  /** On these things and no others. */
  readonly lieDown: (sleeper: Sleeper, things: readonly object[]) => void
  readonly leave: (sleeper: Sleeper) => void
}

export function createBeds<Sleeper>(): Beds<Sleeper> {
  const thingsOf = new Map<Sleeper, readonly object[]>()
  const byThing = new WeakMap<object, Set<Sleeper>>()
  const nobody: ReadonlySet<Sleeper> = new Set()

  function lieDown(sleeper: Sleeper, things: readonly object[]): void {
    const before = thingsOf.get(sleeper)
    if (before && isSame(before, things)) return
    leave(sleeper)
    thingsOf.set(sleeper, things)
    for (const thing of things) {
      const bed = byThing.get(thing)
      if (bed) bed.add(sleeper)
      else byThing.set(thing, new Set([sleeper]))
    }
  }

  function leave(sleeper: Sleeper): void {
    for (const thing of thingsOf.get(sleeper) ?? []) byThing.get(thing)?.delete(sleeper)
    thingsOf.delete(sleeper)
  }

  return { all: () => thingsOf.keys(), on: (thing) => byThing.get(thing) ?? nobody, lieDown, leave }
}

function isSame(a: readonly object[], b: readonly object[]): boolean {
  return a.length === b.length && a.every((thing, i) => thing === b[i])
}
