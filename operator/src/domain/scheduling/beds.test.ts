import { describe, expect, test } from '@jest/globals'
import { createBeds } from './beds.ts'

describe('who sleeps', () => {
  const [first, second] = [{}, {}]

  test('lies on what it was laid on last, and on nothing else', () => {
    const beds = createBeds<string>()
    beds.lieDown('job', [first])
    beds.lieDown('job', [second])
    expect([[...beds.on(first)], [...beds.on(second)], [...beds.all()]]).toEqual([[], ['job'], ['job']])
  })

  test('lies on all its things, beside others, until it leaves', () => {
    const beds = createBeds<string>()
    beds.lieDown('job', [first, second])
    beds.lieDown('other', [second])
    beds.leave('job')
    expect([[...beds.on(first)], [...beds.on(second)], [...beds.all()]]).toEqual([[], ['other'], ['other']])
  })

  test('on nothing is known, and hears of nothing', () => {
    const beds = createBeds<string>()
    beds.lieDown('job', [])
    expect([[...beds.on(first)], [...beds.all()]]).toEqual([[], ['job']])
  })
})
