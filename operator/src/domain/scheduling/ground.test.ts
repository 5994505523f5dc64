import { describe, expect, test } from '@jest/globals'
import { booking, nodeFact } from '../../../../test/builders/scheduling.ts'
import { createOccupancy } from './ground.ts'

const node = nodeFact()
const run = booking()

describe('who is on a node', () => {
  test('is the same value for as long as nothing changes there', () => {
    const occupancy = createOccupancy()
    occupancy.enter(run)
    expect(occupancy.groundAt(node)).toBe(occupancy.groundAt(node))
    expect(occupancy.groundAt(node).runs).toEqual([run])
  })

  test('is forgotten with a node on which nobody is', () => {
    const occupancy = createOccupancy()
    const before = occupancy.groundAt(node)
    occupancy.forget(node)
    expect(occupancy.groundAt(node)).not.toBe(before)
  })

  test('is known still when the node comes back while they are there', () => {
    const occupancy = createOccupancy()
    occupancy.enter(run)
    occupancy.groundAt(node)
    occupancy.forget(node)
    expect(occupancy.groundAt(node).runs).toEqual([run])
  })

  test('is seen of a node that came back after all of them had left, and of those who come then', () => {
    const occupancy = createOccupancy()
    occupancy.enter(run)
    occupancy.groundAt(node)
    occupancy.forget(node)
    occupancy.leave(run)
    expect(occupancy.groundAt(node).runs).toEqual([])
    occupancy.enter(run)
    expect(occupancy.groundAt(node).runs).toEqual([run])
  })
})
