// Whoever looks for breaches must be able to see them.
import { describe, expect, test } from '@jest/globals'
import type { Job, Pod } from '../../operator/src/adapters/kubernetes/resources.ts'
import { runLabels } from '../../operator/src/domain/workload/run-labels.ts'
import { gpuJob } from '../builders/gpujob.ts'
import { gpuRun } from '../builders/gpurun.ts'
import { Witness } from './witness.ts'

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`

/** Tells a witness of the namespace `team` what happens, in its order. */
class Story {
  readonly witness = new Witness('team', () => Date.parse(at(this.second)))
  second = 0

  job(finished?: string): this {
    const conditions = finished
      ? [{ type: 'Finished', status: 'True' as const, reason: finished, message: '', lastTransitionTime: at(0) }]
      : []
    this.witness.seeJob({ type: 'MODIFIED', object: gpuJob({ status: { conditions } }) })
    return this
  }

  run(run: number, rest: { stoppedAt?: number; state?: 'Succeeded' | 'Failed' } = {}): this {
    const { stoppedAt, state } = rest
    const stop = { reason: 'Suspended', requestedAt: at(stoppedAt ?? 0) } as const
    const object = gpuRun({
      metadata: { uid: `run-${run}` },
      spec: { run, ...(stoppedAt === undefined ? {} : { stop }) },
      ...(state ? { status: { state, reason: state } } : {}),
    })
    this.witness.seeRun({ type: 'MODIFIED', object })
    return this
  }

  pod(
    run: number,
    is: { created?: number; on?: string; deletedAt?: number; ended?: number; exit?: number } = {},
  ): this {
    const { created = 0, on = 'acme', deletedAt, ended, exit = 0 } = is
    const terminated = { exitCode: exit, reason: 'x', startedAt: at(created), finishedAt: at(ended ?? 0) }
    const object = {
      metadata: {
        ...this.#of(run, `pod-${run}-${on}`, created),
        ...(deletedAt === undefined ? {} : { deletionTimestamp: at(deletedAt) }),
      },
      spec: { containers: [] },
      status: {
        phase: ended === undefined ? 'Running' : exit === 0 ? 'Succeeded' : 'Failed',
        containerStatuses: ended === undefined ? [] : [{ name: 'main', state: { terminated } }],
      },
    }
    this.witness.seePod(on, { type: 'MODIFIED', object: object as unknown as Pod })
    return this
  }

  ownJob(run: number, is: { uid?: string; type?: 'ADDED' | 'DELETED'; removedAt?: number } = {}): this {
    const { uid = `own-${run}`, type = 'ADDED', removedAt } = is
    const deleting = removedAt === undefined ? {} : { deletionTimestamp: at(removedAt) }
    const object = { metadata: { ...this.#of(run, uid, 0), ...deleting }, spec: {} }
    this.witness.seeOwnJob('acme', { type, object: object as unknown as Job })
    return this
  }

  #of(run: number, uid: string, created: number) {
    const labels = runLabels(gpuRun({ spec: { run } }), 'hub-uid')
    return { name: uid, namespace: 'gpc-team', uid, resourceVersion: '1', creationTimestamp: at(created), labels }
  }
}

const cases: readonly { name: string; story: (story: Story) => Story; says: readonly RegExp[] }[] = [
  {
    name: 'a job that runs once and ends once',
    story: (story) =>
      story.job().run(1).ownJob(1).pod(1).pod(1, { ended: 3 }).run(1, { state: 'Succeeded' }).job('Succeeded'),
    says: [],
  },
  {
    name: 'a job that ends otherwise later',
    story: (story) => story.job('Succeeded').job('Failed'),
    says: [/Succeeded, then as Failed/],
  },
  {
    name: 'a job that ends, goes on and ends again',
    story: (story) => story.job('Succeeded').job().job('Succeeded'),
    says: [/ended 2 times/, /is not any more/],
  },
  {
    name: 'a run that is over otherwise later',
    story: (story) => story.run(1, { state: 'Succeeded' }).run(1, { state: 'Failed' }),
    says: [/was Succeeded, then Failed/],
  },
  {
    name: 'a second run on the same provider before the first has ended',
    story: (story) => story.run(1, { stoppedAt: 1 }).pod(1).pod(2, { created: 2 }).pod(1, { ended: 2, exit: 1 }),
    says: [/run 2 on acme was live beside run 1 on acme/],
  },
  {
    name: 'a second run elsewhere while the first goes on',
    story: (story) => story.pod(1).pod(2, { created: 2, on: 'borealis' }).pod(1, { ended: 4, exit: 1 }),
    says: [/run 2 on borealis was live beside run 1 on acme/],
  },
  {
    name: 'a second run elsewhere, whose first pod another watch told us too early',
    story: (story) => story.pod(1).pod(2, { created: 4, on: 'borealis' }).pod(1, { ended: 4, exit: 1 }),
    says: [],
  },
  {
    name: 'a second run after the first one had succeeded',
    story: (story) => story.run(1).pod(1).pod(1, { ended: 3 }).pod(2, { created: 5 }),
    says: [/run 1 had succeeded, and run 2 was started/],
  },
  {
    name: 'a second run after the first one had succeeded, and was told to stop long after that',
    story: (story) =>
      story
        .run(1)
        .ownJob(1)
        .pod(1)
        .pod(1, { ended: 3 })
        .run(1, { stoppedAt: 6 })
        .ownJob(1, { removedAt: 6 })
        .pod(2, { created: 8 }),
    says: [/run 1 had succeeded, and run 2 was started/],
  },
  {
    name: 'a second run after the first one left with 0 while it was told to stop',
    story: (story) =>
      story
        .run(1)
        .ownJob(1)
        .pod(1)
        .run(1, { stoppedAt: 3 })
        .pod(1, { ended: 3 })
        .ownJob(1, { removedAt: 5 })
        .pod(2, { created: 8 }),
    says: [],
  },
  {
    name: 'a Job of a run made twice',
    story: (story) => story.ownJob(1).ownJob(1, { uid: 'another' }),
    says: [/2 Jobs of run/],
  },
  {
    name: 'a worker taken down though nobody had ordered it',
    story: (story) => story.run(1).pod(1).pod(1, { deletedAt: 3 }).pod(1, { deletedAt: 3, ended: 3, exit: 137 }),
    says: [/worker {2}of run 1 was taken down at 00:00:03/],
  },
  {
    name: 'a worker taken down before the order',
    story: (story) => story.run(1).pod(1).pod(1, { deletedAt: 3 }).run(1, { stoppedAt: 5 }),
    says: [/was taken down at 00:00:03, its run was to end at 00:00:05/],
  },
  {
    name: 'a worker taken down by an order',
    story: (story) => story.run(1).ownJob(1).pod(1).run(1, { stoppedAt: 2 }).pod(1, { deletedAt: 3 }),
    says: [],
  },
  {
    name: 'a Job removed though nobody had ordered it',
    story: (story) => story.run(1).ownJob(1).ownJob(1, { type: 'DELETED' }),
    says: [/the Job of run .* was removed/],
  },
]

describe('a witness', () => {
  test.each(cases)('sees what is wrong: $name', ({ story, says }) => {
    const breaches = story(new Story()).witness.breaches()
    expect(breaches).toEqual(says.map((one) => expect.stringMatching(one)))
  })

  test('hears of its own namespace only', () => {
    const witness = new Witness('other')
    witness.seeJob({ type: 'ADDED', object: gpuJob() })
    expect(witness.jobs.size).toBe(0)
  })
})
