import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bytes, cpuMilli, memoryMiB, parseQuantity, wholeNumber } from './quantity.ts'

describe('a quantity', () => {
  test.each([
    ['0', 0],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['+2', 2],
    ['500m', 0.5],
    ['100n', 1e-7],
    ['1e3', 1000],
    ['1E3', 1000],
    ['12e-1', 1.2],
    ['1E', 1e18],
    ['2k', 2000],
    ['80Gi', 80 * 2 ** 30],
    ['1.5Ki', 1536],
    [4, 4],
    [0.25, 0.25],
    [1e21, 1e21],
  ])('%p is %p', (quantity, value) => {
    expect(parseQuantity(quantity)).toBe(value)
  })

  test.each([
    '',
    ' 1',
    '1 ',
    '1 Gi',
    'Gi',
    '.',
    '+',
    '-1',
    '1.2.3',
    '1K',
    '1gi',
    '1KiB',
    '0x10',
    '1e',
    '1e1.5',
    '1e3Ki',
    '１',
    'NaN',
    'Infinity',
    '1_000',
    '9'.repeat(65),
    '1e100',
    '8\n',
  ])('%j is refused by its name', (text) => {
    expect(() => parseQuantity(text)).toThrow(RangeError)
    expect(() => parseQuantity(text)).toThrow(JSON.stringify(text))
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('the number %p is refused', (number) => {
    expect(() => parseQuantity(number)).toThrow(RangeError)
  })
})

describe('rounding up to whole units', () => {
  test.each([
    { read: cpuMilli, quantity: '1.1', is: 1100 },
    { read: cpuMilli, quantity: '4.35', is: 4350 },
    { read: cpuMilli, quantity: '1n', is: 1 },
    { read: cpuMilli, quantity: '500m', is: 500 },
    { read: cpuMilli, quantity: 2, is: 2000 },
    { read: memoryMiB, quantity: '80Gi', is: 81_920 },
    { read: memoryMiB, quantity: '1', is: 1 },
    { read: memoryMiB, quantity: '1M', is: 1 },
    { read: memoryMiB, quantity: '64424509440', is: 61_440 },
    { read: bytes, quantity: '500m', is: 1 },
    { read: bytes, quantity: '1Ki', is: 1024 },
    { read: wholeNumber, quantity: '8', is: 8 },
  ])('$read.name of $quantity is $is', ({ read, quantity, is }) => {
    expect(read(quantity)).toBe(is)
  })

  test('what no number can hold exactly is refused', () => {
    expect(() => bytes('9Ei')).toThrow('"9Ei"')
    expect(() => cpuMilli('1e30')).toThrow('"1e30"')
    expect(() => wholeNumber('1.5')).toThrow('"1.5"')
  })
})

describe('properties', () => {
  test('thousandths come back whole, however they are written', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), (milli) => {
        expect(cpuMilli(`${milli}m`)).toBe(milli)
        expect(cpuMilli(milli / 1000)).toBe(milli)
        expect(cpuMilli(`${Math.floor(milli / 1000)}.${String(milli % 1000).padStart(3, '0')}`)).toBe(milli)
      }),
    )
  })

  test('a MiB never shrinks and never grows by one or more', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (size) => {
        const mib = memoryMiB(String(size))
        expect(mib * 2 ** 20).toBeGreaterThanOrEqual(size)
        expect((mib - 1) * 2 ** 20).toBeLessThan(size)
        expect(memoryMiB(`${mib}Mi`)).toBe(mib)
      }),
    )
  })

  test('any other text is a number or a RangeError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.eE+numkMGTPKi-]{0,12}$/)), (text) => {
        expect(readOrRefuse(text)).toMatch(/^(a number|RangeError)$/)
      }),
    )
  })
})

function readOrRefuse(text: string): string {
  try {
    return parseQuantity(text) >= 0 ? 'a number' : 'less than nothing'
  } catch (error) {
    return error instanceof Error ? error.name : 'no error'
  }
}
