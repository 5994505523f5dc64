// What became of each pod of a run, kept beyond the pod itself: a vanished pod proves nothing.
import type { GpuRun, GpuRunStatus } from '../../api/gpurun.ts'
import { outcomeOf, runId } from './gpurun.ts'

/** A pod of ours as the watch delivers it, cut down to what is used. */
export interface WorkerPod {
  readonly uid: string
  readonly name: string
  readonly runId: string
  /** The completion index of the Indexed Job. */
  readonly index: number
  /** `undefined` until the scheduler bound it. */
  readonly node: string | undefined
  /** When it was bound, by the provider's clock. */
  readonly boundAt: string | undefined
  readonly phase: string
  readonly deleting: boolean
  /** When somebody asked for its deletion, by the provider's clock. */
  readonly deletingSince: string | undefined
  /** `status.reason`, e.g. `Evicted`. */
  readonly reason: string | undefined
  readonly message: string | undefined
  /** Reason of the condition DisruptionTarget where it is true, e.g. `PreemptionByScheduler`. */
  readonly disruption: string | undefined
  /** All containers, init and sidecars too; the main one first. */
  readonly containers: readonly ContainerSeen[]
}

export interface ContainerSeen {
  readonly name: string
  /** A sidecar is an init container that runs beside the others: only a plain one that fails ends the pod. */
  readonly role: 'Container' | 'Init' | 'Sidecar'
  readonly state: 'Waiting' | 'Running' | 'Terminated'
  /** Why it waits or ended. */
  readonly reason: string | undefined
  readonly message: string | undefined
  readonly restarts: number
  readonly exitCode: number | undefined
  readonly startedAt: string | undefined
  readonly finishedAt: string | undefined
}

/** The last that was known of a pod, and since when it is gone. */
export interface WorkerRecord {
  readonly pod: WorkerPod
  /** Boot clock, milliseconds: when the pod disappeared from the API; absent while it is there. */
  readonly goneSince?: number
}

/**
 * How long a node must be Ready after a pod of it vanished without a last word, in milliseconds, before its
 * containers count as ended: a kubelet that reports Ready is in step with its API server and kills pods that
 * the API no longer knows (operator/decisions/0003).
 */
export const vanishedSettleMs = 60_000

const unseen = {
  name: '',
  boundAt: undefined,
  phase: 'Unknown',
  deleting: true,
  deletingSince: undefined,
  reason: undefined,
  message: undefined,
  disruption: undefined,
  containers: [],
} as const

/** Of a pod of which only the node is known, and that only perhaps. */
const nobody = -1

/** All that the agent has seen of the pods of the runs; fed by the pod watch, in its order. */
export class WorkerRecords {
  readonly #byRun = new Map<string, Map<string, WorkerRecord>>()
  /** By run: how many pods must be known before nothing needs to be guessed of it any more. */
  readonly #guessed = new Map<string, number>()

  seen(pod: WorkerPod): void {
    const ofRun = this.#byRun.get(pod.runId) ?? new Map<string, WorkerRecord>()
    this.#byRun.set(pod.runId, ofRun.set(pod.uid, { pod }))
    const expected = this.#guessed.get(pod.runId)
    if (expected === undefined || pod.index === nobody) return
    const isGuess = (one: WorkerRecord) => one.pod.index === nobody
    if (
      ofRun
        .values()
        .filter((one) => !isGuess(one))
        .toArray().length < expected
    )
      return
    for (const [uid, one] of ofRun) if (isGuess(one)) ofRun.delete(uid)
    this.#guessed.delete(pod.runId)
  }

  gone(pod: WorkerPod, bootMs: number): void {
    this.seen(pod)
    this.#byRun.get(pod.runId)?.set(pod.uid, { pod, goneSince: bootMs })
  }

