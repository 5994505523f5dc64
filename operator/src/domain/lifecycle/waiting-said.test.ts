import { describe, expect, test } from '@jest/globals'
import { keptJob } from '../../../../test/builders/kept.ts'
import type { GpuJobStatus } from '../../api/gpujob.ts'
import { EXPLAIN_ANNOTATION } from '../../api/labels.ts'
import { toTime } from '../../api/time.ts'
import type { Advice } from '../scheduling/advice.ts'
import type { Change } from '../scheduling/changes.ts'
import type { Explanation } from '../scheduling/facts.ts'
import type { KeptJob } from './kept.ts'
import { asksForAdvice, waitingSaid } from './waiting-said.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const explanation: Explanation = {
  verdict: 'Waits',
  reasons: [
    { reason: 'WrongModel', count: 9 },
    { reason: 'NotEnoughFreeGpus', count: 3 },
    { reason: 'Taint', count: 2 },
    { reason: 'Withheld:Mig', count: 1 },
  ],
}
const fewer: Change = { change: 'Gpus', from: 8, to: 7 }

function advice(some: Partial<Advice> = {}): Advice {
  return { provider: 'acme', reasons: explanation.reasons, fits: false, options: [[fewer]], ...some }
}

function job(asked?: string, status: Partial<GpuJobStatus> = {}): KeptJob {
  const kept = keptJob({ status })
  const annotations = asked === undefined ? {} : { annotations: { [EXPLAIN_ANNOTATION]: asked } }
  return { ...kept, metadata: { ...kept.metadata, ...annotations } }
}

function said(of: KeptJob, given: readonly Advice[] | 'Busy' = [advice()]) {
  const looks = asksForAdvice(of, now)
  return { ...waitingSaid(explanation, { job: of, now, ...(looks ? { advice: given } : {}) }), looks }
}

function answered(asked: string, secondsAgo: number): Partial<GpuJobStatus> {
  const answeredAt = toTime(now - secondsAgo * 1000)
  return { explanation: { asked, answeredAt, verdict: 'Waits', providers: [], otherProviders: 0 } }
}

describe('what is said of a waiting job', () => {
  test('names the three most frequent reasons with their numbers', () => {
    const { waiting } = said(job()).change
    expect(waiting?.reasons.map(({ reason, count }) => `${reason}=${count}`)).toEqual([
      'WrongModel=9',
      'NotEnoughFreeGpus=3',
      'Taint=2',
    ])
  })

  test('keeps the numbers while only they change: they are worth no write', () => {
    const before = said(job()).change.waiting
    const old = before && { ...before, reasons: before.reasons.map((one) => ({ ...one, count: 1 })) }
    expect(said(job(undefined, { ...(old && { waiting: old }) })).change.waiting).toEqual(old)
  })

  test('costs no look at providers where nobody asked', () => {
    const { change, looks } = said(job())
    expect([change.explanation, looks]).toEqual([undefined, false])
  })

  test('answers once where the question is cut in the middle of a character', () => {
    const long = `${'x'.repeat(63)}😀`
    const { asked = '' } = said(job(long)).change.explanation ?? {}
    expect(asked.isWellFormed()).toBe(true)
    expect(said(job(long, answered(asked, 60))).looks).toBe(false)
  })

  test('answers who asked, with the word of the question', () => {
    expect(said(job('first')).change.explanation).toEqual({
      asked: 'first',
      answeredAt: toTime(now),
      verdict: 'Waits',
      providers: [
        {
          provider: 'acme',
          fits: false,
          reasons: explanation.reasons.slice(0, 3),
          options: [
            {
              changes: [
                {
                  change: 'Gpus',
                  field: 'spec.gpus.count',
                  value: '7',
                  says: 'ask for 7 GPUs of each worker in place of 8 (spec.gpus.count)',
                },
              ],
            },
          ],
        },
      ],
      otherProviders: 0,
    })
  })

  test('answers a question once', () => {
    const { change, looks } = said(job('first', answered('first', 600)))
    expect([change.explanation?.asked, looks]).toEqual(['first', false])
  })

  test('lets who asks again and again wait', () => {
    const { change, againMs, looks } = said(job('second', answered('first', 1)))
    expect([change.explanation?.asked, againMs, looks]).toEqual(['first', 1000, false])
    expect(said(job('second', answered('first', 2))).change.explanation?.asked).toBe('second')
  })

  test('comes again soon where the hub looks for somebody else', () => {
    const { change, againMs } = said(job('first'), 'Busy')
    expect([change.explanation, againMs]).toEqual([undefined, 500])
  })

  test('forgets the answer when the question is taken back', () => {
    expect(said(job(undefined, answered('first', 600))).change.explanation).toBeUndefined()
  })

  test('tells of twenty providers, first of those that are of help, and counts the others', () => {
    const none = Array.from({ length: 30 }, (_, i) => advice({ provider: `none-${i}`, options: [] }))
    const { explanation: answer } = said(job('first'), [...none, advice({ provider: 'z' })]).change
    expect([answer?.providers.length, answer?.providers[0]?.provider, answer?.otherProviders]).toEqual([20, 'z', 11])
  })

  test('says nothing longer than the schema takes', () => {
    const long: Change = { change: 'NodeSelector', without: Array.from({ length: 16 }, () => 'x'.repeat(63)) }
    const { explanation: answer } = said(job('q'.repeat(300)), [advice({ options: [[long]] })]).change
    expect(answer?.asked.length).toBe(64)
    expect(answer?.providers[0]?.options[0]?.changes[0]?.says.length).toBe(256)
  })
})
