import { describe, expect, test } from '@jest/globals'
import type { Source } from './payload.ts'
import {
  bytesOf,
  type Content,
  canonicalText,
  contentOf,
  type Found,
  opened,
  sealed,
  tooLarge,
} from './payload-content.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const values = (entries: Record<string, string>) =>
  new Map(Object.entries(entries).map(([key, text]) => [key, base64(text)]))
const content = (name: string, data: Record<string, string>, binary: Record<string, string> = {}): Content => ({
  kind: 'ConfigMap',
  name,
  data: values(data),
  binaryData: values(binary),
})
const source: Source = { kind: 'Secret', name: 's', keys: 'All', optional: false }
const labels = { 'gpucommons.io/may-travel': 'true' }
const found = (some: Partial<Found> = {}): Found => ({
  labels,
  data: values({ a: '1', b: '2' }),
  binaryData: new Map(),
  ...some,
})

describe('what of a source travels', () => {
  test.each<{
    name: string
    source?: Partial<Source>
    found: Found | 'NotReadable' | undefined
    says: string | undefined
  }>([
    { name: 'all of it', found: found(), says: 'a b' },
    { name: 'the named keys', source: { keys: new Set(['b', 'c']) }, found: found(), says: 'b' },
    { name: 'nothing that is missing', found: undefined, says: 'SourceMissing' },
    { name: 'nothing, where that may be', source: { optional: true }, found: undefined, says: undefined },
    { name: 'nothing without the label', found: found({ labels: {} }), says: 'MayNotTravel' },
    {
      name: 'nothing with another value of it',
      found: found({ labels: { 'gpucommons.io/may-travel': 'True' } }),
      says: 'MayNotTravel',
    },
    {
      name: 'also what may be absent needs the label',
      source: { optional: true },
      found: found({ labels: undefined }),
      says: 'MayNotTravel',
    },
    { name: 'nothing that the hub may not read', found: 'NotReadable', says: 'NotReadable' },
  ])('$name', ({ source: change, found: there, says }) => {
    const taken = contentOf({ ...source, ...change }, there)
    expect(taken && ('reason' in taken ? taken.reason : [...taken.data.keys()].join(' '))).toBe(says)
  })
})

describe('how it is handed over', () => {
  const payload = [
    content('empty', {}),
    content('odd', JSON.parse('{"__proto__":"p","constructor":"c","1":"one",".b":""}') as Record<string, string>, {
      bin: '\u0000',
    }),
    content('x'.repeat(253), { ['k'.repeat(253)]: 'v' }),
  ]

  test('what is sealed is opened as it was', () => {
    expect(opened(sealed(payload))).toEqual(payload)
  })

  test('every key of the Secret is one that Kubernetes takes', () => {
    expect(Object.keys(sealed(payload)).filter((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key))).toEqual([])
  })

  test.each<{ name: string; change: (secret: Record<string, string>) => Record<string, string> }>([
    { name: 'without its index', change: ({ index: _, ...rest }) => rest },
    { name: 'with an index that is no JSON', change: (secret) => ({ ...secret, index: base64('{') }) },
    { name: 'with an index of another form', change: (secret) => ({ ...secret, index: base64('[{"kind":"Pod"}]') }) },
    { name: 'with a value that is missing', change: ({ '1.0': _, ...rest }) => rest },
    { name: 'with a value that nobody told of', change: (secret) => ({ ...secret, other: '' }) },
  ])('a Secret $name is none', ({ change }) => {
    expect(opened(change(sealed(payload)))).toBeUndefined()
  })

  test('a Secret without data is none', () => {
    expect(opened(undefined)).toBeUndefined()
  })
})

describe('the text that is hashed', () => {
  const one = content('a', { x: '1', y: '2' })
  const two = content('b', {}, { z: '3' })

  test('is the same in whatever order it was read', () => {
    const turned = { ...one, data: new Map([...one.data].toReversed()) }
    expect(canonicalText([two, turned])).toBe(canonicalText([one, two]))
  })

  test.each([
    { name: 'a value', other: [content('a', { x: '1', y: '3' }), two] },
    { name: 'a key', other: [content('a', { x: '1', z: '2' }), two] },
    { name: 'a name', other: [content('c', { x: '1', y: '2' }), two] },
    { name: 'the kind', other: [{ ...one, kind: 'Secret' as const }, two] },
    { name: 'what can only be a file', other: [one, content('b', { z: '3' })] },
    { name: 'one less', other: [one] },
  ])('is another for another $name', ({ other }) => {
    expect(canonicalText(other)).not.toBe(canonicalText([one, two]))
  })
})

describe('how much it may be', () => {
  const weighed = (name: string, kib: number) => ({ kind: 'Secret' as const, name, bytes: kib * 1024 })

  test('900 KiB', () => {
    expect(tooLarge([weighed('a', 450), weighed('b', 450)])).toBeUndefined()
  })

  test('not more, and the message names the largest', () => {
    const problem = tooLarge([weighed('a', 400), weighed('b', 501)])
    expect(problem).toMatchObject({
      reason: 'PayloadTooLarge',
      message: expect.stringMatching(/901 KiB .* Secret b with 501 KiB/),
    })
  })

  test('names count too: many small values would not fit either', () => {
    expect(bytesOf(content('a', { ['k'.repeat(253)]: '' }))).toBeGreaterThan(500)
  })
})
