import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { addTo, type Heap, type Heaped, removeFrom, settle } from './heap.ts'

interface Item extends Heaped {
  order: number
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), order: fc.nat(20) }) },
  fc.record({ do: fc.constant('remove' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('settle' as const), which: fc.nat(), order: fc.nat(20) }),
)

test('the first item is always the least, whoever comes, goes or changes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap: Heap<Item> = { items: [], isBefore: (a, b) => a.order < b.order }
      const inside: Item[] = []
      for (const each of steps) {
        if (each.do === 'add') {
          const item = { order: each.order, place: 0 }
          inside.push(item)
          addTo(heap, item)
        } else {
          const at = each.which % Math.max(1, inside.length)
          const item = inside[at]
          if (!item) continue
          if (each.do === 'remove') {
            inside.splice(at, 1)
            removeFrom(heap, item)
          } else {
            item.order = each.order
            settle(heap, item)
          }
        }
        expect(heap.items.map(({ place }) => place)).toEqual(heap.items.map((_, place) => place))
        expect(heap.items.length).toBe(inside.length)
        const unordered = heap.items.filter(({ order, place }) => (heap.items[(place - 1) >> 1]?.order ?? 0) > order)
        expect(unordered).toEqual([])
        expect(heap.items[0]?.order ?? Infinity).toBe(Math.min(...inside.map(({ order }) => order)))
      }
    }),
    { numRuns: 500 },
  )
})
