import { describe, expect, test } from '@jest/globals'
import { now, renderedRun, runOnProvider, runSeen } from '../../../../test/builders/gpurun-seen.ts'
import { containerSeen, ended, failed, record, workerPod } from '../../../../test/builders/worker-pod.ts'
import { toTime } from '../../api/time.ts'
import { intentOf } from './gpurun-ending.ts'
import type { Seen } from './gpurun-seen.ts'
import { afterRefusal } from './gpurun-start.ts'
import { decide } from './gpurun-steps.ts'
import type { ContainerSeen, WorkerPod } from './worker-records.ts'

const ago = (seconds: number) => toTime(now - seconds * 1000)

/** A pod on its node since ten seconds that waits for this. */
function waits(reason: string, change: Partial<ContainerSeen> = {}): WorkerPod {
  return workerPod({ phase: 'Pending', containers: [containerSeen({ state: 'Waiting', reason, ...change })] })
}

/** A run that has said of this trouble, so many seconds ago. */
function troubled(reason: string, seconds: number, spec = {}) {
  return runOnProvider({ reason, message: 'said before', troubleSince: ago(seconds) }, spec)
}

interface Case {
  readonly name: string
  readonly seen: Partial<Seen>
  readonly says: string
}

const first: readonly Case[] = [
  {
    name: 'an image that cannot be pulled is told at once and borne for ten minutes',
    seen: { workers: [record(waits('ErrImagePull'))] },
    says: 'not begun/ImagePullBackOff again in 600 s',
  },
  {
    name: 'or as long as the workers may take to be bound',
    seen: { run: runOnProvider(undefined, { bindTimeoutSeconds: 1800 }), workers: [record(waits('ErrImagePull'))] },
    says: 'not begun/ImagePullBackOff again in 1800 s',
  },
  {
    name: 'a container that cannot be created',
    seen: { workers: [record(waits('CreateContainerError'))] },
    says: 'not begun/CreateContainerError again in 600 s',
  },
  {
    name: 'a sidecar that ends again and again',
    seen: {
      workers: [
        record(
          workerPod({
            phase: 'Pending',
            containers: [
              containerSeen({ state: 'Waiting', reason: 'PodInitializing' }),
              containerSeen({ state: 'Waiting', reason: 'CrashLoopBackOff', role: 'Sidecar', name: 'proxy' }),
            ],
          }),
        ),
      ],
    },
    says: 'not begun/CrashLoopBackOff again in 600 s',
  },
  {
    name: 'a Secret that the kubelet has not read yet',
    seen: { workers: [record(waits('CreateContainerConfigError'))] },
    says: 'not begun/CreateContainerConfigError again in 30 s',
  },
  {
    name: 'of two kinds of trouble the one that is borne for less',
    seen: {
      run: runOnProvider(undefined, { workers: 2 }),
      service: 'Ours',
      workers: [record(waits('ErrImagePull')), record({ ...waits('ErrImageNeverPull'), uid: 'b', index: 1 })],
    },
    says: 'not begun/ErrImageNeverPull',
  },
  {
    name: 'a word of the kubelet that means nothing bad',
    seen: { workers: [record(waits('ContainerCreating'))] },
    says: 'again in 3590 s',
  },
  {
    name: 'a pod that is on its way out has no trouble',
    seen: { workers: [record({ ...waits('ErrImagePull'), deleting: true })] },
    says: '',
  },
]

const lasting: readonly Case[] = [
  {
    name: 'is told once, though the kubelet alternates between two words for it',
    seen: { run: troubled('ImagePullBackOff', 60), workers: [record(waits('ErrImagePull'))] },
    says: 'again in 540 s',
  },
  {
    name: 'ends the run when it has lasted too long',
    seen: { run: troubled('ImagePullBackOff', 600), workers: [record(waits('ImagePullBackOff'))] },
    says: 'not begun/ImagePullBackOff',
  },
  {
    name: 'does not end it when the image came at last',
    seen: { run: troubled('ImagePullBackOff', 900), workers: [record(waits('ContainerCreating'))] },
    says: 'again in 3590 s',
  },
  {
    name: 'begins anew when it is another trouble',
    seen: { run: troubled('ImagePullBackOff', 900), workers: [record(waits('CreateContainerError'))] },
    says: 'not begun/CreateContainerError again in 600 s',
  },
  {
    name: 'is forgotten when the run runs',
    seen: { run: troubled('ImagePullBackOff', 900), workers: [record(workerPod())] },
    says: 'Running',
  },
  {
    name: 'is no reason for an end that came of something else',
    seen: { run: troubled('ImagePullBackOff', 60), workers: [record(failed(3))] },
    says: 'Failed/NonZeroExit',
  },
  {
    name: 'does not keep others of a gang from being given up for want of room',
    seen: {
      run: troubled('ImagePullBackOff', 60, { workers: 2 }),
      now: now + 110_000,
      service: 'Ours',
      workers: [record(waits('ErrImagePull')), record(workerPod({ index: 1, node: undefined, phase: 'Pending' }))],
    },
    says: 'not begun/NoRoom',
  },
]

