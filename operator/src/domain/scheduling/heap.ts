// A binary heap whose items know their place, so that any of them can leave.

export interface Heaped {
  /** Where it lies in its heap; written by the heap alone. An item is in one heap at a time. */
  place: number
}

export interface Heap<Item extends Heaped> {
  readonly items: Item[]
  readonly isBefore: (a: Item, b: Item) => boolean
}

export function addTo<Item extends Heaped>(heap: Heap<Item>, item: Item): void {
  item.place = heap.items.length
  heap.items.push(item)
  rise(heap, item)
}

export function removeFrom<Item extends Heaped>(heap: Heap<Item>, item: Item): void {
  const last = heap.items.pop()
  if (last === undefined || last === item) return
  last.place = item.place
  heap.items[item.place] = last
  settle(heap, last)
}

/** To be called when the item's order has changed. */
export function settle<Item extends Heaped>(heap: Heap<Item>, item: Item): void {
  rise(heap, item)
  sink(heap, item)
}

function rise<Item extends Heaped>({ items, isBefore }: Heap<Item>, item: Item): void {
  while (item.place > 0) {
    const parent = items[(item.place - 1) >> 1]
    if (!parent || !isBefore(item, parent)) return
    swap(items, item, parent)
  }
}

function sink<Item extends Heaped>({ items, isBefore }: Heap<Item>, item: Item): void {
  for (;;) {
    const left = items[item.place * 2 + 1]
    const right = items[item.place * 2 + 2]
    const first = left && right && isBefore(right, left) ? right : left
    if (!first || !isBefore(first, item)) return
    swap(items, first, item)
  }
}

function swap<Item extends Heaped>(items: Item[], a: Item, b: Item): void {
  const place = a.place
  a.place = b.place
  b.place = place
  items[a.place] = a
  items[b.place] = b
}
