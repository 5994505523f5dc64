import { describe, expect, test } from '@jest/globals'
import { jobFact } from '../../../../test/builders/scheduling.ts'
import { createBeds } from './beds.ts'
import { newLane, newNeed, newShape, type Shape } from './shape.ts'
import { createTurns } from './turns.ts'

const account = {}
const all = { isOver: () => false, helps: () => true }

/** Shapes that sleep on one account, the oldest first. */
function sleepers(count: number) {
  const beds = createBeds<Shape>()
  const woken: Shape[] = []
  const turns = createTurns(beds, (shape) => void woken.push(shape))
  const shapes = Array.from({ length: count }, (_, i) => {
    const like = jobFact({ uid: `j${i}`, createdMs: i })
    const shape = newShape(newNeed(like.uid, like), newLane('q'))
    beds.lieDown(shape, [account])
    return shape
  })
  return { turns, shapes, woken }
}

describe('an account that has room again', () => {
  test('is offered to the first in line, and to nobody once it helps nobody', () => {
    const { turns, shapes } = sleepers(3)
    expect(turns.first(all)).toBeUndefined()
    turns.open(account)
    expect(turns.first(all)).toBe(shapes[0])
    expect(turns.first({ ...all, helps: () => false })).toBeUndefined()
    expect(turns.first(all)).toBeUndefined()
  })

  test('is offered once to each that is tried in vain, until more is given back', () => {
    const { turns, shapes } = sleepers(2)
    turns.open(account)
    for (const shape of shapes) {
      expect(turns.first(all)).toBe(shape)
      turns.taken(shape)
    }
    expect(turns.first(all)).toBeUndefined()
    turns.open(account)
    expect(turns.first(all)).toBe(shapes[0])
  })

  test('wakes all that it helps after many looks', () => {
    const { turns, shapes, woken } = sleepers(2)
    turns.open(account)
    for (let i = 0; i < 32; i += 1) turns.first(all)
    expect(woken).toEqual([])
    turns.first({ ...all, helps: (shape) => shape === shapes[1] })
    expect(woken).toEqual([shapes[1]])
  })
})