const hour = now + 3600_000
const quiet: readonly Case[] = [
  {
    name: 'a worker that says nothing for an hour is given up',
    seen: { now: hour, workers: [record(waits('ContainerCreating'))] },
    says: 'not begun/StartTimeout',
  },
  {
    name: 'not one whose init container works all that time',
    seen: {
      now: hour,
      workers: [
        record({ ...waits('PodInitializing'), containers: [...waits('PodInitializing').containers, init('Running')] }),
      ],
    },
    says: '',
  },
  {
    name: 'the hour begins anew when an init container has ended',
    seen: {
      now: hour,
      workers: [
        record({ ...waits('PodInitializing'), containers: [...waits('PodInitializing').containers, init('Ended')] }),
      ],
    },
    says: 'again in 110 s',
  },
  {
    name: 'of a pod of which nobody says when it was bound, nothing is reckoned',
    seen: { now: hour, workers: [record({ ...waits('ContainerCreating'), boundAt: undefined })] },
    says: '',
  },
]

function init(how: 'Running' | 'Ended'): ContainerSeen {
  return how === 'Running'
    ? containerSeen({ name: 'prepare', role: 'Init' })
    : ended(0, { name: 'prepare', role: 'Init' })
}

describe('a run that does not start', () => {
  describe.each(Object.entries({ first, lasting, quiet }))('%s', (_, cases) => {
    test.each(cases)('$name', ({ seen, says }) => {
      expect(renderedRun(decide(runSeen(seen)))).toBe(says)
    })
  })

  test('says which worker, which container, and what the kubelet says', () => {
    const { status } = decide(runSeen({ workers: [record(waits('ErrImagePull', { message: 'no such host' }))] }))
    expect(status).toMatchObject({
      message: 'worker 0: container main: no such host',
      troubleSince: toTime(now),
      workers: [{ index: 0, node: 'node-1', state: 'Waiting', reason: 'ErrImagePull' }],
    })
  })

  test.each([
    { reason: 'ImagePullBackOff', says: 'Rejected' },
    { reason: 'CreateContainerError', says: 'Rejected' },
    { reason: 'StartTimeout', says: 'Rejected' },
    { reason: 'Forbidden', says: 'Rejected' },
    { reason: 'CrashLoopBackOff', says: 'Failed' },
    { reason: 'CreateContainerConfigError', says: 'Failed' },
    { reason: 'InvalidImageName', says: 'Failed' },
  ])('$reason ends as $says once it is no longer borne, and not before', ({ reason, says }) => {
    expect(intentOf(runOnProvider({ reason }))?.state).toBe(says)
    expect(intentOf(troubled(reason, 1))).toBeUndefined()
  })
})

describe('what the provider refuses', () => {
  const forbidden = { reason: 'Forbidden', message: 'exceeded quota' } as const
  test.each([
    { name: 'for good ends the run', refusal: { reason: 'Invalid', message: 'm' } as const, says: 'not begun/Invalid' },
    { name: 'by a quota is told and tried again', refusal: forbidden, says: 'not begun/Forbidden again in 10 s' },
    {
      name: 'still, is tried again',
      refusal: forbidden,
      run: troubled('Forbidden', 60),
      says: 'again in 10 s',
    },
    {
      name: 'to the last second',
      refusal: forbidden,
      run: troubled('Forbidden', 117),
      says: 'again in 3 s',
    },
    {
      name: 'for as long as a run may take to be bound ends it',
      refusal: forbidden,
      run: troubled('Forbidden', 120),
      says: 'not begun/Forbidden',
    },
  ])('$name', ({ refusal, run = runOnProvider(), says }) => {
    const decision = afterRefusal(runSeen({ run, job: undefined }), refusal)
    expect(renderedRun(decision)).toBe(says)
    expect(decision.status?.troubleSince === undefined).toBe(!says.includes('again') || says.startsWith('again'))
  })

  test('and takes at last is no trouble any more', () => {
    const { status } = decide(runSeen({ run: troubled('Forbidden', 60) }))
    expect(status).toEqual({ observedGeneration: 1 })
  })

  test('is asked again while it is borne', () => {
    expect(renderedRun(decide(runSeen({ run: troubled('Forbidden', 60), job: undefined })))).toBe('createJob')
  })
})
