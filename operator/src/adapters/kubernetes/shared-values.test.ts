import { expect, test } from '@jest/globals'
import { sharedValues } from './shared-values.ts'

test('equal values become one', () => {
  const share = sharedValues()
  const first = { type: 'Placed', status: 'True' }
  expect([share(first), share({ type: 'Placed', status: 'True' }), share({ ...first, status: 'False' })]).toEqual([
    first,
    first,
    { type: 'Placed', status: 'False' },
  ])
  expect(share({ type: 'Placed', status: 'True' })).toBe(first)
})

test('values that come one by one for ever do not fill the memory', () => {
  const share = sharedValues(2)
  const [one] = ['one', 'two', 'three'].map((name) => share({ name }))
  expect(share({ name: 'one' })).not.toBe(one)
  expect(share({ name: 'one' })).toEqual(one)
})
