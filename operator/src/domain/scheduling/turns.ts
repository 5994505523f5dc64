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
  /** It is tried: what is open now offers it nothing more. */
  readonly taken: (shape: Shape) => void
}

export interface Help {
  /** Nobody who sleeps on it is helped. */
  readonly isOver: (thing: object) => boolean
  readonly helps: (shape: Shape) => boolean
}

interface Opening {
  /** How many are left. */
  looks: number
  /** Those that were tried since it opened: nothing has grown since. */
  readonly offered: Set<Shape>
}

/** After so many looks at all who sleep on a thing it is cheaper to wake them. */
const mostLooks = 32

export function createTurns(beds: Pick<Beds<Shape>, 'on'>, wake: (shape: Shape) => void): Turns {
  const opened = new Map<object, Opening>()

  function first({ isOver, helps }: Help): Shape | undefined {
    let best: Shape | undefined
    for (const [thing, opening] of opened) {
      const sleepers = [...beds.on(thing)].filter((shape) => !opening.offered.has(shape))
      const found = isOver(thing) ? undefined : firstOf(sleepers, helps)
      opening.looks -= 1
      if (!found || opening.looks < 0) opened.delete(thing)
      if (found && opening.looks < 0) sleepers.filter(helps).forEach(wake)
      if (found && (!best || isShapeBefore(found, best))) best = found
    }
    return best
  }

  return {
    open: (thing) => {
      if (beds.on(thing).size > 0) opened.set(thing, { looks: mostLooks, offered: new Set() })
    },
    close: (thing) => opened.delete(thing),
    closeAll: () => opened.clear(),
    first,
    taken: (shape) => opened.forEach(({ offered }) => void offered.add(shape)),
  }
}

function firstOf(shapes: readonly Shape[], helps: (shape: Shape) => boolean): Shape | undefined {
  let best: Shape | undefined
  for (const shape of shapes) if ((!best || isShapeBefore(shape, best)) && helps(shape)) best = shape
  return best
}
