/** Every outcome that jobs and runs ever had, by the watches: what is over stays over, so each has one. */
import { expect } from '@jest/globals'
import type { GpuJob } from '../../operator/src/api/gpujob.ts'
import { outcomeOf } from '../../operator/src/domain/lifecycle/gpurun.ts'
import type { OrderedJob } from './ordered-job.ts'
import type { Stage } from './stage.ts'

const told = new WeakMap<Stage, Map<string, string[]>>()

/** Call before the first job is made. */
export function countOutcomes(stage: Stage): void {
  const byJob = new Map<string, string[]>()
  const add = (uid: string, outcome: string) => {
    const known = byJob.get(uid) ?? []
    if (!known.includes(outcome)) byJob.set(uid, [...known, outcome])
  }
  stage.runs.onChange(({ object }) => {
    const outcome = outcomeOf(object)
    if (outcome !== undefined) add(object.spec.job.uid, `${object.spec.run} ${outcome}`)
  })
  stage.jobs.onChange(({ object }) => {
    if (isFinished(object)) add(object.metadata.uid, object.status?.state ?? '')
  })
  told.set(stage, byJob)
}

/**
 * That there were these and no others, such as `['1 Rejected', '2 Succeeded', 'Succeeded']`: of its runs in the order in which
 * they came, then of itself. Jobs and runs come by different watches: what one of them has told, the other may tell later.
 */
export async function expectOutcomes(stage: Stage, { uid }: OrderedJob, expected: readonly string[]): Promise<void> {
  const outcomes = told.get(stage)
  if (!outcomes) throw new Error('nobody counts the outcomes of this stage')
  const known = () => outcomes.get(uid) ?? []
  await stage.runs.until({
    what: `the outcomes ${expected.join(', ')}`,
    seconds: 20,
    find: () => known().length >= expected.length || undefined,
    state: () => known().join(', '),
  })
  const isOfRun = (outcome: string) => /^\d/.test(outcome)
  expect(known().toSorted((a, b) => Number(isOfRun(b)) - Number(isOfRun(a)))).toEqual(expected)
}

function isFinished({ status }: GpuJob): boolean {
  return status?.conditions.some(({ type, status: is }) => type === 'Finished' && is === 'True') ?? false
}
