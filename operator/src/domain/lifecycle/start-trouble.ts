// What may keep a run from starting, how long that is borne, and whose fault it is (operator/decisions/0017).
import type { GpuRunReason } from '../../api/conditions.ts'
import type { GpuRunSpec } from '../../api/gpurun.ts'
import type { WorkerRecord } from './worker-records.ts'

/** Where the fault lies is not known in seconds: a registry that is away, a disk that is full, a name with a slip in it. */
const trialSeconds = 600

/** As long as a large image may take on a slow line. */
export const silentStartSeconds = 3600

interface Trial {
  readonly ends: 'Failed' | 'Rejected'
  readonly seconds: (spec: Pick<GpuRunSpec, 'bindTimeoutSeconds'>) => number
}

const atOnce = () => 0
const inTime = ({ bindTimeoutSeconds }: Pick<GpuRunSpec, 'bindTimeoutSeconds'>) => bindTimeoutSeconds
const afterTrial = (spec: Pick<GpuRunSpec, 'bindTimeoutSeconds'>) => Math.max(inTime(spec), trialSeconds)

const trials = {
  InvalidImageName: { ends: 'Failed', seconds: atOnce },
  ErrImageNeverPull: { ends: 'Failed', seconds: atOnce },
  // A kubelet that has not read a new Secret yet says so too, and is right with its next try.
  CreateContainerConfigError: { ends: 'Failed', seconds: () => 30 },
  CrashLoopBackOff: { ends: 'Failed', seconds: afterTrial },
  ImagePullBackOff: { ends: 'Rejected', seconds: afterTrial },
  CreateContainerError: { ends: 'Rejected', seconds: afterTrial },
  Forbidden: { ends: 'Rejected', seconds: inTime },
  StartTimeout: { ends: 'Rejected', seconds: (spec) => Math.max(inTime(spec), silentStartSeconds) },
} as const satisfies Partial<Record<GpuRunReason, Trial>>

export type Trouble = keyof typeof trials

/** The kubelet's words for what a container waits for, where they mean trouble; it alternates between some of them. */
const waits: Readonly<Record<string, Trouble>> = {
  InvalidImageName: 'InvalidImageName',
  ErrImageNeverPull: 'ErrImageNeverPull',
  CreateContainerConfigError: 'CreateContainerConfigError',
  CrashLoopBackOff: 'CrashLoopBackOff',
  ErrImagePull: 'ImagePullBackOff',
  ImagePullBackOff: 'ImagePullBackOff',
  ImageInspectError: 'ImagePullBackOff',
  RegistryUnavailable: 'ImagePullBackOff',
  SignatureValidationFailed: 'ImagePullBackOff',
  CreateContainerError: 'CreateContainerError',
  RunContainerError: 'CreateContainerError',
  PreCreateHookError: 'CreateContainerError',
  PreStartHookError: 'CreateContainerError',
  PostStartHookError: 'CreateContainerError',
}

/** How long a run may have this trouble, in milliseconds. */
export function patienceMs(trouble: Trouble, spec: Pick<GpuRunSpec, 'bindTimeoutSeconds'>): number {
  return trials[trouble].seconds(spec) * 1000
}

/** How a run ends of it; `undefined`: no trouble of starting. */
export function endOfTrial(reason: string): Trial['ends'] | undefined {
  return Object.hasOwn(trials, reason) ? trials[reason as Trouble].ends : undefined
}

/** The worst trouble of any worker: the one that is borne for the shortest time. */
export function troubleIn(
  workers: readonly WorkerRecord[],
  spec: Pick<GpuRunSpec, 'bindTimeoutSeconds'>,
): { readonly trouble: Trouble; readonly message: string } | undefined {
  const found = workers.flatMap(({ pod, goneSince }) =>
    goneSince !== undefined || pod.deleting
      ? []
      : pod.containers.flatMap(({ name, state, reason = '', message }) => {
          const trouble = state === 'Waiting' && Object.hasOwn(waits, reason) ? waits[reason] : undefined
          if (trouble === undefined) return []
          return [{ trouble, message: `worker ${pod.index}: container ${name}: ${message ?? reason}` }]
        }),
  )
  return found.toSorted((a, b) => patienceMs(a.trouble, spec) - patienceMs(b.trouble, spec))[0]
}