  of(id: string): readonly WorkerRecord[] {
    return [...(this.#byRun.get(id)?.values() ?? [])]
  }

  /**
   * Tells of the workers whose pods went while nobody looked: that they went proves nothing. The status names those
   * that ran when it was written. Before that, the Job has counted its pods, and they can only be on the run's own nodes.
   */
  missed(run: GpuRun, { bootMs, podsCounted }: { readonly bootMs: number; readonly podsCounted: number }): void {
    if (outcomeOf(run) !== undefined) return
    const id = runId(run)
    const known = new Set(this.of(id).map(({ pod }) => pod.index))
    const told = run.status?.workers ?? []
    for (const { index, node } of told) {
      if (!known.has(index)) this.gone({ ...unseen, uid: `${id}/${index}`, runId: id, index, node }, bootMs)
    }
    const expected = Math.min(podsCounted, run.spec.workers)
    if (this.of(id).length >= expected) return
    this.#guessed.set(id, expected)
    for (const { name: node } of run.spec.nodes) {
      this.gone({ ...unseen, uid: `${id}/on/${node}`, runId: id, index: nobody, node }, bootMs)
    }
  }

  /** The runs that have had a worker on this node: all of them may change when the node does. */
  runsOn(node: string): readonly string[] {
    const hasWorkerThere = (pods: ReadonlyMap<string, WorkerRecord>) =>
      pods.values().some(({ pod }) => pod.node === node)
    return [...this.#byRun].filter(([, pods]) => hasWorkerThere(pods)).map(([id]) => id)
  }

  /** Once the run's end is written down, nothing more is asked about it. */
  forget(id: string): void {
    this.#byRun.delete(id)
    this.#guessed.delete(id)
  }
}

type Place = NonNullable<GpuRunStatus['workers']>[number]

/** Where each worker really is and how it is, by its index; of several pods of one index the last one counts. */
export function placesOf(workers: readonly WorkerRecord[]): Place[] {
  const places = workers.flatMap((record) => {
    const { index, node } = record.pod
    return node === undefined || index === nobody ? [] : [placeOf(record, node)]
  })
  return [...new Map(places.map((place) => [place.index, place])).values()].toSorted((a, b) => a.index - b.index)
}

function placeOf({ pod, goneSince }: WorkerRecord, node: string): Place {
  const { index, phase, containers } = pod
  const main = containers[0]
  const state = hasEnded(pod)
    ? phase === 'Succeeded'
      ? 'Succeeded'
      : 'Failed'
    : goneSince !== undefined
      ? 'Lost'
      : phase === 'Pending'
        ? 'Waiting'
        : 'Running'
  const why = state === 'Waiting' || state === 'Failed' ? (pod.reason ?? main?.reason) : undefined
  const restarts = containers.reduce((sum, one) => sum + one.restarts, 0)
  return {
    index,
    node,
    state,
    ...(why !== undefined && isWord(why) ? { reason: why } : {}),
    ...(main?.exitCode === undefined ? {} : { exitCode: main.exitCode }),
    ...(restarts === 0 ? {} : { restarts }),
  }
}

/** As the schema has reasons: a resource's name in a kubelet's word (`OutOfnvidia.com/gpu`) does not fit. */
function isWord(text: string): boolean {
  return /^[A-Z][A-Za-z0-9]{0,63}$/.test(text)
}

/** Whether the kubelet said that every container of the pod has ended, or that none will ever start. */
export function hasEnded({ phase, containers, reason, disruption }: WorkerPod): boolean {
  if (phase !== 'Succeeded' && phase !== 'Failed') return false
  if (containers.some(({ state }) => state === 'Running')) return false
  if (phase === 'Succeeded' || (containers.length > 0 && containers.every(({ state }) => state === 'Terminated')))
    return true
  // PodGC writes "Failed" for nodes that do not answer, and not always with its condition: what is only the control
  // plane's opinion never has a reason of the kubelet, nor an init container that failed.
  const initFailed = containers.some(
    ({ role, exitCode }) => role === 'Init' && exitCode !== undefined && exitCode !== 0,
  )
  const refusedByKubelet = reason !== undefined && reason !== 'NodeLost' && disruption !== 'DeletionByPodGC'
  return initFailed || refusedByKubelet
}

export interface NodeSeen {
  readonly ready: boolean
  /** Boot clock, milliseconds, of the moment since when it is Ready without a break, as far as we saw. */
  readonly readySince: number
}

/** Milliseconds until the pod counts as over by what is known now; `undefined` while that cannot be foreseen. */
export function overIn(record: WorkerRecord, node: NodeSeen | undefined, bootMs: number): number | undefined {
  const { pod, goneSince } = record
  if (hasEnded(pod)) return 0
  if (goneSince === undefined) return undefined
  if (pod.node === undefined) return 0
  if (!node?.ready) return undefined
  return Math.max(0, Math.max(goneSince, node.readySince) + vanishedSettleMs - bootMs)
}
