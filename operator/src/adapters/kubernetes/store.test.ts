import { describe, expect, test } from '@jest/globals'
import { createStore, keyOf } from './store.ts'

interface Thing {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
  readonly nodes: readonly string[]
}

/** `a:1@n1,n2`: name a, version 1, on two nodes; `a#2:7`: another object of the same name. */
function thing(text: string): Thing {
  const [, name = '', uid = '1', resourceVersion = '', nodes = ''] =
    /^(\w+)(?:#(\w+))?:(\d+)(?:@(.*))?$/.exec(text) ?? []
  return {
    metadata: { namespace: 'ns', name, uid: `${name}-${uid}`, resourceVersion },
    nodes: nodes ? nodes.split(',') : [],
  }
}

function watched(...texts: readonly string[]) {
  const log: string[] = []
  const store = createStore<Thing>({
    indexes: { node: ({ nodes }) => nodes },
    onError: (error) => log.push(error.message),
  })
  for (const text of texts) store.put(thing(text))
  const stop = store.subscribe(({ type, key, object, previous }) => {
    const versions = [previous?.metadata.resourceVersion, object.metadata.resourceVersion].filter(Boolean)
    log.push(`${type} ${key} ${versions.join('→')}`)
  })
  const namesOn = (node: string) => store.by('node', node).map(({ metadata }) => metadata.name)
  const replaceAll = (...next: readonly string[]) => {
    store.replaceAll(new Map(next.map(thing).map((object) => [keyOf(object.metadata), object])))
  }
  return { store, log, stop, namesOn, replaceAll }
}

describe('a store tells', () => {
  test.each([
    { name: 'what is new', had: [], puts: ['a:1'], says: ['added ns/a 1'] },
    { name: 'what changed, and from what', had: ['a:1'], puts: ['a:2'], says: ['modified ns/a 1→2'] },
    { name: 'nothing of a version that it has', had: ['a:1'], puts: ['a:1'], says: [] },
    { name: 'nothing of a version older than it has', had: ['a:10'], puts: ['a:9'], says: [] },
    { name: 'both lives of a name', had: ['a#1:1'], puts: ['a#2:9'], says: ['deleted ns/a 1', 'added ns/a 9'] },
    { name: 'nothing of an earlier life of a name', had: ['a#2:10'], puts: ['a#1:9'], says: [] },
  ])('$name', ({ had, puts, says }) => {
    const { store, log } = watched(...had)
    for (const text of puts) store.put(thing(text))
    expect(log).toEqual(says)
  })

  test('only what a new list changes', () => {
    const { store, log, replaceAll } = watched('gone:1', 'same:2', 'changed:3', 'other#1:4')
    replaceAll('same:2', 'changed:5', 'other#2:6', 'new:7')
    expect(log).toEqual([
      'deleted ns/gone 1',
      'modified ns/changed 3→5',
      'deleted ns/other 4',
      'added ns/other 6',
      'added ns/new 7',
    ])
    expect([...store.keys()].toSorted()).toEqual(['ns/changed', 'ns/new', 'ns/other', 'ns/same'])
    expect(store.size).toBe(4)
  })

  test('what an API server says that was set back to a backup', () => {
    const { log, replaceAll } = watched('a:10')
    replaceAll('a:9')
    expect(log).toEqual(['modified ns/a 10→9'])
  })

  test.each([
    { name: 'of what it holds, once', had: ['a:9'], afterwards: ['a:10'], says: ['modified ns/a 9→10'] },
    { name: 'not of what is gone by now', had: [], afterwards: [], says: [] },
    { name: 'not of another life of the name', had: ['a#2:11'], afterwards: [], says: [] },
    { name: 'not when the stream was faster', had: ['a:11'], afterwards: [], says: [] },
  ])('the answer to a write $name', ({ had, afterwards, says }) => {
    const { store, log } = watched(...had)
    store.learn(thing('a:10'))
    for (const text of afterwards) store.put(thing(text))
    expect(log).toEqual(says)
  })

  test('that something is gone, unless it holds what came after that', () => {
    const { store, log } = watched('a#2:10')
    store.remove({ namespace: 'ns', name: 'a', resourceVersion: '9' })
    expect(log).toEqual([])
    store.remove({ namespace: 'ns', name: 'a', resourceVersion: '11' })
    expect(log).toEqual(['deleted ns/a 10'])
  })

  test('nothing about what was never there', () => {
    const { store, log } = watched()
    store.remove({ namespace: 'ns', name: 'a' })
    expect(log).toEqual([])
  })

  test('nobody who has left', () => {
    const { store, log, stop } = watched()
    stop()
    store.put(thing('a:1'))
    expect(log).toEqual([])
  })

  test('everybody, although one of them fails, which is reported', () => {
    const { store, log } = watched()
    store.subscribe(() => {
      throw new Error('deaf')
    })
    const heard: string[] = []
    store.subscribe(({ key }) => heard.push(key))
    store.put(thing('a:1'))
    expect(heard).toEqual(['ns/a'])
    expect(log).toEqual(['added ns/a 1', 'telling that ns/a was added'])
  })
})

describe('an index', () => {
  test('finds an object under each of its values, follows its changes and forgets it', () => {
    const { store, namesOn } = watched('a:1@n1,n2', 'b:2@n2')
    expect([namesOn('n1'), namesOn('n2'), namesOn('n3')]).toEqual([['a'], ['a', 'b'], []])
    store.put(thing('a:3@n3'))
    expect([namesOn('n1'), namesOn('n2'), namesOn('n3')]).toEqual([[], ['b'], ['a']])
    store.remove({ namespace: 'ns', name: 'a' })
    expect(namesOn('n3')).toEqual([])
  })

  test('returns the newest version', () => {
    const { store } = watched('a:1@n1', 'a:2@n1')
    expect(store.by('node', 'n1').map(({ metadata }) => metadata.resourceVersion)).toEqual(['2'])
  })

  test('that nobody declared is an error', () => {
    expect(() => watched().store.by('colour', 'red')).toThrow('no index is named colour')
  })
})
