// What has room or quota again for one of those who sleep on it, maybe not for a second: who is first is found
// without waking them all.
import type { Beds } from './beds.ts'
import type { Shape } from './shape.ts'
import { isShapeBefore } from './tournament.ts'

export interface Turns {
  readonly open: (thing: object) => void
  readonly close: (thing: object) => void
  readonly closeAll: () => void
  /** The first that is helped of those who sleep on what is open. Where nobody is, it closes. */
  readonly first: (help: Help) => Shape | undefined
}

export interface Help {
  /** Nobody who sleeps on it is helped. */
  readonly isOver: (thing: object) => boolean
  readonly helps: (shape: Shape) => boolean
}

/** After so many looks at all who sleep on a thing it is cheaper to wake them. */
const mostLooks = 32

export function createTurns(beds: Pick<Beds<Shape>, 'on'>, wake: (shape: Shape) => void): Turns {
  /** How many looks are left. */
  const opened = new Map<object, number>()

  function first({ isOver, helps }: Help): Shape | undefined {
    let best: Shape | undefined
    for (const [thing, looks] of opened) {
      const found = isOver(thing) ? undefined : firstOf([...beds.on(thing)], helps)
      if (found && looks > 0) opened.set(thing, looks - 1)
      else opened.delete(thing)
      if (found && looks === 0) [...beds.on(thing)].filter(helps).forEach(wake)
      if (found && (!best || isShapeBefore(found, best))) best = found
    }
    return best
  }

  return {
    open: (thing) => {
      if (beds.on(thing).size > 0) opened.set(thing, mostLooks)
    },
    close: (thing) => opened.delete(thing),
    closeAll: () => opened.clear(),
    first,
  }
}

function firstOf(shapes: readonly Shape[], helps: (shape: Shape) => boolean): Shape | undefined {
  let best: Shape | undefined
  for (const shape of shapes) if ((!best || isShapeBefore(shape, best)) && helps(shape)) best = shape
  return best
}
