// The one place where statuses with conditions are written; events and transition metrics follow from what changed.
import type { GpuJobReason, GpuQueueReason, ProviderReason } from '../../api/conditions.ts'
import { apiVersion } from '../../api/group.ts'
import type { Condition, ObjectMeta } from '../../api/meta.ts'
import type { KubeClient, KubeObject, Resource } from './client.ts'
import { isConflict, isNotFound } from './errors.ts'
import type { Happening, Recorder } from './events.ts'
import { mergePatchBetween } from './merge-patch.ts'
import { sendStatus } from './status-request.ts'

export interface WithConditions extends KubeObject {
  readonly metadata: ObjectMeta
  readonly status?: { readonly conditions?: readonly Condition[] }
}

/** A condition that changed its status or reason. */
export interface Transition {
  readonly kind: string
  readonly object: ObjectMeta
  readonly condition: Condition
}

/** What a person should look at; what went well stands in the status and needs no event. */
const worthAnEvent: ReadonlySet<string> = new Set<GpuJobReason | GpuQueueReason | ProviderReason>([
  'Suspended',
  'QueueMissing',
  'QueueNotAllowed',
  'SourceMissing',
  'MayNotTravel',
  'PayloadTooLarge',
  'TemplateTooLarge',
  'PullSecretBroken',
  'NotReadable',
  'NeverFits',
  'BackingOff',
  'Preempted',
  'NameTaken',
  'StartTrouble',
  'RunLost',
  'DeadlineExceeded',
  'RetriesExhausted',
  'ExitCodeFails',
  'Silent',
  'HubChanged',
  'Cordoned',
  'Revoked',
  'ModelUnknown',
  'ParentMissing',
  'Cycle',
])

/** `undefined` for a transition that is no news. */
export function happeningOf({ kind, object, condition }: Transition): Happening | undefined {
  if (!worthAnEvent.has(condition.reason)) return undefined
  const { name, namespace, uid } = object
  return {
    regarding: { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) },
    type: condition.reason === 'Suspended' || condition.reason === 'Cordoned' ? 'Normal' : 'Warning',
    reason: condition.reason,
    message: condition.message,
  }
}

/** Counts every transition, and makes an Event of those that are news. */
export function telling(
  recorder: Pick<Recorder, 'record'>,
  count: (transition: Transition) => void,
): (transition: Transition) => void {
  return (transition) => {
    count(transition)
    const happening = happeningOf(transition)
    if (happening) recorder.record(happening)
  }
}

export interface StatusWriter {
  /**
   * `undefined` where the object has changed since it was read, or is gone: nothing was written, and the watch
   * brings what it is now.
   */
  readonly write: <T extends WithConditions>(
    resource: Resource<T>,
    before: Pick<T, 'metadata' | 'status'>,
    after: NonNullable<T['status']>,
  ) => Promise<T | undefined>
}

export function statusWriter(client: KubeClient, onTransition: (transition: Transition) => void): StatusWriter {
  return {
    write: async (resource, before, after) => {
      if (mergePatchBetween(before.status ?? {}, after) === undefined) return undefined
      try {
        const written = await sendStatus(client, resource, { before, after })
        for (const condition of changed(before.status?.conditions, after.conditions)) {
          onTransition({ kind: resource.kind, object: before.metadata, condition })
        }
        return written
      } catch (error) {
        if (isConflict(error) || isNotFound(error)) return undefined
        throw error
      }
    },
  }
}

function changed(before: readonly Condition[] | undefined, after: readonly Condition[] | undefined): Condition[] {
  return (after ?? []).filter(({ type, status, reason }) => {
    const old = before?.find((one) => one.type === type)
    return old?.status !== status || old.reason !== reason
  })
}
