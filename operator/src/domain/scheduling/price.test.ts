import { expect, test } from '@jest/globals'
import { priceOf } from './price.ts'

test.each([
  { written: '2', is: 2_000_000 },
  { written: '2.1', is: 2_100_000 },
  { written: '2.10', is: 2_100_000 },
  { written: '0.0001', is: 100 },
  { written: '999999.9999', is: 999_999_999_900 },
  { written: '0', is: 0 },
])('$written is $is millionths', ({ written, is }) => {
  expect(priceOf(written)).toBe(is)
})
